"""What the alerts and the dashboard of the chart ask Prometheus."""

import json
from typing import Any

import yaml
from helm import CHART


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    loaded: dict[str, Any] = json.loads((CHART / "files/dashboard.json").read_text(encoding="utf-8"))
    return loaded


def panels() -> list[tuple[str, str]]:
    """Title and expression of each query of the dashboard."""
    return [(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel["targets"]]
