"""Bearer tokens that a cluster should not accept, or only just; made with the test cluster's own signing key."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cluster import LiveCluster
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://kubernetes.default.svc"


def create_account(cluster: LiveCluster, namespace: str, name: str) -> dict[str, Any]:
    """A new service account; the object."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    answer = cluster.raw("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body=body)
    assert answer.status == 201, answer.body
    return dict(answer.json())


def delete_account(cluster: LiveCluster, namespace: str, name: str) -> None:
    """Remove a service account; its tokens are worth nothing from then on."""
    answer = cluster.raw("DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
    assert answer.status == 200, answer.body


def signed(cluster: LiveCluster, account: dict[str, Any], *, lifetime: float) -> str:
    """A token of a service account that expires in `lifetime` seconds (negative: expired already)."""
    now = time.time()
    metadata = account["metadata"]
    claims = {
        "aud": [ISSUER],
        "exp": int(now + lifetime),
        "iat": int(now - 7200),
        "nbf": int(now - 7200),
        "iss": ISSUER,
        "kubernetes.io": {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        },
        "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
    }
    return _sign({"alg": "ES256", "typ": "JWT"}, claims, cluster.control_plane.service_account_key)


def _sign(header: dict[str, Any], claims: dict[str, Any], key_file: Path) -> str:
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    content = ".".join(_part(json.dumps(part).encode()) for part in (header, claims))
    first, second = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{_part(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
