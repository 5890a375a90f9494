"""A run of the watches ends when it is told to, with all that it has begun and with nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from moorage_operator.handlers import kopf_tasks
from moorage_operator.handlers.kopf_tasks import RunTasks


@pytest.fixture(autouse=True)
async def _own_factory() -> AsyncIterator[None]:
    yield
    asyncio.get_running_loop().set_task_factory(None)


async def forever() -> None:
    await asyncio.Event().wait()


async def with_child(children: list[asyncio.Task[None]]) -> None:
    children.append(asyncio.create_task(forever()))
    await forever()


async def test_what_a_run_has_begun_ends_with_it_and_others_stay() -> None:
    run, children = RunTasks(), list[asyncio.Task[None]]()
    before = asyncio.create_task(forever())
    with run.collecting():
        parent = asyncio.create_task(with_child(children))
    after = asyncio.create_task(forever())
    await asyncio.sleep(0)
    await run.end()
    assert [task.cancelled() for task in (parent, *children)] == [True, True]
    assert not before.done()
    assert not after.done()
    before.cancel()
    after.cancel()


async def test_two_runs_do_not_end_each_other() -> None:
    first, second = RunTasks(), RunTasks()
    with first.collecting():
        one = asyncio.create_task(forever())
    with second.collecting():
        other = asyncio.create_task(forever())
    await first.end()
    assert (one.done(), other.done()) == (True, False)
    await second.end()
    assert other.done()


async def watch_that_takes_a_pause_for_its_end(pauses: list[asyncio.Task[None]]) -> None:
    """What kopf's watches do: a cancellation counts as a pause if the task that waits for one is done."""
    while True:
        pause = asyncio.create_task(forever())
        pauses.append(pause)
        try:
            await forever()
        except asyncio.CancelledError:
            if not pause.done():
                pause.cancel()
                raise


async def test_a_watch_does_not_take_its_end_for_a_pause() -> None:
    run, pauses = RunTasks(), list[asyncio.Task[None]]()
    with run.collecting():
        watches = [asyncio.create_task(watch_that_takes_a_pause_for_its_end(pauses)) for _ in range(8)]
    await asyncio.sleep(0)
    await run.end()
    assert all(watch.cancelled() for watch in watches)
    assert len(pauses) == len(watches)


async def stubborn(times: int) -> None:
    for _ in range(times):
        try:
            await forever()
        except asyncio.CancelledError:
            continue


async def test_a_task_that_lets_cancellations_pass_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_tasks, "ATTEMPT_SECONDS", 0.01)
    run = RunTasks()
    with run.collecting():
        task = asyncio.create_task(stubborn(3))
    await asyncio.sleep(0)
    await run.end()
    assert task.done()


async def test_a_task_that_never_ends_is_named_and_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kopf_tasks, "ATTEMPT_SECONDS", 0.001)
    run = RunTasks()
    with run.collecting():
        task = asyncio.create_task(stubborn(kopf_tasks.ATTEMPTS + 1), name="watcher for freezes")
    await asyncio.sleep(0)
    await run.end()
    assert [getattr(record, "fields", None) for record in caplog.records] == [{"tasks": ["watcher for freezes"]}]
    task.cancel()
    await asyncio.wait({task})
