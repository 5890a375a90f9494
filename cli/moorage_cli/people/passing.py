"""The options of a change: gates that it overrides, and the wait for its outcome."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from moorage_cli.people import questions
from moorage_cli.people.model import Exit, Promoting, Promotion, State, TroubleError
from moorage_cli.people.register import Register
from moorage_crds.clock import SystemClock

#: Between two looks. Seconds.
LOOK_SECONDS: Final = 0.5
_FREEZES: Final = ("freeze/", "clusterfreeze/")


class Until(StrEnum):
    """What is waited for."""

    RECORDED = "recorded"
    HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Override:
    """Why gates are passed, and which.

    Attributes:
        gates: empty: whichever refuse the change when it is made.
    """

    reason: str
    gates: Sequence[str] = ()

    async def against(self, register: Register, environment: str, app: str, release: str | None) -> Sequence[str]:
        """The gates to name for a change. Raises TroubleError.

        Args:
            register: the workspace.
            environment: where.
            app: which.
            release: which; None: it is taken out, which only Freezes refuse.
        """
        if self.gates:
            return self.gates
        found = await register.explain(environment, app, release, SystemClock().now())
        refusing = [one.gate for one in found.gates if one.override and not one.allowed and one.enforcement == "Deny"]
        chosen = dict.fromkeys(one for one in refusing if release is not None or one.startswith(_FREEZES))
        return tuple(chosen)


def override_of(reason: str | None, note: str | None, gates: Sequence[str] | None) -> Override | None:
    """What was said of an override. Raises TroubleError: it does not fit together."""
    if reason is None:
        if gates:
            raise TroubleError(Exit.USAGE, "--gate says which gates --override REASON passes: say that, too")
        return None
    if note is not None:
        raise TroubleError(Exit.USAGE, "the reason of an override is the one of the change: leave --reason out")
    return Override(reason, tuple(gates or ()))


async def promoted(
    register: Register, wanted: Promoting, override: Override | None
) -> list[tuple[Promotion, list[str]]]:
    """What became of each app, with the gates that it named. Raises TroubleError."""
    if override is None:
        return [(one, []) for one in await register.promote(wanted)]
    wanted = replace(wanted, reason=override.reason)
    found: list[tuple[Promotion, list[str]]] = []
    for line in await register.promote(replace(wanted, dry_run=True)):
        # Each app by itself, so that its line names the gates that refused it and no others.
        gates: Sequence[str] = ()
        if not line.promoted:
            gates = await override.against(register, wanted.environment, line.app, line.release)
        made = await register.promote(replace(wanted, app=line.app, override=gates))
        found += [(one, sorted(gates)) for one in made]
    return found


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for after a change.

    Attributes:
        until: None: nothing.
        seconds: how long at most.
    """

    until: Until | None
    seconds: float

    async def after(self, register: Register, environment: str, app: str, deployment_id: str) -> State | None:
        """The app when the change has come so far; None if nothing is waited for. Raises TroubleError."""
        if self.until is None:
            return None
        return await arrival(register, (environment, app), self, deployment_id=deployment_id)


async def arrival(
    register: Register,
    place: tuple[str, str],
    waiting: Waiting,
    *,
    deployment_id: str | None = None,
    release: str | None = None,
) -> State:
    """Wait for a change of an app.

    Args:
        register: the workspace.
        place: environment and app.
        waiting: for what, and how long.
        deployment_id: the change; None: whichever is the newest.
        release: the release that has to be active; None: any.

    Raises:
        TroubleError: it took too long, or will never come.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    end = began + waiting.seconds
    shown = ""
    while True:
        state = await register.state(*place)
        healthy, waited = waiting.until is Until.HEALTHY, clock() - began
        missing = questions.missing(state, deployment_id, release, healthy=healthy, waited=waited)
        if missing is None:
            return state
        if clock() >= end:
            message = f"{place[1]} in {place[0]} is not {waiting.until} after {waiting.seconds:g} s: {missing}"
            raise TroubleError(Exit.TIMEOUT, message)
        if missing != shown and sys.stderr.isatty():
            sys.stderr.write(f"waiting: {missing}\n")
        shown = missing
        await asyncio.sleep(min(LOOK_SECONDS, max(end - clock(), 0)))


def became(state: State | None) -> dict[str, str | None]:
    """What an answer says of the outcome of a change; None where nothing was waited for, or nothing follows the app."""
    rollout = state.rollout if state is not None else None
    return {
        "rollout": rollout.phase if rollout is not None else None,
        "healthy_at": rollout.healthy_at if rollout is not None else None,
    }
