"""What another replica has recorded meanwhile is not forgotten when our own, older answer comes in."""

import builders
import pytest
from builders import NAMESPACE
from fake_cluster import FakeCluster
from fixed_clock import FixedClock
from operator_bench import Bench
from typing_extensions import override

from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef

UID = builders.uid_of(f"deployment {NAMESPACE} production.web")


class SlowStore(FakeCluster):
    """While the first read of a record is on its way back, something happens."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self.meanwhile: list[Bench] = []

    @override
    async def get(self, ref: ObjectRef) -> RawObject:
        answer = await super().get(ref)
        if self.meanwhile:
            bench = self.meanwhile.pop()
            holder = bench.replicas[0]
            bench.release("v2")
            await holder.loops.recorder.step(UID)
            await holder.loops.statuses.step(UID)
        return answer


@pytest.fixture
async def raced() -> Bench:
    """The standby's late answer about record 1 has come in after the watch showed it a status that counts record 2."""
    bench = Bench()
    bench.store = store = SlowStore(bench.clock)
    store.put(builders.namespace())
    store.put(builders.environment())
    holder, standby = bench.replica(), bench.replica(acts=False)
    await holder.sweep.once()
    await standby.sweep.once()
    bench.release("v1")
    await holder.loops.recorder.step(UID)
    bench.clock.advance(2.1)
    store.meanwhile.append(bench)
    await standby.loops.recorder.step(UID)
    assert not store.meanwhile
    return bench


async def test_progress_never_goes_back(raced: Bench) -> None:
    assert raced.replicas[1].world.chains[UID].progress.sequence == 2


async def test_a_standby_that_takes_over_finds_nothing_damaged(raced: Bench) -> None:
    standby = raced.replicas[1]
    standby.leadership.acts = True
    await standby.sweep.once()
    assert "unknown_record" not in standby.measures.findings
