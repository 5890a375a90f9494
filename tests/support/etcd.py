"""Edits what the API server stores, behind its back: by etcd's HTTP gateway. For tampering, and for old times."""

import base64
import json
import urllib.request
from collections.abc import Callable
from typing import Any

from moorage_dev.control_plane import ControlPlane


class Etcd:
    """The store of a control plane of ours."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._url = control_plane.etcd_url

    def edit(self, plural: str, namespace: str, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a stored custom resource in place."""
        key = f"/registry/moorage.dev/{plural}/{namespace}/{name}"
        found = self._post("range", {"key": _encode(key)})
        assert found.get("kvs"), f"nothing is stored under {key}"
        stored = json.loads(base64.b64decode(found["kvs"][0]["value"]))
        change(stored)
        self._post("put", {"key": _encode(key), "value": _encode(json.dumps(stored))})

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Remove a stored custom resource."""
        done = self._post("deleterange", {"key": _encode(f"/registry/moorage.dev/{plural}/{namespace}/{name}")})
        assert int(done.get("deleted", 0)) == 1

    def compact(self) -> None:
        """Forget all versions but the present ones: whoever watches from an older one must list again."""
        revision = self._post("range", {"key": _encode("/")})["header"]["revision"]
        self._post("compaction", {"revision": revision, "physical": True})

    def _post(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 — loopback
            f"{self._url}/v3/kv/{call}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 — as above
            return dict(json.load(answer))


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
