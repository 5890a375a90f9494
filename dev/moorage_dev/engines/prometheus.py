"""Prometheus with the alerts of the chart: it reads the metrics of processes of this machine every second."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from moorage_dev import binaries, children, modules, patience, ports
from moorage_dev.children import Child
from moorage_dev.failures import DevError
from moorage_dev.rest_client import RestClient

#: Seconds until it has read its files and answers.
START_SECONDS = 60.0
#: Time between two looks, at metrics and at rules.
_EVERY = "1s"


class Prometheus:
    """A server of its own, and what it was told and has found.

    Args:
        folder: gets configuration, data and log.
        groups: groups of rules, as a PrometheusRule has them.
        targets: name of a pod → host and port of its `/metrics`.
    """

    def __init__(self, folder: Path, groups: Sequence[Mapping[str, Any]], targets: Mapping[str, str]) -> None:
        self._folder = folder
        self._groups = groups
        self._targets = targets
        self._child: Child | None = None
        self._client: RestClient | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            DevError: it cannot be built, or does not start.
        """
        program = binaries.build(modules.PROMETHEUS) / "prometheus"
        self._folder.mkdir(parents=True)
        rules = write_rules(self._folder / "rules.yaml", self._groups)
        scraped = [{"targets": [address], "labels": {"pod": pod}} for pod, address in self._targets.items()]
        settings = {
            "global": {"scrape_interval": _EVERY, "scrape_timeout": _EVERY, "evaluation_interval": _EVERY},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "moorage", "static_configs": scraped}],
        }
        configuration = self._folder / "prometheus.yaml"
        configuration.write_text(yaml.safe_dump(settings), encoding="utf-8")
        [port] = ports.free(1)
        command: list[str | Path] = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._child = children.spawn("prometheus", command, log=self._folder / "prometheus.log", cwd=self._folder)
        self._client = RestClient(f"http://127.0.0.1:{port}", None)
        ready, client = self._child, self._client
        children.wait_until(ready, lambda: client.ready("/-/ready"), timeout=START_SECONDS, what="ready")

    def stop(self) -> None:
        """End it; its log stays."""
        if self._client is not None:
            self._client.close()
        if self._child is not None:
            children.stop(self._child)

    def logs(self) -> list[Path]:
        """Its log."""
        return [self._folder / "prometheus.log"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now.

        Raises:
            DevError: Prometheus refuses the expression.
        """
        return list(self._ask(f"/api/v1/query?{urlencode({'query': expression})}")["result"])

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Each rule by the name of its alert: `state`, `health`, `lastError`, and `alerts` with their labels."""
        groups = self._ask("/api/v1/rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def _ask(self, path: str) -> dict[str, Any]:
        if self._client is None:
            raise DevError("Prometheus was not started")
        answer = self._client.request("GET", path)
        if answer.status != 200:
            raise DevError(f"Prometheus answered {answer.status}: {answer.body.decode(errors='replace')}")
        return dict(json.loads(answer.body)["data"])


def write_rules(path: Path, groups: Sequence[Mapping[str, Any]]) -> Path:
    """Groups of rules as a file that Prometheus reads."""
    path.write_text(yaml.safe_dump({"groups": list(groups)}), encoding="utf-8")
    return path


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; a failure is in the result, not raised.

    Raises:
        DevError: it cannot be built.
    """
    program = binaries.build(modules.PROMETHEUS) / "promtool"
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=patience.scaled(60)
    )
