"""What kopf's watches deliver: handed on, and nothing else.

Never awaits the API and never raises, because kopf neither waits nor repeats; returns None, because kopf would store
anything else in the status.
"""

from typing import Any

import kopf

from moorage_crds import names
from moorage_operator.loops.intake import Intake


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Watch our kinds and the Namespaces, in the whole cluster."""

    @kopf.on.event(group=names.GROUP, version=names.VERSION, plural=names.DEPLOYMENTS, registry=registry)
    async def deployment_seen(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(intake, names.DEPLOYMENTS, event)

    @kopf.on.event(group=names.GROUP, version=names.VERSION, plural=names.ENVIRONMENTS, registry=registry)
    async def environment_seen(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(intake, names.ENVIRONMENTS, event)

    @kopf.on.event(group="", version="v1", plural=names.NAMESPACES, registry=registry)
    async def namespace_seen(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(intake, names.NAMESPACES, event)


def _hand_on(intake: Intake, plural: str, event: kopf.RawEvent) -> None:
    # The raw object, because kopf's `body` view costs more.
    raw: Any = event["object"]
    intake.watched(plural, event["type"], raw)
