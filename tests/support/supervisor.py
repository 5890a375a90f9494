"""Starts an operator again whenever it has died, as Kubernetes does, only at once.

Most of a start is the import of Python modules. So the next process is made beforehand, and waits with everything
imported until its turn has come; then it runs `moorage operator` like any other.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from cluster import LiveCluster

from moorage_dev import children, ports
from moorage_dev.children import Child
from moorage_dev.installation import NAMESPACE

#: Imports what an operator needs, waits for a file, and runs the command.
_PROGRAM = """
import pathlib, sys, time
import moorage_operator.__main__, moorage_operator.handlers.kopf_settings, moorage_operator.wiring
from moorage_crds.process import entry
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.005)
sys.argv[1:] = ["operator"]
sys.exit(entry.main())
"""


class Supervisor:
    """One operator after the other, until `stop`. It acts without the Lease, which a killed one would hold for long.

    Attributes:
        lives: how many there were.
    """

    def __init__(self, cluster: LiveCluster, name: str, settings: Mapping[str, str]) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "KUBE"))}
        own = {
            "MOORAGE_NAMESPACE": NAMESPACE,
            "MOORAGE_BIND_HOST": "127.0.0.1",
            "MOORAGE_METRICS_PORT": str(ports.free(1)[0]),
            "MOORAGE_LEASE_ENABLED": "false",
            "MOORAGE_SWEEP_INTERVAL_SECONDS": "10",
            # Events of Kubernetes are not a step of the history: an operator that dies before one never sends it.
            "MOORAGE_KUBERNETES_EVENTS": "false",
        }
        self._environment = {**clean, **own, **settings}
        self._name = name
        self.log: Path = cluster.folder / f"{name}.log"
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.lives = 0
        self._next = self._prepare()
        self._child = self._advance()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """SIGKILL the present one."""
        with self._lock:
            children.kill(self._child)

    def stop(self) -> None:
        """Stop the present one, and start no other."""
        self._stopping.set()
        self._thread.join()
        children.stop(self._child)
        children.kill(self._next)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                if not children.is_running(self._child):
                    self._child = self._advance()
            time.sleep(0.02)

    def _advance(self) -> Child:
        """The turn of the one that waits has come."""
        child = self._next
        self.lives += 1
        self._gate(self.lives).touch()
        self._next = self._prepare()
        return child

    def _prepare(self) -> Child:
        command: list[str | Path] = [sys.executable, "-c", _PROGRAM, self._gate(self.lives + 1)]
        return children.spawn(self._name, command, log=self.log, env=self._environment)

    def _gate(self, life: int) -> Path:
        return self.log.with_suffix(f".life-{life}")
