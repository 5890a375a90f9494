"""The Lease: who acts, and when that changes."""

import asyncio

import pytest
from fake_cluster import FakeCluster
from fixed_clock import FixedClock

from moorage_crds import names
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, ForbiddenError, StoreError, UnavailableError
from moorage_operator.adapters.lease import DURATION_SECONDS, NAME, RENEW_LIMIT_SECONDS, Lease

SYSTEM = "moorage-system"


class Room:
    """Two replicas around one store."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = FakeCluster(self.clock)
        self.changes: list[str] = []
        self.first, self.second = self.replica("first"), self.replica("second")

    def replica(self, name: str) -> Lease:
        return Lease(self.store, SYSTEM, name, clock=self.clock, changed=lambda: self.changes.append(name))

    def holder(self) -> str | None:
        return self.spec().get("holderIdentity")

    def spec(self) -> RawObject:
        raw = self.store.one(names.LEASES, SYSTEM, NAME)
        assert raw is not None
        return dict(raw["spec"])


@pytest.fixture
def room() -> Room:
    return Room()


async def test_the_first_one_takes_it_and_the_second_stands_by(room: Room) -> None:
    await room.first.tick()
    await room.second.tick()
    assert (room.first.acts, room.second.acts, room.holder()) == (True, False, "first")
    assert room.changes == ["first"]


async def test_the_holder_renews(room: Room) -> None:
    await room.first.tick()
    before = room.spec()
    room.clock.advance(2)
    await room.first.tick()
    assert room.spec()["renewTime"] > before["renewTime"]
    assert room.spec()["acquireTime"] == before["acquireTime"]


async def test_the_holder_renews_without_looking(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await room.first.tick()
    monkeypatch.setattr(room.store, "get", None)
    before = room.spec()
    room.clock.advance(2)
    await room.first.tick()
    assert room.spec()["renewTime"] > before["renewTime"]


async def test_a_lease_that_somebody_wrote_to_or_deleted_is_looked_at(room: Room) -> None:
    await room.first.tick()
    ref = room.first._ref
    await room.store.merge_patch(ref, {"spec": {"holderIdentity": "intruder"}})
    await room.first.tick()
    assert not room.first.acts
    await room.store.merge_patch(ref, {"spec": {"holderIdentity": "first"}})
    await room.first.tick()
    uid = (await room.store.get(ref))["metadata"]["uid"]
    await room.store.delete(ref, uid=uid)
    await room.first.tick()
    assert (room.first.acts, room.holder()) == (True, "first")


async def test_an_expired_lease_is_taken_over(room: Room) -> None:
    await room.first.tick()
    await room.second.tick()
    room.clock.advance(DURATION_SECONDS - 1)
    await room.second.tick()
    assert not room.second.acts
    room.clock.advance(2)
    await room.second.tick()
    assert (room.second.acts, room.holder(), room.spec()["leaseTransitions"]) == (True, "second", 1)
    await room.first.tick()
    assert not room.first.acts


async def test_expiry_counts_from_when_it_was_seen_to_change(room: Room) -> None:
    """The clock of the holder may be wrong; ours is not compared with it."""
    await room.first.tick()
    room.clock.advance(1000)
    await room.second.tick()
    assert not room.second.acts


async def test_a_released_lease_is_taken_at_once(room: Room) -> None:
    await room.first.tick()
    await room.second.tick()
    await room.first.release()
    assert not room.holder()
    await room.second.tick()
    assert (room.first.acts, room.second.acts) == (False, True)


@pytest.mark.parametrize("error", [ForbiddenError("no right"), UnavailableError("gone")])
async def test_without_the_right_it_acts_and_without_an_answer_it_waits(room: Room, error: StoreError) -> None:
    room.store.fail("get", names.LEASES, error)
    await room.first.tick()
    assert room.first.acts is isinstance(error, ForbiddenError)


async def test_a_holder_that_cannot_renew_stops_acting_before_the_lease_ends(room: Room) -> None:
    await room.first.tick()
    for verb in ("get", "patch"):
        room.store.fail(verb, names.LEASES, UnavailableError("down"), times=9)
    room.clock.advance(RENEW_LIMIT_SECONDS - 1)
    await room.first.tick()
    assert room.first.acts
    room.clock.advance(2)
    await room.first.tick()
    assert not room.first.acts


async def test_who_loses_the_race_stands_by(room: Room) -> None:
    await room.first.tick()
    await room.first.release()
    room.store.fail("patch", names.LEASES, ConflictError("changed meanwhile"))
    await room.second.tick()
    assert not room.second.acts


async def test_a_connection_that_somebody_gives_up_is_no_answer(room: Room) -> None:
    await room.first.tick()
    room.store.fail("get", names.LEASES, asyncio.CancelledError())  # type: ignore[arg-type]
    await room.first.tick()
    assert room.first.acts


async def test_who_is_stopped_in_the_middle_ends(room: Room) -> None:
    """Only a cancellation that means somebody else is swallowed."""
    asked = asyncio.Event()

    async def never(_: object) -> RawObject:
        asked.set()
        return await asyncio.Future()

    room.store.get = never  # type: ignore[method-assign,assignment]
    renewing = asyncio.create_task(room.first.run())
    await asked.wait()
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
