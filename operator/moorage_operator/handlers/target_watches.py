"""Watches objects that follow bindings or ask for a refresh: a reflector for each kind that the administrator named.

They are our own, because kopf keeps an index and a queue for every object and these are not ours.
A kind that is not served, or not allowed, is asked for again: its CRD may come later.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from moorage_crds.clock import Clock
from moorage_crds.kinds.refresh import REFRESH_SELECTOR
from moorage_crds.kinds.target import SELECTOR
from moorage_crds.kube.client import KubernetesStore
from moorage_crds.kube.reflector import Reflector
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError, NotFoundError, Sink, StoreError
from moorage_operator.delivery.reading import target_of
from moorage_operator.memory.kind_sink import Kept, Placed
from moorage_operator.memory.refreshables import Refreshables
from moorage_operator.memory.targets import Targets
from moorage_operator.refreshing.reading import refreshable_of

#: Seconds between two looks for a kind that is not there, and after any other trouble before the first list.
ABSENT_SECONDS: Final = 30.0
TROUBLE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)

ViewT = TypeVar("ViewT", bound=Placed)


async def follow_targets(store: KubernetesStore, targets: Targets, resources: Sequence[str], clock: Clock) -> None:
    """Keep `targets` equal to what is in the cluster, until cancelled."""
    await _follow_all(store, targets, _Watched(resources, SELECTOR, target_of), clock)


async def follow_refreshables(
    store: KubernetesStore, known: Refreshables, resources: Sequence[str], clock: Clock
) -> None:
    """Keep `known` equal to what is in the cluster, until cancelled."""
    await _follow_all(store, known, _Watched(resources, REFRESH_SELECTOR, refreshable_of), clock)


@dataclass(frozen=True, slots=True)
class _Watched(Generic[ViewT]):
    """Kinds, the label of their objects that count, and how one is read."""

    resources: Sequence[str]
    selector: str
    read: Callable[[str, RawObject], ViewT]


class _Memory(Kept[ViewT], Protocol[ViewT]):
    """What is filled."""

    def sink(self, resource: str) -> Sink[ViewT]:
        """What the reflector of a kind fills."""
        ...


async def _follow_all(store: KubernetesStore, kept: _Memory[ViewT], watched: _Watched[ViewT], clock: Clock) -> None:
    async with asyncio.TaskGroup() as group:
        for resource in watched.resources:
            group.create_task(_follow(store, kept, watched, resource, clock))


async def _follow(
    store: KubernetesStore, kept: _Memory[ViewT], watched: _Watched[ViewT], resource: str, clock: Clock
) -> None:
    await _until_served(store, kept, watched, resource)
    reflector = Reflector(
        store,
        resource,
        read=partial(watched.read, resource),
        sink=kept.sink(resource),
        clock=clock,
        selector=watched.selector,
    )
    await reflector.run()


async def _until_served(store: KubernetesStore, kept: _Memory[ViewT], watched: _Watched[ViewT], resource: str) -> None:
    told = False
    while True:
        try:
            async for _ in store.pages(resource, selector=watched.selector):
                break
        except (NotFoundError, ForbiddenError) as error:
            if not told:
                _log.info("kind not served", extra={"fields": {"kind": resource, "error": str(error)}})
            told = True
            kept.listed(resource)
            await asyncio.sleep(ABSENT_SECONDS)
        except StoreError:
            await asyncio.sleep(TROUBLE_SECONDS)
        else:
            return
