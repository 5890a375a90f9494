"""A binding that changes all the time keeps a bounded number of records."""

import logging

import builders
import pytest
from operator_bench import Bench

from moorage_crds.process.telemetry import HISTORY_LOGGER


@pytest.fixture
async def bench() -> Bench:
    """A binding with eight young records, where five may stay."""
    made = Bench()
    made.store.put(builders.environment())
    replica = made.replica(records=3, most=5)
    await replica.sweep.once()
    for number in range(8):
        made.release(f"v{number}")
    await made.settle()
    return made


async def test_what_is_beyond_the_maximum_goes_and_the_chain_stays_whole(bench: Bench) -> None:
    await bench.replicas[0].sweep.once()
    await bench.settle()
    assert [spec["sequence"] for spec in bench.records()] == [4, 5, 6, 7, 8]
    history = bench.deployment()["status"]["history"]
    assert (history["floorSequence"], history["floorHash"]) == (4, bench.records()[0]["previousHash"])


async def test_what_goes_is_written_to_the_log_and_counted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=HISTORY_LOGGER):
        await bench.replicas[0].sweep.once()
        await bench.settle()
    written = [record for record in caplog.records if record.name == HISTORY_LOGGER]
    assert len(written) == 3
    assert bench.replicas[0].measures.removals == {"maximum": 3}


async def test_old_records_are_counted_as_such(bench: Bench) -> None:
    bench.clock.advance(91 * 86_400)
    await bench.replicas[0].sweep.once()
    await bench.settle()
    assert bench.replicas[0].measures.removals == {"age": 5}
