"""Answers to the questions of every day, from what a `Register` tells. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moorage_cli.people.model import Exit, Line, Newest, Place, State, TroubleError
from moorage_crds import moments
from moorage_crds.names import SEQUENCE_DIGITS

#: A running operator records a change within a second or two.
RECORDED_WITHIN: Final = timedelta(seconds=15)
#: So long an object that was made just before may take to be found. Seconds.
FINDING_SECONDS: Final = 5.0
_AGO: Final = re.compile(r"(\+?)(\d+)([smhdw])")
_DAY: Final = re.compile(r"(today|yesterday|tomorrow)(?:[ T](\d{1,2}):(\d{2}))?")
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str, now: datetime) -> datetime:
    """The moment that people mean: `90m` ago, `+2h` ahead, `yesterday 15:00` (local time), a day, or RFC 3339; in UTC.

    Args:
        text: what was typed.
        now: the present, with the zone of the user.

    Raises:
        TroubleError: it is none of these.
    """
    try:
        if found := _AGO.fullmatch(text):
            distance = timedelta(**{_UNITS[found[3]]: int(found[2])})
            return (now + distance if found[1] else now - distance).astimezone(UTC)
        if found := _DAY.fullmatch(text):
            day = now + timedelta(days=_DAYS[found[1]])
            start = day.replace(hour=int(found[2] or 0), minute=int(found[3] or 0), second=0, microsecond=0)
            return start.astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        message = f"{text!r} is not a time: say 90m, 2h, 3d, +2h, 'yesterday 15:00', 2026-01-31 or 2026-01-31T15:00:00Z"
        raise TroubleError(Exit.USAGE, message) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=now.tzinfo)).astimezone(UTC)


def stamped(lines: Sequence[Line]) -> list[Line]:
    """Those that the API server saw: what an import claims is past, and never what stands now."""
    return [line for line in lines if not line.imported]


def newest_first(lines: Sequence[Line]) -> list[Line]:
    """Lines of several bindings: by time, and within one binding by number. One without a time is new."""

    def place(line: Line) -> tuple[bool, str, str, int]:
        # Within one second by the uid of the binding, as the facade has it.
        return line.at is None, line.at or "", line.deployment_id.rpartition("-")[0], line.sequence

    return sorted(lines, key=place, reverse=True)


def between(lines: Sequence[Line], since: datetime | None, until: datetime | None) -> list[Line]:
    """Those of that time. A line without a time is the present one."""

    def holds(line: Line) -> bool:
        at = moments.to_moment(line.at)
        return at is None or ((since is None or at >= since) and (until is None or at <= until))

    return [line for line in lines if holds(line)]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is (or was) active, and since when.

    Attributes:
        release: None: nothing.
        imported: an import claims it.
    """

    environment: str
    app: str
    release: str | None
    since: str | None
    by: str | None
    reason: str | None
    imported: bool = False


def standing(lines: Sequence[Line], at: datetime | None = None) -> list[Standing]:
    """What was active at a moment (None: now), by app: the newest change of each app that was not later."""
    newest: dict[str, Line] = {}
    for line in newest_first(lines if at is not None else stamped(lines)):
        made = moments.to_moment(line.at)
        if at is None or (made is not None and made <= at):
            newest.setdefault(line.app, line)
    found = [
        Standing(line.environment, line.app, line.release, line.at, line.by, line.reason, line.imported)
        for line in newest.values()
        if line.release is not None
    ]
    return sorted(found, key=lambda one: one.app)


def health(newest: Sequence[Newest], environments: int, now: datetime) -> list[dict[str, str | bool]]:
    """What the newest changes say of who records them and who stamps them: one row for each.

    Args:
        newest: of every app.
        environments: how many there are.
        now: the present; a change that has waited for its record longer than `RECORDED_WITHIN` waits in vain.
    """
    waiting = [one for one in newest if not one.recorded]
    late = [one for one in waiting if (at := moments.to_moment(one.at)) is not None and now - at > RECORDED_WITHIN]
    unseen = sorted(f"{one.app} in {one.environment}" for one in newest if one.action == "adopt")
    recorded = f"{len(newest) - len(waiting)} of {len(newest)} newest changes are recorded"
    there = f"{environments} environments, {len(newest)} apps in them"
    # A Namespace that does not exist, or is not a workspace, looks like this, too.
    empty = "there is no environment here: create one, or say which workspace (--namespace, --workspace)"
    return [
        {"check": "workspace", "ok": environments > 0, "detail": there if environments else empty},
        {"check": "operator", "ok": not late, "detail": recorded + _oldest(late)},
        {"check": "policies", "ok": not unseen, "detail": _unstamped(unseen)},
    ]


def missing(
    state: State, deployment_id: str | None, release: str | None, *, healthy: bool, waited: float
) -> str | None:
    """What a change still lacks; None: it has reached the state that is waited for.

    Args:
        state: the app now.
        deployment_id: the change; None: whichever is the newest.
        release: the release that has to be active; None: any.
        healthy: it has to be healthy; else its record is enough.
        waited: seconds since the first look.

    Raises:
        TroubleError: it will never come: it failed, was replaced or taken out, or nothing follows the app.
    """
    if release is not None and state.release != release:
        return f"{state.release or 'no release'} is active, not {release}"
    if deployment_id is not None and state.deployment_id != deployment_id:
        if _number(state.deployment_id) > _number(deployment_id):
            message = f"another change of {state.app} came after it: {state.release or 'no release'} is active"
            raise TroubleError(Exit.TROUBLE, message, reason="Superseded")
        return "the change is not seen yet"
    if state.deployment_id is None:
        return "it is not deployed there"
    if not healthy:
        return None if state.recorded else "its record is not written yet; does the operator run?"
    return _unhealthy(state, waited)


def _unhealthy(state: State, waited: float) -> str | None:
    what = f"{state.app} {state.release} in {state.environment}"
    if state.release is None:
        raise TroubleError(Exit.TROUBLE, f"{state.app} has no release in {state.environment}", reason="NoRelease")
    if state.rollout is None:
        if not state.recorded:
            return "its record is not written yet; does the operator run?"
        if waited < FINDING_SECONDS:
            return "no object is seen yet that follows it"
        message = f"no object follows {what}, so nobody says whether it is healthy"
        raise TroubleError(Exit.TROUBLE, message, reason="NothingFollows")
    if state.rollout.healthy_at is not None:
        return None
    if state.rollout.phase == "Failed":
        said = f": {state.rollout.message}" if state.rollout.message else ""
        raise TroubleError(Exit.TROUBLE, f"{what} failed{said}", reason="RolloutFailed")
    return state.rollout.message or state.rollout.phase


def _number(deployment_id: str | None) -> int:
    return int(deployment_id[-SEQUENCE_DIGITS:]) if deployment_id is not None else 0


def _oldest(late: Sequence[Newest]) -> str:
    if not late:
        return ""
    first = min(late, key=lambda one: one.at or "")
    return f"; {first.app} in {first.environment} waits since {first.at}: does the operator run?"


def _unstamped(unseen: Sequence[str]) -> str:
    if not unseen:
        return "every newest change was stamped"
    more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
    return f"changed while no policy watched: {', '.join(unseen[:3])}{more}; moorage preflight says what is missing"


def standing_now(places: Sequence[Place], newest: Sequence[Newest]) -> list[dict[str, Any]]:
    """What is active, since when and by whom: one row for each app of each environment.

    Args:
        places: the environments that are asked about.
        newest: the newest change of each app; what somebody may not see of it is null.
    """
    changes = {(one.environment, one.app): one for one in newest}
    rows: list[dict[str, Any]] = []
    for place in places:
        for app, release in place.active.items():
            made = changes.get((place.environment, app))
            # Between two questions the release may have changed: who made it is then not the one that is known.
            known = made if made is not None and made.release == release else None
            rows.append(
                {
                    "environment": place.environment,
                    "app": app,
                    "release": release,
                    "locked_by": place.lock.by if place.lock is not None else None,
                    "since": known.at if known is not None else None,
                    "by": known.by if known is not None else None,
                    "rollout": known.rollout if known is not None else None,
                    "recorded": known.recorded if known is not None else None,
                }
            )
    return rows


@dataclass(frozen=True, slots=True)
class Difference:
    """One app in two environments."""

    app: str
    first: str | None
    second: str | None


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    """The apps whose releases differ."""
    apps = sorted({*first, *second})
    return [Difference(app, first.get(app), second.get(app)) for app in apps if first.get(app) != second.get(app)]


def matrix(places: Sequence[Place]) -> list[dict[str, str | None]]:
    """App × environment: one row for each app."""
    apps = sorted({app for place in places for app in place.active})
    return [{"app": app, **{place.environment: place.active.get(app) for place in places}} for app in apps]


def earlier_releases(lines: Sequence[Line]) -> list[Line]:
    """What can be gone back to: the newest line of each earlier release of one app, the newest first.

    Raises:
        TroubleError: nothing else was ever deployed.
    """
    ordered = newest_first(stamped(lines))
    current = ordered[0].release if ordered else None
    found: dict[str, Line] = {}
    for line in ordered:
        if line.release is not None and line.release != current:
            found.setdefault(line.release, line)
    if not found:
        raise TroubleError(Exit.CONFLICT, "there is no earlier release to go back to", reason="NothingToRollBack")
    return list(found.values())


def must_have_been(lines: Sequence[Line], release: str) -> None:
    """Go back only to what was there. Raises TroubleError: the release was never active."""
    if release not in {one for line in stamped(lines) for one in (line.release, line.previous)}:
        message = f"{release} was never active there: deploy it instead"
        raise TroubleError(Exit.CONFLICT, message, reason="NothingToRollBack")
