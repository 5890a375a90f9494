"""A Docker engine on this machine that leaves the machine alone: dockerd of Debian in namespaces of its own.

Its mounts, network, process ids, host name and IPC are its own, its containers live in a cgroup of its own, and its way
to the outside is a network in user space. When its first process is killed, the kernel ends all others, and mounts,
devices and packet filters go with the namespaces. What remains are empty cgroups and the folder; `stop` removes both.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moorage_dev import children
from moorage_dev.children import Child
from moorage_dev.docker import first_process, programs, runtime
from moorage_dev.failures import DevError
from moorage_dev.layout import DEV
from moorage_dev.node import cgroups, requirements
from moorage_dev.node.requirements import NAMESPACES

#: Seconds that a part may take to become ready; a cold disk and a busy machine are slow.
START_SECONDS = 120.0
_FIRST, _NETWORK, _ENGINE = "docker-namespaces", "slirp4netns", "dockerd"
_RUNTIME = "moorage"
_TUNNELS = Path("/dev/net/tun")


def why_not(folder: Path) -> str | None:
    """One sentence that says why no engine can run here; None when one can. Installs packages where it may.

    Args:
        folder: where its files would be.
    """
    if reason := requirements.why_not(folder) or programs.why_not():
        return reason
    return None if _TUNNELS.exists() else f"the kernel lacks {_TUNNELS} (CONFIG_TUN), its network to the outside"


class Engine:
    """One engine whose files live in `folder`.

    Args:
        folder: made by `start`; must be missing then.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Name of the cgroup of all its containers.
        self.cgroup = "moorage-docker-" + hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:8]
        self._programs = Path()
        self._children: dict[str, Child] = {}

    def start(self) -> None:
        """Start everything, and return when it answers.

        Raises:
            DevError: a part does not come up; nothing is left running then.
        """
        self._programs = programs.unpacked()
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything at once, containers too, and remove cgroups and files. No-op when nothing runs."""
        first = self._children.get(_FIRST)
        inner = children.only_child(first.pid) if first is not None and children.is_running(first) else None
        for child in self._children.values():
            children.kill(child)
        # The first process is gone when all others are, and all mounts.
        children.wait_gone(inner)
        self._children.clear()
        cgroups.remove(self.cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> Mapping[str, str]:
        """Variables by which `docker` and what calls it find this engine; for `in_network`."""
        return {**programs.environment(self._programs), "DOCKER_HOST": f"unix://{self._socket}"}

    def in_network(self, *command: str | Path) -> list[str]:
        """A command line that runs `command` in the engine's network, on the usual file system.

        Published ports are ports of its loopback address; the machine's own network cannot be reached from there, but
        what lies beyond it can.
        """
        return self._enter(("--net",), *command)

    def docker(self, *arguments: str | Path, build_kit: bool = False) -> str:
        """Run `docker` and return what it prints.

        Args:
            arguments: of its command line.
            build_kit: build with the newer of its two builders.

        Raises:
            DevError: it fails.
        """
        environment = {**os.environ, **self.environment(), "DOCKER_BUILDKIT": str(int(build_kit))}
        done = subprocess.run(
            self.in_network("docker", *arguments), env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-20:])
            raise DevError(f"docker {arguments[0]} failed, its last lines were:\n  {tail}")
        return done.stdout

    def load(self, archive: Path, tag: str, *changes: str) -> None:
        """Make an image of one archive of a file system.

        Args:
            archive: the root, as `tar` writes it.
            tag: the image's name.
            changes: instructions of a Dockerfile, such as `ENV container=docker`.
        """
        self.docker("import", *(f"--change={change}" for change in changes), archive, tag)

    def logs(self) -> list[Path]:
        """Logs of its parts."""
        return [child.log for child in self._children.values()]

    @property
    def _socket(self) -> Path:
        return self.folder.absolute() / "docker.sock"

    def _start(self) -> None:
        first = (sys.executable, "-m", first_process.__name__, str(self.folder.absolute()))
        self._spawn(_FIRST, ["unshare", *NAMESPACES, "--fork", "--kill-child=SIGKILL", "--mount-proc", *first])
        self._wait(_FIRST, (self.folder / first_process.READY).exists, "set up")
        ready = self.folder / "network-ready"
        # The machine's own loopback address stays out of reach.
        flags = ("--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", str(self._inner()), "tap0")
        self._spawn(_NETWORK, ["sh", "-euc", f'exec slirp4netns "$@" 3>{ready}', "sh", *flags])
        self._wait(_NETWORK, lambda: ready.exists() and ready.read_text(encoding="ascii") == "1", "ready")
        cgroups.make(self.cgroup)
        self._configure()
        self._spawn(_ENGINE, self._enter(NAMESPACES, "dockerd", f"--config-file={self.folder / 'daemon.json'}"))
        self._wait(_ENGINE, self._answers, "ready")

    def _configure(self) -> None:
        shim = self.folder / "runc-of-moorage"
        start = f'exec env PYTHONPATH={DEV} {sys.executable} -m {runtime.__name__} "$@"'
        shim.write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
        shim.chmod(0o755)
        configuration = {
            "hosts": [f"unix://{self._socket}"],
            "data-root": str(self.folder.absolute() / "data"),
            "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid",
            "cgroup-parent": f"/{self.cgroup}",
            "runtimes": {_RUNTIME: {"path": str(shim)}},
            "default-runtime": _RUNTIME,
            "init-path": str(self._programs / "usr/bin/docker-init"),
            "userland-proxy-path": str(self._programs / "usr/sbin/docker-proxy"),
        }
        (self.folder / "daemon.json").write_text(json.dumps(configuration), encoding="utf-8")

    def _answers(self) -> bool:
        try:
            self.docker("info")
        except DevError:
            return False
        return True

    def _spawn(self, part: str, command: Sequence[str]) -> None:
        environment = {**os.environ, **programs.environment(self._programs), "PYTHONPATH": str(DEV)}
        self._children[part] = children.spawn(part, command, log=self.folder / f"{part}.log", env=environment)

    def _inner(self) -> int:
        inner = children.only_child(self._children[_FIRST].pid) if _FIRST in self._children else None
        if inner is None:
            raise DevError("the engine does not run")
        return inner

    def _enter(self, namespaces: tuple[str, ...], *command: str | Path) -> list[str]:
        return ["nsenter", f"--target={self._inner()}", *namespaces, "--", *map(str, command)]

    def _wait(self, part: str, ready: Callable[[], bool], what: str) -> None:
        children.wait_until(self._children[part], ready, timeout=START_SECONDS, what=what)
