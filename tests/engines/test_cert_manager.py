"""TLS by cert-manager: its own controller answers the Certificate of the chart, and the facade serves the answer.

The test is the kubelet: it writes the Secret into the files that the facade reads. What the kubelet itself does with a
Secret that changes is in tests/node/test_chart_campaign.py.
"""

import json
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cluster import ADMIN, LiveCluster, Workspaces
from cryptography import x509
from helm import Helm
from services import Facades
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_dev import binaries, children, patience, ports
from moorage_dev.engines.cert_manager import NAMESPACE, CertManager
from moorage_dev.rest_client import RestClient

RELEASE = "moorage-system"
NAME, SECRET = "moorage-api", "moorage-api-tls"
GROUP = "cert-manager.io"
FILES = {"tls.crt": "MOORAGE_TLS_CERT_FILE", "tls.key": "MOORAGE_TLS_KEY_FILE"}


def _object(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _authority() -> list[dict[str, Any]]:
    """An authority as the documentation of cert-manager makes one: a certificate that signs itself, and its issuer."""
    by = {"name": "itself", "kind": "ClusterIssuer", "group": GROUP}
    spec = {"isCA": True, "commonName": "own authority", "secretName": "own-authority", "issuerRef": by}
    return [
        _object("ClusterIssuer", "itself", "", {"selfSigned": {}}),
        _object("Certificate", "own-authority", NAMESPACE, spec),
        _object("ClusterIssuer", "own", "", {"ca": {"secretName": "own-authority"}}),
    ]


class Certificate:
    """The Certificate that the chart makes, in the cluster.

    Args:
        cluster: where it is.
        folder: gets what its Secret holds, as a pod of the chart has it.
    """

    def __init__(self, cluster: LiveCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder

    def secret(self) -> dict[str, bytes]:
        """What the Secret holds now; nothing while it is not there."""
        done = self._cluster.kubectl("get", "secret", SECRET, f"--namespace={RELEASE}", "--output=json")
        data = json.loads(done.stdout)["data"] if done.returncode == 0 else {}
        return {name: b64decode(value) for name, value in data.items()}

    def is_ready(self) -> bool:
        """Whether cert-manager says that the Secret holds what is wanted."""
        conditions = self._get().get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def renew(self) -> bool:
        """Do what `cmctl renew` does; false where the controller was faster with a status of its own."""
        found = self._get()
        issuing = {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": to_text(datetime.now(UTC)),
        }
        found["status"]["conditions"].append(issuing)
        replace = ("replace", "--subresource=status", "--filename=-")
        return self._cluster.kubectl(*replace, stdin=json.dumps(found)).returncode == 0

    def write(self) -> dict[str, str]:
        """Write the files as the kubelet does, each in one step; the settings that name them."""
        held = self.secret()
        for name in reversed(FILES):
            (self._folder / f"{name}.new").write_bytes(held[name])
            (self._folder / f"{name}.new").rename(self._folder / name)
        return {variable: str(self._folder / name) for name, variable in FILES.items()}

    def _get(self) -> dict[str, Any]:
        done = self._cluster.kubectl("get", f"certificates.{GROUP}", NAME, f"--namespace={RELEASE}", "--output=json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def certificate(cluster: LiveCluster, cert_manager: CertManager, tmp_path: Path) -> Iterator[Certificate]:
    """What the chart makes with `tls.certManager`, good for `localhost`, too; an authority of cert-manager signs it."""
    assert cert_manager.logs()
    cluster.apply(*_authority())
    by = {"enabled": True, "issuerRef": {"name": "own"}, "dnsNames": ["localhost"]}
    binaries.cli("helm")
    made = Helm(tmp_path / "helm").template(
        values={"tls": {"enabled": True, "certManager": by}}, flags=[f"--api-versions={GROUP}/v1"]
    )
    [wanted] = [one for one in made if one["kind"] == "Certificate"]
    cluster.apply(wanted)
    yield Certificate(cluster, tmp_path)
    cluster.kubectl("delete", f"certificates.{GROUP}", NAME, f"--namespace={RELEASE}")
    cluster.kubectl("delete", "secret", SECRET, f"--namespace={RELEASE}")


def _served(port: int) -> bytes:
    """What a new connection gets, DER."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=patience.scaled(10))
    return ssl.PEM_cert_to_DER_cert(pem)


def _names(certificate: bytes) -> list[str]:
    """For which names of hosts it is."""
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_certificate_is_issued_served_and_renewed_without_a_restart(
    certificate: Certificate, facades: Facades, workspace: Workspaces, cluster: LiveCluster
) -> None:
    eventually(certificate.is_ready, 60)
    first, space = certificate.secret(), workspace("production")
    assert _names(first["tls.crt"]) == [NAME, f"{NAME}.{RELEASE}", f"{NAME}.{RELEASE}.svc", "localhost"]
    [port] = ports.free(1)
    facade = facades.start({"MOORAGE_PORT": str(port), **certificate.write()}, wait=False)
    # The authority is all that this client trusts, and it looks at the name.
    client, token = RestClient(f"https://localhost:{port}", first["ca.crt"]), cluster.token(ADMIN)

    def answered() -> bool:
        with suppress(OSError):
            return client.request("GET", f"{space.rest}/production", token=token).status == 200
        return False

    eventually(answered, 60)
    assert _served(port) == ssl.PEM_cert_to_DER_cert(first["tls.crt"].decode())
    eventually(certificate.renew, 30)
    eventually(lambda: certificate.secret()["tls.crt"] != first["tls.crt"] and certificate.is_ready(), 60)
    second = certificate.secret()
    # A new key with each certificate (rotationPolicy: Always), by the same authority.
    assert second["tls.key"] != first["tls.key"]
    assert second["ca.crt"] == first["ca.crt"]
    certificate.write()
    eventually(lambda: _served(port) == ssl.PEM_cert_to_DER_cert(second["tls.crt"].decode()), 60)
    # A new connection, and the same process.
    client.close()
    assert answered()
    assert children.is_running(facade.service.child)
