"""Helm as the tests of the chart use it: with a kubeconfig of their own and none of the user's settings."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from moorage_dev import binaries, patience
from moorage_dev.layout import ROOT

CHART = ROOT / "charts/moorage"
#: Seconds that one call may take. Nothing that the chart does may hang.
TIMEOUT = 90.0


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm with files of its own.

    Attributes:
        home: folder for its caches and settings.
        kubeconfig: whose cluster it works on; None where it only renders.
        timeout: seconds that one call may take; more than `TIMEOUT` where it waits for pods.
    """

    home: Path
    kubeconfig: Path | None = None
    timeout: float = TIMEOUT

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it; a failure is in the result, not raised."""
        own = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        kubeconfig = {"KUBECONFIG": str(self.kubeconfig or self.home / "none")}
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
        return subprocess.run(
            [str(binaries.cli("helm")), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=patience.scaled(self.timeout),
            env={**environment, **own, **kubeconfig},
        )

    def ok(self, *arguments: str | Path) -> str:
        """Run it, which must succeed; what it prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"helm {arguments[0]}: {done.stderr}"
        return done.stdout

    def template(
        self, *, values: Mapping[str, Any] | None = None, flags: Iterable[str] = (), chart: Path = CHART
    ) -> list[dict[str, Any]]:
        """The objects that the chart makes of these values, released as `moorage` in `moorage-system`."""
        settings = self.values_file(values or {})
        text = self.ok("template", "moorage", chart, "--namespace=moorage-system", f"--values={settings}", *flags)
        return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]

    def values_file(self, values: Mapping[str, Any]) -> Path:
        """A file with values for `--values`."""
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / "values.yaml"
        path.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
        return path
