"""A replica whose watch of bindings or Environments lags writes no ConfigMap over one that says something later."""

import json
from itertools import pairwise
from typing import Any

import builders
import pytest
from fake_cluster import FakeCluster
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, ObjectRef
from moorage_operator.publishing import decisions
from moorage_operator.publishing.publisher import MOST_ASKED

HERE = builders.NAMESPACE
REF = ObjectRef(names.CONFIG_MAPS, NamespaceName.parse(HERE), ClusterObjectName.parse("releases"))
OURS = decisions.manager_of("production")
ASKS = {"configMap": {"name": "releases"}}


class Lagging:
    """Two replicas of which one hears everything, and what the watches of the other keep to themselves."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.store = self.bench.store
        self.store.put(builders.environment(delivery=ASKS))
        meta = {"name": "releases", "namespace": HERE}
        self.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}}, names.CONFIG_MAPS)
        self.silent: set[str] = set()
        self.said: list[dict[str, int]] = []
        self.replica = self.bench.replica()
        self.store.watchers[:] = [self._hear]
        for (plural, _, _), stored in list(self.store.objects.items()):
            self._hear(plural, "ADDED", stored)
        self.replica.intake.open()

    def _hear(self, plural: str, kind: str, raw: RawObject) -> None:
        if plural == names.CONFIG_MAPS and kind != "DELETED" and decisions.RELEASES in raw["data"]:
            releases = json.loads(raw["data"][decisions.RELEASES])["releases"]
            self.said.append({app: one["sequence"] for app, one in releases.items()})
        if plural in self.replica.intake.takes and plural not in self.silent:
            self.replica.hears(plural, kind, raw)

    async def deploy(self, *releases: str | None, app: str = "web") -> None:
        """Change the release and let the replica work."""
        for release in releases:
            self.bench.release(release, app=app)
        await self.bench.settle()

    async def another_replica_says(self, **releases: tuple[str, int]) -> None:
        """What a replica writes that hears everything: of each app its release and the number of its change."""
        active = [
            decisions.Active(app, release, sequence, names.record_name(uid_of(app), sequence), "alice", builders.at())
            for app, (release, sequence) in releases.items()
        ]
        known = self.replica.world.environments[HERE, "production"].environment
        body = decisions.config_map("releases", known, self.replica.world.workspaces[HERE], active)
        await self.store.apply(REF, body, manager=OURS)

    @property
    def releases(self) -> dict[str, str]:
        """What the ConfigMap says."""
        raw = self.store.one(names.CONFIG_MAPS, HERE, "releases")
        assert raw is not None
        said = json.loads(raw["data"][decisions.RELEASES])["releases"]
        return {app: one["release"] for app, one in said.items()}


def uid_of(app: str) -> str:
    return builders.uid_of(f"deployment {HERE} production.{app}")


@pytest.fixture
async def lagging() -> Lagging:
    """The releases v1 of two apps are recorded and said."""
    made = Lagging()
    await made.deploy("v1")
    await made.deploy("v1", app="api")
    assert made.releases == {"web": "v1", "api": "v1"}
    return made


def went_back(said: list[dict[str, int]]) -> bool:
    """Whether an app had an earlier change after a later one."""
    return any(
        after.get(app, sequence) < sequence for before, after in pairwise(said) for app, sequence in before.items()
    )


async def test_a_later_release_of_one_app_stays_when_another_app_is_written(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)
    lagging.bench.release("v2")
    await lagging.another_replica_says(web=("v2", 2), api=("v1", 1))
    lagging.silent.clear()

    await lagging.deploy("v2", app="api")

    assert lagging.releases == {"web": "v2", "api": "v2"}
    assert not went_back(lagging.said)


async def test_an_app_that_was_undeployed_meanwhile_does_not_come_back(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)
    lagging.bench.release(None)
    await lagging.another_replica_says(api=("v1", 1))
    lagging.said.clear()
    lagging.silent.clear()

    await lagging.deploy("v2", app="api")

    assert lagging.releases == {"api": "v2"}
    assert all("web" not in said for said in lagging.said)


async def test_an_app_that_was_deployed_meanwhile_does_not_go(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)
    lagging.bench.release("v1", app="new")
    await lagging.another_replica_says(web=("v1", 1), api=("v1", 1), new=("v1", 1))
    lagging.said.clear()
    lagging.silent.clear()

    await lagging.deploy("v2", app="api")

    assert lagging.releases == {"web": "v1", "api": "v2", "new": "v1"}
    assert all("new" in said for said in lagging.said)


async def test_an_app_whose_binding_is_gone_without_news_is_not_brought_back(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)
    lagging.store.remove(names.DEPLOYMENTS, HERE, "production.web")
    await lagging.another_replica_says(api=("v1", 1))
    lagging.said.clear()
    lagging.silent.clear()

    await lagging.deploy("v2", app="api")

    # Nothing is written before a watch or a sweep has told: an API server that has lost its data says the same.
    assert lagging.said == []
    await lagging.replica.sweep.once()
    await lagging.bench.until(lambda: lagging.releases == {"api": "v2"}, 300)
    assert all("web" not in said for said in lagging.said)


def asks(lagging: Lagging, name: str | None) -> RawObject:
    """The Environment asks for another ConfigMap, or for none."""
    raw = lagging.bench.environment()
    raw["spec"] = {"delivery": {"configMap": {"name": name}}} if name else {}
    return lagging.store.put(raw)


def renamed(lagging: Lagging) -> None:
    asks(lagging, "another")


def asks_no_more(lagging: Lagging) -> None:
    asks(lagging, None)


def gone(lagging: Lagging) -> None:
    lagging.store.remove(names.ENVIRONMENTS, HERE, "production")


@pytest.mark.parametrize("withdraw", [renamed, asks_no_more, gone])
async def test_a_config_map_that_is_not_asked_for_any_more_is_not_written(lagging: Lagging, withdraw: Any) -> None:
    lagging.silent.add(names.ENVIRONMENTS)
    withdraw(lagging)
    lagging.said.clear()

    await lagging.deploy("v2")

    assert lagging.said == []


async def test_a_config_map_that_is_asked_for_again_is_not_left(lagging: Lagging) -> None:
    lagging.silent.add(names.ENVIRONMENTS)
    raw = asks(lagging, None)
    asks(lagging, "releases")
    lagging.said.clear()

    # The watch tells of the moment between, and not yet of what followed.
    lagging.replica.hears(names.ENVIRONMENTS, "MODIFIED", raw)
    await lagging.bench.settle()

    assert lagging.said == []
    assert lagging.releases == {"web": "v1", "api": "v1"}


async def test_what_changes_between_the_questions_and_the_write_is_a_conflict(lagging: Lagging) -> None:
    met: list[str] = []

    def another_is_faster(verb: str, plural: str, _name: str) -> None:
        if plural == names.CONFIG_MAPS and not met:
            met.append(verb)
            raw = lagging.store.one(names.CONFIG_MAPS, HERE, "releases")
            assert raw is not None
            raw["data"]["theirs"] = "x"
            lagging.store.put(raw, names.CONFIG_MAPS)

    lagging.store.before = another_is_faster
    await lagging.deploy("v2")

    assert met == ["patch"]
    assert lagging.releases["web"] == "v2"
    assert lagging.replica.leadership.acts


async def test_a_key_of_somebody_else_is_still_said(lagging: Lagging) -> None:
    lagging.store.fail("patch", names.CONFIG_MAPS, ConflictError("conflict with people"), times=100)
    await lagging.deploy("v2")

    conditions = lagging.bench.environment()["status"]["conditions"]
    assert next(one["reason"] for one in conditions if one["type"] == "Delivered") == "ConfigMapConflict"


async def test_a_change_costs_two_reads_and_one_write(lagging: Lagging) -> None:
    lagging.store.reads.clear()
    before = lagging.store.calls["patch", names.CONFIG_MAPS]

    await lagging.deploy("v2")

    assert lagging.store.reads == [(names.CONFIG_MAPS, "releases"), (names.ENVIRONMENTS, "production")]
    assert lagging.store.calls["patch", names.CONFIG_MAPS] - before == 1


@pytest.mark.parametrize(("number", "lists"), [(MOST_ASKED, 0), (MOST_ASKED + 1, 1)])
async def test_many_new_apps_are_asked_for_by_one_list(lagging: Lagging, number: int, lists: int) -> None:
    lagging.store.reads.clear()
    for index in range(number):
        lagging.bench.release("v1", app=f"new-{index}")
    await lagging.bench.settle()

    assert len(lagging.releases) == number + 2
    asked = [name for plural, name in lagging.store.reads if plural == names.DEPLOYMENTS]
    assert asked == (["production"] if lists else sorted(f"production.new-{index}" for index in range(number)))


@pytest.mark.parametrize("spoiled", ["", "[]", '{"releases": 7}', '{"releases": {"web": 7, "api": {"sequence": "x"}}}'])
async def test_what_somebody_has_spoiled_is_put_right(lagging: Lagging, spoiled: str) -> None:
    lagging.store.objects[names.CONFIG_MAPS, HERE, "releases"]["data"][decisions.RELEASES] = spoiled
    lagging.store.before = lambda _verb, plural, _name: forget(lagging.store) if plural == names.CONFIG_MAPS else None

    await lagging.deploy("v2")

    assert lagging.releases == {"web": "v2", "api": "v1"}


def forget(store: FakeCluster) -> None:
    """The operator overrules nobody: who spoiled the key has handed it over."""
    store.objects[names.CONFIG_MAPS, HERE, "releases"]["data"].pop(decisions.RELEASES, None)
