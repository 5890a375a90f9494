"""Values: documented, checked by the schema, and a mistake is named."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart_values import COMBINATIONS
from helm import CHART, Helm

from moorage_dev import chart_readme

MISTAKES = {
    "retention.records=3": ("/retention/records", "minimum"),
    "retention.days=0": ("/retention/days", "minimum"),
    "logLevel=loud": ("/logLevel", "'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    "api.replica=3": ("/api", "'replica' not allowed"),
    "replicas=3": ("", "'replicas' not allowed"),
    "image.tag=no spaces": ("/image/tag", "does not match pattern"),
    "image.digest=sha256:12": ("/image/digest", "does not match pattern"),
    "image.pullPolicy=Sometimes": ("/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"),
    "runAsUser=0": ("/runAsUser", "minimum: got 0, want 10,000"),
    "tls.certManager.enabled=true": ("/tls/enabled", "must be true"),
    "networkPolicy.apiServer.cidrs={10.0.0.1}": ("/networkPolicy/apiServer/cidrs/0", "does not match pattern"),
    "metrics.port=80": ("/metrics/port", "minimum"),
    "metrics.serviceMonitor.interval=often": ("/metrics/serviceMonitor/interval", "does not match pattern"),
    "api.service.type=ExternalName": ("/api/service/type", "'ClusterIP', 'NodePort', 'LoadBalancer'"),
    "api.rateLimit.perSecond=0": ("/api/rateLimit/perSecond", "exclusiveMinimum"),
    "operator.antiAffinity=maybe": ("/operator/antiAffinity", "'soft', 'hard', 'none'"),
    "api.gitopsManagers={a\\,b}": ("/api/gitopsManagers/0", "does not match pattern"),
    "fullnameOverride=Upper": ("/fullnameOverride", "does not match pattern"),
    "delivery.kinds={pods}": ("/delivery/kinds/0", "must be one of"),
    "events.allowedCidrs={10.0.0.1}": ("/events/allowedCidrs/0", "does not match pattern"),
    "delivery.refreshes={deployments.apps}": ("/delivery/refreshes/0", "must be one of"),
    "httpRoute.backendTLS.caCertificateRefs[0].kind=Bundle": (
        "/httpRoute/backendTLS/caCertificateRefs/0",
        "missing property 'name'",
    ),
    "crds.keep=forever": ("/crds/keep", "want boolean"),
}


#: What is needed with something else: the value that is missing, and a word of what to do.
INCOMPLETE = {
    "tls.enabled=true": ("tls.secretName", "tls.certManager.enabled=true"),
    "tls.enabled=true,tls.certManager.enabled=true": ("tls.certManager.issuerRef.name", "ClusterIssuer"),
    "ingress.enabled=true": ("ingress.host", "name the host"),
    "httpRoute.enabled=true": ("httpRoute.parentRefs", "name the Gateway"),
}


@pytest.mark.parametrize("values", INCOMPLETE)
def test_missing_value_is_named_with_what_to_do(renderer: Helm, values: str) -> None:
    done = renderer.run("template", "moorage", CHART, f"--set={values}")
    assert done.returncode != 0
    name, advice = INCOMPLETE[values]
    assert f"{name} is empty: " in done.stderr
    assert advice in done.stderr


def test_trust_in_pods_that_serve_no_tls_is_refused(renderer: Helm) -> None:
    trust = "httpRoute.backendTLS.caCertificateRefs[0].name=authority"
    done = renderer.run(
        "template", "moorage", CHART, f"--set=httpRoute.enabled=true,httpRoute.parentRefs[0].name=edge,{trust}"
    )
    assert done.returncode != 0
    assert "httpRoute.backendTLS.caCertificateRefs needs tls.enabled=true" in done.stderr


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_refused_with_the_name_of_the_value(renderer: Helm, mistake: str) -> None:
    done = renderer.run("template", "moorage", CHART, f"--set={mistake}")
    assert done.returncode != 0
    where, what = MISTAKES[mistake]
    assert f"at '{where}'" in done.stderr
    assert what in done.stderr


def _paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


def test_every_value_is_documented() -> None:
    known = {value.path for value in chart_readme.documented()}
    for path in _paths(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))):
        itself_or_above = any(path[:length] in known for length in range(1, len(path) + 1))
        assert itself_or_above or any(one[: len(path)] == path for one in known), ".".join(path)


def test_every_value_is_used_by_a_combination_that_changes_it() -> None:
    changed = {path for values in COMBINATIONS.values() for path in _paths(values)}
    missing = {".".join(value.path) for value in chart_readme.documented() if value.path not in changed}
    assert missing == set()
