"""Objects of Flux, as the examples have them, and what Flux says about them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run
from threading import Thread
from typing import Any

from cluster import LiveCluster, Workspace
from targets import rolled_out

from moorage_dev import binaries
from moorage_dev.rest_client import MERGE_PATCH

Object = dict[str, Any]
GROUPS = {
    "gitrepositories": "source.toolkit.fluxcd.io/v1",
    "kustomizations": "kustomize.toolkit.fluxcd.io/v1",
    "helmreleases": "helm.toolkit.fluxcd.io/v2",
    "resourcesets": "fluxcd.controlplane.io/v1",
    "resourcesetinputproviders": "fluxcd.controlplane.io/v1",
}
#: What asks a controller of Flux to look again; it says in its status what it has handled.
_ASKED = "reconcile.fluxcd.io/requestedAt"


class Objects:
    """Objects of one kind in one Namespace.

    Args:
        cluster: where they are.
        plural: one of `GROUPS`.
        namespace: theirs.
    """

    def __init__(self, cluster: LiveCluster, plural: str, namespace: str) -> None:
        self._cluster = cluster
        self._path = f"/apis/{GROUPS[plural]}/namespaces/{namespace}/{plural}"

    def get(self, name: str) -> Object | None:
        """One of them, None if there is none."""
        answer = self._cluster.raw("GET", f"{self._path}/{name}")
        assert answer.status in {200, 404}, answer.body
        return dict(answer.json()) if answer.status == 200 else None

    def all(self) -> list[Object]:
        """All of them."""
        answer = self._cluster.raw("GET", self._path)
        assert answer.status == 200, answer.body
        return list(answer.json()["items"])

    def patch(self, name: str, body: Object) -> None:
        """A merge patch."""
        answer = self._cluster.raw("PATCH", f"{self._path}/{name}", body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body

    def delete(self, name: str) -> None:
        """Ask for its deletion."""
        self._cluster.raw("DELETE", f"{self._path}/{name}")

    def condition(self, name: str, wanted: str) -> tuple[str, str]:
        """Status and message of one of its conditions, if that speaks of the present spec."""
        found = self.get(name) or {}
        for one in (found.get("status") or {}).get("conditions") or []:
            if one["type"] == wanted and one.get("observedGeneration") == found["metadata"]["generation"]:
                return one["status"], one["message"]
        return "Unknown", ""

    def is_ready(self, name: str) -> bool:
        """Whether it says so of its present spec."""
        return self.condition(name, "Ready")[0] == "True"

    def complaint(self, name: str) -> str:
        """What is wrong with it; empty while nothing is, and while it tries again."""
        status, message = self.condition(name, "Ready")
        return message if status == "False" else ""

    def look_again(self, name: str) -> str:
        """Ask for a look now; a mark of it for `has_looked`."""
        mark = secrets.token_hex(6)
        self.patch(name, {"metadata": {"annotations": {_ASKED: mark}}})
        return mark

    def has_looked(self, name: str, mark: str) -> bool:
        """Whether that look is over."""
        found = self.get(name)
        return found is not None and found["status"].get("lastHandledReconcileAt") == mark and self.is_ready(name)


class Workloads:
    """Deployments of apps/v1 in a Namespace; the test does what their controller and its pods would."""

    def __init__(self, here: Workspace) -> None:
        self._cluster = here.cluster
        self._path = f"/apis/apps/v1/namespaces/{here.namespace}/deployments"

    def all(self) -> dict[str, Object]:
        """By name."""
        answer = self._cluster.raw("GET", self._path)
        assert answer.status == 200, answer.body
        return {one["metadata"]["name"]: one for one in answer.json()["items"]}

    def images(self) -> dict[str, str]:
        """Name → image, without what all images begin with."""
        prefix = "registry.example.com/"
        return {
            name: one["spec"]["template"]["spec"]["containers"][0]["image"].removeprefix(prefix)
            for name, one in self.all().items()
        }

    def uids(self) -> dict[str, str]:
        """Name → uid."""
        return {name: one["metadata"]["uid"] for name, one in self.all().items()}

    def run(self) -> bool:
        """All pods of all of them are there now; True."""
        for name, one in self.all().items():
            wanted = rolled_out(one)
            if one.get("status", {}).get("observedGeneration") == wanted["observedGeneration"]:
                continue
            answer = self._cluster.raw(
                "PATCH", f"{self._path}/{name}/status", body={"status": wanted}, content_type=MERGE_PATCH
            )
            # One that was removed in this moment needs no pods.
            assert answer.status in {200, 404}, answer.body
        return True


@contextmanager
def helm_repository(folder: Path, charts: dict[str, dict[str, str]]) -> Iterator[str]:
    """A Helm repository on the loopback address with these charts (name → files); its url."""
    helm, served = binaries.cli("helm"), folder / "served"
    served.mkdir(parents=True)
    for name, files in charts.items():
        for path, text in files.items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_text(text, encoding="utf-8")
        run([helm, "package", folder / name, "--destination", served], check=True, capture_output=True)
    run([helm, "repo", "index", served], check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""
