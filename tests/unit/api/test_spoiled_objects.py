"""An object that cannot be read never ends the facade, whatever is wrong with it, and takes no other with it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import builders
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiled import every_way_to_spoil, spoiled_twice

from moorage_api.cache.catalog import Catalog, EnvironmentSink
from moorage_crds import names
from moorage_crds.kinds import approval as approvals
from moorage_crds.kinds import cluster_freeze
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.deployment import from_object as to_deployment
from moorage_crds.kinds.record import to_object
from moorage_crds.objects import RawObject
from moorage_crds.reading import readable
from moorage_operator.history.decisions import binding_of

STATUS = {
    "recordedSequence": 1,
    "release": "v1",
    "environmentUid": "e",
    "lastChange": {"sequence": 1, "action": "deploy", "release": "v1", "by": "alice", "at": builders.at(0)},
    "history": {"floorSequence": 1, "floorHash": "f", "tipHash": "t"},
}
MARKS: dict[str, Any] = {
    "labels": {"helm.toolkit.fluxcd.io/name": "x"},
    "annotations": {"argocd.argoproj.io/tracking-id": "x"},
    "managedFields": [
        {"manager": "flux", "operation": "Apply", "time": builders.at(0), "fieldsV1": {"f:spec": {"f:release": {}}}}
    ],
}
PROVENANCE = {"createdBy": "alice", "updatedBy": "bob", "updatedAt": builders.at(1)}


def marked(raw: RawObject, name: str, **more: Any) -> RawObject:
    meta = {"uid": f"uid of {name}", "creationTimestamp": builders.at(0), "resourceVersion": "7", "generation": 1}
    return {**raw, **more, "metadata": {**copy.deepcopy(MARKS), **meta, **raw["metadata"]}}


def deployment(app: str) -> RawObject:
    log = builders.chain_log("v1", "v2")
    return marked(builders.deployment(app=app, log=log, status=copy.deepcopy(STATUS), uid=builders.uid_of(app)), app)


def record(app: str) -> RawObject:
    change = Change(1, Action.DEPLOY, None, "v1", by="alice", at=builders.at(0), reason="why", request_id="r")
    raw = to_object(binding_of(to_deployment(deployment(app))), change, previous_hash="p")
    return marked(raw, app)


def lock(name: str) -> RawObject:
    meta = {"name": name, "namespace": builders.NAMESPACE}
    return marked({"metadata": meta}, name, spec={"reason": "why"}, provenance=dict(PROVENANCE))


def environment(name: str) -> RawObject:
    return marked(builders.environment(name, displayName="x", isDefault=False), name, provenance=dict(PROVENANCE))


def frozen(name: str, namespace: str = "") -> RawObject:
    spec = {
        "reason": "quiet",
        "environments": ["production"],
        "timeZone": "Europe/Berlin",
        "windows": [{"from": builders.at(0), "until": builders.at(60)}],
        "weekly": [{"days": ["Fri"], "from": "15:00", "until": "02:00"}],
        "yearly": [{"from": "12-20", "until": "01-05"}],
    }
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return marked({"metadata": meta}, name, spec=spec, provenance=dict(PROVENANCE))


def approval(name: str) -> RawObject:
    spec = {"environment": "production", "app": "web", "release": "v1", "decision": "Approve", "comment": "fine"}
    meta = {"name": name, "namespace": builders.NAMESPACE}
    return marked({"metadata": meta}, name, spec=spec, provenance=dict(PROVENANCE))


def namespace(name: str) -> RawObject:
    return marked(builders.namespace(name), name)


@dataclass(frozen=True)
class Watched:
    """A kind as the facade watches it."""

    plural: str
    make: Callable[[str], RawObject]
    read: Callable[[Catalog], Callable[[RawObject], Any]]
    kept: Callable[[Catalog], Any]

    def sink(self, catalog: Catalog) -> Any:
        """What its reflector fills."""
        return EnvironmentSink(catalog) if self.plural == names.ENVIRONMENTS else self.kept(catalog)


def read_of(catalog: Catalog, plural: str) -> Callable[[RawObject], Any]:
    return next(feed.read for feed in catalog.feeds if feed.plural == plural)


KINDS = (
    Watched(names.NAMESPACES, namespace, lambda catalog: catalog.read.namespace, lambda catalog: catalog.namespaces),
    Watched(names.ENVIRONMENTS, environment, lambda catalog: catalog.read.environment, lambda it: it.environments),
    Watched(names.LOCKS, lock, lambda catalog: catalog.read.lock, lambda catalog: catalog.locks),
    Watched(names.DEPLOYMENTS, deployment, lambda catalog: catalog.read.binding, lambda catalog: catalog.bindings),
    Watched(names.RECORDS, record, lambda catalog: catalog.read.line, lambda catalog: catalog.history),
    Watched(
        names.FREEZES, partial(frozen, namespace=builders.NAMESPACE), lambda it: it.read.freeze, lambda it: it.freezes
    ),
    *(
        Watched(kind.plural, make, partial(read_of, plural=kind.plural), lambda catalog, kind=kind: catalog.plain(kind))
        for kind, make in ((cluster_freeze.KIND, frozen), (approvals.KIND, approval))
    ),
)


def take_in(kind: Watched, raw: RawObject) -> Catalog:
    """What a reflector does with an object: in a list beside a good one, and in each kind of event."""
    catalog = Catalog({"flux", "argocd-controller", "helm-controller"})
    read, sink = kind.read(catalog), kind.sink(catalog)
    good = readable(read, kind.make("good"), kind.plural)
    view = readable(read, raw, kind.plural)
    sink.replace([one for one in (view, good) if one is not None], "9")
    for event in ("MODIFIED", "DELETED", "ADDED"):
        if view is not None:
            sink.apply(event, view)
    return catalog


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_nothing_that_stands_in_one_place_ends_the_facade(kind: Watched) -> None:
    for raw in every_way_to_spoil(lambda _: kind.make("odd")):
        assert len(kind.kept(take_in(kind, raw))) >= 1, raw


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nothing_that_stands_in_two_places_ends_the_facade(kind: Watched, data: st.DataObject) -> None:
    assert len(kind.kept(take_in(kind, data.draw(spoiled_twice(kind.make("odd")))))) >= 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_good_object_is_read(kind: Watched) -> None:
    assert len(kind.kept(take_in(kind, kind.make("fine")))) >= 2
