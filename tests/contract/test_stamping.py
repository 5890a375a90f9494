"""What is stamped into Deployments, Environments and locks: the policies, and their one twin in Python."""

from typing import Any

import pytest
from store_place import Place

Step = dict[str, Any]


async def changed(place: Place, *specs: Step) -> list[dict[str, Any]]:
    """The log after these edits of the spec; times are shown as whether there is one.

    A second release within a second has none (ADR 0008), so a release counts as having one.
    """
    raw: dict[str, Any] = {}
    for spec in specs:
        raw = await place.alice.merge_patch(place.web, {"spec": spec})
    return [{**one, "at": True} if "at" in one or "to" in one else one for one in raw["changeLog"]["entries"]]


def entry(sequence: int, action: str, place: Place, **more: Any) -> dict[str, Any]:
    return {"sequence": sequence, "action": action, "by": place.username, "at": True, **more}


async def test_release_of_a_new_deployment_is_the_first_change(place: Place) -> None:
    made = await place.make_web("v1")

    assert made["changeLog"]["sequence"] == 1
    assert made["changeLog"]["entries"][0]["at"]
    assert await changed(place, {}) == [entry(1, "deploy", place, to="v1")]


async def test_deployment_without_a_release_has_no_log(place: Place) -> None:
    made = await place.make_web()

    assert "changeLog" not in made


async def test_each_change_says_from_where_to_where(place: Place) -> None:
    await place.make_web()

    log = await changed(place, {"release": "v1"}, {"release": "v2"})

    assert log == [entry(1, "deploy", place, to="v1"), entry(2, "deploy", place, **{"from": "v1", "to": "v2"})]


async def test_same_release_again_is_no_change(place: Place) -> None:
    await place.make_web("v1")

    assert len(await changed(place, {"release": "v1"}, {"change": {"reason": "words"}})) == 1


async def test_release_that_is_only_removed_leaves_no_time(place: Place) -> None:
    await place.make_web("v1")

    log = await changed(place, {"release": None})

    assert log[1] == {"sequence": 2, "action": "undeploy", "by": place.username, "from": "v1"}


async def test_undeploy_with_a_note_has_its_time_and_its_reason(place: Place) -> None:
    await place.make_web("v1")

    log = await changed(place, {"release": None, "change": {"reason": "enough"}})

    assert log[1] == entry(2, "undeploy", place, reason="enough", **{"from": "v1"})


async def test_note_counts_only_in_the_write_that_brings_it(place: Place) -> None:
    await place.make_web("v1")

    log = await changed(
        place, {"release": "v2", "change": {"reason": "because", "requestId": "request-1"}}, {"release": "v3"}
    )

    assert log[1:] == [
        entry(2, "deploy", place, reason="because", requestId="request-1", **{"from": "v1", "to": "v2"}),
        entry(3, "deploy", place, **{"from": "v2", "to": "v3"}),
    ]


async def test_request_id_that_is_left_over_belongs_to_the_earlier_write(place: Place) -> None:
    await place.make_web("v1")

    log = await changed(
        place,
        {"release": "v2", "change": {"reason": "one", "requestId": "request-1"}},
        {"release": "v3", "change": {"reason": "two"}},
    )

    assert log[2] == entry(3, "deploy", place, reason="two", **{"from": "v2", "to": "v3"})


async def test_override_counts_only_in_the_write_that_brings_it(place: Place) -> None:
    await place.make_web("v1")

    log = await changed(
        place,
        {"release": "v2", "change": {"reason": "outage", "override": ["freeze/audit"]}},
        {"release": "v3", "change": {"reason": "more"}},
    )

    assert [one.get("override") for one in log] == [None, ["freeze/audit"], None]


@pytest.mark.parametrize(
    ("releases", "actions"),
    [
        (("v1", "v2", "v1"), ["deploy", "deploy", "rollback"]),
        (("v1", "v2", "v1", "v2"), ["deploy", "deploy", "rollback", "deploy"]),
        (("v1", "v2", "v3", "v1"), ["deploy", "deploy", "deploy", "rollback"]),
        (("v1", "v2", "v3", "v1", "v3"), ["deploy", "deploy", "deploy", "rollback", "deploy"]),
        (("v1", "v2", "v3", "v1", "v2"), ["deploy", "deploy", "deploy", "rollback", "deploy"]),
        (("v1", None, "v1"), ["deploy", "undeploy", "deploy"]),
        (("v1", "v2", None, "v1"), ["deploy", "deploy", "undeploy", "deploy"]),
        (("v1", "v2", None, "v2", "v1"), ["deploy", "deploy", "undeploy", "deploy", "rollback"]),
        (("v2", "v1", "v3", "v1", "v2"), ["deploy", "deploy", "deploy", "rollback", "rollback"]),
    ],
)
async def test_way_back_is_a_rollback(place: Place, releases: tuple[str | None, ...], actions: list[str]) -> None:
    await place.make_web(releases[0])

    log = await changed(place, *({"release": release} for release in releases[1:]))

    assert [one["action"] for one in log] == actions


@pytest.mark.parametrize("action", ["deploy", "rollback"])
async def test_writer_may_say_the_action(place: Place, action: str) -> None:
    await place.make_web("v1")

    log = await changed(place, {"release": "v2", "change": {"action": action, "requestId": "request-1"}})

    assert log[1]["action"] == action


async def test_forged_log_is_put_back(place: Place) -> None:
    await place.make_web("v1")
    forged = {"sequence": 9, "entries": [{"sequence": 9, "action": "deploy", "to": "v9", "by": "mallory"}]}

    patched = await place.alice.merge_patch(place.web, {"changeLog": forged, "metadata": {"labels": {"a": "b"}}})

    assert patched["changeLog"]["sequence"] == 1
    assert [one["by"] for one in patched["changeLog"]["entries"]] == [place.username]


async def test_log_that_comes_with_a_new_object_does_not_count(place: Place) -> None:
    forged = {"sequence": 9, "entries": [{"sequence": 9, "action": "deploy", "to": "v9", "by": "mallory"}]}

    made = await place.make_web(changeLog=forged)

    assert "changeLog" not in made


async def test_sequence_that_was_recorded_is_not_used_again_and_the_gap_is_adopted(place: Place) -> None:
    uid = (await place.make_web())["metadata"]["uid"]
    await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 4, "release": "v4"})

    log = await changed(place, {"release": "v5"})

    assert log == [{"sequence": 5, "action": "adopt", "from": "v4"}, entry(6, "deploy", place, to="v5")]


async def test_log_keeps_the_newest_sixteen(place: Place) -> None:
    uid = (await place.make_web("v1"))["metadata"]["uid"]
    await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1, "release": "v1"})

    log = await changed(place, *({"release": f"v{number}"} for number in range(2, 18)))

    assert [one["sequence"] for one in log] == list(range(2, 18))


async def test_creator_of_an_environment_is_stamped(place: Place) -> None:
    stamp = (await place.make_environment())["provenance"]

    assert (stamp["createdBy"], stamp["updatedBy"]) == (place.username, place.username)
    assert stamp["updatedAt"]


async def test_edit_of_a_label_is_no_update(place: Place) -> None:
    made = await place.make_environment()

    patched = await place.store.merge_patch(place.environment(), {"metadata": {"labels": {"a": "b"}}})

    assert patched["provenance"] == made["provenance"]


async def test_edit_of_the_spec_names_its_author_beside_the_creator(place: Place) -> None:
    await place.make_environment()

    patched = await place.store.merge_patch(place.environment(), {"spec": {"description": "words"}})

    assert patched["provenance"]["createdBy"] == place.username
    assert patched["provenance"]["updatedBy"] != place.username


async def test_forged_provenance_is_put_back(place: Place) -> None:
    made = await place.make_environment()

    patched = await place.alice.merge_patch(place.environment(), {"provenance": {"createdBy": "mallory"}})

    assert patched["provenance"] == made["provenance"]
