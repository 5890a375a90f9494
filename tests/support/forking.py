"""Run by `preloaded`: imports one command of `moorage`, and forks a process for each time that it shall run.

A request is the length of its JSON (4 bytes), which brings two open files along (the log, and where the new process
tells its id), and the JSON itself: arguments and environment. The end of the connection ends this process alone.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
from importlib.metadata import entry_points
from typing import Any

from moorage_crds.process import entry

LENGTH_BYTES = 4


def main() -> None:
    """Fork for each request; returns in each new process as soon as its command has ended."""
    number, command = sys.argv[1:]
    [point] = entry_points(group=entry.GROUP, name=command)
    point.load()
    # A collection would otherwise copy what all have in common.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _take_remains)
    connection = socket.socket(fileno=int(number))
    while request := _received(connection):
        said, log, told = request
        if os.fork() == 0:
            connection.close()
            _become(said, log, told)
            entry.main()
        os.close(log)
        os.close(told)


def _take_remains(*_: object) -> None:
    """Nobody else waits for those that have ended; so their CPU counts in what a whole run has taken, too."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _received(connection: socket.socket) -> tuple[dict[str, Any], int, int] | None:
    length, files, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 2)
    if not length:
        return None
    log, told = files
    text = connection.recv(int.from_bytes(length), socket.MSG_WAITALL)
    return json.loads(text), log, told


def _become(said: dict[str, Any], log: int, told: int) -> None:
    """What `children.spawn` sees to, and the environment of the new process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(said["environment"])
    time.tzset()
    sys.argv = ["moorage", *said["arguments"]]
    os.write(told, str(os.getpid()).encode())
    for each in (nothing, log, told):
        os.close(each)


if __name__ == "__main__":
    main()
