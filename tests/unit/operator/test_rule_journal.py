"""What becomes of rules stands in the log of the history, each change once."""

import logging
from typing import Any

import builders
import pytest
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.process.telemetry import HISTORY_LOGGER


def stamped(name: str, spec: dict[str, Any], *, by: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": builders.NAMESPACE}
    return {
        "metadata": meta,
        "spec": spec,
        "provenance": {"createdBy": "alice", "updatedBy": by, "updatedAt": "2026-01-31T12:00:00Z"},
    }


async def test_who_set_changed_and_took_a_rule_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    environment = builders.environment()
    bench.store.put(environment)
    bench.store.put(stamped("old", {"reason": "was there before"}, by="carol"), names.FREEZES)
    replica = bench.replica()
    await replica.sweep.once()
    caplog.set_level(logging.INFO, HISTORY_LOGGER)

    bench.store.put(stamped("production", {"reason": "audit"}, by="alice"), names.LOCKS)
    bench.store.put(stamped("production", {"reason": "mine"}, by="bob"), names.LOCKS)
    bench.store.put(stamped("sale", {"reason": "sale"}, by="carol"), names.FREEZES)
    yes = {"environment": "production", "app": "web", "release": "v2", "decision": "Approve"}
    bench.store.put(stamped("yes", yes, by="dave"), names.APPROVALS)
    asked = {**environment["spec"], "approvals": {"required": 2}}
    bench.store.put(
        {**environment, "spec": asked, "provenance": {"updatedBy": "erin", "updatedAt": "2026-01-31T12:00:00Z"}}
    )
    bench.store.remove(names.LOCKS, builders.NAMESPACE, "production")
    await replica.sweep.once()
    await bench.settle()

    found = [(one.message, one.fields) for one in caplog.records if one.name == HISTORY_LOGGER]  # type: ignore[attr-defined]
    assert [(event, line["rule"], line["name"], line["by"]) for event, line in found] == [
        ("rule set", names.LOCKS, "production", "alice"),
        ("rule changed", names.LOCKS, "production", "bob"),
        ("rule set", names.FREEZES, "sale", "carol"),
        ("rule set", names.APPROVALS, "yes", "alice"),
        ("rule set", "protection", "production", "erin"),
        ("rule gone", names.LOCKS, "production", "bob"),
    ]
    assert found[1][1]["reason"] == "mine"
    assert found[4][1]["approvals"] == 2


async def test_who_ended_a_lock_before_it_went_has_unlocked(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica()
    await replica.sweep.once()
    caplog.set_level(logging.INFO, HISTORY_LOGGER)

    for until in (None, "2026-01-31T12:00:00Z"):
        bench.store.put(stamped("production", {"reason": "audit"}, by="alice"), names.LOCKS)
        if until is not None:
            ended = {"reason": "unlocked", "until": until}
            bench.store.put(stamped("production", ended, by="bob"), names.LOCKS)
        bench.store.remove(names.LOCKS, builders.NAMESPACE, "production")
    await bench.settle()

    found = [(one.message, one.fields) for one in caplog.records if one.name == HISTORY_LOGGER]  # type: ignore[attr-defined]
    assert [(event, line["by"], line["unlockedBy"]) for event, line in found] == [
        ("rule set", "alice", None),
        ("rule gone", "alice", None),
        ("rule set", "alice", None),
        ("rule changed", "bob", "bob"),
        ("rule gone", "bob", "bob"),
    ]


async def test_a_replica_that_does_not_act_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    replica = bench.replica(acts=False)
    await replica.sweep.once()
    caplog.set_level(logging.INFO, HISTORY_LOGGER)

    bench.store.put(stamped("production", {"reason": "audit"}, by="alice"), names.LOCKS)

    assert [one for one in caplog.records if one.name == HISTORY_LOGGER] == []
