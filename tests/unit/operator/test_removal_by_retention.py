"""Records that are older than their time, around a store in memory."""

import json
import logging
from collections.abc import Iterator

import builders
import pytest
from builders import NAMESPACE
from operator_bench import WEB, Bench, is_one_chain, releases

from moorage_crds import names
from moorage_crds.process.telemetry import HISTORY_LOGGER, configure_logging
from moorage_crds.store import UnavailableError

# Retention


async def test_retention_moves_the_floor_first_and_removes_what_lies_below() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica(records=3)
    await replica.sweep.once()
    for number in range(8):
        bench.release(f"v{number}")
    await bench.settle()
    bench.clock.advance(91 * 86_400)
    floors: list[tuple[int, int]] = []
    bench.store.watchers.append(
        lambda plural, kind, _: (
            floors.append((_floor(bench), len(bench.records())))
            if (plural, kind) == (names.RECORDS, "DELETED")
            else None
        )
    )
    await replica.sweep.once()
    await bench.settle()
    assert [spec["sequence"] for spec in bench.records()] == [6, 7, 8]
    assert {floor for floor, _ in floors} == {6}
    status = bench.deployment()["status"]
    assert status["history"]["floorHash"] == bench.records()[0]["previousHash"]
    bench.release("v9")
    await bench.settle()
    assert is_one_chain(bench)


def _floor(bench: Bench) -> int:
    return int(bench.deployment()["status"]["history"]["floorSequence"])


async def test_an_interrupted_removal_is_finished_by_the_next_sweep() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica(records=3)
    await replica.sweep.once()
    for number in range(8):
        bench.release(f"v{number}")
    await bench.settle()
    bench.clock.advance(91 * 86_400)
    bench.store.fail("delete", names.RECORDS, UnavailableError("reset"))
    await replica.sweep.once()
    await bench.until(lambda: len(bench.records()) == 3)
    assert [spec["sequence"] for spec in bench.records()] == [6, 7, 8]


async def test_the_history_of_a_deleted_binding_goes_after_its_time(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(89 * 86_400)
    await running.replicas[0].sweep.once()
    await running.settle()
    assert len(running.records()) == 2
    running.clock.advance(2 * 86_400)
    await running.replicas[0].sweep.once()
    await running.settle()
    assert running.records() == []


async def test_removed_records_are_written_to_the_log(running: Bench, caplog: pytest.LogCaptureFixture) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(91 * 86_400)
    wanted = running.records()
    with caplog.at_level("INFO", logger="moorage.history"):
        await running.replicas[0].sweep.once()
        await running.settle()
    lines = [line.fields["record"]["spec"] for line in caplog.records if line.name == "moorage.history"]  # type: ignore[attr-defined]
    assert lines == wanted


async def test_a_chain_that_an_adoption_ended_is_asked_for_once_and_goes_after_its_time(running: Bench) -> None:
    """The release is taken out while no policy watches, and the Deployment is deleted later."""
    running.release("v1")
    running.release(None, stamped=False)
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1"), (2, "adopt", "v1", None)]
    running.clock.advance(700)
    sweep = running.replicas[0].sweep
    await sweep.once()
    asked = running.store.calls["get", names.RECORDS]
    for _ in range(3):
        await sweep.once()
    assert running.store.calls["get", names.RECORDS] == asked
    assert len(running.records()) == 2
    running.clock.advance(91 * 86_400)
    await sweep.once()
    await running.settle()
    assert running.records() == []
    await sweep.once()
    assert sweep._ended == set()


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """What a process sets for itself is taken back afterwards."""
    root, history = logging.getLogger(), logging.getLogger(HISTORY_LOGGER)
    handlers, levels = root.handlers[:], (root.level, history.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    history.setLevel(levels[1])


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
async def test_removed_records_are_written_whatever_the_level(
    running: Bench, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    configure_logging(level, "operator")
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(91 * 86_400)
    wanted = running.records()
    await running.replicas[0].sweep.once()
    await running.settle()
    assert running.records() == []
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["record"]["spec"] for line in lines if line["logger"] == HISTORY_LOGGER] == wanted
    # Nothing else of that level is told.
    assert {line["level"] for line in lines if line["logger"] != HISTORY_LOGGER} <= {"warning", "error"}
