"""Benches: all loops of the operator around a store in memory."""

import builders
import pytest
from operator_bench import Bench


@pytest.fixture
async def bench() -> Bench:
    """With one Environment; nothing runs yet."""
    made = Bench()
    made.store.put(builders.environment())
    return made


@pytest.fixture
async def running(bench: Bench) -> Bench:
    """A bench with one replica that has finished its first sweep."""
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    return bench
