"""Runs the commands of `moorage` against the cluster of the tests."""

import os
import subprocess
import sys
from pathlib import Path

from cluster import ADMIN, LiveCluster

from moorage_dev import patience


def moorage(cluster: LiveCluster, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as the administrator."""
    config = kubeconfig or cluster.kubeconfig("admin", cluster.token(ADMIN))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    program = Path(sys.executable).parent / "moorage"
    return subprocess.run(
        [program, *arguments],
        env={**clean, "MOORAGE_KUBECONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=patience.scaled(60),
        check=False,
    )


def broken(done: subprocess.CompletedProcess[str], namespace: str) -> list[str]:
    """The lines about one workspace."""
    return [line for line in done.stdout.splitlines() if line.startswith(f"BROKEN {namespace}/")]
