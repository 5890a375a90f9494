"""Kubeconfig files with exactly one user."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API server is and whom to trust there.

    Attributes:
        server: address without a path, `https://127.0.0.1:6443`.
        ca: the authority's certificates, PEM.
    """

    server: str
    ca: bytes


def with_token(path: Path, endpoint: Endpoint, *, user: str, token: str) -> Path:
    """Write a kubeconfig that holds this token and nothing else."""
    return _write(path, endpoint, user, {"token": token})


def with_certificate(path: Path, endpoint: Endpoint, *, user: str, certificate: Path, key: Path) -> Path:
    """Write a kubeconfig that holds a client certificate."""
    data = {
        "client-certificate-data": base64.b64encode(certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    return _write(path, endpoint, user, data)


def _write(path: Path, endpoint: Endpoint, user: str, credentials: dict[str, str]) -> Path:
    cluster: dict[str, Any] = {
        "server": endpoint.server,
        "certificate-authority-data": base64.b64encode(endpoint.ca).decode(),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "moorage", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "moorage", "context": {"cluster": "moorage", "user": user}}],
        "current-context": "moorage",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    # JSON is YAML, and every client reads it.
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
