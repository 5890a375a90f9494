"""Background processes that can be stopped later, also by another process, without ever hitting a stranger.

A process is remembered by its id *and* its start time: ids are used again, and a recycled one must not be killed.
Every process leads a group of its own, so that what it started goes with it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from moorage_dev import patience
from moorage_dev.failures import DevError

#: Seconds a process has between SIGTERM and SIGKILL.
GRACE = 15.0
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started here.

    Attributes:
        name: what messages call it.
        pid: its id, which is its process group too.
        started: start time as the system tells it, opaque; together with `pid` it is unique.
        log: file that gets its output.
    """

    name: str
    pid: int
    started: str
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Child:
    """Start a process in the background; its output is appended to `log`.

    Raises:
        DevError: the program cannot be started.
    """
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise DevError(f"{name} could not be started: {error}") from error
    return Child(name, process.pid, _start_time(process.pid), log, process)


def adopt(name: str, pid: int, log: Path) -> Child:
    """A process that somebody else has started, and that leads a process group of its own."""
    return Child(name, pid, _start_time(pid), log)


def is_running(child: Child) -> bool:
    """Whether exactly that process is there. A process that ended but was not waited for counts as gone."""
    if child._process is not None:
        # Our own child: its id cannot be used again before this takes its remains away.
        return child._process.poll() is None
    return child.started != "" and _start_time(child.pid) == child.started


def exists(pid: int) -> bool:
    """Whether a process of this id is there, and not only its remains."""
    return _start_time(pid) != ""


def stop(child: Child, *, grace: float = GRACE) -> None:
    """Ask the process to end and wait; after `grace` seconds its whole group is killed. No-op when it is gone."""
    if not is_running(child):
        return
    # It may go by itself in this very moment, and somebody else may take its remains away.
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGTERM)
        # A paused process takes the request only when it is resumed.
        os.kill(child.pid, signal.SIGCONT)
    if not _wait_gone(child, grace):
        kill(child)


def kill(child: Child) -> None:
    """SIGKILL the process and its group, and wait until it is gone. No-op when it is gone already."""
    if not is_running(child):
        return
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if not _wait_gone(child, GRACE):
        raise DevError(f"{child.name} (process {child.pid}) does not end, even after SIGKILL: look at it with ps")


def pause(child: Child) -> None:
    """SIGSTOP: the process stands still until `resume`."""
    os.kill(child.pid, signal.SIGSTOP)


def resume(child: Child) -> None:
    """SIGCONT."""
    os.kill(child.pid, signal.SIGCONT)


def wait_until(child: Child, ready: Callable[[], bool], *, timeout: float, what: str) -> None:
    """Wait until `ready()` is true.

    Raises:
        DevError: the process ended, or it took longer than `timeout` seconds of an idle machine; with the last lines
            of its log.
    """
    began = time.monotonic()
    while not ready():
        if not is_running(child):
            raise DevError(f"{child.name} ended before {what}; the end of {child.log}:\n{tail(child.log)}")
        if patience.is_over(began, timeout):
            waited = time.monotonic() - began
            raise DevError(f"{child.name}: not {what} after {waited:.0f} s; the end of {child.log}:\n{tail(child.log)}")
        time.sleep(_POLL)


def only_child(pid: int) -> int | None:
    """The process that `unshare --fork` has started, None when it has not yet or is gone."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(listed[0]) if listed else None


def wait_gone(pid: int | None) -> None:
    """Wait until a killed first process of namespaces is gone, and with it all that ran in them.

    Raises:
        DevError: it does not go.
    """
    deadline = time.monotonic() + GRACE
    while pid is not None and exists(pid):
        if time.monotonic() > deadline:
            raise DevError(f"the first process ({pid}) does not end, even after SIGKILL: look at it with ps")
        time.sleep(_POLL)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented; long lines are cut."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line[:300]}" for line in text.splitlines()[-lines:]) or "  (empty)"


def save(children: Mapping[str, Child], path: Path) -> None:
    """Write what another process needs to stop them."""
    data = {key: [child.name, child.pid, child.started, str(child.log)] for key, child in children.items()}
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(data, indent=1), encoding="utf-8")
    scratch.replace(path)


def load(path: Path) -> dict[str, Child]:
    """What `save` wrote; empty when there is no such file."""
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {key: Child(name, pid, started, Path(log)) for key, (name, pid, started, log) in data.items()}


def _wait_gone(child: Child, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while is_running(child):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _start_time(pid: int) -> str:
    """Start time of a process, empty when there is none of that id (or only its remains)."""
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.joinpath("self").exists():
        try:
            # The name in parentheses may hold anything; fields are counted after it.
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else f"{_boot()}/{fields[19]}"
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _boot() -> str:
    """Start times count from the boot, so the boot is part of the identity."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""
