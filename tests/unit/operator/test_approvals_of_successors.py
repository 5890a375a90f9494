"""An Approval counts for the next change of an app: making its Deployment again does not give it a second life."""

from typing import Any

import builders
import pytest
from operator_bench import WEB, Bench

from moorage_crds import names
from moorage_crds.kinds import deployment
from moorage_operator.gates.evidence import bindings_of
from moorage_operator.memory.world import World

KEY = (builders.NAMESPACE, "production")


@pytest.fixture
async def bench() -> Bench:
    """Production wants one yes. v3 has it, but v2 came before."""
    made = Bench()
    environment = builders.environment()
    made.store.put({**environment, "spec": {**environment["spec"], "approvals": {"required": 1}}})
    replica = made.replica()
    await replica.sweep.once()
    await go_on(made, "v1")
    approve(made, "early")
    made.clock.advance(10)
    await go_on(made, "v2")
    return made


async def go_on(bench: Bench, release: str | None) -> None:
    bench.release(release)
    await bench.settle()
    bench.clock.advance(10)


def approve(bench: Bench, name: str) -> None:
    spec = {"environment": "production", "app": "web", "release": "v3", "decision": "Approve"}
    meta = {"name": name, "namespace": builders.NAMESPACE}
    bench.store.put({"metadata": meta, "spec": spec, "provenance": {"createdBy": name}}, names.APPROVALS)
    bench.clock.advance(10)


def approved(bench: Bench) -> dict[str, list[tuple[int, list[str]]]]:
    """By app: from the Environment, and from the binding where there is one."""
    found: dict[str, Any] = dict(bench.environment()["status"]["gates"].get("approved", {}))
    binding = bench.store.objects.get((names.DEPLOYMENTS, builders.NAMESPACE, WEB), {})
    if own := (binding.get("status") or {}).get("evidence", {}).get("approved"):
        assert "web" not in found
        found["web"] = own
    return {app: [(one["sequence"], [by["user"] for by in one["by"]]) for one in those] for app, those in found.items()}


async def make_again(bench: Bench, *, restart: bool) -> None:
    await go_on(bench, None)
    bench.store.remove(names.DEPLOYMENTS, builders.NAMESPACE, WEB)
    await bench.settle()
    if restart:
        bench.replicas.clear()
        bench.store.watchers.clear()
        await bench.replica().sweep.once()
        await bench.settle()


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_what_was_used_up_stays_so_without_a_deployment(bench: Bench, *, restart: bool) -> None:
    await make_again(bench, restart=restart)
    approve(bench, "late")
    await bench.settle()

    assert approved(bench) == {"web": [(0, ["late"])]}


async def test_what_was_used_up_stays_so_in_a_new_deployment(bench: Bench) -> None:
    await make_again(bench, restart=False)
    bench.store.put(builders.deployment(uid=builders.uid_of("again")))
    approve(bench, "late")
    await bench.settle()
    assert approved(bench) == {"web": [(0, ["late"])]}

    await go_on(bench, "v1")
    assert approved(bench) == {}


async def test_a_change_without_a_time_uses_up_what_was_approved_before_it_is_recorded(bench: Bench) -> None:
    world = World(bench.clock)
    log = [builders.entry(1, "v1", when=0), builders.entry(2, "v2", previous="v1", when=None)]
    last = {"sequence": 1, "action": "deploy", "release": "v1", "at": builders.at()}
    status = {"recordedSequence": 1, "release": "v1", "lastChange": last}
    world.see_deployment(deployment.from_object(builders.deployment(log=log, status=status)))

    now = bindings_of(world, KEY)["web"]

    assert (now.sequence, now.changed_at) == (2, None)
