"""The real cluster as tests see it: users, raw access, the audit log, workspaces, and the processes that work in it.

Everything is synchronous; async tests may call it through `asyncio.to_thread` (`LiveCluster.raw_async` does).
"""

import asyncio
import json
import secrets
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from moorage_dev import kubeconfigs, users
from moorage_dev.cluster import Cluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.failures import DevError
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.rest_client import Answer, RestClient

ADMIN = users.ADMIN
GROUP_PATH = "/apis/moorage.dev/v1"
RBAC = "rbac.authorization.k8s.io"

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One answered request, as the API server's audit log has it.

    Attributes:
        user: who; an impersonated user counts as itself.
        verb: `create`, `patch`, …
        resource: plural, with the subresource: `deployments/status`.
        namespace: empty for cluster-wide requests.
        name: empty for lists and most creates.
        group: API group, empty for the core.
        code: HTTP status of the answer.
        agent: User-Agent.
    """

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    group: str
    code: int
    agent: str


@dataclass(slots=True)
class Workspace:
    """A fresh Namespace that is a workspace.

    Attributes:
        cluster: where it is.
        namespace: its Namespace.
        org: value of the label `moorage.dev/org`.
        name: value of the label `moorage.dev/workspace`.
    """

    cluster: "LiveCluster"
    namespace: str
    org: str
    name: str

    def path(self, plural: str, name: str = "") -> str:
        """Path of our resources in it: a collection, or one object."""
        return f"{GROUP_PATH}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    @property
    def rest(self) -> str:
        """Path of its environments at the facade."""
        return f"/v1/orgs/{self.org}/workspaces/{self.name}/environments"

    def create_environment(self, name: str, *, user: str = ADMIN, **spec: Any) -> dict[str, Any]:
        """Create an Environment."""
        return self._create("environments", "Environment", name, {"displayName": name.title(), **spec}, user)

    def create_deployment(
        self, environment: str, app: str, release: str | None = None, *, user: str = ADMIN, **spec: Any
    ) -> dict[str, Any]:
        """Create a Deployment (of ours) that binds the app to the environment."""
        name = f"{environment}.{app.lower().replace('_', '-')}"
        wanted = {"environment": environment, "app": app, **({"release": release} if release else {}), **spec}
        return self._create("deployments", "Deployment", name, wanted, user)

    def set_release(self, name: str, release: str | None, *, user: str = ADMIN, **spec: Any) -> dict[str, Any]:
        """Change the release of a Deployment by merge patch; None undeploys."""
        body = {"spec": {"release": release, **spec}}
        answer = self.cluster.raw(
            "PATCH", self.path("deployments", name), user=user, body=body, content_type="application/merge-patch+json"
        )
        assert answer.status == 200, answer.body
        return dict(answer.json())

    def get(self, plural: str, name: str) -> dict[str, Any] | None:
        """One object, None when there is none."""
        answer = self.cluster.raw("GET", self.path(plural, name))
        assert answer.status in {200, 404}, answer.body
        return dict(answer.json()) if answer.status == 200 else None

    def list(self, plural: str, *, labels: str = "") -> "list[dict[str, Any]]":
        """All objects of one of our resources, in the order of their names."""
        query = f"?labelSelector={labels}" if labels else ""
        answer = self.cluster.raw("GET", self.path(plural) + query)
        assert answer.status == 200, answer.body
        return sorted(answer.json()["items"], key=lambda item: str(item["metadata"]["name"]))

    def records(self, deployment: str | None = None) -> "list[dict[str, Any]]":
        """Specs of the DeploymentRecords, oldest first; of one Deployment, or of all by Deployment."""
        specs = [item["spec"] for item in self.list("deploymentrecords")]
        chosen = [spec for spec in specs if deployment is None or spec["deployment"]["name"] == deployment]
        return sorted(chosen, key=lambda spec: (spec["deployment"]["name"], spec["at"], spec["sequence"]))

    def _create(self, plural: str, kind: str, name: str, spec: dict[str, Any], user: str) -> dict[str, Any]:
        body = {
            "apiVersion": "moorage.dev/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        answer = self.cluster.raw("POST", self.path(plural), user=user, body=body)
        assert answer.status == 201, answer.body
        return dict(answer.json())


class LiveCluster:
    """A cluster in which Moorage is installed."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.underlying = cluster
        self.folder = folder
        self.endpoint: Endpoint = cluster.endpoint
        self.client = RestClient(self.endpoint.server, self.endpoint.ca)
        self._tokens: dict[str, str] = {}

    def through(self, endpoint: Endpoint) -> "LiveCluster":
        """The same cluster by another of its API servers: requests and new kubeconfigs go there."""
        other = copy(self)
        other.endpoint = endpoint
        other.client = RestClient(endpoint.server, endpoint.ca)
        return other

    @property
    def control_plane(self) -> ControlPlane:
        """The processes of the cluster, to kill and to tamper with; skips the test where they are not ours."""
        if self.underlying.control_plane is None:
            pytest.skip(f"NOT RUN: kills or tampers, so it does not run on {self.underlying.title}")
        return self.underlying.control_plane

    def token(self, user: str) -> str:
        """Bearer token of one of `users.ALL`."""
        if user not in self._tokens:
            self._tokens[user] = self.underlying.token(user)
        return self._tokens[user]

    def username(self, user: str) -> str:
        """How the history calls that user."""
        return self.underlying.username(user)

    def service_account_token(
        self, namespace: str, name: str, *, seconds: int = 3600, audiences: "list[str] | None" = None
    ) -> str:
        """A token of a service account by TokenRequest (at least 600 s)."""
        spec: dict[str, Any] = {"expirationSeconds": seconds, **({"audiences": audiences} if audiences else {})}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = self.raw("POST", path, body=body)
        assert answer.status == 201, answer.body
        return str(answer.json()["status"]["token"])

    def kubeconfig(self, name: str, token: str) -> Path:
        """A kubeconfig file with that token."""
        path = self.folder / f"{name}-{secrets.token_hex(4)}.kubeconfig"
        return kubeconfigs.with_token(path, self.endpoint, user=name, token=token)

    def kubectl(self, *arguments: str, user: str = ADMIN, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as a user; look at `returncode`, `stdout` and `stderr`."""
        return self.underlying.kubectl(user).run(*arguments, stdin=stdin)

    def apply(self, *objects: Mapping[str, Any], user: str = ADMIN, server_side: bool = True) -> None:
        """`kubectl apply` of objects, which must succeed."""
        flags = ["--server-side", "--force-conflicts"] if server_side else []
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        done = self.kubectl("apply", *flags, "-f", "-", user=user, stdin=text)
        assert done.returncode == 0, done.stderr

    def raw(
        self,
        method: str,
        path: str,
        *,
        user: str = ADMIN,
        token: str | None = None,
        body: object = None,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request to the API server as `user`, or with any `token` (empty: none at all)."""
        bearer = self.token(user) if token is None else token or None
        return self.client.request(method, path, token=bearer, body=body, content_type=content_type, headers=headers)

    async def raw_async(self, method: str, path: str, **options: Any) -> Answer:
        """`raw` for async tests."""
        return await asyncio.to_thread(self.raw, method, path, **options)

    def may(self, user: str, verb: str, plural: str, namespace: str, name: str = "") -> bool:
        """What the API server itself says about a user's right to one of our resources."""
        return self._is_allowed(self.username(user), verb, plural, namespace, name)

    def _is_allowed(self, username: str, verb: str, plural: str, namespace: str, name: str = "") -> bool:
        attributes = {"verb": verb, "group": "moorage.dev", "resource": plural, "namespace": namespace, "name": name}
        spec = {"user": username, "groups": ["system:authenticated"], "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = self.raw("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body)
        return answer.json()["status"].get("allowed") is True

    def grant(self, namespace: str, user: str, role: str) -> None:
        """Bind a user to a ClusterRole in a Namespace, and wait until the right is there."""
        stem, witness = users.stem(user), f"witness-{secrets.token_hex(4)}"
        metadata = {"name": f"{stem}-{role}", "namespace": namespace}
        body = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            # Somebody who has no other right: by an earlier binding the user may have some of these already.
            "subjects": [self.underlying.subject(user), {"kind": "User", "apiGroup": RBAC, "name": witness}],
        }
        path = f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings"
        answer = self.raw("POST", path, body=body)
        assert answer.status == 201, answer.body
        eventually(lambda: self._is_allowed(witness, "list", "deployments", namespace))

    def revoke(self, namespace: str, user: str, role: str) -> None:
        """Take back what `grant` gave, and wait until the right is gone at the API server."""
        path = f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings/{users.stem(user)}-{role}"
        assert self.raw("DELETE", path).status == 200
        eventually(lambda: not self.may(user, "list", "deployments", namespace))

    def audit_mark(self) -> int:
        """A place in the audit log; give it to `audit_since`. Skips the test where the log cannot be read."""
        log = self.underlying.audit_log
        if log is None:
            pytest.skip(f"NOT RUN: reads the audit log, which is out of reach on {self.underlying.title}")
        return log.stat().st_size if log.is_file() else 0

    def audit_since(
        self,
        mark: int,
        *,
        user: str | None = None,
        verbs: "frozenset[str] | set[str] | None" = None,
        resource: str | None = None,
    ) -> "list[AuditEvent]":
        """What the API server answered after `mark`, in the order of the answers.

        Args:
            mark: from `audit_mark`.
            user: full name as the API server knows it (`system:serviceaccount:…` for accounts).
            verbs: only these; `WRITES` are all that change something.
            resource: plural, with the subresource if there is one.
        """
        log = self.underlying.audit_log
        assert log is not None
        with log.open("rb") as handle:
            handle.seek(max(0, mark - 1))
            text = handle.read()
        # At the mark a line may have been half written: what it tells of came before.
        lines = (text.partition(b"\n")[2] if mark else text).splitlines(keepends=True)
        # The last line may still be growing.
        events = (_audit_event(json.loads(line)) for line in lines if line.endswith(b"\n"))
        return [
            event
            for event in events
            if event is not None
            and (user is None or event.user == user)
            and (verbs is None or event.verb in verbs)
            and (resource is None or event.resource == resource)
        ]

    def count_writes(self, mark: int, *, user: str | None = None) -> "Counter[tuple[str, str, str]]":
        """(user, verb, resource) → number of writes that were answered 2xx since `mark`."""
        events = self.audit_since(mark, user=user, verbs=WRITES)
        return Counter((event.user, event.verb, event.resource) for event in events if event.code < 300)


def account(name: str) -> str:
    """Full user name of a service account of Moorage's own Namespace."""
    return f"system:serviceaccount:moorage-system:{name}"


def _audit_event(line: dict[str, Any]) -> AuditEvent | None:
    if line.get("stage") != "ResponseComplete":
        return None
    target = line.get("objectRef") or {}
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    actor = line.get("impersonatedUser") or line["user"]
    return AuditEvent(
        user=actor.get("username", ""),
        verb=line["verb"],
        resource=f"{target.get('resource', '')}{subresource}",
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        group=target.get("apiGroup", ""),
        code=(line.get("responseStatus") or {}).get("code", 0),
        agent=line.get("userAgent", ""),
    )


class Workspaces:
    """Makes workspaces, and deletes them without waiting when the test is over.

    Args:
        cluster: where.
        heard: called with each workspace and the names of its Environments; returns when those have heard of them who
            answer from a memory of their own.
    """

    def __init__(
        self, cluster: LiveCluster, heard: Callable[[Workspace, Sequence[str]], None] = lambda _space, _names: None
    ) -> None:
        self._cluster = cluster
        self._heard = heard
        self._made: list[str] = []

    def __call__(
        self,
        *environments: str,
        members: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        org: str | None = None,
    ) -> Workspace:
        """A new workspace.

        Args:
            environments: Environments to create in it.
            members: user → ClusterRole; by default alice may edit, bob deploys, viewer looks.
            labels: further labels of the Namespace.
            org: organisation; by default one of its own.
        """
        unique = secrets.token_hex(4)
        made = Workspace(self._cluster, f"ws-{unique}", org or f"org-{unique}", f"space-{unique}")
        self._create_namespace(made, labels or {})
        usual = {"alice": "moorage-edit", "bob": "moorage-deployer", "viewer": "moorage-view"}
        for user, role in (usual if members is None else members).items():
            self._cluster.grant(made.namespace, user, role)
        for name in environments:
            made.create_environment(name)
        self._heard(made, environments)
        return made

    def _create_namespace(self, made: Workspace, labels: Mapping[str, str]) -> None:
        wanted = {"moorage.dev/org": made.org, "moorage.dev/workspace": made.name, **labels}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.namespace, "labels": wanted}}
        answer = self._cluster.raw("POST", "/api/v1/namespaces", body=body)
        assert answer.status == 201, answer.body
        self._made.append(made.namespace)

    def clean(self) -> None:
        """Delete all that were made; the cluster finishes that by itself."""
        for namespace in self._made:
            # A test may have left the cluster in pieces; its own failure says more than this one.
            with suppress(OSError):
                self._cluster.raw("DELETE", f"/api/v1/namespaces/{namespace}")
        self._made.clear()


__all__ = [
    "ADMIN",
    "GROUP_PATH",
    "WRITES",
    "AuditEvent",
    "DevError",
    "LiveCluster",
    "Workspace",
    "Workspaces",
    "account",
]
