"""All that happened to some objects, as `kubectl get --watch` tells it."""

import json
import os
from pathlib import Path
from typing import Any

from moorage_dev import children
from moorage_dev.kubectl import Kubectl

Object = dict[str, Any]


class Watch:
    """A watch that runs beside a test.

    Args:
        kubectl: who watches.
        log: gets what it prints.
        query: what to watch, as after `kubectl get`.
    """

    def __init__(self, kubectl: Kubectl, log: Path, *query: str) -> None:
        command = [kubectl.program, "get", *query, "--watch", "--output-watch-events", "--output=json"]
        environment = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), "KUBECACHEDIR": str(kubectl.cache)}
        self._log = log
        self._child = children.spawn(log.stem, command, log=log, env=environment, cwd=log.parent)

    def stop(self) -> None:
        """End it; what it has seen can still be asked for."""
        children.stop(self._child)

    def events(self) -> list[Object]:
        """The events so far: `type` and `object`."""
        text, decoder = self._log.read_text(encoding="utf-8"), json.JSONDecoder()
        found, position = [], 0
        while (start := text.find("{", position)) >= 0:
            try:
                event, position = decoder.raw_decode(text, start)
            except ValueError:
                # The rest of it is on its way.
                break
            found.append(event)
        return found


def number_of(event: Object) -> int:
    """Its place among all writes of the cluster."""
    return int(event["object"]["metadata"]["resourceVersion"])
