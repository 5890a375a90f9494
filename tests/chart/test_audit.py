"""What an auditor's tool says about the manifests and the Dockerfile. Every exception has its reason."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helm import Helm

from moorage_dev import audit, patience
from moorage_dev.layout import ROOT

SKIPPED = {
    "CKV_K8S_8": "liveness: only the pod of `helm test` has no such probe; it ends by itself",
    "CKV_K8S_9": "readiness: only the pod of `helm test` has no such probe; nothing sends it requests",
    "CKV_DOCKER_2": "HEALTHCHECK: Kubernetes does not read it; the chart has probes",
    "CKV_DOCKER_7": "tag of the base: it comes by build argument, with a digest where builds must be repeatable",
}
VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.com/moorage", "digest": "sha256:" + "a" * 64},
    "metrics": {"dashboard": {"enabled": True}},
    "ingress": {"enabled": True, "host": "moorage.example.com", "tlsSecretName": "tls"},
}


@pytest.fixture(scope="module")
def checkov(pytestconfig: pytest.Config) -> Path:
    """The program."""
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return audit.checkov()


def findings(checkov: Path, framework: str, target: Path) -> dict[str, set[str]]:
    """Check → resources that fail it."""
    command = [checkov, "--skip-download", f"--framework={framework}", f"--file={target}", "--output=json", "--compact"]
    # It would look for proxies, tokens and a platform in the environment.
    environment = {"PATH": os.environ["PATH"], "HOME": str(target.parent)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=patience.scaled(120)
    )
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 10, done.stderr
    failed: dict[str, set[str]] = {}
    for one in report["results"]["failed_checks"]:
        failed.setdefault(one["check_id"], set()).add(one["resource"])
    return failed


@pytest.fixture(scope="module")
def failed(checkov: Path, renderer: Helm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What fails, of chart and Dockerfile."""
    manifests = tmp_path_factory.mktemp("audit") / "manifests.json"
    objects = renderer.template(values=VALUES)
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
    dockerfile = manifests.with_name("Dockerfile")
    dockerfile.write_text((ROOT / "Dockerfile").read_text(encoding="utf-8"), encoding="utf-8")
    return findings(checkov, "kubernetes", manifests) | findings(checkov, "dockerfile", dockerfile)


def test_nothing_fails_but_what_has_a_reason(failed: dict[str, set[str]]) -> None:
    assert {check: where for check, where in failed.items() if check not in SKIPPED} == {}
    assert len(SKIPPED) <= 5


def test_every_exception_is_still_needed_and_goes_no_further(failed: dict[str, set[str]]) -> None:
    assert failed.keys() >= SKIPPED.keys()
    for check in ("CKV_K8S_8", "CKV_K8S_9"):
        assert {resource.split(".")[-1] for resource in failed[check]} == {"moorage-test"}
