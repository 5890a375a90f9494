"""A mutating policy of somebody else's after our stamp: what it changed of a release or of the log is refused."""

import secrets
from collections.abc import Iterator
from typing import Final

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import MEMBERS, WAYS, Object, change, refused_by
from services import Operators
from waiting import eventually_passes

from moorage_crds import names
from moorage_dev.rest_client import MERGE_PATCH, Answer

_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_LAST: Final = "'/changeLog/entries/' + string(size(object.changeLog.entries) - 1)"
#: What is done to a write that is called so in `spec.change.reason`, as JSON patches. The API server may call a policy
#: twice, and refuses a removal of what is not there (any more).
MEDDLED: Final = {
    "the release": "{op: 'replace', path: '/spec/release', value: 'evil'}",
    "the user": f"{{op: 'replace', path: {_LAST} + '/by', value: 'somebody'}}",
    "the time": f"{{op: 'add', path: {_LAST} + '/at', value: '2020-01-02T03:04:05Z'}}",
    "the number": "{op: 'replace', path: '/changeLog/sequence', value: dyn(int(object.changeLog.sequence) + 1)}",
    "the number of the entry": f"{{op: 'replace', path: {_LAST} + '/sequence', value: 99}}",
    "the action": f"{{op: 'replace', path: {_LAST} + '/action', value: 'adopt'}}",
    "the other action": f"{{op: 'replace', path: {_LAST} + '/action', value: 'undeploy'}}",
    "what was there": f"{{op: 'replace', path: {_LAST} + '/from', value: 'v0'}}",
    "what is there": f"{{op: 'replace', path: {_LAST} + '/to', value: 'v0'}}",
    "the reason": f"{{op: 'replace', path: {_LAST} + '/reason', value: 'approved by all'}}",
    "the request": f"{{op: 'add', path: {_LAST} + '/requestId', value: 'of-another'}}",
    "an override": f"{{op: 'add', path: {_LAST} + '/override', value: ['freeze/weekend']}}",
    "an earlier entry": "{op: 'replace', path: '/changeLog/entries/0/by', value: 'somebody'}",
    "an earlier entry is gone": "{op: 'remove', path: '/changeLog/entries/0'}",
    "no new entry": f"{{op: 'remove', path: {_LAST}}}",
    "an entry twice": "{op: 'replace', path: '/changeLog/entries/0', value: object.changeLog.entries[1]}",
    "all of it": "{op: 'remove', path: '/changeLog'}",
}
#: What is removed, and whether it is there.
REMOVED: Final = {
    "no release": ("'/spec/release'", "has(object.spec.release)"),
    "no user": (f"{_LAST} + '/by'", "has(object.changeLog.entries[size(object.changeLog.entries) - 1].by)"),
}
EVERYTHING: Final = (*MEDDLED, *REMOVED)
#: The same to a first release.
FIRST: Final = ("the release", "no release", "the user", "no user", "the time", "the number", "the reason", "all of it")
#: The same to the log in a write that leaves the release alone.
STILL: Final = ("the user", "the number", "an earlier entry is gone", "no new entry", "all of it")
#: Changes of the two Deployments before: a log that is filling, and one that is full (16 entries).
LENGTHS: Final = (2, 17)
_numbers = iter(range(10_000))


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """Two Deployments, and a policy that meddles as a write's reason says."""
    _operators.stop()
    made = Workspaces(cluster)
    shop = made("production", members=MEMBERS)
    for length in LENGTHS:
        shop.create_deployment("production", f"web-{length}", "v0")
        _length(shop, length)
    everything = [_written(shop, length, reason=reason) for length in LENGTHS for reason in EVERYTHING]
    assert {answer.status for answer in everything} == {200}, "without the meddler each of these writes is taken"
    name = f"zz-{shop.namespace}.example.com"
    wanted = {"mutatingadmissionpolicies": _meddler(shop), "mutatingadmissionpolicybindings": {"policyName": name}}
    kinds = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    for (plural, spec), kind in zip(wanted.items(), kinds, strict=True):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        answer = cluster.raw("POST", f"{_ADMISSION}/{plural}", body=body)
        assert answer.status == 201, answer.body

    def meddles() -> None:
        answer = _written(shop, LENGTHS[0], reason="the user")
        assert refused_by(answer, names.POLICY_STAMPS), (answer.status, answer.body)

    eventually_passes(meddles, timeout=30)
    yield shop
    for plural in reversed(wanted):
        cluster.raw("DELETE", f"{_ADMISSION}/{plural}/{name}")
    made.clean()


def _length(shop: Workspace, length: int) -> None:
    """Make that many changes, each recorded if one believes the status: no more than 16 may wait for that."""
    status = shop.path("deployments", f"production.web-{length}/status")
    for number in range(1, length):
        assert _written(shop, length, reason="before", dry_run=False).status == 200
        body = {"status": {"recordedSequence": number}}
        assert shop.cluster.raw("PATCH", status, body=body, content_type=MERGE_PATCH).status == 200


def _written(
    shop: Workspace, length: int, *, reason: str, way: str = "merge patch", moved: bool = True, dry_run: bool = True
) -> Answer:
    note: Object = {"reason": reason, "requestId": secrets.token_hex(8)}
    spec: Object = {"change": note | {"completeFor": note["requestId"]}}
    if moved:
        spec["release"] = f"v{next(_numbers) + 1}"
    name = f"production.web-{length}"
    return change(shop, "deployments", name, way, {"spec": spec}, user="admin", query="dryRun=All" if dry_run else "")


def _meddler(shop: Workspace) -> Object:
    chosen, reasons = "[]", "object.spec.?change.?reason.orValue('') == "
    # Before the stamp a policy may change what it likes: that is what is stamped then.
    stamped = (
        "has(object.changeLog) && (request.operation == 'CREATE' || !has(oldObject.changeLog) "
        "|| object.spec.?release == oldObject.spec.?release "
        "|| object.changeLog.sequence > oldObject.changeLog.sequence)"
    )
    for reason, patch in MEDDLED.items():
        chosen = f"{reasons}'{reason}' ? [JSONPatch{patch}] : {chosen}"
    for reason, (path, there) in REMOVED.items():
        chosen = f"{reasons}'{reason}' && {there} ? [JSONPatch{{op: 'remove', path: {path}}}] : {chosen}"
    kinds = {"apiGroups": ["moorage.dev"], "apiVersions": ["v1"], "resources": ["deployments"]}
    rule = {**kinds, "operations": ["CREATE", "UPDATE"]}
    return {
        "failurePolicy": "Fail",
        # Whatever the order of the policies is: it is called again when ours has changed something.
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
            "resourceRules": [rule],
        },
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"{stamped} ? ({chosen}) : []"}}],
    }


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("meddled", EVERYTHING)
def test_a_change_whose_stamp_is_meddled_with_is_refused(shop: Workspace, meddled: str, length: int) -> None:
    for way in WAYS:
        answer = _written(shop, length, reason=meddled, way=way)
        assert refused_by(answer, names.POLICY_STAMPS), (way, answer.status, answer.body)


@pytest.mark.parametrize("meddled", STILL)
def test_a_write_beside_the_release_whose_log_is_meddled_with_is_refused(shop: Workspace, meddled: str) -> None:
    for length in LENGTHS:
        answer = _written(shop, length, reason=meddled, moved=False)
        assert refused_by(answer, names.POLICY_STAMPS), (length, answer.status, answer.body)


@pytest.mark.parametrize("meddled", FIRST)
def test_a_first_release_whose_stamp_is_meddled_with_is_refused(shop: Workspace, meddled: str) -> None:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Deployment",
        "metadata": {"name": "production.probe"},
        "spec": {"environment": "production", "app": "probe", "release": "v1", "change": {"reason": meddled}},
    }
    answer = shop.cluster.raw("POST", f"{shop.path('deployments')}?dryRun=All", body=body)
    assert refused_by(answer, names.POLICY_STAMPS), (answer.status, answer.body)
