"""The options of a change: gates that it overrides, and the wait for its outcome."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

from moorage_cli.people import questions
from moorage_cli.people.model import Change, Exit, Explained, GateSays, Promoting, Promotion, State, TroubleError
from moorage_cli.people.register import Register
from moorage_crds.clock import SystemClock
from moorage_crds.gates.verdict import Code

#: Between two looks. Seconds.
LOOK_SECONDS: Final = 0.5
#: A look that has begun may take so long, also when the time is over: a loaded cluster shall get one. Seconds.
LONGEST_LOOK: Final = 10.0
#: How often a change is made again with the gates that refuse it now.
#: The policies hear of a rule, or of its end, a moment after it can be read, so both can differ for that long.
TRIES: Final = 10
#: Gates that only a release is asked for.
_EVIDENCE: Final = frozenset({"promotion", "approvals"})

#: What becomes of a change.
Made = TypeVar("Made")


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

    async def over(
        self,
        register: Register,
        wanted: Change,
        make: Callable[[Sequence[str]], Awaitable[Made]],
        refusal: Callable[[Made], str],
    ) -> tuple[Made, Sequence[str]]:
        """Make a change, and name the gates that refuse it; what became of it, and those named. Raises TroubleError.

        Args:
            register: the workspace.
            wanted: the change.
            make: makes it with the gates that it shall name.
            refusal: the stable word of what refused it; empty if it was made.
        """
        made, gates = await make(self.gates), self.gates
        for _ in range(TRIES):
            if self.gates or refusal(made) not in set(Code):
                break
            found = await register.explain(wanted.environment, wanted.app, wanted.release, SystemClock().now())
            refusing = _refusing(found, wanted.release)
            if not all(one.override for one in refusing):
                break
            chosen = tuple(dict.fromkeys(one.gate for one in refusing))
            if set(chosen) <= set(gates):
                await asyncio.sleep(LOOK_SECONDS)
            made, gates = await make(chosen), chosen
        return made, gates


def _refusing(found: Explained, release: str | None) -> list[GateSays]:
    """The gates that refuse a change; what is taken out needs neither evidence nor approvals."""
    refusing = [one for one in found.gates if not one.allowed and one.enforcement == "Deny"]
    return [one for one in refusing if release is not None or one.gate not in _EVIDENCE]


def override_of(reason: str | None, note: str | None, gates: Sequence[str] | None) -> Override | None:
    """What was said of an override. Raises TroubleError: it does not fit together."""
    if reason is None:
        if gates:
            raise TroubleError(Exit.USAGE, "--gate says which gates --override REASON passes: say that, too")
        return None
    if note is not None:
        raise TroubleError(Exit.USAGE, "the reason of an override is the one of the change: leave --reason out")
    return Override(reason, tuple(gates or ()))


async def changed(register: Register, wanted: Change, override: Override | None) -> tuple[str, Change]:
    """Make a change; the id of its line, and the change as it was made. Raises TroubleError."""
    if override is None:
        return await register.change(wanted), wanted
    wanted = replace(wanted, reason=override.reason)
    made, gates = await override.over(register, wanted, partial(_made, register, wanted), _word)
    if isinstance(made, TroubleError):
        raise made
    return made, replace(wanted, override=sorted(gates))


async def _made(register: Register, wanted: Change, gates: Sequence[str]) -> str | TroubleError:
    try:
        return await register.change(replace(wanted, override=sorted(gates)))
    except TroubleError as trouble:
        return trouble


def _word(made: str | TroubleError) -> str:
    return made.reason if isinstance(made, TroubleError) else ""


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
        change = Change(wanted.environment, line.app, line.release)
        one, gates = await override.over(register, change, partial(_one, register, wanted, line), _refusal)
        found.append((one, sorted(gates)))
    return found


async def _one(register: Register, wanted: Promoting, line: Promotion, gates: Sequence[str]) -> Promotion:
    made = await register.promote(replace(wanted, app=line.app, override=gates))
    # Nothing is left to do where somebody else was quicker.
    return next(iter(made), replace(line, promoted=True, code=Exit.DONE, reason="", message=""))


def _refusal(line: Promotion) -> str:
    return line.reason


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
        state = await _look(register, place, waiting, end - clock())
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


async def _look(register: Register, place: tuple[str, str], waiting: Waiting, left: float) -> State:
    """The app now, unless the cluster turns the question away until the time is over. Raises TroubleError."""
    try:
        async with asyncio.timeout(max(left, LONGEST_LOOK)):
            return await register.state(*place)
    except TimeoutError:
        message = f"{place[1]} in {place[0]} cannot be looked at: no usable answer within {waiting.seconds:g} s"
        raise TroubleError(Exit.TIMEOUT, message) from None


def became(state: State | None) -> dict[str, str | None]:
    """What an answer says of the outcome of a change; None where nothing was waited for, or nothing follows the app."""
    rollout = state.rollout if state is not None else None
    return {
        "rollout": rollout.phase if rollout is not None else None,
        "healthy_at": rollout.healthy_at if rollout is not None else None,
    }
