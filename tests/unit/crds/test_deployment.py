"""What of a binding is not recorded yet."""

from typing import Any

from moorage_crds.kinds import deployment
from moorage_crds.kinds.deployment import Action, due_changes

UID = "8b441a92-ba68-49a4-9cae-f047a2c9ab25"


def entry(sequence: int, source: str | None, target: str | None, action: str = "deploy") -> dict[str, Any]:
    made: dict[str, Any] = {"sequence": sequence, "action": action, "by": "alice", "at": "2026-01-01T00:00:00Z"}
    if source:
        made["from"] = source
    if target:
        made["to"] = target
    return made


def stored(
    release: str | None, entries: list[dict[str, Any]], *, recorded: int = 0, recorded_release: str | None = None
) -> deployment.Deployment:
    raw: dict[str, Any] = {
        "metadata": {
            "namespace": "shop",
            "name": "production.web",
            "uid": UID,
            "resourceVersion": "5",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"environment": "production", "app": "web"},
        "status": {"recordedSequence": recorded},
    }
    if release:
        raw["spec"]["release"] = release
    if entries:
        raw["changeLog"] = {"sequence": entries[-1]["sequence"], "entries": entries}
    if recorded_release:
        raw["status"]["release"] = recorded_release
    return deployment.from_object(raw)


def test_unrecorded_entries_are_due_in_order() -> None:
    view = stored("v2", [entry(1, None, "v1"), entry(2, "v1", "v2")])
    assert [change.sequence for change in due_changes(view)] == [1, 2]
    assert [change.sequence for change in due_changes(view, recorded=1, recorded_release="v1")] == [2]


def test_recorded_binding_has_nothing_due() -> None:
    view = stored("v2", [entry(1, None, "v1"), entry(2, "v1", "v2")], recorded=2, recorded_release="v2")
    assert due_changes(view) == ()


def test_empty_release_is_no_release() -> None:
    assert due_changes(stored(None, [])) == ()


def test_release_that_no_policy_stamped_is_adopted_after_the_log() -> None:
    view = stored("v3", [entry(1, None, "v1")], recorded=1, recorded_release="v1")
    (change,) = due_changes(view)
    assert (change.sequence, change.action, change.previous, change.release) == (2, Action.ADOPT, "v1", "v3")
    assert change.by is None
    assert change.at is None


def test_object_without_log_is_adopted_from_nothing() -> None:
    (change,) = due_changes(stored("v1", []))
    assert (change.sequence, change.action, change.previous, change.release) == (1, Action.ADOPT, None, "v1")


def test_adopted_release_is_not_adopted_again_when_records_are_ahead_of_the_log() -> None:
    view = stored("v3", [entry(1, None, "v1")], recorded=2, recorded_release="v3")
    assert due_changes(view) == ()


def test_memory_of_the_recorder_is_ahead_of_the_status() -> None:
    view = stored("v4", [entry(1, None, "v1")], recorded=1, recorded_release="v1")
    (change,) = due_changes(view, recorded=2, recorded_release="v3")
    assert (change.sequence, change.previous, change.release) == (3, "v3", "v4")


def test_status_that_is_ahead_of_the_memory_wins() -> None:
    view = stored("v3", [entry(1, None, "v1")], recorded=2, recorded_release="v3")
    assert due_changes(view, recorded=1, recorded_release="v1") == ()


def test_undeploy_by_a_bare_delete_has_no_user_and_the_next_number() -> None:
    change = deployment.deletion_change(last_sequence=4, release="v2")
    assert change is not None
    assert (change.sequence, change.action, change.previous, change.release) == (5, Action.UNDEPLOY, "v2", None)
    assert change.by is None
    assert deployment.deletion_change(last_sequence=4, release=None) is None


def test_answer_of_a_dry_run_has_no_version_and_can_be_read() -> None:
    raw: dict[str, Any] = {
        "metadata": {
            "namespace": "shop",
            "name": "production.web",
            "uid": UID,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"environment": "production", "app": "web", "release": "v1"},
        "changeLog": {"sequence": 1, "entries": [entry(1, None, "v1")]},
    }
    assert deployment.from_object(raw).resource_version == ""
