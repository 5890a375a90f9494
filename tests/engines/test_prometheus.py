"""The alerts and the dashboard of the chart, asked by Prometheus itself: in made-up time, and of running processes.

An alert waits for minutes, so promtool plays each of them on series of its own. What the server is asked is whether the
processes export what alerts and panels read, and whether an alert begins when what it tells of happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import LiveCluster, Workspaces
from dashboards import alerts, panels
from policy_switch import without
from services import Facades, Operators
from waiting import eventually, eventually_passes

from moorage_crds import names
from moorage_dev.engines.prometheus import Prometheus, promtool, write_rules

#: How long an expression must hold, as rules write it → minutes.
_MINUTES = {"": 0, "2m": 2, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}
#: An expression gives no series before it has seen two looks, and what it waits for.
PATIENCE = 60

Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """When an alert fires and when it does not; each look comes a minute after the one before.

    Attributes:
        at: minutes after the first look.
        fires: series in which it fires at that time, each by itself, as promtool writes them.
        silent: series in which it does not.
        summary: what a person reads then.
        labels: those of the alert, but for its severity.
    """

    at: int
    fires: tuple[Series, ...]
    silent: tuple[Series, ...]
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)


_LAG = "moorage_record_lag_seconds_bucket"
_FINDING = 'moorage_sweep_findings_total{finding="missing_record"}'

CASES = {
    "MoorageOperatorAbsent": Case(
        11, ({},), ({'moorage_lease_held{pod="a"}': "0x20"},), "No operator of Moorage reports metrics."
    ),
    "MoorageNobodyActs": Case(
        6,
        ({'moorage_lease_held{pod="a"}': "0x20", 'moorage_lease_held{pod="b"}': "0x20"},),
        ({'moorage_lease_held{pod="a"}': "0x20", 'moorage_lease_held{pod="b"}': "1x20"},),
        "No replica of the operator holds the Lease.",
    ),
    "MoorageChangesUnrecorded": Case(
        11,
        ({'moorage_unrecorded_changes{pod="a"}': "3x20", 'moorage_unrecorded_changes{pod="b"}': "2x20"},),
        ({'moorage_unrecorded_changes{pod="a"}': "3x20", 'moorage_unrecorded_changes{pod="b"}': "0x20"},),
        "Changes that have had no record for ten minutes: 2.",
    ),
    "MoorageRecordingSlow": Case(
        40,
        ({f'{_LAG}{{le="30"}}': "0x60", f'{_LAG}{{le="60"}}': "0+1x60", f'{_LAG}{{le="+Inf"}}': "0+1x60"},),
        ({f'{_LAG}{{le="30"}}': "0+1x60", f'{_LAG}{{le="60"}}': "0+1x60", f'{_LAG}{{le="+Inf"}}': "0+1x60"}, {}),
        "It takes more than 30 seconds until a change is recorded (99th percentile).",
    ),
    "MoorageGateOverridden": Case(
        90,
        ({'moorage_overrides_total{pod="a"}': "0x59 1x60"},),
        ({'moorage_overrides_total{pod="a"}': "0x9 1x110"},),
        "Changes of the last hour that passed a gate because their writer named it: 1.",
    ),
    "MoorageEventSinkFailing": Case(
        61,
        ({'moorage_event_sinks_failing{pod="a"}': "0x70", 'moorage_event_sinks_failing{pod="b"}': "2x70"},),
        ({'moorage_event_sinks_failing{pod="b"}': "2x30 0 2x40"},),
        "EventSinks that have taken nothing for an hour: 2.",
    ),
    "MoorageEventsDead": Case(
        90,
        ({'moorage_events_total{outcome="dead"}': "0x59 3x60"},),
        ({'moorage_events_total{outcome="failed"}': "0x59 3x60", 'moorage_events_total{outcome="dead"}': "0x90"},),
        "Events of the last hour that will not be sent: 3.",
    ),
    "MoorageEvidenceOld": Case(
        6,
        ({"moorage_evidence_age_seconds": "90x10"},),
        ({"moorage_evidence_age_seconds": "60x10"},),
        "For 1m 30s a protected environment has waited for its evidence.",
    ),
    "MooragePolicyMissing": Case(
        6,
        (
            {
                'moorage_policies_in_force{policy="x",pod="a"}': "1x10",
                'moorage_policies_in_force{policy="x",pod="b"}': "0x10",
                'moorage_policies_in_force{policy="y",pod="b"}': "1x10",
            },
        ),
        ({'moorage_policies_in_force{policy="x",pod="a"}': "1x10"},),
        "The admission policy x or its binding is gone, or was changed.",
        {"policy": "x"},
    ),
    "MoorageBindingsDegraded": Case(
        31,
        ({"moorage_degraded_bindings": "1x40"},),
        ({"moorage_degraded_bindings": "0x40"},),
        "Bindings that were changed while no policy watched: 1.",
    ),
    # Something that is found by a pod that Prometheus knew, and by the first sweep of a new one.
    "MoorageHistoryDamaged": Case(
        90,
        ({_FINDING: "0x59 1x60"}, {_FINDING: "_x59 1x60"}),
        ({_FINDING: "1x120"}, {'moorage_sweep_findings_total{finding="unrecorded_change"}': "0x59 1x60"}),
        "A sweep found damage in the history: missing_record.",
        {"finding": "missing_record"},
    ),
    "MoorageFacadeAbsent": Case(
        11, ({},), ({'moorage_synced{pod="a"}': "0x20"},), "No facade of Moorage reports metrics."
    ),
    "MoorageFacadeNotSynced": Case(
        11,
        ({'moorage_synced{pod="a"}': "1x20", 'moorage_synced{pod="b"}': "0x20"},),
        ({'moorage_synced{pod="a"}': "1x20"},),
        "A replica of the facade has not read all objects yet.",
    ),
    "MoorageFacadeStale": Case(
        3,
        ({'moorage_stale_seconds{pod="a"}': "0x9", 'moorage_stale_seconds{pod="b"}': "90x9"},),
        ({'moorage_stale_seconds{pod="a"}': "60x9"},),
        "A replica of the facade has been cut off from the API server for 1m 30s.",
    ),
    "MoorageFacadeErrors": Case(
        16,
        ({'moorage_requests_total{status="200"}': "0+90x20", 'moorage_requests_total{status="503"}': "0+10x20"},),
        (
            {'moorage_requests_total{status="200"}': "0+96x20", 'moorage_requests_total{status="500"}': "0+4x20"},
            {'moorage_requests_total{status="503"}': "7x20"},
        ),
        "10% of the answers of the facade are errors of the server.",
    ),
    "MoorageDuplicateWorkspaces": Case(
        16,
        ({"moorage_duplicate_workspaces": "1x20"},),
        ({"moorage_duplicate_workspaces": "0x20"},),
        "Namespaces that claim a workspace that an older Namespace is: 1.",
    ),
    # One look at a watch that was silent is remembered; the facade's age is that of now.
    "MoorageWatchSilent": Case(
        5,
        (
            {'moorage_watch_silent_seconds{kind="deployments"}': "0 901 0x9"},
            {'moorage_watch_age_seconds{kind="deployments"}': "0x4 901x9"},
        ),
        (
            {'moorage_watch_silent_seconds{kind="deployments"}': "30x9"},
            {'moorage_watch_age_seconds{kind="deployments"}': "901 0x9"},
        ),
        "The watch of deployments has been silent for 15m 1s.",
        {"kind": "deployments"},
    ),
}


def test_promtool_takes_the_rules_and_has_nothing_to_say(alert_groups: list[dict[str, Any]], tmp_path: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", write_rules(tmp_path / "rules.yaml", alert_groups))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


def test_every_alert_has_its_case() -> None:
    assert {alert["alert"] for alert in alerts()} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_no_sooner(
    alert_groups: list[dict[str, Any]], tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    [alert] = [one for one in alerts() if one["alert"] == name]
    write_rules(tmp_path / "rules.yaml", alert_groups)
    played = [
        *(_played(case, alert, series, fires=True) for series in case.fires),
        *(_played(case, alert, series, fires=False) for series in case.silent),
    ]
    text = yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": played})
    (tmp_path / "cases.yaml").write_text(text, encoding="utf-8")
    done = promtool("test", "rules", tmp_path / "cases.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def _played(case: Case, alert: dict[str, Any], series: Series, *, fires: bool) -> dict[str, Any]:
    """What promtool plays: whether the alert fires, and that it did not a minute before it may at the soonest."""
    annotations = {**alert["annotations"], "summary": case.summary}
    told = [{"exp_labels": {**alert["labels"], **case.labels}, "exp_annotations": annotations}]
    looks = [{"alertname": alert["alert"], "eval_time": f"{case.at}m", "exp_alerts": told if fires else []}]
    if minutes := _MINUTES[alert.get("for", "")]:
        looks.append({"alertname": alert["alert"], "eval_time": f"{minutes - 1}m", "exp_alerts": []})
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": looks,
    }


def _states(prometheus: Prometheus) -> dict[str, str]:
    return {name: rule["state"] for name, rule in prometheus.alerts().items()}


def test_alerts_and_panels_find_what_running_processes_say(
    prometheus: Prometheus, facades: Facades, workspace: Workspaces
) -> None:
    space = workspace("production")
    for app in ("web", "api"):
        space.create_deployment("production", app, "v1")
    [facade] = facades.own
    eventually(lambda: facade.call("GET", space.rest).status == 200, PATIENCE)
    for release in ("v2", "v1"):
        space.set_release("production.web", release)

    def all_answered() -> None:
        rules = prometheus.alerts().values()
        assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
        assert [title for title, expression in panels() if not prometheus.query(expression)] == []

    eventually_passes(all_answered, PATIENCE)
    assert _states(prometheus) == dict.fromkeys(CASES, "inactive")


def test_alerts_begin_with_what_they_tell_of(
    prometheus: Prometheus, cluster: LiveCluster, no_operator: Operators, facades: Facades
) -> None:
    eventually(lambda: prometheus.query("moorage_policies_in_force == 1"), PATIENCE)
    eventually(lambda: set(_states(prometheus).values()) == {"inactive"}, PATIENCE)

    def guarded() -> bool:
        return not prometheus.query(f'moorage_policies_in_force{{policy="{names.POLICY_RECORDS}"}} == 0')

    with without(cluster, "validating", names.POLICY_RECORDS, guarded):
        eventually(lambda: _states(prometheus)["MooragePolicyMissing"] == "pending", PATIENCE)
        [told] = prometheus.alerts()["MooragePolicyMissing"]["alerts"]
        assert told["labels"]["policy"] == names.POLICY_RECORDS
    eventually(lambda: _states(prometheus)["MooragePolicyMissing"] == "inactive", PATIENCE)

    no_operator.stop()
    eventually(lambda: _states(prometheus)["MoorageOperatorAbsent"] == "pending", PATIENCE)
    facades.clean()
    eventually(lambda: _states(prometheus)["MoorageFacadeAbsent"] == "pending", PATIENCE)
