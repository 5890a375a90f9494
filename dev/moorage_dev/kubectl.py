"""Runs kubectl as one user of one cluster."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moorage_dev import patience
from moorage_dev.failures import DevError

#: Seconds that one call may take.
TIMEOUT = 120.0
#: Seconds until the API server serves a new kind, on an idle machine.
ESTABLISHED = 60.0


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with a kubeconfig; the environment of the person who runs this does not reach it.

    Attributes:
        program: the file.
        kubeconfig: whose rights it has.
        cache: folder for what it remembers about the cluster. Not the user's own: a new cluster on an old port
            would be taken for the old one.
    """

    program: Path
    kubeconfig: Path
    cache: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; a failure is in the result, not raised."""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("KUBECONFIG", "MOORAGE_"))
        }
        return subprocess.run(
            [str(self.program), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience.scaled(TIMEOUT),
            env={**environment, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.cache)},
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it and return what it prints.

        Raises:
            DevError: it says no, in its own words.
        """
        done = self.run(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise DevError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def wait_for_crds(self, *names: str) -> None:
        """Wait until these CRDs are Established.

        Raises:
            DevError: one of them is missing, or it takes more than a minute of an idle machine.
        """
        arguments = ["wait", "--for=condition=Established", f"--timeout={patience.scaled(ESTABLISHED):.0f}s"]
        while True:
            done = self.run(*arguments, *(f"crd/{name}" for name in names))
            if done.returncode == 0:
                return
            # Of a CRD that has no status yet kubectl says this, instead of waiting for one.
            if "conditions accessor error" not in done.stderr:
                raise DevError(f"the CRDs {', '.join(names)} are not there: {done.stderr.strip()}")

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of objects, in the name of the installation."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.ok(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=moorage-install",
            "-f",
            "-",
            stdin=json.dumps(listed),
        )
