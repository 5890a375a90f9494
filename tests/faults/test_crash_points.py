"""The operator is killed at its writes, one after the other: every accepted change has one record, and all converges.

In the gate every write of twelve scenarios is a crash point in one run: it is committed, nobody hears the answer, the
operator dies, and the next one carries on. The campaign kills once per run, at a write of one scenario, in three ways.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import scenarios
from cluster import LiveCluster, Workspaces
from fault_proxy import FaultProxy
from oracles import Witness, check_history, end_state, in_parallel, records_of, writes_are_few
from scenarios import PATIENCE, Scenario
from supervisor import Supervisor
from waiting import eventually

#: How a crash can meet a write.
CRASHES = ("kill", "commit, drop reply, kill", "commit, reply, kill")


@contextmanager
def supervised(cluster: LiveCluster, proxy: FaultProxy, name: str) -> Iterator[Supervisor]:
    """An operator behind the proxy that is started again whenever it dies."""
    supervisor = Supervisor(cluster, name, proxy.settings(cluster))
    proxy.kill = supervisor.kill
    try:
        yield supervisor
    finally:
        proxy.arm()
        supervisor.stop()


def play(cast: list[Scenario]) -> None:
    """All scenarios at once, with the operator that is there, until nothing is left to do."""
    in_parallel(len(cast), [one.during for one in cast])

    def all_done() -> bool:
        unfinished = [one.title for one in cast if not one.done()]
        assert not unfinished, f"unfinished: {unfinished}"
        return True

    eventually(all_done, timeout=PATIENCE, interval=0.2)


def new_cast(cluster: LiveCluster, workspace: Workspaces, titles: list[str]) -> list[Scenario]:
    cast = [scenarios.new(title, cluster, workspace) for title in titles]
    for one in cast:
        one.before()
    return cast


def judge(cast: list[Scenario], proxy: FaultProxy) -> None:
    """H1, H2, H3, H5 for each scenario, and what the proxy saw."""
    for one in cast:
        check_history(one.ledger, records_of([one.shop]))
    assert proxy.problems == []


def crash_points(proxy: FaultProxy, cast: list[Scenario], *, answered: bool = False) -> set[tuple[str, str]]:
    """Verb and resource of the writes that met a crash; with `answered` of all that the API server took."""
    return {(call.verb, call.resource) for call in proxy.writes(places(cast)) if answered or "kill" in call.fault}


def places(cast: list[Scenario]) -> list[str]:
    return [one.shop.namespace for one in cast]


@pytest.mark.timeout(420)
def test_a_crash_at_every_write_loses_nothing(
    proxy: FaultProxy, cluster: LiveCluster, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    titles = list(scenarios.STEPS)
    calm = new_cast(cluster, workspace, titles)
    with supervised(cluster, proxy, "calm"):
        play(calm)
    judge(calm, proxy)
    faultless = len(proxy.writes(places(calm)))

    cast = new_cast(cluster, workspace, titles)
    with supervised(cluster, proxy, "crashing") as supervisor, Witness(cluster, places(cast)) as witness:
        proxy.arm("write * #*: commit, drop reply, kill")
        play(cast)
        crashes, crashed = proxy.fired, crash_points(proxy, cast)
    judge(cast, proxy)
    witness.testify()
    # Without these the test would say nothing: every kind of write has met a crash, and operators have died of it.
    assert crashed == crash_points(proxy, calm, answered=True)
    assert crashes >= faultless
    assert supervisor.lives > len(cast)
    for one, twin in zip(cast, calm, strict=True):
        assert end_state(one.shop) == end_state(twin.shop), one.title
    found = len(proxy.writes(places(cast)))
    writes_are_few(faultless, found, faults=crashes)
    figures(
        f"{len(cast)} scenarios, {crashes} crash points in {supervisor.lives} lives, {found} writes, "
        f"{faultless} without crashes"
    )


@pytest.mark.campaign
@pytest.mark.timeout(6 * 3600)
def test_one_crash_at_any_write(
    proxy: FaultProxy, cluster: LiveCluster, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    runs, seed = int(os.environ.get("CRASH_RUNS", "100")), int(os.environ.get("CRASH_SEED", "1"))
    chance, done, crashes = random.Random(seed), 0, 0  # noqa: S311 — chooses crash points, guards nothing
    with supervised(cluster, proxy, "campaign") as supervisor:
        while done < runs:
            title = list(scenarios.STEPS)[done % len(scenarios.STEPS)]
            (one,) = cast = new_cast(cluster, workspace, [title])
            point = chance.choice(("POST deploymentrecords", "PATCH deployments/status", "PATCH environments/status"))
            plan = f"{point} #{chance.randint(1, 4)} in {one.shop.namespace}: {chance.choice(CRASHES)}"
            proxy.arm(plan)
            try:
                play(cast)
                judge(cast, proxy)
            except AssertionError as error:
                raise AssertionError(f"{title}: {plan}") from error
            done, crashes = done + 1, crashes + proxy.fired
        lives = supervisor.lives
    # A plan may name a write that its scenario does not have; most do not.
    assert crashes > runs // 4
    assert lives >= crashes
    figures(f"{done} runs, {crashes} crashes, {lives} lives")
