"""Approvals that say nothing any more go; the others, and every rejection, stay."""

from collections.abc import Iterator
from typing import Any

import builders
import pytest
from operator_bench import Bench

from moorage_crds import names
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.world import World


def approval(name: str, **said: str) -> dict[str, Any]:
    spec = {"environment": "production", "app": "web", "release": "v2", "decision": "Approve", **said}
    meta = {"name": name, "namespace": builders.NAMESPACE}
    return {"metadata": meta, "spec": spec, "provenance": {"createdBy": "dave"}}


def left(bench: Bench) -> set[str]:
    return {name for plural, _, name in bench.store.objects if plural == names.APPROVALS}


async def test_used_up_approvals_go_a_day_after_they_were_given() -> None:
    bench = Bench()
    made = builders.environment()
    bench.store.put({**made, "spec": {**made["spec"], "approvals": {"required": 1}}})
    bench.release("v1")
    bench.clock.advance(10)
    for one in (approval("yes"), approval("no", decision="Reject"), approval("gone", environment="elsewhere")):
        bench.store.put(one, names.APPROVALS)
    bench.clock.advance(10)
    bench.release("v2")
    bench.clock.advance(10)
    bench.store.put(approval("next", release="v3"), names.APPROVALS)
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    assert left(bench) == {"yes", "no", "gone", "next"}

    bench.clock.advance(86_400)
    await replica.sweep.once()
    await bench.settle()

    assert left(bench) == {"no", "next"}


async def test_a_look_at_many_approvals_looks_at_each_environment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop serves all workspaces: approvers in one must not make a look arbitrarily long."""
    bench = Bench()
    made = builders.environment()
    bench.store.put({**made, "spec": {**made["spec"], "approvals": {"required": 1}}})
    bench.release("v1")
    replica = bench.replica()
    await replica.sweep.once()
    bench.clock.advance(10)
    for number in range(200):
        bench.store.put(approval(f"yes-{number}", release=f"v{number}"), names.APPROVALS)
    bench.clock.advance(100_000)
    looks: list[str] = []
    members = World.members

    def counted(world: World, key: EnvironmentKey) -> Iterator[Chain]:
        looks.append(key[1])
        return members(world, key)

    monkeypatch.setattr(World, "members", counted)
    await replica.sweep.once()

    assert 0 < len(looks) < 20
