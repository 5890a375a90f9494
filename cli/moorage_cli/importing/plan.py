"""The effect of an import on the present: environments and releases that are missing. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moorage_cli.importing.past import Key


class Step(StrEnum):
    """What is done about one thing."""

    CREATE = "create environment"
    IMPORT = "import the past"
    DEPLOY = "deploy"
    KEEP = "keep"
    """Another release is active than the one that was found: the register knows better, or somebody has to look."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One row of a plan.

    Attributes:
        release: what was found.
        active: what the register says; None: nothing.
        changes: how many changes of the past come with it.
    """

    step: Step
    environment: str
    app: str | None = None
    release: str | None = None
    active: str | None = None
    changes: int | None = None


def planned(
    found: Mapping[Key, str], past: Mapping[Key, int], there: Mapping[str, Mapping[str, str]]
) -> Sequence[Planned]:
    """What is to be done, in this order.

    Args:
        found: the releases that are active now.
        past: how many changes are to be imported.
        there: environment → app → release, as the register has it.
    """
    wanted = sorted({environment for environment, _ in (*found, *past)})
    rows = [Planned(Step.CREATE, one) for one in wanted if one not in there]
    rows += [Planned(Step.IMPORT, *key, changes=count) for key, count in sorted(past.items())]
    for (environment, app), release in sorted(found.items()):
        active = there.get(environment, {}).get(app)
        if active is None:
            rows.append(Planned(Step.DEPLOY, environment, app, release))
        elif active != release:
            rows.append(Planned(Step.KEEP, environment, app, release, active))
    return rows
