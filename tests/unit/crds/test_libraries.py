"""The libraries of the way to the cluster: what we leave out stays out, and is there when another program asks."""

import subprocess
import sys

import pytest

_IMPORTED = "import sys; from moorage_crds.kube import session\n"


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_way_to_the_cluster_imports_nothing_that_it_never_uses() -> None:
    code = (
        f"{_IMPORTED}"
        "idle = ('requests', 'urllib3', 'oauthlib', 'pydantic', 'kubernetes.aio.client.api_client',"
        " 'kubernetes.aio.client.rest')\n"
        "print(*(one for one in idle if one in sys.modules))"
    )
    assert not _run(code)


def test_the_official_client_is_still_whole() -> None:
    code = (
        f"{_IMPORTED}"
        "from kubernetes.aio import client, utils, watch\n"
        "print(client.ApiClient.__name__, watch.Watch.__name__, utils.create_from_dict.__name__)"
    )
    assert _run(code) == "ApiClient Watch create_from_dict"


@pytest.mark.parametrize("said", ["/etc/ssl/own.pem", None])
def test_where_openssl_finds_cas_is_said_as_before(said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if said is not None:
        monkeypatch.setenv("SSL_CERT_FILE", said)
    assert _run(f"{_IMPORTED}import os; print(os.environ.get('SSL_CERT_FILE'))") == str(said)
