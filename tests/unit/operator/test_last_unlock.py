"""Who unlocked stands in the status of the Environment, and stays there when the lock and the operator have gone."""

from typing import Any

import builders
from operator_bench import Bench

from moorage_crds import names

NOON = "2026-01-31T12:00:00Z"
SOON = "2026-01-31T12:00:30Z"
LATER = "2026-01-31T12:01:00Z"


class Place:
    """An environment that people lock and unlock."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.store.put(builders.environment())

    async def operated(self) -> None:
        """An operator begins to look."""
        await self.bench.replica().sweep.once()
        await self.bench.settle()

    def lock(self, *, by: str = "alice", until: str | None = None, at: str = NOON) -> None:
        """Make a lock, or change it."""
        self.bench.store.put(
            {
                "metadata": {"name": "production", "namespace": builders.NAMESPACE},
                "spec": {"reason": "audit"} | ({"until": until} if until else {}),
                "provenance": {"createdBy": "alice", "updatedBy": by, "updatedAt": at},
            },
            names.LOCKS,
        )

    def unlock(self, by: str, *, at: str = NOON) -> None:
        """By a write that ends it."""
        self.lock(by=by, until=at, at=at)

    async def remove(self) -> None:
        """Delete the lock."""
        self.bench.store.remove(names.LOCKS, builders.NAMESPACE, "production")
        await self.bench.settle()

    def said(self) -> Any:
        """What the status says of it."""
        return self.bench.store.objects[names.ENVIRONMENTS, builders.NAMESPACE, "production"]["status"].get(
            "lastUnlock"
        )


async def test_who_ended_a_lock_is_said_before_and_after_it_goes() -> None:
    here = Place()
    await here.operated()
    here.lock()
    await here.bench.settle()
    locked = here.said()
    here.unlock("bob")
    await here.bench.settle()
    ended = here.said()
    await here.remove()
    assert (locked, ended, here.said()) == (None, ended, {"by": "bob", "at": NOON, "lockedBy": "alice"})


async def test_it_stays_when_another_operator_looks_and_when_the_environment_is_locked_again() -> None:
    here = Place()
    await here.operated()
    here.lock()
    here.unlock("bob")
    await here.remove()
    here.bench.replicas.clear()
    await here.operated()
    here.lock(by="carol", at=SOON)
    await here.bench.settle()
    assert here.said() == {"by": "bob", "at": NOON, "lockedBy": "alice"}
    here.unlock("carol", at=LATER)
    await here.remove()
    assert here.said() == {"by": "carol", "at": LATER, "lockedBy": "alice"}


async def test_a_bare_delete_takes_the_name_of_the_one_before_away() -> None:
    here = Place()
    await here.operated()
    here.lock()
    here.unlock("bob")
    await here.remove()
    here.lock(by="carol", at=SOON)
    here.bench.clock.advance(60)
    await here.remove()
    assert here.said() == {"at": LATER, "lockedBy": "alice"}


async def test_a_lock_that_has_ended_by_itself_was_unlocked_by_nobody() -> None:
    here = Place()
    await here.operated()
    here.lock(until=SOON)
    here.bench.clock.advance(60)
    await here.remove()
    assert here.said() is None


async def test_a_new_environment_of_the_name_was_never_unlocked() -> None:
    here = Place()
    await here.operated()
    here.lock()
    here.unlock("bob")
    await here.remove()
    here.bench.store.remove(names.ENVIRONMENTS, builders.NAMESPACE, "production")
    await here.bench.settle()
    here.bench.clock.advance(60)
    here.bench.store.put(builders.environment(uid=builders.uid_of("another")))
    await here.bench.settle()
    assert here.said() is None


async def test_a_lock_of_no_environment_is_not_remembered() -> None:
    here = Place()
    here.bench.store.remove(names.ENVIRONMENTS, builders.NAMESPACE, "production")
    replica = here.bench.replica()
    await replica.sweep.once()
    here.lock()
    here.unlock("bob")
    await here.remove()
    assert replica.world.unlock((builders.NAMESPACE, "production")) is None
