"""What every `ResourceStore` does with objects, versions, preconditions and dry runs."""

from typing import Any

import pytest
from store_place import Place

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.objects import RawObject
from moorage_crds.store import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, ObjectRef

OTHER_UID = "00000000-0000-4000-8000-000000000000"


async def listed(place: Place, **options: Any) -> list[RawObject]:
    return [item async for page in place.store.pages(names.ENVIRONMENTS, **options) for item in page.items]


def version(raw: RawObject) -> int:
    return int(raw["metadata"]["resourceVersion"])


async def test_created_object_has_uid_version_and_first_generation(place: Place) -> None:
    made = await place.make_environment()

    meta = made["metadata"]
    assert (meta["name"], meta["namespace"], meta["generation"]) == ("staging", place.namespace, 1)
    assert meta["uid"]
    assert meta["creationTimestamp"]
    assert version(made) > 0
    assert await place.store.get(place.environment()) == made


async def test_name_is_taken_once(place: Place) -> None:
    made = await place.make_environment()

    with pytest.raises(AlreadyExistsError):
        await place.make_environment()

    assert await place.store.get(place.environment()) == made


async def test_nothing_is_created_in_a_namespace_that_is_not_there(place: Place) -> None:
    nowhere = Place(place.store, place.store, place.username, NamespaceName.parse("nowhere"))

    with pytest.raises(NotFoundError):
        await nowhere.make_environment()


async def test_status_is_not_created(place: Place) -> None:
    made = await place.make_web("v1", status={"recordedSequence": 7})

    assert "status" not in made


async def test_absent_object_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError):
        await place.store.get(place.environment())


async def test_patch_merges_and_null_removes(place: Place) -> None:
    made = await place.make_environment(team="red", tier="gold")

    patched = await place.alice.merge_patch(
        place.environment(), {"metadata": {"labels": {"team": None, "new": "1"}}, "spec": {"description": "words"}}
    )

    assert patched["metadata"]["labels"] == {"tier": "gold", "new": "1"}
    assert patched["spec"] == {**made["spec"], "description": "words"}
    assert version(patched) > version(made)


@pytest.mark.parametrize(
    ("patch", "generation"),
    [({"metadata": {"labels": {"a": "b"}}}, 1), ({"spec": {"description": "words"}}, 2)],
    ids=["label", "spec"],
)
async def test_generation_counts_the_edits_of_the_spec(place: Place, patch: RawObject, generation: int) -> None:
    await place.make_environment()

    patched = await place.alice.merge_patch(place.environment(), patch)

    assert patched["metadata"]["generation"] == generation


async def test_patch_of_another_version_is_a_conflict(place: Place) -> None:
    made = await place.make_environment()
    older = {"resourceVersion": str(version(made) - 1)}

    with pytest.raises(ConflictError):
        await place.alice.merge_patch(place.environment(), {"metadata": older, "spec": {"description": "words"}})

    assert await place.store.get(place.environment()) == made


async def test_patch_for_an_earlier_object_of_that_name_is_a_conflict(place: Place) -> None:
    first = (await place.make_environment())["metadata"]
    await place.alice.delete(place.environment(), uid=first["uid"])
    second = await place.make_environment()
    held = {key: first[key] for key in ("uid", "resourceVersion")}

    with pytest.raises(ConflictError):
        await place.alice.merge_patch(place.environment(), {"metadata": held, "spec": {"description": "words"}})

    assert await place.store.get(place.environment()) == second


async def test_patch_with_nothing_but_another_uid_is_invalid(place: Place) -> None:
    made = await place.make_environment()

    with pytest.raises(InvalidError):
        await place.alice.merge_patch(
            place.environment(), {"metadata": {"uid": OTHER_UID}, "spec": {"description": "words"}}
        )

    assert await place.store.get(place.environment()) == made


async def test_patch_whose_preconditions_hold_is_made(place: Place) -> None:
    meta = (await place.make_environment())["metadata"]
    held = {key: meta[key] for key in ("uid", "resourceVersion")}

    patched = await place.alice.merge_patch(place.environment(), {"metadata": held, "spec": {"description": "words"}})

    assert patched["spec"]["description"] == "words"


async def test_patch_of_what_is_absent_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError):
        await place.alice.merge_patch(place.environment(), {"spec": {"description": "words"}})


async def test_patch_that_changes_nothing_makes_no_version(place: Place) -> None:
    made = await place.make_environment()

    patched = await place.alice.merge_patch(place.environment(), {"spec": {"displayName": "Staging"}})

    assert version(patched) == version(made)


async def test_patch_leaves_the_status_alone(place: Place) -> None:
    await place.make_web("v1")

    patched = await place.alice.merge_patch(place.web, {"status": {"recordedSequence": 7}, "spec": {"release": "v2"}})

    assert "status" not in patched


async def test_status_is_written_as_a_whole_and_is_no_new_generation(place: Place) -> None:
    uid = (await place.make_web("v1"))["metadata"]["uid"]
    await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1, "release": "v1"})

    written = await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1})

    assert written["status"] == {"recordedSequence": 1}
    assert written["metadata"]["generation"] == 1


async def test_same_status_again_makes_no_version(place: Place) -> None:
    uid = (await place.make_web("v1"))["metadata"]["uid"]
    first = await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1})

    second = await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1})

    assert version(second) == version(first)


async def test_status_of_an_object_with_another_uid_is_refused(place: Place) -> None:
    made = await place.make_web("v1")

    with pytest.raises(InvalidError):
        await place.store.replace_status(place.web, uid=OTHER_UID, status={"recordedSequence": 1})

    assert await place.store.get(place.web) == made


async def test_recorded_sequence_never_goes_back(place: Place) -> None:
    uid = (await place.make_web("v1"))["metadata"]["uid"]
    await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 2})

    with pytest.raises(InvalidError):
        await place.store.replace_status(place.web, uid=uid, status={"recordedSequence": 1})


async def test_deleted_object_is_gone(place: Place) -> None:
    meta = (await place.make_environment())["metadata"]

    await place.alice.delete(place.environment(), uid=meta["uid"], resource_version=meta["resourceVersion"])

    with pytest.raises(NotFoundError):
        await place.store.get(place.environment())


@pytest.mark.parametrize("precondition", ["uid", "version"])
async def test_delete_with_another_precondition_is_a_conflict(place: Place, precondition: str) -> None:
    made = await place.make_environment()
    uid = OTHER_UID if precondition == "uid" else made["metadata"]["uid"]
    other = str(version(made) - 1) if precondition == "version" else None

    with pytest.raises(ConflictError):
        await place.alice.delete(place.environment(), uid=uid, resource_version=other)

    assert await place.store.get(place.environment()) == made


async def test_delete_of_what_is_absent_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError):
        await place.alice.delete(place.environment(), uid=OTHER_UID)


async def test_name_that_is_used_again_is_another_object(place: Place) -> None:
    first = await place.make_environment()
    await place.alice.delete(place.environment(), uid=first["metadata"]["uid"])

    second = await place.make_environment()

    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert version(second) > version(first)


async def test_dry_run_of_a_create_stores_nothing_and_answers_alike(place: Place) -> None:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Environment",
        "metadata": {"name": "staging"},
        "spec": {"displayName": "Staging"},
    }

    answer = await place.alice.create(names.ENVIRONMENTS, place.namespace, body, dry_run=True)

    assert answer["spec"]["displayName"] == "Staging"
    assert answer["metadata"]["uid"]
    assert await listed(place, namespace=place.namespace) == []


async def test_dry_run_of_a_patch_stores_nothing_and_answers_alike(place: Place) -> None:
    made = await place.make_environment()

    answer = await place.alice.merge_patch(place.environment(), {"spec": {"description": "words"}}, dry_run=True)

    assert answer["spec"]["description"] == "words"
    assert await place.store.get(place.environment()) == made


async def test_dry_run_of_a_delete_stores_nothing(place: Place) -> None:
    made = await place.make_environment()

    await place.alice.delete(place.environment(), uid=made["metadata"]["uid"], dry_run=True)

    assert await place.store.get(place.environment()) == made


async def test_list_has_all_of_a_namespace_in_the_order_of_their_names(place: Place) -> None:
    for name in ("staging", "development", "production", "preview"):
        await place.make_environment(name)

    found = [item["metadata"]["name"] for item in await listed(place, namespace=place.namespace)]

    assert found == ["development", "preview", "production", "staging"]


async def test_list_chooses_by_labels(place: Place) -> None:
    await place.make_environment("staging", team="red", tier="gold")
    await place.make_environment("production", team="red")

    found = await listed(place, namespace=place.namespace, selector="team=red,tier=gold")

    assert [item["metadata"]["name"] for item in found] == ["staging"]


async def test_list_of_metadata_leaves_the_rest_out(place: Place) -> None:
    made = await place.make_environment()

    (found,) = await listed(place, namespace=place.namespace, metadata_only=True)

    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert "spec" not in found


async def test_list_of_nothing_is_one_page_with_a_version(place: Place) -> None:
    pages = [page async for page in place.store.pages(names.ENVIRONMENTS, namespace=place.namespace)]

    assert [list(page.items) for page in pages] == [[]]
    assert int(pages[0].resource_version) > 0


async def test_list_says_a_version_that_is_not_older_than_what_it_shows(place: Place) -> None:
    made = await place.make_environment()

    pages = [page async for page in place.store.pages(names.ENVIRONMENTS, namespace=place.namespace)]

    assert {int(page.resource_version) >= version(made) for page in pages} == {True}
    assert len({page.resource_version for page in pages}) == 1


async def test_environments_and_deployments_are_kept_apart(place: Place) -> None:
    await place.make_environment()
    await place.make_web("v1")

    (found,) = await listed(place, namespace=place.namespace)

    assert found["metadata"]["name"] == "staging"
    with pytest.raises(NotFoundError):
        await place.store.get(ObjectRef(names.LOCKS, place.namespace, place.environment().name))


async def test_list_chooses_by_fields(place: Place) -> None:
    await place.make_web("v1")

    pages = [
        [item["metadata"]["name"] for item in page.items]
        for slug in ("staging", "production")
        async for page in place.store.pages(
            names.DEPLOYMENTS, namespace=place.namespace, fields=f"spec.environment={slug}"
        )
    ]

    assert pages == [["staging.web"], []]


async def test_guarded_patch_sets_and_removes_fields_whatever_else_changes(place: Place) -> None:
    await place.make_web("v1")
    await place.alice.merge_patch(place.web, {"metadata": {"labels": {"a": "b"}}})

    changed = await place.alice.guarded_patch(
        place.web,
        tests={"/spec/release": "v1", "/spec/change": None},
        values={"/spec/release": "v2", "/spec/change": {"reason": "words"}},
    )
    emptied = await place.alice.guarded_patch(place.web, tests={"/spec/release": "v2"}, values={"/spec/release": None})

    assert (changed["spec"]["release"], changed["spec"]["change"]) == ("v2", {"reason": "words"})
    assert "release" not in emptied["spec"]
    assert emptied["metadata"]["labels"]["a"] == "b"


@pytest.mark.parametrize(
    ("tests", "values"),
    [
        ({"/spec/release": "v7"}, {"/spec/release": "v2"}),
        ({"/spec/release": None}, {"/spec/release": "v2"}),
        ({"/metadata/uid": OTHER_UID}, {"/spec/release": "v2"}),
        ({}, {"/spec/change": None}),
    ],
    ids=["another value", "a value", "another object", "nothing to remove"],
)
async def test_guarded_patch_whose_test_fails_is_a_conflict(place: Place, tests: RawObject, values: RawObject) -> None:
    made = await place.make_web("v1")

    with pytest.raises(ConflictError):
        await place.alice.guarded_patch(place.web, tests=tests, values=values)

    assert await place.store.get(place.web) == made


async def test_object_that_finalizers_hold_is_going_and_not_gone(place: Place) -> None:
    made = await place.make_environment()
    held = await place.alice.merge_patch(place.environment(), {"metadata": {"finalizers": ["example.com/hold"]}})

    going = await place.alice.delete(place.environment(), uid=made["metadata"]["uid"])

    assert going is not None
    assert going["metadata"]["deletionTimestamp"]
    assert version(going) > version(held)
    await place.alice.merge_patch(place.environment(), {"metadata": {"finalizers": None}})


async def test_delete_of_what_nothing_holds_answers_nothing(place: Place) -> None:
    made = await place.make_environment()

    assert await place.alice.delete(place.environment(), uid=made["metadata"]["uid"]) is None
