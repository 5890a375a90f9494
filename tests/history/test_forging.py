"""Forging: a writer in a workspace tries to change what the history says, or when. No attempt succeeds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from ledger import Ledger
from oracles import CLOCK_SLACK, check_history, frozen, in_parallel, records_of, settled, time_is_true
from services import Operators
from waiting import eventually

from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Binding, to_object
from moorage_dev import patience
from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Answer

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
NAME = "production.web"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that must change nothing of the history."""

    title: str
    method: str
    path: str
    body: object
    content_type: str = MERGE_PATCH


@dataclass(slots=True)
class Scene:
    """A workspace with three recorded changes, and four who would like them to be others."""

    cluster: LiveCluster
    shop: Workspace
    ledger: Ledger
    tokens: dict[str, str]

    def history(self) -> tuple[list[bytes], Object, int]:
        """Everything that an attempt could forge."""
        stored = self.shop.get("deployments", NAME) or {}
        records = [frozen(item) for item in self.shop.list("deploymentrecords")]
        return records, stored["changeLog"], stored["status"]["recordedSequence"]


@pytest.fixture(scope="module")
def scene(cluster: LiveCluster, _operators: Operators) -> Iterator[Scene]:
    """Made once; the operator is down afterwards, so that whatever changes was changed by an attempt."""
    made = Workspaces(cluster)
    shop, ledger = made("production", "staging"), Ledger(cluster)
    _operators.ensure()
    ledger.create(shop, "production", "web", "v1")
    ledger.insist(shop, NAME, "v2", user="bob", reason="better")
    ledger.insist(shop, NAME, "v3", reason="best")
    eventually(lambda: settled(shop))
    _operators.stop()
    yield Scene(cluster, shop, ledger, _identities(cluster, shop))
    made.clean()


def _identities(cluster: LiveCluster, shop: Workspace) -> dict[str, str]:
    """A user of the workspace, an owner of the Namespace with `*`, the facade, and a GitOps account."""
    cluster.grant(shop.namespace, "carol", "moorage-edit")
    cluster.grant(shop.namespace, "mallory", "cluster-admin")
    base = f"/api/v1/namespaces/{shop.namespace}/serviceaccounts"
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gitops"}}
    assert cluster.raw("POST", base, body=body).status == 201
    subject = {"kind": "ServiceAccount", "name": "gitops", "namespace": shop.namespace}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"gitops-{shop.namespace}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "admin"},
        "subjects": [subject],
    }
    assert cluster.raw("POST", f"/apis/{RBAC}/v1/clusterrolebindings", body=binding).status == 201
    return {
        "user": cluster.token("carol"),
        "owner": cluster.token("mallory"),
        "facade": cluster.service_account_token("moorage-system", "moorage-api"),
        "gitops": cluster.service_account_token(shop.namespace, "gitops"),
    }


IDENTITIES = ("user", "owner", "facade", "gitops")


def _on_records(shop: Workspace) -> list[Attempt]:
    record = shop.list("deploymentrecords")[1]
    name = record["metadata"]["name"]
    path, many = shop.path("deploymentrecords", name), shop.path("deploymentrecords")
    edited = {**record, "spec": {**record["spec"], "by": "mallory"}}
    bare = {key: value for key, value in record.items() if key != "spec"}
    apply = {
        "apiVersion": "moorage.dev/v1",
        "kind": "DeploymentRecord",
        "metadata": {"name": name},
        "spec": {**record["spec"], "by": "mallory"},
    }
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": record["metadata"]["uid"]}
    return [
        Attempt("edit a field", "PATCH", path, {"spec": {"by": "mallory"}}),
        Attempt("remove an optional field", "PATCH", path, [{"op": "remove", "path": "/spec/by"}], JSON_PATCH),
        Attempt("add an optional field", "PATCH", path, {"spec": {"requestId": "forged"}}),
        Attempt("remove the spec", "PATCH", path, {"spec": None}),
        Attempt(
            "remove and add the spec again in one patch",
            "PATCH",
            path,
            [{"op": "remove", "path": "/spec"}, {"op": "add", "path": "/spec", "value": edited["spec"]}],
            JSON_PATCH,
        ),
        Attempt("edit the hash", "PATCH", path, {"spec": {"hash": "0" * 64}}),
        Attempt("replace it", "PUT", path, edited, JSON),
        Attempt("replace it without a spec", "PUT", path, bare, JSON),
        Attempt("apply it by force", "PATCH", f"{path}?fieldManager=forger&force=true", apply, APPLY_PATCH),
        Attempt("edit a label", "PATCH", path, {"metadata": {"labels": {"moorage.dev/app": "other"}}}),
        Attempt("remove the labels", "PATCH", path, [{"op": "remove", "path": "/metadata/labels"}], JSON_PATCH),
        Attempt("annotate it", "PATCH", path, {"metadata": {"annotations": {"note": "forged"}}}),
        Attempt("add a finalizer", "PATCH", path, {"metadata": {"finalizers": ["example.com/hold"]}}),
        Attempt("add an owner", "PATCH", path, {"metadata": {"ownerReferences": [owner]}}),
        Attempt("write a status", "PATCH", f"{path}/status", {"status": {"forged": True}}),
        Attempt("write the scale", "PATCH", f"{path}/scale", {"spec": {"replicas": 0}}),
        Attempt("delete it", "DELETE", path, None),
        Attempt("delete all", "DELETE", many, None),
        Attempt("delete those of an app", "DELETE", f"{many}?labelSelector=moorage.dev/app%3Dweb", None),
        *_new_records(shop, record),
    ]


def _new_records(shop: Workspace, record: Object) -> list[Attempt]:
    spec = record["spec"]
    tip = shop.list("deploymentrecords")[-1]["spec"]
    binding = Binding(shop.namespace, NAME, spec["deployment"]["uid"], spec["environment"], spec["app"])

    def forged(sequence: int, binding: Binding = binding) -> Object:
        change = Change(sequence, Action.DEPLOY, tip["release"], "evil", by="alice", at="2026-01-01T00:00:00Z")
        return to_object(binding, change, previous_hash=tip["hash"])

    stranger = Binding(shop.namespace, NAME, "11111111-2222-4333-8444-555555555555", "production", "web")
    nameless = forged(5)
    nameless["metadata"] = {"generateName": f"{binding.uid}-0000"}
    applied = forged(6)
    path = shop.path("deploymentrecords", applied["metadata"]["name"])
    many = shop.path("deploymentrecords")
    return [
        Attempt("create the next record", "POST", many, forged(4), JSON),
        Attempt("create a record of a chain that will be", "POST", many, forged(1, stranger), JSON),
        Attempt("create a record under a generated name", "POST", many, nameless, JSON),
        Attempt("create a record by apply", "PATCH", f"{path}?fieldManager=forger&force=true", applied, APPLY_PATCH),
    ]


def _on_change_logs(shop: Workspace) -> list[Attempt]:
    stored = shop.get("deployments", NAME) or {}
    path = shop.path("deployments", NAME)
    entry = {**stored["changeLog"]["entries"][0], "by": "mallory"}
    forged = {"sequence": 3, "entries": [entry, *stored["changeLog"]["entries"][1:]]}
    apply = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {"environment": "production", "app": "web", "release": "v3"},
        "changeLog": forged,
    }
    without = {key: value for key, value in stored.items() if key not in {"changeLog", "status"}}
    first = "/changeLog/entries/0"
    return [
        Attempt("forge the log", "PATCH", path, {"changeLog": forged}),
        Attempt("empty the log", "PATCH", path, {"changeLog": {"sequence": 0, "entries": []}}),
        Attempt("remove the log", "PATCH", path, {"changeLog": None}),
        Attempt("take an entry out", "PATCH", path, [{"op": "remove", "path": first}], JSON_PATCH),
        Attempt("edit an entry", "PATCH", path, [{"op": "add", "path": f"{first}/by", "value": "mallory"}], JSON_PATCH),
        Attempt("replace without the log", "PUT", path, without, JSON),
        Attempt("replace with a forged log", "PUT", path, {**stored, "changeLog": forged}, JSON),
        Attempt("apply a forged log by force", "PATCH", f"{path}?fieldManager=forger&force=true", apply, APPLY_PATCH),
        Attempt("forge the log by the status", "PATCH", f"{path}/status", {"changeLog": forged}),
        Attempt("count more as recorded", "PATCH", f"{path}/status", {"status": {"recordedSequence": 9}}),
        Attempt("count by replacing", "PUT", f"{path}/status", {**stored, "status": {"recordedSequence": 9}}, JSON),
    ]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_no_edit_changes_the_history(scene: Scene, identity: str) -> None:
    attempts = [*_on_records(scene.shop), *_on_change_logs(scene.shop)]
    assert len(attempts) >= 25
    before = scene.history()
    for attempt in attempts:
        answer = _try(scene, identity, attempt)
        assert answer.status < 500, (attempt.title, answer.body)
        assert scene.history() == before, f"{identity} could {attempt.title}: {answer.status}"
        if "deploymentrecords" in attempt.path:
            assert answer.status >= 400, (attempt.title, answer.body)


def _try(scene: Scene, identity: str, attempt: Attempt) -> Answer:
    return scene.cluster.raw(
        attempt.method,
        attempt.path,
        token=scene.tokens[identity],
        body=attempt.body,
        content_type=attempt.content_type,
    )


@pytest.mark.parametrize("identity", ["user", "owner", "gitops"])
def test_a_new_deployment_says_who_made_it_whatever_log_it_brings(scene: Scene, identity: str) -> None:
    name = f"staging.{identity}"
    entries = [{"sequence": 7, "action": "rollback", "by": "alice", "from": "v0", "to": "v1", "reason": "forged"}]
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"environment": "staging", "app": identity, "release": "v1"},
        "changeLog": {"sequence": 7, "entries": entries},
        "status": {"recordedSequence": 7},
    }
    attempt = Attempt("create with a log", "POST", scene.shop.path("deployments"), body, JSON)
    answer = _try(scene, identity, attempt)
    assert answer.status == 201, answer.body
    stored = answer.json()
    assert "status" not in stored
    log = stored["changeLog"]
    assert log["sequence"] == 1
    (entry,) = log["entries"]
    assert entry.pop("at")
    who = {
        "user": scene.cluster.username("carol"),
        "owner": scene.cluster.username("mallory"),
        "gitops": f"system:serviceaccount:{scene.shop.namespace}:gitops",
    }
    assert entry == {"sequence": 1, "action": "deploy", "by": who[identity], "to": "v1"}


PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


def _shifted(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


#: Owned by the forger. One that the write leaves alone: who owns what changes loses it, and with it the whole entry.
APP = {"f:spec": {"f:app": {}}}


def _field(time_: str, manager: str, fields: Object) -> Object:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "moorage.dev/v1",
        "time": time_,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


#: Times that a client sends along; seconds are counted from now. The names are those of apps.
FORGERIES: dict[str, tuple[float | str, ...]] = {
    "past": (PAST,),
    "future": (FUTURE,),
    "an-hour-ago": (-3600.0,),
    "a-moment-ago": (-7.0,),
    "soon": (4.0,),
}


def _forged_fields(times: tuple[float | str, ...], fields: Object) -> list[Object]:
    texts = [_shifted(one) if isinstance(one, float) else one for one in times]
    return [_field(text, f"forger-{number}", fields) for number, text in enumerate(texts)]


def test_forged_times_reach_no_record(operators: Operators, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    operators.ensure()
    for app in FORGERIES:
        ledger.create(shop, "production", app, "v1")
    eventually(lambda: settled(shop))

    def forge(app: str) -> None:
        # Old enough that a forged "moment ago" lies after the last true time.
        _wait_for_silence(shop, f"production.{app}", 9)
        for number, release in enumerate((None, "v2", "v3", None)):
            _wait_for_silence(shop, f"production.{app}", 1)
            started, reason = time.time(), "forged" if number == 1 else None
            answer = _write_with_times(shop, app, release, reason, by_put=number % 2 == 0)
            assert answer.status == 200, answer.body
            ledger.accept(answer.json(), user="alice", started=started, reason=reason)
            entry = answer.json()["changeLog"]["entries"][-1]
            if "at" in entry:
                time_is_true(entry["at"], started=started, ended=time.time())

    in_parallel(len(FORGERIES), [lambda app=app: forge(app) for app in FORGERIES])
    eventually(lambda: settled(shop))
    _all_times_are_near(ledger, shop)
    check_history(ledger, records_of([shop]))


def _write_with_times(shop: Workspace, app: str, release: str | None, reason: str | None, *, by_put: bool) -> Answer:
    """Try to change the release in a write that brings times along, which is refused; then in one that does not."""
    forged = _forged_fields(FORGERIES[app], APP)
    for fields in (forged, []):
        for _ in range(9):
            answer = _try_with_times(shop, app, release, reason, fields, by_put=by_put)
            # Else a status came between: then the version is an older one, or the entry of the status is.
            if answer.status != 409 and (fields or answer.status != 403):
                break
        assert not fields or (answer.status, b"managedFields brings" in answer.body) == (403, True), answer.body
    return answer


def _try_with_times(
    shop: Workspace, app: str, release: str | None, reason: str | None, forged: list[Object], *, by_put: bool
) -> Answer:
    name = f"production.{app}"
    stored = shop.get("deployments", name) or {}
    path, fields = shop.path("deployments", name), [*stored["metadata"]["managedFields"], *forged]
    if by_put:
        stored["metadata"]["managedFields"] = fields
        stored["spec"] = {key: value for key, value in stored["spec"].items() if key != "release"}
        stored["spec"] |= {"release": release} if release else {}
        return shop.cluster.raw("PUT", path, user="alice", body=stored)
    note = {"change": {"reason": reason}} if reason else {}
    patch = {"metadata": {"managedFields": fields}, "spec": {"release": release, **note}}
    return shop.cluster.raw("PATCH", path, user="alice", body=patch, content_type=MERGE_PATCH)


def _wait_for_silence(shop: Workspace, name: str, seconds: int) -> None:
    """Until the last write by anybody but the operator is that number of whole seconds ago."""

    def is_silent() -> bool:
        fields = (shop.get("deployments", name) or {})["metadata"]["managedFields"]
        true_times = [
            one["time"] for one in fields if "subresource" not in one and not one["manager"].startswith("forger")
        ]
        # A forged time may stay behind; what counts is the clock.
        return max(one for one in true_times if one <= _shifted(0)) <= _shifted(-seconds)

    eventually(is_silent, timeout=seconds + 5, interval=0.2)


def _all_times_are_near(ledger: Ledger, shop: Workspace) -> None:
    """The operator runs, so even the time at which it saw a change is within the slack."""
    for chain in ledger.chains.values():
        changes = sorted(chain.changes, key=lambda one: one.version)
        for change, spec in zip(changes, shop.records(chain.name), strict=True):
            time_is_true(spec["at"], started=change.started, ended=change.started + patience.scaled(CLOCK_SLACK))


@pytest.mark.parametrize("spec", [{"description": "forged"}, {"description": None}], ids=["sets", "removes"])
def test_forged_times_reach_no_provenance(workspace: Workspaces, spec: Object) -> None:
    """Of an Environment; a write that only removes has no time at all: the one before was another user's."""
    shop = workspace()
    shop.create_environment("staging", user="alice")

    path = shop.path("environments", "staging")

    def patch(body: Object, query: str = "") -> Object:
        answer = shop.cluster.raw("PATCH", path + query, user="alice", body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body
        return dict(answer.json())

    for times in FORGERIES.values():
        changed = patch({"spec": {"description": f"before {time.time_ns()}"}}, "?fieldManager=other")
        before = changed["provenance"]["updatedAt"]
        eventually(lambda before=before: before < _shifted(-1))
        fields = [*changed["metadata"]["managedFields"], *_forged_fields(times, {"f:spec": {"f:displayName": {}}})]
        brought = {"metadata": {"managedFields": fields}, "spec": spec}
        refused = shop.cluster.raw("PATCH", path, user="alice", body=brought, content_type=MERGE_PATCH)
        assert (refused.status, b"managedFields brings" in refused.body) == (403, True), refused.body
        started = time.time()
        stamped = patch({"spec": spec})["provenance"]
        assert stamped["updatedBy"] == shop.cluster.username("alice")
        assert ("updatedAt" in stamped) == (spec["description"] is not None)
        if "updatedAt" in stamped:
            time_is_true(stamped["updatedAt"], started=started, ended=time.time())


def test_the_facade_may_write_nothing(scene: Scene) -> None:
    body = {"spec": {"release": "v9"}}
    attempt = Attempt("deploy", "PATCH", scene.shop.path("deployments", NAME), body)
    answer = _try(scene, "facade", attempt)
    assert answer.status == 403
    assert account("moorage-api") in answer.json()["message"]
