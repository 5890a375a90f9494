"""Facts → the part of an Environment's status that is about its ConfigMap. Pure."""

from collections.abc import Sequence
from typing import Any

from moorage_crds.conditions import Condition, ConditionType, Reason, find
from moorage_crds.objects import mapping
from moorage_operator.facts import EnvironmentFacts


def parts(facts: EnvironmentFacts) -> dict[str, Any]:
    """`delivery`: the ConfigMap that has to be left one day. It is named from the beginning, and until it is left."""
    stored = mapping(facts.stored.get("delivery")).get("configMap")
    wanted = facts.environment.delivery_config_map
    held = stored if stored and stored != wanted and not facts.is_left else wanted
    return {"delivery": {"configMap": held}} if held else {}


def conditions(facts: EnvironmentFacts) -> Sequence[Condition]:
    """`Delivered`, while a ConfigMap is asked for; as it is stored, while nobody has looked."""
    if not facts.environment.delivery_config_map:
        return ()
    if facts.published is not None:
        delivered = facts.published.reason is Reason.PUBLISHED
        return (Condition(ConditionType.DELIVERED, delivered, facts.published.reason, facts.published.message),)
    stored = find([mapping(one) for one in facts.stored.get("conditions") or ()], ConditionType.DELIVERED)
    if stored is None or stored.get("reason") not in {reason.value for reason in Reason}:
        return ()
    return (
        Condition(
            ConditionType.DELIVERED,
            stored.get("status") == "True",
            Reason(stored["reason"]),
            str(stored.get("message", "")),
        ),
    )
