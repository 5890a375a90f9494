"""Objects that cannot be read never end the operator, whatever is wrong with them, and hold up no other."""

import copy
from collections.abc import Iterator
from typing import Any

import builders
import pytest
from operator_bench import Bench
from spoiled import every_way_to_spoil

from moorage_crds import names
from moorage_crds.objects import RawObject

UID = builders.uid_of(f"deployment {builders.NAMESPACE} production.web")
PLURALS = (names.DEPLOYMENTS, names.ENVIRONMENTS, names.RECORDS)


@pytest.fixture
async def bench() -> Bench:
    """A cluster with an environment, a binding with a history, and one replica that knows all of it."""
    made = Bench()
    made.store.put(builders.environment())
    replica = made.replica()
    made.release("v1")
    await replica.sweep.once()
    await made.settle()
    return made


def spoiled(bench: Bench, plural: str) -> Iterator[RawObject]:
    """The first object of a kind, spoiled in every way, each time as another object."""
    good = next(raw for key, raw in bench.store.objects.items() if key[0] == plural)

    def numbered(number: int) -> RawObject:
        raw = copy.deepcopy(good)
        uid = builders.uid_of(str(number))
        name = names.record_name(uid, 1) if plural == names.RECORDS else f"{good['metadata']['name']}-{number}"
        raw["metadata"] |= {"uid": uid, "name": name, "resourceVersion": str(100_000 + number)}
        return raw

    return every_way_to_spoil(numbered)


def releases(bench: Bench) -> list[Any]:
    """Those of the good binding, in the order of its chain."""
    return [
        raw["spec"]["release"]
        for key, raw in sorted(bench.store.objects.items())
        if key[0] == names.RECORDS and key[2].startswith(UID)
    ]


@pytest.mark.parametrize("plural", PLURALS)
async def test_what_a_list_shows_holds_up_no_sweep(bench: Bench, plural: str) -> None:
    for number, raw in enumerate(list(spoiled(bench, plural))):
        bench.store.objects[plural, builders.NAMESPACE, f"odd {number}"] = raw
    bench.release("v2")
    for _ in range(2):
        await bench.replicas[0].sweep.once()
    await bench.until(lambda: releases(bench) == ["v1", "v2"])


@pytest.mark.parametrize("plural", PLURALS)
async def test_what_a_watch_delivers_stops_no_event(bench: Bench, plural: str) -> None:
    intake = bench.replicas[0].intake
    for raw in list(spoiled(bench, plural)):
        for event in (None, "MODIFIED", "DELETED"):
            intake.watched(plural, event, copy.deepcopy(raw))
    bench.release("v2")
    await bench.until(lambda: releases(bench) == ["v1", "v2"])
