"""Starts an operator again whenever it has died, as Kubernetes does, only at once (`preloaded`)."""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import preloaded
from cluster import LiveCluster

from moorage_dev import children, ports
from moorage_dev.children import Child
from moorage_dev.installation import NAMESPACE


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
        self._child = self._start()
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

    def _watch(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                if not children.is_running(self._child):
                    self._child = self._start()
            time.sleep(0.02)

    def _start(self) -> Child:
        self.lives += 1
        return preloaded.spawn(self._name, ["moorage", "operator"], log=self.log, env=self._environment)
