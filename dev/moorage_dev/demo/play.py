"""`make demo`: plays the story on the real system, every command printed before it runs.

Called by `python -m moorage_dev demo` after `up`. What is shown is what the system said, and a step that does not do
what the story says ends the demo with exit code 1.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from moorage_dev import patience
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.cluster import Cluster
from moorage_dev.demo.story import NEXT, VARIABLES, Stage, Step, story
from moorage_dev.failures import DevError
from moorage_dev.node.cluster import NodeCluster

#: Seconds that a state may need until it is what a step shows.
_SECONDS = 60.0
_POLL = 0.5

_NO_PODS = {
    Stage.BY_HAND: "No pods run here (CONTRIBUTING.md, “The node”, says what they need), "
    "so the story sets the status of its workload by hand.",
    Stage.BOOKS: "This cluster lacks the images of the story's pods, so nothing rolls, and only the books are shown.",
}


def play(cluster: Cluster, environment: Mapping[str, str], *, root: Path) -> None:
    """Play the story with the variables of `dev/.run/env`.

    Raises:
        DevError: a step failed that should not, or passed that should not.
    """
    stage = stage_of(cluster)
    if stage in _NO_PODS:
        _write(f"\n{_NO_PODS[stage]}\n")
    settings = "; ".join(f'{name}="{value}"' for name, value in VARIABLES.items())
    _write(
        f"\nAll commands below run in this folder, after:\n{_coloured(f'$ source dev/.run/env; {settings}', '36')}\n"
    )
    number = 0
    for step in story(stage, datetime.now(UTC)):
        if step.says:
            number += 1
            _write(f"\n{_coloured(f'{number:2}. {step.says}', '1')}\n")
        _write(f"{_coloured(f'$ {step.command}', '36')}\n")
        _run(step, {**os.environ, **environment}, f"{settings}; {step.command}", root)
    _write(f"\n{NEXT}")


def stage_of(cluster: Cluster) -> Stage:
    """What can carry releases in this cluster."""
    if isinstance(cluster, NodeCluster):
        return Stage.PODS
    return Stage.BY_HAND if isinstance(cluster, BuiltCluster) else Stage.BOOKS


def _run(step: Step, environment: Mapping[str, str], command: str, root: Path) -> None:
    began = time.monotonic()
    while True:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=dict(environment),
            cwd=root,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        is_shown = (done.returncode != 0) is step.refused and (
            not step.until or re.fullmatch(step.until, done.stdout) is not None
        )
        if is_shown or not step.until or patience.is_over(began, _SECONDS):
            break
        time.sleep(_POLL)
    _write(done.stdout.rstrip("\n") + "\n")
    if not is_shown:
        expected = "a refusal" if step.refused else "success"
        raise DevError(
            f"the step «{step.says}» ended with exit code {done.returncode}, and the story expects {expected}"
        )


def _coloured(text: str, colour: str) -> str:
    """The text in a colour, for a terminal whose owner has nothing against colours."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\033[{colour}m{text}\033[0m" if wanted else text


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
