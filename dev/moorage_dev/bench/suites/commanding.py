"""The command beside kubectl: from pressing Enter to the last line, in turns on the same workspace."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
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
#: Python keeps what it has compiled, as installers leave it; somebody may have told it not to.
_NOT_PASSED_ON = ("MOORAGE_", "PYTHONDONTWRITEBYTECODE")
_NOTE = (
    "command: a new process each time, by kubeconfig with a token; the best of three in each round; "
    "kubectl lists the same objects of the same Namespace; CPU is that of all threads of the process"
)


@dataclass(frozen=True, slots=True)
class _Took:
    """Of one process, in milliseconds."""

    wall: float
    cpu: float


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
            rounds = [(_best(own, config), _best(other, config)) for _ in range(plan.rounds)]
            against = " ".join(["kubectl", *other[1:3]])
            for told, of, aims in ((name, "wall", (aim,)), (f"{name}: CPU", "cpu", ())):
                found, beside = (Samples.of(getattr(pair[side], of) for pair in rounds) for side in (0, 1))
                figures.append(Figure(NAME, told, "ms", found, Baseline(against, beside), aims, _NOTE))
    return figures


def _best(command: tuple[str, ...], config: Path) -> _Took:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_PASSED_ON)}
    environment["KUBECONFIG"] = str(config)
    found: list[_Took] = []
    for _ in range(_TIMES):
        began, before = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found.append(_Took((time.perf_counter() - began) * 1000, (_cpu_of_children() - before) * 1000))
        if done.returncode != 0:
            raise DevError(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-300:]}")
    return _Took(min(one.wall for one in found), min(one.cpu for one in found))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
