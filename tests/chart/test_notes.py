"""What Helm prints after an installation."""

import pytest
from helm import CHART, Helm

WARNING = "WARNING: api.sessionKeySecretName is empty, and the facade has 2 replicas"


def _notes(renderer: Helm, *values: str) -> str:
    """The notes of an installation with these values; no cluster is asked."""
    flags = [f"--set={value}" for value in values]
    shown = renderer.ok("install", "moorage", CHART, "--namespace=shared", "--dry-run=client", *flags)
    return shown.partition("NOTES:")[2]


def test_replicas_that_share_no_key_for_logins_are_warned_of(renderer: Helm) -> None:
    notes = _notes(renderer)

    assert WARNING in notes
    assert "kubectl -n shared create secret generic moorage-sessions --from-literal=key=" in notes
    assert "--set api.sessionKeySecretName=moorage-sessions" in notes


@pytest.mark.parametrize("values", [("api.replicas=1",), ("api.sessionKeySecretName=sessions",)])
def test_logins_that_carry_are_not_warned_of(renderer: Helm, values: tuple[str, ...]) -> None:
    notes = _notes(renderer, *values)

    assert "is installed as moorage in shared" in notes
    assert "sessionKeySecretName" not in notes


INGRESS = ("ingress.enabled=true", "ingress.host=moorage.example.com")
GATEWAY = ("httpRoute.enabled=true", "httpRoute.parentRefs[0].name=edge", "httpRoute.hostnames={moorage.example.com}")
TLS = ("tls.enabled=true", "tls.secretName=served")
REFS = "httpRoute.backendTLS.caCertificateRefs"


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ((*GATEWAY, *TLS), f"{REFS} is empty"),
        ((*GATEWAY, *TLS, f"{REFS}[0].name=authority"), ""),
        (GATEWAY, ""),
        ((*INGRESS, *TLS), "an Ingress cannot say who signed"),
        ((*INGRESS, *TLS, "api.service.annotations.transport=known"), ""),
        (INGRESS, ""),
    ],
)
def test_proxy_that_cannot_trust_the_pods_is_warned_of(renderer: Helm, values: tuple[str, ...], warned: str) -> None:
    notes = _notes(renderer, "api.sessionKeySecretName=sessions", *values)

    assert ("WARNING" in notes) == bool(warned)
    assert warned in notes
    assert "api.trustedProxies is empty" in notes
    assert "://moorage.example.com\n" in notes
    assert "--insecure" not in notes


def test_proxy_whose_address_is_known_is_not_spoken_of(renderer: Helm) -> None:
    assert "trustedProxies" not in _notes(renderer, *INGRESS, "api.trustedProxies={10.0.0.0/8}")
