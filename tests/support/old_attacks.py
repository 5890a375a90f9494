"""What the policies of earlier versions let through, one attack for each policy that has changed since.

All of them are dry runs on the objects of one Namespace, so that they can be repeated until an upgrade is in force.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waiting import eventually

from moorage_crds import names
from moorage_crds.kinds.registry import KINDS
from moorage_dev import users
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.rest_client import MERGE_PATCH, Answer, RestClient

Object = dict[str, Any]

#: Seconds until every part of the API server knows of a change of its policies, or of a parameter kind.
IN_FORCE_SECONDS = 60
GARBAGE_COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
DEPLOYER = "carol"
NOBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nope", "uid": "00000000-0000-4000-8000-000000000001"}
#: A name of which an earlier version stamped the first 1,024 characters.
LONG = "x" * 1031
GROUP = "upgrade-deployers"
REASON = "as it was"
#: The name under which the API server merges entries of managedFields, with the time of any of them.
MERGED = "&fieldManager=ancient-changes"
RECORD = "11111111-2222-4333-8444-555555555555-00000001"
RECORDED = {
    "deployment": {"name": "free.old", "uid": RECORD[:36]},
    "environment": "free",
    "app": "old",
    "release": "1",
    "action": "deploy",
    "sequence": 1,
    "at": "2026-01-01T00:00:00Z",
    "previousHash": "0" * 64,
    "hash": "0" * 64,
}
ALWAYS = {"from": "2001-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}
_KINDS = {kind.plural: kind.kind for kind in KINDS}
_BASE = f"/apis/{names.API_VERSION}/namespaces"
ATTRIBUTED = {names.LABEL_ATTRIBUTED_DELETES: "true"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A Namespace with something to attack, and a second one (`<namespace>-attributed`) that wants names for deletes.

    Two, because of several policies that refuse one request the API server names only one.
    """

    cluster: BuiltCluster
    api: RestClient
    namespace: str

    @property
    def namespaces(self) -> tuple[str, str]:
        """Both of them."""
        return self.namespace, f"{self.namespace}-attributed"

    @property
    def labels(self) -> dict[str, str]:
        """What makes the first one a workspace."""
        return {names.LABEL_ORG: "acme", names.LABEL_WORKSPACE: self.namespace}

    def admin(self, method: str, path: str, body: object = None) -> Answer:
        """As administrator."""
        content_type = MERGE_PATCH if method == "PATCH" else None
        token = self.cluster.token(users.ADMIN)
        return self.api.request(method, path, token=token, body=body, content_type=content_type)

    def attack(self, user: str, method: str, path: str, body: object = None, query: str = "") -> Answer:
        """Dry run of a request in somebody's name; `path` is absolute, or begins at the Namespace's name."""
        content_type = MERGE_PATCH if method == "PATCH" else None
        headers = {"Impersonate-User": user, **({} if user == GARBAGE_COLLECTOR else {"Impersonate-Group": GROUP})}
        token = self.cluster.token(users.ADMIN)
        where = f"{path if path.startswith('/') else f'{_BASE}/{path}'}?dryRun=All{query}"
        return self.api.request(method, where, token=token, body=body, content_type=content_type, headers=headers)

    def make(self) -> None:
        """Make everything that is attacked, as soon as changes are stamped."""
        plain, attributed = self.namespaces
        self.cluster.admin().apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plain, "labels": self.labels}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attributed, "labels": ATTRIBUTED}},
            *_deployer(plain),
            *_deployer(attributed),
        )
        eventually(self._is_stamped, IN_FORCE_SECONDS)
        eventually(self._has_provenance, IN_FORCE_SECONDS)
        self._create(plain, "environments", "default", {"displayName": "Default", "isDefault": True})
        self._create(plain, "environments", "locked", {"displayName": "Locked"})
        for namespace, environment in ((plain, "free"), (plain, "locked"), (plain, "unrecorded"), (attributed, "free")):
            self._bind(namespace, environment)
        self._create(plain, "environmentlocks", "locked", {"reason": "stocktaking"})
        self._create(plain, "deploymentrecords", RECORD, RECORDED)

    def edit(self, path: str, patch: Object) -> Answer:
        """Dry run of a merge patch as administrator."""
        return self.admin("PATCH", f"{path}?dryRun=All", patch)

    def freezes(self, plural: str) -> str:
        """Where Freezes of one of the two kinds are."""
        place = f"{_BASE}/{self.namespace}" if plural == "freezes" else f"/apis/{names.API_VERSION}"
        return f"{place}/{plural}"

    def leave(self) -> None:
        """Remove what the attacks have made outside of the Namespaces."""
        self.admin("DELETE", f"{self.freezes('clusterfreezes')}/{self.namespace}")

    def _is_stamped(self) -> bool:
        spec = {"environment": "probe", "app": "web", "release": "1"}
        body = {"apiVersion": names.API_VERSION, "kind": "Deployment", "metadata": {"name": "probe.web"}, "spec": spec}
        answer = self.admin("POST", f"{_BASE}/{self.namespace}/deployments?dryRun=All", body)
        return answer.status == 201 and "changeLog" in answer.json()

    def _has_provenance(self) -> bool:
        """A policy of its own: a lock that was made before it is in force is nobody's, so anybody may change it."""
        body = {"apiVersion": names.API_VERSION, "kind": "EnvironmentLock", "metadata": {"name": "probe"}}
        answer = self.admin(
            "POST", f"{_BASE}/{self.namespace}/environmentlocks?dryRun=All", body | {"spec": {"reason": "probe"}}
        )
        return answer.status == 201 and "provenance" in answer.json()

    def _bind(self, namespace: str, environment: str) -> None:
        name = f"{environment}.web"
        spec = {"environment": environment, "app": "web", "release": "1", "change": {"reason": REASON}}
        assert self._create(namespace, "deployments", name, spec)["changeLog"]["sequence"] == 1
        if environment != "unrecorded":
            status = {"status": {"recordedSequence": 1}}
            answer = self.admin("PATCH", f"{_BASE}/{namespace}/deployments/{name}/status", status)
            assert answer.status == 200, answer.body

    def _create(self, namespace: str, plural: str, name: str, spec: Object) -> Object:
        body = {"apiVersion": names.API_VERSION, "kind": _KINDS[plural], "metadata": {"name": name}, "spec": spec}
        answer = self.admin("POST", f"{_BASE}/{namespace}/{plural}", body)
        assert answer.status == 201, answer.body
        return dict(answer.json())


def _deployer(namespace: str) -> list[Object]:
    """A role that may do everything but delete, also with its own Namespace, and its binding."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": "deployer", "namespace": namespace}
    verbs = ["get", "create", "update", "patch"]
    rules = [
        {"apiGroups": [names.GROUP], "resources": ["*"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["namespaces", "namespaces/status"], "verbs": verbs},
    ]
    subject = {"apiGroup": group, "kind": "Group", "name": GROUP}
    role = {"apiGroup": group, "kind": "Role", "name": "deployer"}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        },
    ]


def refused(answer: Answer, policy: str) -> bool:
    """Whether that policy was among those that refused."""
    return answer.status == 403 and policy.encode() in answer.body


def _collects(path: str, policy: str, *, attributed: bool = False) -> Callable[[Scene], bool]:
    """The garbage collector deletes on behalf of the user who set an ownerReference."""
    return lambda scene: refused(
        scene.attack(GARBAGE_COLLECTOR, "DELETE", f"{scene.namespaces[attributed]}/{path}"), policy
    )


def _owners(scene: Scene) -> bool:
    """An ownerReference to nothing is a delete, by somebody who may not delete."""
    patch = {"metadata": {"ownerReferences": [NOBODY]}}
    answer = scene.attack(DEPLOYER, "PATCH", f"{scene.namespace}/deployments/free.web", patch)
    return refused(answer, names.POLICY_OWNERS)


def _foreground(scene: Scene) -> bool:
    """A delete that is over later, when nobody looks any more."""
    query = "&propagationPolicy=Foreground"
    answer = scene.attack(GARBAGE_COLLECTOR, "DELETE", f"{scene.namespace}/deployments/free.web", query=query)
    return refused(answer, names.POLICY_LIFECYCLE)


def _create(plural: str, kind: str, name: str, spec: Object, **metadata: object) -> Callable[[Scene, str, str], Answer]:
    """Make an object as some user: the scene, the user and a query."""
    body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    return lambda scene, user, query="": scene.attack(user, "POST", f"{scene.namespace}/{plural}", body, query)


def _of_the_time(create: Callable[[Scene, str, str], Answer], stamp: str) -> Callable[[Scene], bool]:
    """The time of a merged entry says nothing about this write: it is not stamped."""

    def attack(scene: Scene) -> bool:
        answer = create(scene, DEPLOYER, MERGED)
        stamped = str(answer.json().get(stamp))
        return answer.status == 201 and DEPLOYER in stamped and re.search(r"\d-\d\dT\d", stamped) is None

    return attack


def _by_a_long_name(create: Callable[[Scene, str, str], Answer], policy: str) -> Callable[[Scene], bool]:
    """Two users of whom the history would have the same name."""
    return lambda scene: refused(create(scene, LONG, ""), policy)


def _edits_a_record(scene: Scene) -> bool:
    """What belongs to a record and is neither its content nor a label."""
    patch = {"metadata": {"managedFields": [{}]}}
    return refused(scene.edit(f"{_BASE}/{scene.namespace}/deploymentrecords/{RECORD}", patch), names.POLICY_RECORDS)


def _takes_a_workspace(scene: Scene) -> bool:
    """By the status of the Namespace, which is another way to its labels."""
    path = f"/api/v1/namespaces/{scene.namespaces[True]}/status"
    return refused(scene.edit(path, {"metadata": {"labels": scene.labels}}), "workspaces.moorage.dev")


def _switches_a_guard_off(scene: Scene) -> bool:
    """As somebody who may do everything in the Namespace."""
    patch = {"metadata": {"labels": {names.LABEL_ATTRIBUTED_DELETES: None}}}
    answer = scene.attack(DEPLOYER, "PATCH", f"/api/v1/namespaces/{scene.namespaces[True]}", patch)
    return refused(answer, "workspace-rights.moorage.dev")


def _frozen(plural: str, kind: str, policy: str) -> Callable[[Scene], bool]:
    """A new release while a calendar says that there is none. The Freeze can be made only when its kind is there."""

    def attack(scene: Scene) -> bool:
        environment = f"frozen-by-{plural}"
        spec = {"environments": [environment], "reason": "stocktaking", "windows": [ALWAYS]}
        metadata = {"name": scene.namespace}
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        scene.admin("POST", scene.freezes(plural), body)
        # One that was made before its policies were in force is taken in by the next write.
        scene.admin("PATCH", f"{scene.freezes(plural)}/{scene.namespace}", {"spec": spec})
        release = {"environment": environment, "app": "web", "release": "1"}
        metadata = {"name": f"{environment}.web"}
        body = {"apiVersion": names.API_VERSION, "kind": "Deployment", "metadata": metadata, "spec": release}
        return refused(scene.attack(DEPLOYER, "POST", f"{scene.namespace}/deployments", body), policy)

    return attack


def _mislabelled(scene: Scene) -> bool:
    """A Freeze that refuses, with the label of one that only warns."""
    spec = {"environments": ["other"], "reason": "stocktaking", "windows": [ALWAYS]}
    metadata = {"name": "mislabelled", "labels": {"moorage.dev/enforcement": "warn"}}
    body = {"apiVersion": names.API_VERSION, "kind": "Freeze", "metadata": metadata, "spec": spec}
    answer = scene.attack(DEPLOYER, "POST", f"{scene.namespace}/freezes", body)
    return answer.status == 201 and answer.json()["metadata"]["labels"]["moorage.dev/enforcement"] == "deny"


def _loses_a_reason(scene: Scene) -> bool:
    """A new release with the reason of the change before it, which the history silently leaves out."""
    patch = {"spec": {"release": "2", "change": {"reason": REASON}}}
    answer = scene.attack(DEPLOYER, "PATCH", f"{scene.namespace}/deployments/free.web", patch)
    return answer.status == 200 and "recorded without a reason" in answer.headers.get("warning", "")


def _ruled(name: str, **spec: object) -> Callable[[Scene], None]:
    """An environment with rules. One from before the policies is taken in by the next write."""

    def make(scene: Scene) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": "Environment", "metadata": {"name": name}, "spec": spec}
        scene.admin("POST", f"{_BASE}/{scene.namespace}/environments", body)
        scene.admin("PATCH", f"{_BASE}/{scene.namespace}/environments/{name}", {"spec": spec})

    return make


def _enters(environment: str, policy: str, **change: object) -> Callable[[Scene], bool]:
    """A release for which there is no evidence, by somebody with every right of the Namespace but those verbs."""
    spec = {"environment": environment, "app": "web", "release": "1", **({"change": change} if change else {})}
    deploy = _create("deployments", "Deployment", f"{environment}.web", spec)
    return lambda scene: refused(deploy(scene, DEPLOYER, ""), policy)


def _after(make: Callable[[Scene], None], attack: Callable[[Scene], bool]) -> Callable[[Scene], bool]:
    def both(scene: Scene) -> bool:
        make(scene)
        return attack(scene)

    return both


def _weakens(scene: Scene) -> bool:
    """The rule goes with the next write of any user who may write the Environment."""
    patch = {"spec": {"approvals": None}}
    answer = scene.attack(DEPLOYER, "PATCH", f"{scene.namespace}/environments/approving", patch)
    return refused(answer, "protection.moorage.dev")


def _deletes_what_is_closed(scene: Scene) -> bool:
    """With what runs in it."""
    _ruled("closed")(scene)
    status = {"status": {"activeDeploymentCount": 1, "gates": {"closed": True}}}
    scene.admin("PATCH", f"{_BASE}/{scene.namespace}/environments/closed/status", status)
    answer = scene.attack(GARBAGE_COLLECTOR, "DELETE", f"{scene.namespace}/environments/closed")
    return refused(answer, "environments-gates.moorage.dev")


def _takes_a_lock_over(scene: Scene) -> bool:
    """Somebody else's reason beside the own name."""
    patch = {"spec": {"until": "2999-01-01T00:00:00Z"}}
    answer = scene.attack(DEPLOYER, "PATCH", f"{scene.namespace}/environmentlocks/locked", patch)
    return refused(answer, "lock-takeovers.moorage.dev")


def _forges_a_cursor(scene: Scene) -> bool:
    """What an EventSink was sent, as its status says: nothing of what is left out would ever be sent."""
    spec = {"url": "https://events.example.com/in", "secretRef": {"name": "signing", "key": "secret"}}
    body = {"apiVersion": names.API_VERSION, "kind": "EventSink", "metadata": {"name": "audit"}, "spec": spec}
    scene.admin("POST", f"{_BASE}/{scene.namespace}/eventsinks", body)
    answer = scene.attack(DEPLOYER, "PATCH", f"{scene.namespace}/eventsinks/audit/status", {"status": {"sent": 7}})
    return refused(answer, "statuses.moorage.dev")


_NO = {"environment": "free", "app": "web", "release": "rejected", "decision": "Reject"}


def _deploys_what_was_rejected(scene: Scene) -> bool:
    """By the administrator, so that no right is missing."""
    body = {"apiVersion": names.API_VERSION, "kind": "Approval", "metadata": {"name": "no"}, "spec": _NO}
    scene.admin("POST", f"{_BASE}/{scene.namespace}/approvals", body)
    patch = {"metadata": {"annotations": {"seen": "true"}}}
    scene.admin("PATCH", f"{_BASE}/{scene.namespace}/approvals/no", patch)
    answer = scene.attack(
        DEPLOYER, "PATCH", f"{scene.namespace}/deployments/free.web", {"spec": {"release": "rejected"}}
    )
    return refused(answer, "rejections.moorage.dev")


_REJECTION = _create("approvals", "Approval", "mine", _NO)
_RELEASE = {"environment": "free", "app": "cli", "release": "6.6.6"}
_DEPLOYMENT = _create("deployments", "Deployment", "free.cli", _RELEASE)
_ENVIRONMENT = _create("environments", "Environment", "other", {"displayName": "Other"})
_LABELLED = _create(
    "environments", "Environment", "other", {"displayName": "Other"}, labels={f"n{number}": "" for number in range(65)}
)

#: Policy → what it lets through in some earlier version and refuses now: true if it is refused.
ATTACKS: dict[str, Callable[[Scene], bool]] = {
    names.POLICY_ATTRIBUTED_DELETES: _collects(
        "deployments/free.web", names.POLICY_ATTRIBUTED_DELETES, attributed=True
    ),
    names.POLICY_DEPLOYMENT_DELETES: _collects("deployments/unrecorded.web", names.POLICY_DEPLOYMENT_DELETES),
    names.POLICY_DEPLOYMENT_LOCKS: _collects("deployments/locked.web", names.POLICY_DEPLOYMENT_LOCKS),
    names.POLICY_ENVIRONMENT_DELETES: _collects("environments/default", names.POLICY_ENVIRONMENT_DELETES),
    names.POLICY_ENVIRONMENT_LOCKS: _collects("environments/locked", names.POLICY_ENVIRONMENT_LOCKS),
    "environments-gates.moorage.dev": _deletes_what_is_closed,
    names.POLICY_OWNERS: _owners,
    "freezes.moorage.dev": _frozen("freezes", "Freeze", "freezes.moorage.dev"),
    "clusterfreezes.moorage.dev": _frozen("clusterfreezes", "ClusterFreeze", "clusterfreezes.moorage.dev"),
    "enforcement.moorage.dev": _mislabelled,
    "promotion.moorage.dev": _after(
        _ruled("promoting", promotion={"from": "free"}), _enters("promoting", "promotion.moorage.dev")
    ),
    "approvals.moorage.dev": _after(
        _ruled("approving", approvals={"required": 1}), _enters("approving", "approvals.moorage.dev")
    ),
    "protection.moorage.dev": _after(_ruled("approving", approvals={"required": 1}), _weakens),
    "overrides.moorage.dev": _enters("free-2", "overrides.moorage.dev", reason="please", override=["promotion"]),
    "rejections.moorage.dev": _deploys_what_was_rejected,
    "approval-rights.moorage.dev": lambda scene: refused(
        _REJECTION(scene, DEPLOYER, ""), "approval-rights.moorage.dev"
    ),
    "lock-takeovers.moorage.dev": _takes_a_lock_over,
    "statuses.moorage.dev": _forges_a_cursor,
    names.POLICY_LIFECYCLE: _foreground,
    names.POLICY_NOTES: _loses_a_reason,
    names.POLICY_CHANGE_LOG: _of_the_time(_DEPLOYMENT, "changeLog"),
    names.POLICY_PROVENANCE: _of_the_time(_ENVIRONMENT, "provenance"),
    "deployments-stamps.moorage.dev": _by_a_long_name(_DEPLOYMENT, "deployments-stamps.moorage.dev"),
    "provenance-stamps.moorage.dev": _by_a_long_name(_ENVIRONMENT, "provenance-stamps.moorage.dev"),
    "metadata.moorage.dev": lambda scene: refused(_LABELLED(scene, DEPLOYER, ""), "metadata.moorage.dev"),
    names.POLICY_RECORDS: _edits_a_record,
    "workspaces.moorage.dev": _takes_a_workspace,
    "workspace-rights.moorage.dev": _switches_a_guard_off,
}
