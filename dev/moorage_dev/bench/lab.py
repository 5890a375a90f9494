"""Where measurements are made: a control plane of its own, the people and workspaces in it, and our two processes."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moorage_dev import children, patience, processes, progress
from moorage_dev.bench import etcd, population
from moorage_dev.bench.audit import Follower
from moorage_dev.bench.population import Workspace, World
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.failures import DevError
from moorage_dev.installation import NAMESPACE, OPERATOR, install
from moorage_dev.processes import Service
from moorage_dev.rest_client import MERGE_PATCH, RestClient

#: Whose token all measured requests carry.
USER = "alice"
GROUP = "/apis/moorage.dev/v1"
#: Who the operator is for the API server.
OPERATOR_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{OPERATOR}"
PATIENCE_SECONDS = 600.0

#: Limits that a single measuring user would meet, and that are not what is measured.
_FACADE_SETTINGS = {
    "MOORAGE_RATE_LIMIT": "1000000",
    "MOORAGE_RATE_BURST": "1000000",
    "MOORAGE_STOP_DELAY_SECONDS": "0",
}


class Lab:
    """A control plane with Moorage installed. Made by `opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = BuiltCluster(folder / "cluster")
        self._numbers = iter(range(1, 10_000))

    def start(self) -> None:
        """Bring it up."""
        self.cluster.start()
        install(self.cluster)
        self.client = RestClient(self.cluster.endpoint.server, self.cluster.endpoint.ca)
        self.admin_token = self.cluster.token("admin")
        self.token = self.cluster.token(USER)

    def stop(self) -> None:
        """Stop it and forget its data."""
        self.cluster.stop()

    @property
    def _control_plane(self) -> ControlPlane:
        assert self.cluster.control_plane is not None
        return self.cluster.control_plane

    # --- requests as administrator

    def ask(self, path: str) -> Any:
        """GET."""
        answer = self.client.request("GET", path, token=self.admin_token)
        if answer.status != 200:
            raise DevError(f"GET {path}: {answer.status} {answer.body[:200].decode(errors='replace')}")
        return answer.json()

    def create(self, path: str, body: Mapping[str, Any], *, user: str = "") -> dict[str, Any]:
        """POST; what was stored."""
        token = self.cluster.token(user) if user else self.admin_token
        answer = self.client.request("POST", path, token=token, body=dict(body))
        if answer.status not in {200, 201}:
            raise DevError(f"POST {path}: {answer.status} {answer.body[:200].decode(errors='replace')}")
        return dict(answer.json())

    def label(self, path: str, value: str) -> None:
        """Put a label of no meaning on an object."""
        body = {"metadata": {"labels": {"example.com/bench": value}}}
        answer = self.client.request("PATCH", path, token=self.admin_token, body=body, content_type=MERGE_PATCH)
        if answer.status != 200:
            raise DevError(f"PATCH {path}: {answer.status} {answer.body[:200].decode(errors='replace')}")

    def version(self) -> str:
        """Version of the API server."""
        return str(self.ask("/version")["gitVersion"])

    # --- workspaces

    def make_workspace(self, workspace: Workspace) -> None:
        """A Namespace that is a workspace, in which the measuring user may edit."""
        labels = {"moorage.dev/org": workspace.org, "moorage.dev/workspace": workspace.name}
        metadata: dict[str, Any] = {"name": workspace.namespace, "labels": labels}
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        api = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "moorage-edit"},
            "subjects": [{"apiGroup": api, "kind": "User", "name": USER}],
        }
        self.create(f"/apis/{api}/v1/namespaces/{workspace.namespace}/rolebindings", binding)

    def make_bindings(self, workspace: Workspace, environments: int, apps: int) -> list[str]:
        """Environments and Deployments through the API, without a release; paths of the Deployments."""
        base = f"{GROUP}/namespaces/{workspace.namespace}"
        paths: list[str] = []
        for slug in (f"env-{index:02}" for index in range(environments)):
            self.create(f"{base}/environments", _object("Environment", slug, {"displayName": slug}))
            for app in map(population.app_name, range(apps)):
                name = f"{slug}.{app}"
                self.create(f"{base}/deployments", _object("Deployment", name, {"environment": slug, "app": app}))
                paths.append(f"{base}/deployments/{name}")
        return paths

    def populate(self, world: World) -> None:
        """Put into etcd what this cluster lacks of a world, and wait until the API server shows all of it."""
        known = self.count("deployments")
        for workspace in world.workspaces:
            if (
                self.client.request("GET", f"/api/v1/namespaces/{workspace.namespace}", token=self.admin_token).status
                == 404
            ):
                self.make_workspace(workspace)
        with progress.shown(f"storing {world.size:,} Deployments with their records", lambda: "through etcd"):
            # The API server would take in every single object as an event; from a list it has them in seconds.
            self._control_plane.kill_api_server()
            etcd.put_all(self._control_plane.etcd(), world.stored(beyond=known))
            self._control_plane.restart_api_server()
            self.client.close()
            wanted = world.size * population.CHANGES_PER_DEPLOYMENT
            wait(lambda: self.count("deploymentrecords") >= wanted, "the API server shows all records")
            for plural in ("environments", "deployments", "deploymentrecords"):
                self._wait_cached(plural)
            wait(self._takes_writes, "the API server takes writes")

    def _wait_cached(self, plural: str) -> None:
        """Wait until the API server's own cache has all: until then its pages may end in a timeout."""
        version = self.ask(f"{GROUP}/{plural}?limit=1")["metadata"]["resourceVersion"]
        path = f"{GROUP}/{plural}?limit=1&resourceVersion={version}&resourceVersionMatch=NotOlderThan"
        wait(
            lambda: self.client.request("GET", path, token=self.admin_token).status == 200,
            f"the API server has cached all {plural}",
        )

    def _takes_writes(self) -> bool:
        """Whether the admission policies are in force again after a restart; until then writes are refused."""
        path = f"{GROUP}/namespaces/default/deployments?dryRun=All"
        body = _object("Deployment", "probe.probe", {"environment": "probe", "app": "probe", "release": "1"})
        answer = self.client.request("POST", path, token=self.admin_token, body=body)
        return answer.status == 201 and "changeLog" in answer.json()

    def count(self, plural: str) -> int:
        """How many objects of a kind there are."""
        answer = self.ask(f"{GROUP}/{plural}?limit=1")
        return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount") or 0)

    # --- our processes

    @contextmanager
    def operator(self, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
        """An operator that is ready."""
        name = f"operator-{next(self._numbers)}"
        service = processes.start_operator(self.cluster, self.folder, name=name, settings=settings)
        try:
            yield service
        finally:
            children.stop(service.child)

    @contextmanager
    def facade(self, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
        """A facade that is synced."""
        name = f"api-{next(self._numbers)}"
        service = processes.start_facade(
            self.cluster, self.folder, name=name, settings={**_FACADE_SETTINGS, **(settings or {})}
        )
        try:
            yield service
        finally:
            children.stop(service.child)

    def account_token(self, account: str) -> str:
        """A fresh token of one of our service accounts."""
        return self.cluster.admin().ok("create", "token", account, f"--namespace={NAMESPACE}").strip()

    def wait_swept(self, service: Service) -> float:
        """Wait until the first sweep of an operator is done; how long it took by its own log, in seconds."""
        log = service.child.log

        def found() -> list[float]:
            lines = log.read_text(encoding="utf-8").splitlines()
            events = (json.loads(line) for line in lines if '"sweep done"' in line)
            return [float(event["seconds"]) for event in events]

        wait(lambda: bool(found()), "the first sweep is done")
        return found()[0]

    # --- the audit log

    def follow_operator(self) -> Follower:
        """What the operator's account writes from now on."""
        return Follower(self._control_plane.audit_log, OPERATOR_ACCOUNT)


@contextmanager
def opened(folder: Path) -> Iterator[Lab]:
    """A lab, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    lab = Lab(folder)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def wait(condition: Callable[[], bool], what: str, *, pause: float = 0.05) -> None:
    """Ask until it is true, every `pause` seconds.

    Raises:
        DevError: it does not become true.
    """
    began = time.monotonic()
    while not condition():
        if patience.is_over(began, PATIENCE_SECONDS):
            raise DevError(f"gave up after {time.monotonic() - began:.0f} s waiting until {what}")
        time.sleep(pause)


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
