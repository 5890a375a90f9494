"""Two test runs side by side: which tests stay together, and what both leave for the look back at the whole run."""

import os
import shutil
import signal
import threading
from pathlib import Path, PurePosixPath
from typing import Final

from execnet.gateway_base import WorkerGateway
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

#: Folders whose tests want the machine's only node, image store, browser or ports: never two of them at once.
_OF_THE_MACHINE: Final = frozenset({"clients", "first_steps", "image", "node", "web"})
#: Folders whose tests share a cluster of their own.
_TOGETHER: Final = frozenset({"chart", "engines"})
_MACHINE: Final = "machine"
#: Folders whose files take a minute and more.
_LONG: Final = frozenset({"chart", "faults", "history"})
#: Seconds that a lane has to end by itself when the run is over; as in execnet.
_BY_ITSELF: Final = 5.0
#: Seconds that it then has to stop its clusters.
EXIT_SECONDS: Final = 120.0

#: Set in a lane that is stopping what it has started.
ending: Final = threading.Event()


def be_patient() -> None:
    """Give an interrupted lane time to stop its clusters: xdist and execnet kill it after 10 seconds, and they stay."""
    NodeManager.EXIT_TIMEOUT = EXIT_SECONDS
    WorkerGateway._terminate_execution = _end


def _end(gateway: WorkerGateway) -> None:
    """What execnet does in a lane when the run is over, with more patience, and unless the lane is ending already.

    Ctrl-C reaches the lanes by itself, and a test may just have been the last one; another interruption would leave
    behind what is being stopped. SIGTERM interrupts as SIGINT does, which jobs in the background may ignore.
    """
    gateway._execpool.trigger_shutdown()
    if gateway._execpool.waitall(_BY_ITSELF):
        return
    if not ending.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
    if not gateway._execpool.waitall(EXIT_SECONDS):
        os._exit(1)


class Lanes(LoadScopeScheduling):
    """Hands out groups of tests, in their order, to whichever lane is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """What stays together with a test: by default its file, so a fixture of a module is set up once."""
    path = PurePosixPath(nodeid.partition("::")[0])
    if is_of_the_machine(nodeid):
        return _MACHINE
    return path.parent.name if path.parent.name in _TOGETHER else str(path)


def is_of_the_machine(nodeid: str) -> bool:
    """Whether a test wants what the machine has once."""
    return _folder(nodeid) in _OF_THE_MACHINE


def turn(nodeid: str) -> int:
    """Which tests come first: what is long, so that no lane is alone with it at the end of a run."""
    if is_of_the_machine(nodeid):
        return 0
    return 1 if _folder(nodeid) in _LONG else 2


def _folder(nodeid: str) -> str:
    return PurePosixPath(nodeid.partition("::")[0]).parent.name


def keep(log: Path, folder: Path) -> None:
    """Put the audit log of a cluster, which goes with it, where the next run finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.log"
    kept.unlink(missing_ok=True)
    shutil.copyfile(log, kept)


def kept(folder: Path | None) -> list[Path]:
    """The audit logs that `keep` has put there."""
    return sorted(folder.glob("*.log")) if folder is not None else []
