"""Releases are brought into what asks for them: the declared fields and nothing else, and nobody is overruled."""

from dataclasses import replace
from typing import Any

import builders
import pytest
from operator_bench import Bench
from targets import image, rolled_out, workload

from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.target import (
    ANNOTATION_BINDING,
    ANNOTATION_DEPLOYMENT,
    ANNOTATION_IMAGE,
    MANAGER_DELIVERY,
)
from moorage_crds.store import ObjectRef
from moorage_operator.delivery import decisions
from moorage_operator.delivery.reading import target_of
from moorage_operator.facts import Target

RESOURCE = "deployments.apps"
UID = builders.uid_of("deployment production.web")


def target(release: str = "v0", **options: Any) -> Target:
    raw = workload(release=release, **options)
    raw["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "7"}
    raw["status"] = rolled_out(raw)
    return target_of(RESOURCE, raw)


def test_what_is_applied_is_the_declared_field_and_the_change() -> None:
    assert decisions.applied(target(), release="v2", deployment_id="change-2") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "7",
            "annotations": {ANNOTATION_DEPLOYMENT: "change-2"},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": image("v2")}]}}},
    }


def test_a_field_of_any_depth_is_applied_by_its_path() -> None:
    annotations = {"moorage.dev/binding": "production.web", "moorage.dev/set": "spec.chart.spec.version={release}"}
    meta = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "annotations": annotations}
    raw = {"metadata": meta, "spec": {"chart": {"spec": {"version": "v1"}}}}

    body = decisions.applied(
        target_of("helmreleases.helm.toolkit.fluxcd.io", raw), release="v2", deployment_id="change-2"
    )

    assert (body["apiVersion"], body["kind"]) == ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
    assert body["spec"] == {"chart": {"spec": {"version": "v2"}}}


@pytest.mark.parametrize(
    ("one", "lacks"),
    [
        (target("v1"), True),
        (target("v2"), True),
        (target("v2", deployment_id="change-2"), False),
        (target("v1", deployment_id="change-2"), True),
        (target("v1", declared=False), False),
        (target("v1", binding="nowhere"), False),
        (replace(target("v1"), refused_for="change-2"), False),
        (replace(target("v1"), refused_for="change-1"), True),
    ],
)
def test_only_what_asks_for_it_and_lacks_it_gets_a_release(one: Target, lacks: bool) -> None:
    assert decisions.lacks(one, release="v2", deployment_id="change-2") is lacks
    assert not decisions.lacks(one, release="", deployment_id="change-2")


# --- what the loop makes of it


class Carried:
    """A workload in a cluster in memory, and an operator that brings releases into it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.store.put(builders.environment())
        self.raw = workload(namespace=builders.NAMESPACE, release="v0") | {"status": {}}
        self.ref = ObjectRef(
            RESOURCE, NamespaceName.parse(builders.NAMESPACE), ClusterObjectName.parse(self.raw["metadata"]["name"])
        )

    async def owned_by_us(self) -> None:
        """The owner of the workload leaves its image to us."""
        container = self.raw["spec"]["template"]["spec"]["containers"][0]
        mine = {"metadata": {}, "spec": {"template": {"spec": {"containers": [dict(container)]}}}}
        del container["image"]
        self.bench.store.put(self.raw, RESOURCE)
        await self.bench.store.apply(self.ref, mine, manager=MANAGER_DELIVERY)

    def start(self) -> None:
        """Let the operator hear of everything."""
        replica = self.bench.replica(writes=(RESOURCE,))
        for (plural, _, _), raw in list(self.bench.store.objects.items()):
            replica.hears(plural, "ADDED", raw)
        replica.intake.open()

    async def deploy(self, release: str | None) -> tuple[str, str]:
        """Change the release; the image of the workload then, and the number of the change that it names."""
        self.bench.release(release)
        await self.bench.settle()
        raw = await self.bench.store.get(self.ref)
        change = raw["metadata"]["annotations"].get(ANNOTATION_DEPLOYMENT, "")
        return raw["spec"]["template"]["spec"]["containers"][0]["image"], change[-1:]

    @property
    def message(self) -> str:
        """What the rollout says."""
        return str(self.bench.deployment()["status"]["rollout"]["message"])


async def test_every_release_comes_and_an_undeploy_takes_nothing_away() -> None:
    web = Carried()
    await web.owned_by_us()
    web.start()

    found = [await web.deploy(release) for release in ("v1", "v2", "v1", None)]

    assert found == [(image("v1"), "1"), (image("v2"), "2"), (image("v1"), "3"), (image("v1"), "3")]


async def test_a_field_of_somebody_else_stays_and_the_rollout_says_so() -> None:
    web = Carried()
    web.bench.store.put(web.raw, RESOURCE)
    web.start()

    for release in ("v1", "v2"):
        assert await web.deploy(release) == (image("v0"), "")
        assert "somebody else owns" in web.message
    assert web.bench.store.calls["patch", RESOURCE] <= 8


async def test_what_changes_while_it_is_written_is_looked_at_again() -> None:
    web = Carried()
    await web.owned_by_us()
    web.start()
    store, meant = web.bench.store, []

    def somebody_is_faster(verb: str, plural: str, name: str) -> None:
        if plural == RESOURCE and not meant:
            meant.append(name)
            raw = store.one(plural, builders.NAMESPACE, name)
            assert raw is not None
            raw["metadata"]["labels"]["by"] = verb
            store.put(raw, plural)

    store.before = somebody_is_faster

    assert await web.deploy("v1") == (image("v1"), "1")
    assert meant


@pytest.mark.parametrize(
    "taken_back", [{f"{ANNOTATION_IMAGE}web": None}, {ANNOTATION_BINDING: "staging.web"}], ids=["field", "binding"]
)
async def test_a_consent_that_is_taken_back_while_a_write_is_on_its_way_counts(taken_back: dict[str, Any]) -> None:
    web = Carried()
    await web.owned_by_us()
    web.start()
    store, meant = web.bench.store, []

    def owner_is_faster(verb: str, plural: str, name: str) -> None:
        if plural == RESOURCE and not meant:
            meant.append(verb)
            raw = store.one(plural, builders.NAMESPACE, name)
            assert raw is not None
            kept = {**raw["metadata"]["annotations"], **taken_back}
            raw["metadata"]["annotations"] = {key: value for key, value in kept.items() if value is not None}
            store.put(raw, plural)

    store.before = owner_is_faster

    for release in ("v1", "v2"):
        assert await web.deploy(release) == (image("v0"), "")
    assert meant == ["patch"]
