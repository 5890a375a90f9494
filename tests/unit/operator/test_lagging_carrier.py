"""A replica whose watch of bindings or Environments lags brings nothing into a target that the cluster has replaced."""

from typing import Any

import builders
import pytest
from operator_bench import Bench
from targets import image, workload

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.target import ANNOTATION_DEPLOYMENT, MANAGER_DELIVERY
from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef
from moorage_operator.delivery import decisions
from moorage_operator.delivery.reading import target_of

RESOURCE = "deployments.apps"
HERE, ELSEWHERE = builders.NAMESPACE, "elsewhere"
UID = builders.uid_of(f"deployment {HERE} production.web")


class Lagging:
    """A target, a replica that has brought v1 into it, and what that replica's watches keep to themselves since."""

    def __init__(self, place: str = HERE) -> None:
        self.bench = Bench()
        self.store = self.bench.store
        self.store.put(builders.environment(delivery={"namespaces": [ELSEWHERE]}))
        self.ref = ObjectRef(RESOURCE, NamespaceName.parse(place), ClusterObjectName.parse("web"))
        self.silent: set[str] = set()
        self.written: list[str] = []

    async def start(self) -> None:
        """Everything is as it should be: v1 is deployed, recorded, and in the target."""
        raw = workload(namespace=str(self.ref.namespace), binding=f"{HERE}/production.web", release="v0")
        containers = raw["spec"]["template"]["spec"]["containers"]
        ours = {"metadata": {}, "spec": {"template": {"spec": {"containers": [dict(containers[0])]}}}}
        del containers[0]["image"]
        self.store.put(raw | {"status": {}}, RESOURCE)
        await self.store.apply(self.ref, ours, manager=MANAGER_DELIVERY)
        self.replica = self.bench.replica(writes=(RESOURCE,))
        self.store.watchers[:] = [self._hear]
        for (plural, _, _), stored in list(self.store.objects.items()):
            self._hear(plural, "ADDED", stored)
        self.replica.intake.open()
        self.bench.release("v1")
        await self.bench.settle()
        assert self.carried == (image("v1"), "1")
        self.written.clear()

    def _hear(self, plural: str, kind: str, raw: RawObject) -> None:
        self._note(plural, kind, raw)
        if plural not in {*self.silent, names.RECORDS, names.EVENTS}:
            self.replica.hears(plural, kind, raw)

    def _note(self, plural: str, _kind: str, raw: RawObject) -> None:
        if plural == RESOURCE:
            self.written.append(image_of(raw))

    @property
    def raw(self) -> RawObject:
        """The target."""
        found = self.store.one(RESOURCE, str(self.ref.namespace), "web")
        assert found is not None
        return found

    @property
    def carried(self) -> tuple[str, str]:
        """Its image, and the number of the change that it names."""
        return image_of(self.raw), str(self.raw["metadata"]["annotations"].get(ANNOTATION_DEPLOYMENT, ""))[-1:]

    async def carry(self, release: str, change: str) -> None:
        """What another replica brings in."""
        body = decisions.applied(target_of(RESOURCE, self.raw), release=release, deployment_id=change)
        await self.store.apply(self.ref, body, manager=MANAGER_DELIVERY)

    async def drift(self) -> None:
        """The target has to be written again."""
        await self.carry("other", "")


def image_of(raw: RawObject) -> str:
    return str(raw["spec"]["template"]["spec"]["containers"][0].get("image", ""))


@pytest.fixture
async def lagging() -> Lagging:
    made = Lagging()
    await made.start()
    return made


@pytest.fixture
async def apart() -> Lagging:
    """The target is of another Namespace, which the Environment names."""
    made = Lagging(ELSEWHERE)
    await made.start()
    return made


@pytest.mark.parametrize("release", ["v2", "v1"], ids=["deploy", "the same release again"])
async def test_no_release_is_written_over_a_later_one(lagging: Lagging, release: str) -> None:
    lagging.silent.add(names.DEPLOYMENTS)

    lagging.bench.release("between")
    lagging.bench.release(release)
    await lagging.carry(release, names.record_name(UID, 3))
    await lagging.bench.settle()

    assert lagging.carried == (image(release), "3")
    assert lagging.written == [image(release)]


async def test_what_a_read_shows_is_recorded_and_brought_in_although_no_watch_tells(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)

    lagging.bench.release("v2")
    await lagging.drift()
    await lagging.bench.settle()

    assert lagging.carried == (image("v2"), "2")
    assert lagging.written == [image("other"), image("v2")]
    assert [spec["release"] for spec in lagging.bench.records()] == ["v1", "v2"]


async def test_an_undeploy_that_is_not_heard_of_yet_brings_nothing_back(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)

    lagging.bench.release(None)
    await lagging.drift()
    await lagging.bench.settle()

    assert lagging.written == [image("other")]


async def test_a_rollback_during_the_lag_is_the_newest_release(lagging: Lagging) -> None:
    lagging.bench.release("v2")
    await lagging.bench.settle()
    lagging.silent.add(names.DEPLOYMENTS)
    lagging.written.clear()

    lagging.bench.release("v1")
    await lagging.drift()
    await lagging.bench.settle()

    assert lagging.carried == (image("v1"), "3")
    assert lagging.written == [image("other"), image("v1")]


def deleted(lagging: Lagging) -> None:
    lagging.store.remove(names.DEPLOYMENTS, HERE, "production.web")


def being_deleted(lagging: Lagging) -> None:
    raw = lagging.bench.deployment()
    raw["metadata"] |= {"finalizers": ["example.com/wait"], "deletionTimestamp": builders.at()}
    lagging.store.put(raw)


def made_again(lagging: Lagging) -> None:
    deleted(lagging)
    lagging.store.put(builders.deployment(uid="another"))


@pytest.mark.parametrize("end", [deleted, being_deleted, made_again])
async def test_a_binding_that_goes_or_is_gone_brings_nothing_in(lagging: Lagging, end: Any) -> None:
    lagging.silent.add(names.DEPLOYMENTS)

    end(lagging)
    await lagging.drift()
    await lagging.bench.settle()

    assert lagging.written == [image("other")]


async def test_of_two_bindings_for_one_target_the_one_that_is_stored_counts(lagging: Lagging) -> None:
    lagging.silent.add(names.DEPLOYMENTS)
    deleted(lagging)
    log = [builders.entry(1, "v5")]
    raw = lagging.store.put(builders.deployment(uid=builders.uid_of("successor"), log=log))
    lagging.replica.hears(names.DEPLOYMENTS, "ADDED", raw)
    await lagging.bench.settle()

    assert len(list(lagging.replica.world.at(HERE, "production.web"))) == 2
    assert lagging.carried == (image("v5"), "1")
    await lagging.drift()
    await lagging.bench.settle()
    assert lagging.written == [image("v5"), image("other"), image("v5")]


async def test_a_namespace_that_goes_gets_nothing_any_more(lagging: Lagging) -> None:
    lagging.store.put(builders.namespace(deleting=True))
    await lagging.drift()
    await lagging.bench.settle()

    assert lagging.written == [image("other")]


async def test_an_allowed_namespace_gets_releases_and_each_write_costs_two_reads(apart: Lagging) -> None:
    apart.store.reads.clear()
    apart.bench.release("v2")
    await apart.bench.settle()

    assert apart.carried == (image("v2"), "2")
    assert apart.store.reads == [(names.DEPLOYMENTS, "production.web"), (names.ENVIRONMENTS, "production")]


async def test_in_its_own_namespace_a_write_costs_one_read(lagging: Lagging) -> None:
    lagging.store.reads.clear()
    lagging.bench.release("v2")
    await lagging.bench.settle()

    assert lagging.carried == (image("v2"), "2")
    assert lagging.store.reads == [(names.DEPLOYMENTS, "production.web")]


def consent_withdrawn(apart: Lagging) -> None:
    apart.store.put(builders.environment(delivery={"namespaces": ["others"]}))


def environment_deleted(apart: Lagging) -> None:
    apart.store.remove(names.ENVIRONMENTS, HERE, "production")


@pytest.mark.parametrize("withdraw", [consent_withdrawn, environment_deleted])
async def test_a_consent_that_is_withdrawn_in_the_cluster_counts_before_it_is_heard_of(
    apart: Lagging, withdraw: Any
) -> None:
    apart.silent.add(names.ENVIRONMENTS)

    withdraw(apart)
    apart.bench.release("v2")
    await apart.bench.settle()

    assert apart.carried == (image("v1"), "1")
    assert apart.written == []


async def test_a_consent_that_comes_back_counts_at_once(apart: Lagging) -> None:
    apart.silent.add(names.ENVIRONMENTS)
    consent_withdrawn(apart)
    apart.bench.release("v2")
    await apart.bench.settle()

    apart.silent.clear()
    apart.store.put(builders.environment(delivery={"namespaces": [ELSEWHERE]}))
    await apart.bench.settle()

    assert apart.carried == (image("v2"), "2")


async def test_a_target_that_is_made_again_while_the_binding_is_read_is_not_mistaken(lagging: Lagging) -> None:
    raw = lagging.raw
    met: list[str] = []

    def owner_is_faster(verb: str, plural: str, name: str) -> None:
        if plural == RESOURCE and not met:
            met.append(verb)
            lagging.store.remove(RESOURCE, HERE, name)
            again = {**raw, "metadata": {**raw["metadata"], "uid": "another", "labels": {}}}
            lagging.store.put(again, RESOURCE)

    lagging.store.before = owner_is_faster
    lagging.bench.release("v2")
    await lagging.bench.settle()

    assert met == ["patch"]
    assert set(lagging.written) == {image("v1")}


async def test_who_no_longer_acts_writes_nothing_of_what_is_left_in_its_queue(lagging: Lagging) -> None:
    await lagging.drift()
    lagging.replica.leadership.acts = False
    await lagging.bench.settle()

    assert lagging.written == [image("other")]
