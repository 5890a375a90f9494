"""Edits what the API server stores, behind its back: by etcd's HTTP gateway. For tampering, and for old times."""

import base64
import json
from collections.abc import Callable
from typing import Any

from moorage_dev import patience
from moorage_dev.control_plane import ControlPlane


class Etcd:
    """The store of a control plane of ours."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane

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
        """Forget all versions but the present ones: a watch from an older one must list again."""
        revision = self._post("range", {"key": _encode("/")})["header"]["revision"]
        self._post("compaction", {"revision": revision, "physical": True})

    def _post(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        client = self._control_plane.etcd(timeout=patience.scaled(10))
        try:
            answer = client.request("POST", f"/v3/kv/{call}", body=body)
        finally:
            client.close()
        assert answer.status == 200, answer.body
        return dict(answer.json())


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
