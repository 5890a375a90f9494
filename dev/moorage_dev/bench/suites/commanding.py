"""The command beside kubectl: from pressing Enter to the last line, in turns on the same workspace."""

import os
import subprocess
import sys
import time
from pathlib import Path

from moorage_dev import kubeconfigs
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import USER, Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import World
from moorage_dev.failures import DevError
from moorage_dev.progress import shown

NAME = "command"
#: Of each command in a round; the round's figure is the fastest, because a process that starts meets what else starts.
_TIMES = 3
_NOTE = (
    "command: a new process each time, by kubeconfig with a token; the fastest of three in each round; "
    "kubectl lists the same objects of the same Namespace"
)


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """Times of three commands, each beside the kubectl that answers most of the same question."""
    workspace, slug = world.environments[0]
    config = kubeconfigs.with_token(lab.folder / "command", lab.cluster.endpoint, user=USER, token=lab.token)
    place = ("-n", workspace.namespace)
    moorage, kubectl = str(Path(sys.executable).parent / "moorage"), str(lab.cluster.kubectl_program())
    fields = f"--field-selector=spec.environment={slug}"
    pairs = {
        "start (moorage --version)": ((moorage, "--version"), (kubectl, "version", "--client"), Aim(250)),
        "moorage matrix": ((moorage, "matrix", *place), (kubectl, "get", "mdep", *place), Aim(400)),
        "moorage history": ((moorage, "history", slug, *place), (kubectl, "get", "drec", fields, *place), Aim(400)),
    }
    figures: list[Figure] = []
    with shown("starting commands", lambda: "moorage and kubectl in turns"):
        for name, (own, other, aim) in pairs.items():
            rounds = [(_fastest(own, config), _fastest(other, config)) for _ in range(plan.rounds)]
            baseline = Baseline(" ".join(["kubectl", *other[1:3]]), Samples.of(one for _, one in rounds))
            figures.append(Figure(NAME, name, "ms", Samples.of(one for one, _ in rounds), baseline, (aim,), _NOTE))
    return figures


def _fastest(command: tuple[str, ...], config: Path) -> float:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    environment["KUBECONFIG"] = str(config)
    found: list[float] = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found.append((time.perf_counter() - began) * 1000)
        if done.returncode != 0:
            raise DevError(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-300:]}")
    return min(found)
