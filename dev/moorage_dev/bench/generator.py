"""Starts a load generator and reads its result."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from moorage_dev.bench.lab import Lab
from moorage_dev.failures import DevError
from moorage_dev.layout import DEV

_TIMEOUT = 900.0


def target(lab: Lab, token: str | None = None) -> dict[str, str]:
    """The API server, as the measuring user or with any token."""
    endpoint = lab.cluster.endpoint
    return {"url": endpoint.server, "ca": endpoint.ca.decode(), "token": token or lab.token}


def run(mode: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run one job in a process of its own.

    Raises:
        DevError: the generator failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "moorage_dev.bench.load", mode],
        input=json.dumps(dict(job)).encode(),
        capture_output=True,
        check=False,
        timeout=_TIMEOUT,
        env={**os.environ, "PYTHONPATH": str(DEV)},
    )
    if done.returncode != 0:
        raise DevError(f"the load generator {mode} failed: {done.stderr.decode(errors='replace')[-1500:]}")
    return dict(json.loads(done.stdout))


def require_only(result: Mapping[str, Any], status: int) -> None:
    """Make sure that every request was answered with that status: a fast error does not count as speed.

    Raises:
        DevError: others came too.
    """
    others = {code: count for code, count in result["statuses"].items() if int(code) != status}
    if others:
        raise DevError(f"the load met answers other than {status}: {others} (0: connection lost)")
