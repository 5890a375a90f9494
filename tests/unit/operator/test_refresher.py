"""Tools are told of new releases: what follows a binding, with the consent of both sides, and not too often."""

from typing import Any

import builders
import pytest
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.kinds.refresh import ANNOTATION_FOLLOWS, LABEL_REFRESH, Followed, followed
from moorage_crds.kinds.target import ANNOTATION_BINDING

SETS = "applicationsets.argoproj.io"
ASKED = "argocd.argoproj.io/application-set-refresh"
HERE = builders.NAMESPACE
BINDING = Followed(HERE, "production", "production.web")


@pytest.mark.parametrize(
    ("annotations", "wanted", "problem"),
    [
        ({ANNOTATION_FOLLOWS: HERE}, {Followed(HERE)}, ""),
        ({ANNOTATION_FOLLOWS: f"{HERE}/production"}, {Followed(HERE, "production")}, ""),
        ({ANNOTATION_FOLLOWS: f"{HERE}/production.web"}, {BINDING}, ""),
        ({ANNOTATION_FOLLOWS: f" other ,{HERE}/production, "}, {Followed("other"), Followed(HERE, "production")}, ""),
        ({ANNOTATION_BINDING: "production.web"}, {BINDING}, ""),
        ({ANNOTATION_BINDING: f"{HERE}/production.web"}, {BINDING}, ""),
        ({ANNOTATION_FOLLOWS: "other", ANNOTATION_BINDING: "production.web"}, {Followed("other")}, ""),
        ({ANNOTATION_FOLLOWS: "other,Wrong/x"}, {Followed("other")}, "'Wrong/x' in the annotation"),
        ({}, set(), "is missing"),
        ({ANNOTATION_FOLLOWS: f"{HERE}," * 63 + "other"}, {Followed(HERE), Followed("other")}, ""),
        ({ANNOTATION_FOLLOWS: f"{HERE}," * 64 + "other"}, {Followed(HERE)}, "names more than 64 things"),
        ({ANNOTATION_FOLLOWS: "Z," * 100_000}, set(), "names more than 64 things"),
    ],
)
def test_what_an_object_follows(annotations: dict[str, str], wanted: set[Followed], problem: str) -> None:
    found, said = followed(HERE, annotations)
    assert found == wanted
    assert problem in said
    assert bool(problem) is bool(said)


class Told:
    """A cluster in memory with one ApplicationSet, and an operator that has heard of everything."""

    def __init__(self, *, namespace: str = HERE, follows: str = HERE, delivery: tuple[str, ...] = ()) -> None:
        self.bench = Bench()
        environment = builders.environment()
        if delivery:
            environment["spec"]["delivery"] = {"namespaces": list(delivery)}
        self.bench.store.put(environment)
        self.place = (SETS, namespace, "all")
        annotations = {ANNOTATION_FOLLOWS: follows}
        meta = {"name": "all", "namespace": namespace, "labels": {LABEL_REFRESH: "true"}, "annotations": annotations}
        self.bench.store.put({"metadata": meta, "spec": {}}, SETS)
        self.values: list[str] = []
        self.bench.store.watchers.append(self._hear)
        replica = self.bench.replica()
        for (plural, _, _), raw in list(self.bench.store.objects.items()):
            replica.hears(plural, "ADDED", raw)
        replica.intake.open()

    def _hear(self, plural: str, _kind: str, raw: dict[str, Any]) -> None:
        if plural == SETS:
            self.values.append(raw["metadata"]["annotations"][ASKED])
            self.bench.clock.advance(1)

    async def deploy(self, *releases: str | None) -> int:
        """Change the release, all at once; how often the tool was asked until nothing was left to do."""
        before = len(self.values)
        for release in releases:
            self.bench.release(release)
        await self.bench.settle()
        return len(self.values) - before


async def test_a_release_is_told_at_once_and_once_more_when_every_answer_knows_it() -> None:
    told = Told()
    assert await told.deploy("v1") == 2
    assert await told.deploy("v2") == 2
    assert await told.deploy(None) == 2


async def test_many_releases_are_one_look() -> None:
    told = Told()
    assert await told.deploy(*(f"v{number}" for number in range(10))) <= 4


async def test_what_changes_nothing_asks_nobody() -> None:
    told = Told()
    await told.deploy("v1")
    told.bench.store.put(told.bench.deployment())
    await told.bench.settle()
    assert len(told.values) == 2


@pytest.mark.parametrize(
    ("follows", "asked"),
    [
        (HERE, 2),
        (f"{HERE}/production", 2),
        (f"{HERE}/production.web", 2),
        (f"{HERE}/staging", 0),
        (f"{HERE}/production.api", 0),
        ("other", 0),
    ],
)
async def test_only_what_follows_the_binding_is_told(follows: str, asked: int) -> None:
    assert await Told(follows=follows).deploy("v1") == asked


async def test_an_object_of_another_namespace_is_told_when_the_environment_names_it() -> None:
    assert await Told(namespace="argocd").deploy("v1") == 0
    assert await Told(namespace="argocd", delivery=("argocd",)).deploy("v1") == 2


async def test_a_deletion_is_told_too() -> None:
    told = Told()
    await told.deploy("v1")
    before = len(told.values)
    told.bench.store.remove(names.DEPLOYMENTS, HERE, "production.web")
    await told.bench.settle()
    assert len(told.values) - before == 2


async def test_a_replica_that_begins_to_act_tells_what_may_have_been_missed() -> None:
    told = Told()
    await told.deploy("v1")
    before = len(told.values)
    fresh = told.bench.replica()
    for (plural, _, _), raw in list(told.bench.store.objects.items()):
        fresh.hears(plural, "ADDED", raw)
    fresh.intake.open()
    await fresh.sweep.once()
    await told.bench.settle()
    assert len(told.values) - before == 2


@pytest.mark.parametrize("labels", [{}, {LABEL_REFRESH: "false"}])
async def test_a_label_that_is_taken_away_counts_before_a_watch_tells_of_it(labels: dict[str, str]) -> None:
    told = Told()
    raw = told.bench.store.objects[told.place]
    raw["metadata"]["labels"] = labels
    assert await told.deploy("v1") == 0
