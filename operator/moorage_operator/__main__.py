"""`moorage operator`: settings, then the loops, then kopf around them, until a signal or a death ends it all."""

import asyncio
import gc
import logging
import sys
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from moorage_crds.clock import SystemClock
from moorage_crds.cluster_version import to_version
from moorage_crds.kube.client import Client
from moorage_crds.kube.paths import OPERATOR_CALLS
from moorage_crds.kube.patience import Patience
from moorage_crds.kube.session import ClusterConfigError, connect
from moorage_crds.names import MANAGER_OPERATOR
from moorage_crds.process.settings import describe, load
from moorage_crds.process.start import StartError, take_files, tune_collector
from moorage_crds.process.telemetry import configure_logging
from moorage_crds.store import StoreError
from moorage_operator.config import OperatorSettings
from moorage_operator.handlers.kopf_logs import bound_kopf_logs
from moorage_operator.handlers.kopf_runs import Shell
from moorage_operator.handlers.target_watches import follow_refreshables, follow_targets
from moorage_operator.wiring import Operator

PROG = "moorage operator"

#: From here on the API server can send what is there as events of a watch (WatchList).
STREAMING_VERSION: Final = (1, 34)

_log = logging.getLogger("moorage_operator")


def main(argv: list[str]) -> int:
    """Run the operator; 0 after SIGTERM or SIGINT, 1 if it could not start or had to give up, 2 for wrong settings."""
    settings = load(OperatorSettings, argv, prog=PROG)
    configure_logging(settings.log_level, "operator")
    bound_kopf_logs()
    _log.info("starting", extra={"fields": {"settings": describe(settings)}})
    gc.freeze()
    tune_collector()
    take_files()
    try:
        asyncio.run(_start(settings))
    except (ClusterConfigError, StartError) as error:
        sys.stderr.write(f"{PROG}: {error}\n")
        return 1
    except StoreError as error:
        sys.stderr.write(f"{PROG}: the cluster does not let it start: {error}\n")
        return 1
    except _DeathError as death:
        _log.critical("giving up", extra={"fields": {"why": str(death)}})
        return 1
    return 0


class _DeathError(Exception):
    """A loop or kopf ended by itself; the text says why."""


async def _start(settings: OperatorSettings) -> None:
    async with (
        connect(settings.kubeconfig) as cluster,
        Client(cluster, calls=OPERATOR_CALLS, field_manager=MANAGER_OPERATOR) as client,
    ):
        clock = SystemClock()
        operator = Operator(settings, client.store, clock)
        # Nothing of ours asks again yet, and an API server that starts, too, turns requests away.
        patient = client.store.with_patience(Patience(asyncio.sleep))
        await operator.check_crds(patient)
        await operator.health.start(settings.bind_host, settings.metrics_port)
        try:
            version = to_version(await patient.server_version())
            streaming = version >= STREAMING_VERSION
            shell = Shell(cluster, operator.intake, clock, streaming=streaming, interrupted=operator.sweep_soon)
            follow = (
                follow_targets(client.store, operator.targets, settings.delivery_kinds, clock),
                follow_refreshables(client.store, operator.refreshables, settings.delivery_refreshes, clock),
            )
            await _supervise(operator, shell, follow)
        finally:
            await operator.health.stop()


async def _supervise(operator: Operator, shell: Shell, follow: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run loops and watches beside each other; the end of either is the end of both."""
    loops = asyncio.create_task(operator.run(*follow), name="loops")
    watches = asyncio.create_task(shell.run(), name="watches")
    await asyncio.wait({loops, watches}, return_when=asyncio.FIRST_COMPLETED)
    if loops.done():
        await _cancel(watches)
        raise _DeathError(_why(loops))
    if watches.cancelled() or watches.exception() is not None:
        await _cancel(loops)
        raise _DeathError(_why(watches))
    _log.info("stopping")
    await operator.drain()
    await _cancel(loops)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=3)


def _why(task: "asyncio.Task[None]") -> str:
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if error else f"{task.get_name()} ended"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
