"""Facts → the part of a Deployment's status that is about the rollout of its releases. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from moorage_crds import names
from moorage_crds.conditions import Condition, ConditionType, Reason
from moorage_crds.objects import mapping
from moorage_operator.delivery import decisions
from moorage_operator.facts import DeploymentFacts, Phase, RolloutFacts


def rollout_facts(facts: DeploymentFacts) -> RolloutFacts:
    """What decides the rollout: the newest recorded change, and what follows the binding."""
    sequence = facts.progress.sequence
    return RolloutFacts(
        sequence=sequence,
        release=facts.progress.release or "",
        deployment_id=names.record_name(facts.deployment.uid, sequence),
        targets=facts.targets or (),
        stored=mapping(facts.stored.get("rollout")),
        outcomes=tuple(map(mapping, facts.stored.get("outcomes") or ())),
        now=facts.now,
    )


def parts(facts: DeploymentFacts) -> dict[str, Any]:
    """`rollout` and `outcomes`; None where there is nothing to say."""
    if facts.targets is None:
        return {"rollout": facts.stored.get("rollout"), "outcomes": facts.stored.get("outcomes")}
    rollout = rollout_facts(facts)
    return {"rollout": decisions.rollout(rollout), "outcomes": decisions.outcomes(rollout) or None}


def failure(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Why a rollout has failed that had not yet in the status before; None if it has not."""
    was, now = (mapping(status.get("rollout")) for status in (before, after))
    if now.get("phase") != Phase.FAILED or (was.get("phase"), was.get("sequence")) == ("Failed", now.get("sequence")):
        return None
    return str(now.get("message") or "the rollout failed")


def conditions(facts: DeploymentFacts) -> Sequence[Condition]:
    """`RolledOut`, while something follows the binding."""
    rollout = parts(facts)["rollout"]
    if rollout is None:
        if not facts.targets:
            return ()
        message = "nothing is deployed; what follows this binding is left as it is"
        return (Condition(ConditionType.ROLLED_OUT, False, Reason.UNDEPLOYED, message),)
    phase = Phase(rollout["phase"])
    message = rollout.get("message") or "everything that follows this binding has become the release"
    return (Condition(ConditionType.ROLLED_OUT, phase is Phase.HEALTHY, Reason(phase.value), message),)
