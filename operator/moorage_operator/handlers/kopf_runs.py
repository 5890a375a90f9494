"""Runs kopf around our handlers, again and again: what ends one run of it must not end the process.

kopf gives up when the API server answers a watch with an error for long enough, as it does while it restarts. A process
that then exits is held back by Kubernetes longer each time, when it is needed most. So the watches start again in this
process, and the sweep compares what they may have missed. The watchdog judges watches that stay dead.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from typing import Final

import kopf

from moorage_crds.clock import Clock
from moorage_crds.kube.session import Cluster
from moorage_operator.dispatch import Intake
from moorage_operator.handlers import kopf_settings as lifecycle
from moorage_operator.handlers import watching
from moorage_operator.handlers.kopf_tasks import RunTasks

#: Seconds from the end of one run to the next: the first pause, and the longest.
PAUSES: Final = (0.5, 5.0)
#: Seconds after which a run counts as good, and the next pause is short again.
GOOD_SECONDS: Final = 60.0
TAKE_SIGNALS_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Shell:
    """kopf's runs.

    Args:
        cluster: where to log in.
        intake: gets what is watched.
        clock: the time.
        streaming: as `lifecycle.register` wants it.
        interrupted: called when the watches may have missed something: a run has ended by itself, or a watch expired.
    """

    def __init__(
        self, cluster: Cluster, intake: Intake, clock: Clock, *, streaming: bool, interrupted: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._intake = intake
        self._clock = clock
        self._streaming = streaming
        self._interrupted = interrupted
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Watch until SIGTERM or SIGINT."""
        clock = asyncio.get_running_loop().time
        pause = PAUSES[0]
        while True:
            began = clock()
            error = await self._once()
            if error is None or self._stop.is_set():
                return
            pause = PAUSES[0] if clock() - began > GOOD_SECONDS else min(pause * 2, PAUSES[1])
            _log.warning("watches ended", extra={"fields": {"error": str(error), "again_in_seconds": pause}})
            if await self._stopped_within(pause):
                return
            self._interrupted()

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        return self._stop.is_set()

    async def _once(self) -> BaseException | None:
        """One run; None after a signal, else what it died of."""
        registry = kopf.OperatorRegistry()
        logins = lifecycle.register(registry, self._cluster, self._clock, streaming=self._streaming)
        watching.register(registry, self._intake, interrupted=self._interrupted)

        @kopf.on.startup(registry=registry)
        async def take_signals(**_: object) -> None:
            # kopf's own handlers speak to the run that set them, and would be deaf between two runs. They are set
            # about now; until ours take their place, they end this run, which is as good.
            asyncio.get_running_loop().call_later(TAKE_SIGNALS_SECONDS, self._take_signals)

        tasks = RunTasks()
        try:
            with tasks.collecting():
                roots = await kopf.spawn_tasks(registry=registry, clusterwide=True, stop_flag=self._stop)
            # They never end by themselves: the first one that does is the end of the run.
            ended, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tasks.end()
            await logins.close()
        errors = (task.exception() for task in ended if not task.cancelled())
        return next((error for error in errors if error is not None), None)

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
