"""Hands on what kopf's watches deliver, and does nothing else.

Never awaits the API and never raises, because kopf neither waits nor repeats; returns None, because kopf would store
anything else in the status.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import kopf

from moorage_crds.kinds.kind import Resource
from moorage_crds.kinds.registry import WORKED_ON
from moorage_operator.dispatch import Intake

#: Objects of one list do not lie further apart. Seconds; the list of 10,000 objects takes 10 as a whole.
LIST_SECONDS: Final = 30.0


class Lists:
    """Tells when a watch has begun again: kopf does that silently when its version has expired.

    Args:
        now: monotonic seconds at which the first list begins.
    """

    def __init__(self, now: float) -> None:
        self._is_over = False
        self._last = now

    def begins_again(self, kind: str | None, now: float) -> bool:
        """Whether this event is the first one of another list; `kind` None is an object of a list."""
        if kind is not None:
            self._is_over = True
            return False
        again = self._is_over or now - self._last > LIST_SECONDS
        self._is_over, self._last = False, now
        return again


def register(registry: kopf.OperatorRegistry, intake: Intake, *, interrupted: Callable[[], None]) -> None:
    """Watch, in the whole cluster, what the registry of kinds says that the operator watches.

    Args:
        registry: kopf's handlers.
        intake: gets what is watched.
        interrupted: called when a watch begins again with a list: what went meanwhile is in no event.
    """
    for resource in WORKED_ON:
        if "watch" in resource.operator.verbs:
            _watch(registry, intake, resource, interrupted)


def _watch(
    registry: kopf.OperatorRegistry, intake: Intake, resource: Resource, interrupted: Callable[[], None]
) -> None:
    plural = resource.plural
    clock = asyncio.get_running_loop().time
    lists = Lists(clock())

    @kopf.on.event(group=resource.group, version=resource.version, plural=plural, registry=registry, id=plural)
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        # The raw object, because kopf's `body` view costs more.
        raw: Any = event["object"]
        if lists.begins_again(event["type"], clock()):
            interrupted()
        intake.watched(plural, event["type"], raw)
