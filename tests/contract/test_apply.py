"""What every `ResourceStore` does when one of several field managers applies fields."""

from typing import Any

import pytest
from store_place import Place

from moorage_crds import names
from moorage_crds.objects import RawObject, version_of
from moorage_crds.store import ConflictError, InvalidError, NotFoundError, StoreError

MANAGER = "delivery"
OTHER_UID = "00000000-0000-4000-8000-000000000000"


def fields(made: RawObject, **spec: Any) -> RawObject:
    """What is applied to that very version of an Environment."""
    meta = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": names.API_VERSION, "kind": "Environment", "metadata": meta, "spec": spec}


async def apply(place: Place, body: RawObject) -> RawObject:
    return await place.alice.apply(place.environment(), body, manager=MANAGER)


async def test_fields_of_nobody_are_applied_changed_and_taken_back(place: Place) -> None:
    made = await place.make_environment()

    first = await apply(place, fields(made, description="one"))
    second = await apply(place, fields(first, description="two"))
    emptied = await apply(place, fields(second))

    assert [one["spec"].get("description") for one in (first, second, emptied)] == ["one", "two", None]
    assert emptied["spec"]["displayName"] == "Staging"
    assert [one["metadata"]["generation"] for one in (made, first, second, emptied)] == [1, 2, 3, 4]


async def test_a_field_of_somebody_else_is_a_conflict_and_stays(place: Place) -> None:
    made = await place.make_environment()

    with pytest.raises(ConflictError):
        await apply(place, fields(made, displayName="Ours", description="words"))

    assert await place.store.get(place.environment()) == made


async def test_becoming_an_owner_makes_a_version_and_being_one_does_not(place: Place) -> None:
    made = await place.make_environment()

    shared = await apply(place, fields(made, displayName="Staging"))
    again = await apply(place, fields(shared, displayName="Staging"))

    assert int(version_of(made)) < int(version_of(shared)) == int(version_of(again))
    assert MANAGER in {one["manager"] for one in shared["metadata"]["managedFields"]}


async def test_a_field_that_is_shared_cannot_be_changed_and_is_not_taken_back(place: Place) -> None:
    made = await place.make_environment()

    shared = await apply(place, fields(made, displayName="Staging"))
    with pytest.raises(ConflictError):
        await apply(place, fields(shared, displayName="Ours"))
    left = await apply(place, fields(shared))

    assert left["spec"] == made["spec"]


@pytest.mark.parametrize(
    ("held", "error"),
    [
        ({"resourceVersion": "1"}, ConflictError),
        ({"resourceVersion": "1", "uid": OTHER_UID}, ConflictError),
        ({"uid": OTHER_UID}, InvalidError),
    ],
    ids=["version", "both", "uid"],
)
async def test_another_object_or_version_is_left_alone(
    place: Place, held: dict[str, str], error: type[StoreError]
) -> None:
    made = await place.make_environment()
    body = fields(made, description="words")
    body["metadata"] |= held

    with pytest.raises(error):
        await apply(place, body)

    assert await place.store.get(place.environment()) == made


async def test_an_object_that_is_gone_is_not_made_again(place: Place) -> None:
    made = await place.make_environment()
    await place.alice.delete(place.environment(), uid=made["metadata"]["uid"])

    with pytest.raises(ConflictError):
        await apply(place, fields(made, description="words"))

    with pytest.raises(NotFoundError):
        await place.store.get(place.environment())
