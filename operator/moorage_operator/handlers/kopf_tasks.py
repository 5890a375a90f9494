"""The tasks of one run of kopf, and an end of them that is certain.

kopf ends a run by cancelling every task of the event loop that is younger than the run, all at once, and then waits
without limit. Tasks of ours are among them. And one of its watches that is cancelled together with the task that tells
it of pauses takes the one for the other, and begins again in a run that gives no credentials any more: neither does
that run end, nor does the next one begin. So the tasks of a run are listed here, and ended one after the other.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

#: How often a task that does not end is cancelled, and the seconds that it has each time.
ATTEMPTS: Final = 10
ATTEMPT_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class RunTasks:
    """What one run has begun and what is not done yet, the oldest first."""

    def __init__(self) -> None:
        # A dict, because a set has no order.
        self._tasks: dict[asyncio.Task[Any], None] = {}

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Each task that the code inside begins is of this run, and each that such a task begins."""
        asyncio.get_running_loop().set_task_factory(_new_task)
        token = _run.set(self)
        try:
            yield
        finally:
            _run.reset(token)

    def add(self, task: asyncio.Task[Any]) -> None:
        """Take a task in; it leaves by itself when it is done."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    async def end(self) -> None:
        """Cancel the tasks until all are done; after `ATTEMPTS`, say which are not, and leave them."""
        for _ in range(ATTEMPTS):
            for task in list(self._tasks):
                task.cancel()
                # A round of the event loop: a watch hears of its own end before the task it waits for has one.
                await asyncio.sleep(0)
            if not self._tasks:
                return
            await asyncio.wait(list(self._tasks), timeout=ATTEMPT_SECONDS)
        if self._tasks:
            left = sorted(task.get_name() for task in self._tasks)
            _log.error("tasks of the watches do not end", extra={"fields": {"tasks": left}})

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)


#: The run whose code is running.
_run: ContextVar[RunTasks | None] = ContextVar("run", default=None)


def _new_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task as the event loop makes it without us. The context that counts is that of the code which begins it."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    run = _run.get()
    if run is not None:
        run.add(task)
    return task
