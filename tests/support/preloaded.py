"""Starts operators and facades that need not import themselves: each is forked from a process that has done so.

Most of a start is the import of Python modules, more than a second of CPU, and a run of the tests has hundreds of
starts. What is forked runs the command `moorage` as the installed script does, with its own environment, session, log
and signals. Starts that are themselves under test do not come from here: the image, `make up`, wrong settings.
"""

import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from moorage_dev import children
from moorage_dev.children import Child
from moorage_dev.failures import DevError


def spawn(name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> Child:
    """As `children.spawn`, for `moorage operator` and `moorage api`.

    Raises:
        DevError: no process could be forked.
    """
    arguments = [str(part) for part in command[1:]]
    return _forker(arguments[0]).fork(name, arguments, log, env)


def close() -> None:
    """End the processes that are forked from, at the end of a run. What was forked stays."""
    for forker in _forkers:
        forker.close()
    _forkers.clear()
    _forker.cache_clear()


_forkers: "list[_Forker]" = []


class _Forker:
    """A process that has imported one command."""

    def __init__(self, command: str) -> None:
        self._lock = threading.Lock()
        self._connection, other = socket.socketpair()
        with other:
            # Without -P the folder of the tests' own modules would come first among those of the command.
            program = [sys.executable, "-P", Path(__file__).with_name("forking.py"), str(other.fileno()), command]
            self._process = subprocess.Popen(program, pass_fds=[other.fileno()], start_new_session=True)
        _forkers.append(self)

    def fork(self, name: str, arguments: list[str], log: Path, env: Mapping[str, str]) -> Child:
        text = json.dumps({"arguments": arguments, "environment": dict(env)}).encode()
        told, tell = os.pipe()
        with log.open("ab") as output, os.fdopen(told, "rb") as answer:
            try:
                with self._lock:
                    socket.send_fds(self._connection, [len(text).to_bytes(4)], [output.fileno(), tell])
                    self._connection.sendall(text)
            except OSError as error:
                raise DevError(f"{name} could not be started: what it is forked from is gone: {error}") from error
            finally:
                os.close(tell)
            pid = answer.read()
        if not pid:
            raise DevError(f"{name} could not be started; the end of {log}:\n{children.tail(log)}")
        return children.adopt(name, int(pid), log)

    def close(self) -> None:
        self._connection.close()
        self._process.wait()


@functools.cache
def _forker(command: str) -> _Forker:
    return _Forker(command)
