"""Events of Kubernetes: one for each change at most, none twice, and none that holds anything up."""

from datetime import UTC, datetime

import builders
import pytest
from operator_bench import Bench, condition

from moorage_crds import names
from moorage_crds.conditions import ConditionType
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError, UnavailableError
from moorage_operator.facts import Phase
from moorage_operator.memory.notices import Notice
from moorage_operator.notices.decisions import events
from moorage_operator.statuses.decisions import went_astray
from moorage_operator.statuses.delivery import failure

BINDING = deployments.from_object(builders.deployment() | {"status": {}})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "reason", "note"),
    [
        (Change(1, Action.DEPLOY, None, "2", "alice"), "Deployed", "alice deployed 2"),
        (Change(2, Action.DEPLOY, "1", "2", "bob", reason="a\nfix"), "Deployed", "bob deployed 2, before it 1: a fix"),
        (Change(3, Action.ROLLBACK, "2", "1", "bob"), "RolledBack", "bob rolled back to 1, before it 2"),
        (Change(4, Action.UNDEPLOY, "1", None, "bob"), "Removed", "bob removed 1"),
        (Change(5, Action.ADOPT, None, "1"), "Deployed", "unknown deployed 1"),
        (Change(6, Action.ADOPT, "1", None), "Removed", "unknown removed 1"),
    ],
)
def test_a_change_is_told(change: Change, reason: str, note: str) -> None:
    (event,) = events([Notice(BINDING, change)], NOW)

    assert (event["type"], event["reason"], event["note"]) == ("Normal", reason, note)
    assert event["metadata"]["name"] == names.record_name(BINDING.uid, change.sequence)
    assert event["regarding"]["uid"] == BINDING.uid


def test_changes_at_once_are_one_event_and_a_failure_is_one_more() -> None:
    changes = [Change(number, Action.DEPLOY, str(number - 1), str(number), "alice") for number in (2, 3, 4)]
    told = [*(Notice(BINDING, change) for change in changes), Notice(BINDING, changes[-1], "it timed out " * 100)]

    about, failed = events(told, NOW)

    assert "(2 more just before it" in about["note"]
    assert (failed["type"], failed["reason"]) == ("Warning", "RolloutFailed")
    assert failed["metadata"]["name"] == f"{about['metadata']['name']}-failed"
    assert len(failed["note"]) == 250


def test_a_failure_is_news_once() -> None:
    progressing, failed = ({"rollout": {"sequence": 2, "phase": phase}} for phase in (Phase.PROGRESSING, Phase.FAILED))
    next_failed = {"rollout": {"sequence": 3, "phase": "Failed", "message": "why"}}

    assert failure(progressing, failed) is not None
    assert failure(failed, failed) is None
    assert failure(failed, progressing) is None
    assert failure(failed, next_failed) == "why"


def astray(release: str | None, sequence: int, reason: str = "EnvironmentNotFound") -> RawObject:
    conditions = [{"type": "Ready", "status": "False", "reason": reason}]
    found: RawObject = {"lastChange": {"sequence": sequence}, "conditions": conditions}
    return found if release is None else found | {"release": release}


def test_a_release_that_went_astray_is_news_once_for_each_change() -> None:
    assert went_astray({}, astray("1", 1))
    assert went_astray(astray("1", 1, "Recorded"), astray("1", 1)), "the environment went"
    assert went_astray(astray("1", 1), astray("2", 2))
    assert not went_astray(astray("1", 1), astray("1", 1))
    assert not went_astray(astray("1", 1), astray(None, 2)), "nothing is there any more"
    assert not went_astray(astray("1", 1), astray("1", 1, "Recorded"))


# --- in a cluster in memory


def told(bench: Bench) -> list[RawObject]:
    return bench.store.all(names.EVENTS)


async def test_a_restart_and_a_second_replica_repeat_nothing() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    for _ in range(2):
        bench.replica().intake.open()
    bench.release("v1")
    await bench.settle()
    bench.release("v2", by="bob")
    await bench.settle()
    assert [event["note"] for event in told(bench)] == ["alice deployed v1", "bob deployed v2, before it v1"]
    before = bench.store.calls[("create", names.EVENTS)]

    again = bench.replica()
    for raw in (bench.environment(), bench.deployment()):
        again.hears(names.ENVIRONMENTS if raw["kind"] == "Environment" else names.DEPLOYMENTS, "ADDED", raw)
    again.intake.open()
    await again.sweep.once()
    await bench.settle()

    assert bench.store.calls[("create", names.EVENTS)] == before


def warnings(bench: Bench) -> list[tuple[str, str]]:
    return [(one["reason"], one["note"]) for one in told(bench) if one["type"] == "Warning"]


async def test_a_release_in_an_environment_that_is_not_there_is_told_by_one_replica_once() -> None:
    bench = Bench()
    for _ in range(2):
        bench.replica().intake.open()
    bench.release("v1")
    await bench.settle()
    ((reason, note),) = warnings(bench)
    assert (reason, note.split(":")[0]) == (
        "EnvironmentNotFound", "there is no Environment production in this Namespace",
    )  # fmt: skip
    assert sum(one["type"] == "Normal" for one in told(bench)) == 1
    bench.release("v2")
    await bench.settle()
    assert len(warnings(bench)) == 2


async def test_an_environment_that_comes_a_moment_after_its_binding_is_no_news() -> None:
    bench = Bench()
    replica = bench.replica()
    replica.intake.open()
    bench.release("v1")
    await bench.until(lambda: "status" in bench.deployment())
    assert condition(bench.deployment(), ConditionType.READY) == ("False", "EnvironmentNotFound")
    bench.store.put(builders.environment())
    await bench.settle()
    assert condition(bench.deployment(), ConditionType.READY) == ("True", "Recorded")
    assert warnings(bench) == []


async def test_a_lost_answer_makes_no_second_event_and_a_refusal_stops_nothing() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    bench.replica().intake.open()
    bench.store.fail("create", names.EVENTS, UnavailableError("no answer"), committed=True)
    bench.release("v1")
    await bench.until(lambda: bench.store.calls[("create", names.EVENTS)] == 2)
    assert len(told(bench)) == 1

    bench.store.fail("create", names.EVENTS, ForbiddenError("no right"))
    bench.release("v2")
    await bench.settle()
    assert len(told(bench)) == 1
    assert len(bench.records()) == 2
