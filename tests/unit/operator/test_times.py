"""The times that records get from replicas that watch, that were away, and that race."""

import builders
import pytest
from builders import NAMESPACE, at
from operator_bench import Bench

from moorage_operator.memory.chain_state import Listed

UID = builders.uid_of(f"deployment {NAMESPACE} production.web")


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.store.put(builders.environment())
    return made


def times(bench: Bench) -> list[str]:
    return [spec["at"] for spec in bench.records()]


async def test_a_stamp_from_before_the_last_list_does_not_count(bench: Bench) -> None:
    replica = bench.replica()
    bench.release("v1")
    await replica.sweep.once()
    bench.clock.advance(200)
    await replica.sweep.once()
    bench.clock.advance(5)
    bench.release("v2", when=10)
    await bench.settle()
    assert times(bench) == [at(0), at(205)]


async def test_changes_made_while_nobody_watched_keep_their_times(bench: Bench) -> None:
    for second in (0, 100, 3600):
        bench.release(f"v{second}", when=second)
    bench.clock.advance(7200)
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    assert times(bench) == [at(0), at(100), at(3600)]


async def test_a_list_that_shows_what_a_watch_has_missed_keeps_its_time(bench: Bench) -> None:
    replica = bench.replica()
    bench.release("v1")
    await replica.sweep.once()
    await bench.settle()
    bench.store.watchers.clear()
    bench.clock.advance(60)
    bench.release("v2")
    bench.clock.advance(240)
    await replica.sweep.once()
    await bench.settle()
    assert times(bench) == [at(0), at(60)]


async def test_a_replica_that_has_looked_and_one_that_has_not_agree(bench: Bench) -> None:
    """The first doubts the stamp, the second has just started and cannot: the second takes the record that exists."""
    first, second = bench.replica(), bench.replica()
    bench.release("v1")
    await first.sweep.once()
    await bench.settle()
    bench.clock.advance(300)
    await first.sweep.once()
    await second.sweep.once()
    second.world.tell(second.world.chains[UID], Listed(0, None))
    bench.release("v2", when=20)
    await first.loops.recorder.step(UID)
    await second.loops.recorder.step(UID)
    assert times(bench) == [at(0), at(300)]
    assert [one.world.chains[UID].progress.sequence for one in (first, second)] == [2, 2]


async def test_a_stamp_of_the_future_does_not_become_true_by_waiting(bench: Bench) -> None:
    replica = bench.replica()
    await replica.sweep.once()
    bench.release("v1", when=600)
    bench.clock.advance(900)
    await replica.loops.recorder.step(UID)
    assert times(bench) == [at(0)]
