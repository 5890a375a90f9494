"""Metrics: what is counted, and that labels stay bounded."""

import builders
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.kinds.deployment import Action, Change
from moorage_operator.adapters.metrics import (
    MAX_ENVIRONMENTS,
    PrometheusMeasures,
    observe_evidence,
    observe_queues,
    observe_silence,
    observe_state,
)
from moorage_operator.facts import Finding, Trouble
from moorage_operator.work.context import Surroundings

CHANGE = Change(1, Action.ROLLBACK, "v2", "v1")


def lines(measures: PrometheusMeasures) -> set[str]:
    return set(measures.page().decode().splitlines())


def test_a_record_counts_by_action_and_by_environment() -> None:
    measures = PrometheusMeasures()
    measures.recorded("production", CHANGE, exists=True, lag_seconds=0.3)
    assert {
        'moorage_changes_recorded_total{action="rollback"} 1.0',
        'moorage_deployments_total{action="rollback",environment="production"} 1.0',
        'moorage_record_lag_seconds_bucket{le="0.5"} 1.0',
    } <= lines(measures)


def test_environment_labels_are_bounded() -> None:
    measures = PrometheusMeasures()
    for number in range(MAX_ENVIRONMENTS + 50):
        measures.recorded(f"env-{number}", CHANGE, exists=True, lag_seconds=0)
    measures.recorded("env-0", CHANGE, exists=True, lag_seconds=0)
    found = [line for line in lines(measures) if line.startswith("moorage_deployments_total")]
    assert len(found) == MAX_ENVIRONMENTS + 1
    assert 'moorage_deployments_total{action="rollback",environment="other"} 50.0' in found
    assert 'moorage_deployments_total{action="rollback",environment="env-0"} 2.0' in found


def test_names_of_no_environment_take_no_label() -> None:
    measures = PrometheusMeasures()
    for number in range(MAX_ENVIRONMENTS):
        measures.recorded(f"invented-{number}", CHANGE, exists=False, lag_seconds=0)
    measures.recorded("production", CHANGE, exists=True, lag_seconds=0)
    measures.recorded("production", CHANGE, exists=False, lag_seconds=0)
    found = {line for line in lines(measures) if line.startswith("moorage_deployments_total")}
    assert found == {
        f'moorage_deployments_total{{action="rollback",environment="other"}} {MAX_ENVIRONMENTS}.0',
        'moorage_deployments_total{action="rollback",environment="production"} 2.0',
    }


async def test_state_is_read_at_every_scrape() -> None:
    bench = Bench()
    replica = bench.replica()
    measures = PrometheusMeasures()
    observe_state(measures, Surroundings(bench.store, replica.world, replica.leadership, replica.measures, bench.clock))
    observe_queues(measures, {"recorder": replica.loops.recorder.queue})
    observe_silence(measures, lambda _: 7.0)
    bench.release("v1")
    bench.release("v2")
    assert {
        "moorage_unrecorded_changes 2.0",
        "moorage_lease_held 1.0",
        'moorage_queue_depth{loop="recorder"} 0.0',
        'moorage_watch_silent_seconds{kind="deployments"} 7.0',
    } <= lines(measures)
    await replica.sweep.once()
    await bench.settle()
    assert "moorage_unrecorded_changes 0.0" in lines(measures)


def test_what_alerts_count_is_there_before_it_happens() -> None:
    """The first increase of a counter that did not exist is none to Prometheus."""
    found = lines(PrometheusMeasures())
    values = [*Finding, *Trouble]
    assert {f'moorage_sweep_findings_total{{finding="{value}"}} 0.0' for value in values} <= found
    assert {f'moorage_changes_recorded_total{{action="{action}"}} 0.0' for action in Action} <= found


async def test_degraded_bindings_are_counted_as_long_as_their_history_says_so() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica(records=3)
    measures = PrometheusMeasures()
    observe_state(measures, Surroundings(bench.store, replica.world, replica.leadership, replica.measures, bench.clock))
    await replica.sweep.once()
    for app in ("web", "api", "whole"):
        bench.release("v1", app=app, stamped=app == "whole")
    await bench.settle()
    assert "moorage_degraded_bindings 2.0" in lines(measures)
    # One goes, and one is changed until retention has taken the change that nobody stamped.
    bench.store.remove(names.DEPLOYMENTS, builders.NAMESPACE, "production.api")
    for number in range(2, 6):
        bench.release(f"v{number}", stamped=True)
    await bench.settle()
    assert "moorage_degraded_bindings 1.0" in lines(measures)
    bench.clock.advance(91 * 86_400)
    await replica.sweep.once()
    await bench.settle()
    assert "moorage_degraded_bindings 0.0" in lines(measures)


async def test_evidence_that_waits_is_told_by_its_age() -> None:
    bench = Bench()
    made = builders.environment()
    bench.store.put({**made, "spec": {**made["spec"], "approvals": {"required": 1}}})
    replica = bench.replica()
    await replica.sweep.once()
    measures = PrometheusMeasures()
    observe_evidence(measures, replica.loops.environments.evidence_age)
    bench.clock.advance(7)
    assert "moorage_evidence_age_seconds 7.0" in lines(measures)

    await bench.settle()

    assert "moorage_evidence_age_seconds 0.0" in lines(measures)
