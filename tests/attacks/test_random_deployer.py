"""A deployer writes at random, within his rights and beyond; others lock, delete, kill. In the end all of it is told.

Each Deployment has one writer at a time, so that the test itself knows what every answer changed, and when.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from commands import broken, moorage
from deployer_lanes import APPS, ENVIRONMENTS, Lane, Scene
from dice import DICE
from identities import DEPLOYER, EDITOR, MEMBERS, VIEWER, refused_by
from ledger import Ledger
from oracles import check_history, exactly_once, records_of, settled
from services import Facade, Operators
from waiting import eventually, eventually_passes

from moorage_crds import names
from moorage_dev import children

#: How long an operator that is ready lives, seconds.
LIFE = 8.0


def _lock_and_unlock(scene: Scene, dice: random.Random) -> None:
    shop = scene.shop
    while not scene.over.wait(dice.uniform(0.5, 2)):
        name, by_rest = dice.choice(ENVIRONMENTS), dice.random() < 0.5
        path, rest = shop.path("environmentlocks", name), f"{shop.rest}/{name}/lock"
        lock = {"apiVersion": "moorage.dev/v1", "kind": "EnvironmentLock"}
        if by_rest:
            done = scene.facade.call("PUT", rest, user=EDITOR, body={"reason": "audit"})
        else:
            body = {**lock, "metadata": {"name": name}, "spec": {"reason": "audit"}}
            done = shop.cluster.raw("POST", shop.path("environmentlocks"), user=EDITOR, body=body)
            eventually(partial(_is_refused, shop, name))
        since = time.time()
        assert done.status in {200, 201}, done.body
        assert shop.cluster.raw("DELETE", path, user=DEPLOYER).status == 403
        scene.over.wait(dice.uniform(0.3, 2))
        scene.locked.append((name, since, time.time()))
        gone = (
            scene.facade.call("DELETE", rest, user=EDITOR) if by_rest else shop.cluster.raw("DELETE", path, user=EDITOR)
        )
        assert gone.status == 200, gone.body


def _is_refused(shop: Workspace, environment: str) -> bool:
    spec = {"environment": environment, "app": "probe", "release": "v1"}
    made = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": {"name": f"{environment}.probe"}}
    answer = shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", body={**made, "spec": spec})
    return refused_by(answer, names.POLICY_DEPLOYMENT_LOCKS)


def _kill_and_start(scene: Scene, operators: Operators) -> None:
    """One operator at a time, killed and followed by the next one."""
    while not scene.over.is_set():
        running = operators.start()
        if not scene.over.wait(LIFE):
            children.kill(running.child)
            scene.count("kills")


def _read(scene: Scene) -> None:
    """The facade answers, whatever happens."""
    while not scene.over.wait(0.3):
        for tail in ("", "/dev", "/dev/deployments?limit=200", "/production"):
            answer = scene.facade.call("GET", scene.shop.rest + tail, user=VIEWER)
            assert answer.status == 200, answer.body
            scene.count("reads")


def _write_in_turn(scene: Scene, lanes: list[Lane], dice: random.Random) -> None:
    while not scene.over.is_set():
        dice.choice(lanes).step()


@contextmanager
def _everybody(scene: Scene, operators: Operators, lanes: list[Lane], dice: list[random.Random]) -> Iterator[None]:
    """All at work inside the block; the first failure of anybody is raised after it."""

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            scene.over.set()

    works: list[Callable[[], None]] = [
        *(partial(_write_in_turn, scene, lanes[n::3], dice[n]) for n in range(3)),
        lambda: _lock_and_unlock(scene, dice[3]),
        lambda: _kill_and_start(scene, operators),
        lambda: _read(scene),
    ]
    with ThreadPoolExecutor(len(works)) as pool:
        tasks = [pool.submit(guarded, work) for work in works]
        yield
        scene.over.set()
    for task in tasks:
        task.result()


def _by_rest(facade: Facade, shop: Workspace) -> dict[str, tuple[str, str, str, str, int]]:
    """All lines of history by their ids."""
    found = {}
    for environment in ENVIRONMENTS:
        cursor = ""
        while True:
            query = f"?limit=200{cursor and f'&cursor={cursor}'}"
            page = facade.call("GET", f"{shop.rest}/{environment}/deployments{query}", user=VIEWER).json()
            for line in page["deployments"]:
                key = ("app_id", "action", "release_id", "deployed_by", "sequence")
                found[line["deployment_id"]] = tuple(line[name] for name in key)
            cursor = page["next_cursor"] or ""
            if not cursor:
                break
    return found


def _by_kubectl(shop: Workspace) -> dict[str, tuple[str, str, str, str, int]]:
    specs = {item["metadata"]["name"]: item["spec"] for item in shop.list("deploymentrecords")}
    return {
        name: (
            spec["app"],
            spec["action"],
            spec.get("release") or spec.get("previousRelease"),
            spec.get("by", "unknown"),
            spec["sequence"],
        )
        for name, spec in specs.items()
    }


def _crossings(scene: Scene) -> list[tuple[str, float, float]]:
    """Changes that began and ended while their environment was locked."""
    return [
        change
        for change in scene.changed
        for name, since, until in scene.locked
        if change[0] == name and since <= change[1] and change[2] <= until
    ]


def _run(cluster: LiveCluster, facade: Facade, operators: Operators, shop: Workspace, seconds: float) -> str:
    print(f"MOORAGE_DICE={DICE}")
    scene = Scene(shop, facade, Ledger(cluster))
    dice = [random.Random(f"{DICE}/{number}") for number in range(12)]  # noqa: S311 — repeatable, not secret
    lanes = [Lane(scene, place, app, dice.pop()) for place in ENVIRONMENTS for app in APPS]
    with _everybody(scene, operators, lanes, dice):
        scene.over.wait(seconds)
    operators.ensure()
    for lane in lanes:
        lane.finish()
    eventually(lambda: settled(shop), timeout=60, interval=0.3)
    # A bare delete is told a moment later, by the operator that notices it.
    eventually_passes(lambda: exactly_once(scene.ledger, records_of([shop])), timeout=60)

    records = records_of([shop])
    assert scene.false == []
    check_history(scene.ledger, records)
    assert _crossings(scene) == []
    eventually(lambda: _by_rest(facade, shop) == _by_kubectl(shop), timeout=15)
    assert broken(moorage(cluster, "verify"), shop.namespace) == []
    counts = ", ".join(f"{number} {what}" for what, number in sorted(scene.counts.items()))
    counts = f"{len(scene.locked)} locks; {counts}"
    return f"MOORAGE_DICE={DICE}: {scene.ledger.count} changes = {len(records)} records, {counts}"


@pytest.fixture
def shop(workspace: Workspaces, facade: Facade) -> Workspace:
    """A workspace that the facade knows."""
    made = workspace(*ENVIRONMENTS, members=MEMBERS)
    eventually(lambda: facade.call("GET", f"{made.rest}/production", user=VIEWER).status == 200)
    return made


def _goes(shop: Workspace) -> str:
    """The Namespace, deleted as it is."""
    path, began = f"/api/v1/namespaces/{shop.namespace}", time.monotonic()
    assert shop.cluster.raw("DELETE", path).status == 200
    eventually(lambda: shop.cluster.raw("GET", path).status == 404, timeout=30)
    return f"Namespace gone in {time.monotonic() - began:.1f} s"


@pytest.mark.timeout(600)
def test_whatever_a_deployer_writes_is_told_as_it_was(
    cluster: LiveCluster, facade: Facade, no_operator: Operators, shop: Workspace, figures: Callable[[str], None]
) -> None:
    told = _run(cluster, facade, no_operator, shop, 45)
    figures(f"{told}; {_goes(shop)}")


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_a_deployer(
    cluster: LiveCluster, facade: Facade, no_operator: Operators, shop: Workspace, figures: Callable[[str], None]
) -> None:
    told = _run(cluster, facade, no_operator, shop, float(os.environ.get("MOORAGE_DEPLOYER_SECONDS", "300")))
    figures(f"{told}; {_goes(shop)}")
