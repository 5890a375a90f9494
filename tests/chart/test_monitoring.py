"""Alerts and dashboard speak of metrics that exist, in a language that Prometheus and Grafana read."""

import re

import pytest
from dashboards import alerts, dashboard, panels
from services import Facade

from moorage_dev.layout import ROOT
from moorage_dev.processes import Service
from moorage_dev.rest_client import RestClient
from moorage_operator.adapters.metrics import PrometheusMeasures

METRIC = re.compile(r"\bmoorage_[a-z_]+")
#: A counter of some values of a label, of which an alert asks how much it has grown.
GROWTH = re.compile(r'(?:increase|rate)\((moorage_\w+)\{(\w+)=~?"([\w|]+)"\}')
DOCS = ROOT / "docs/alerts.md"


def expressions() -> list[str]:
    """Every query of alerts and panels."""
    return [*(alert["expr"] for alert in alerts()), *(expression for _, expression in panels())]


def samples(metrics_url: str) -> set[str]:
    """Names of samples that a process exports or will export, read off its /metrics."""
    client = RestClient(metrics_url.removesuffix("/metrics"), None)
    text = client.request("GET", "/metrics").body.decode()
    client.close()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    families = re.findall(r"^# TYPE (\S+) (counter|histogram|gauge)$", text, re.MULTILINE)
    return {name.removesuffix("_total") + suffix for name, kind in families for suffix in suffixes[kind]}


@pytest.fixture
def exported(operator: Service, facade: Facade) -> set[str]:
    """What both processes export."""
    return samples(operator.metrics_url) | samples(facade.service.metrics_url)


def test_every_metric_that_is_asked_for_exists(exported: set[str]) -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert len(asked) > 10
    assert asked <= exported


def test_every_metric_is_looked_at_somewhere(exported: set[str]) -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    parts = ("_sum", "_count", "_created")
    ours = {name for name in exported if name.startswith("moorage_") and not name.endswith(parts)}
    assert ours <= asked


def test_what_an_alert_counts_is_zero_at_the_start() -> None:
    """A counter that appears with its first count has not grown, as Prometheus sees it."""
    asked = [found for alert in alerts() for found in GROWTH.findall(alert["expr"])]
    page = PrometheusMeasures().page().decode().splitlines()
    assert asked
    for metric, label, values in asked:
        for value in values.split("|"):
            assert f'{metric}{{{label}="{value}"}} 0.0' in page


def test_labels_of_queries_are_closed() -> None:
    for expression in expressions():
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), expression


def test_every_alert_has_its_page() -> None:
    text = DOCS.read_text(encoding="utf-8")
    headings = {line.removeprefix("## ").lower() for line in text.splitlines() if line.startswith("## ")}
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names))
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/alerts.md#{alert['alert'].lower()}"
        assert alert["alert"].lower() in headings
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert alert["annotations"]["summary"].endswith(".")


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
