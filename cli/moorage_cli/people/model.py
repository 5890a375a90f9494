"""The values that the commands of people use, by either way to the cluster. Pure.

`register` is the port of both ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes of the commands."""

    DONE = 0
    TROUBLE = 1
    USAGE = 2
    NOT_FOUND = 3
    NO_RIGHT = 4
    REFUSED = 5
    CONFLICT = 6
    TIMEOUT = 124


class TroubleError(Exception):
    """What was asked for did not happen. The text is one sentence for people.

    Attributes:
        code: exit code.
        reason: the stable word, such as `EnvironmentLocked`; empty where there is none.
    """

    def __init__(self, code: Exit, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock of an environment.

    Attributes:
        until: when it ends by itself, RFC 3339; None: when somebody unlocks.
    """

    by: str
    reason: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Locking:
    """A lock that is wanted.

    Attributes:
        until: as of `Lock`.
        take_over: change it although somebody else has set it.
    """

    environment: str
    reason: str
    until: str | None = None
    take_over: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, with what is active in it.

    Attributes:
        environment: its slug.
        active: app → release.
        lock: None if it is not locked.
    """

    environment: str
    name: str
    is_default: bool
    active: Mapping[str, str] = field(default_factory=dict)
    lock: Lock | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One change of a release.

    Attributes:
        deployment_id: names the line for good.
        previous: the release before; None: none.
        release: the release after; None: none.
        by: None if nobody is known.
        at: RFC 3339; None while it is not known.
        recorded: the operator has written its record.
        imported: an import brought it along; `at` is what it claims, and nobody saw it.
        claimed_by: by whom, as the import says; None if it does not, or if the line is none of an import.
        override: the gates that it passed although they refused.
        outcome: how it ended: `healthy`, `failed`, `superseded`; None: not known, or not decided yet.
        healthy_at: when its release was healthy first.
    """

    deployment_id: str
    environment: str
    app: str
    action: str
    previous: str | None
    release: str | None
    by: str | None
    at: str | None
    reason: str | None
    sequence: int
    recorded: bool
    imported: bool = False
    claimed_by: str | None = None
    override: Sequence[str] = ()
    outcome: str | None = None
    healthy_at: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of the history.

    Attributes:
        environment: with what earlier environments of that name have left; None: all, those that are gone, too.
        since: lines of that time or later, and those whose time is not known yet.
        until: lines of that time or earlier.
        limit: how many, the newest first.
    """

    environment: str | None = None
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is wanted.

    Attributes:
        release: None: undeploy.
        expected: refuse if another release is active; None: whatever is active.
        is_rollback: say so in the history.
        override: gates that it passes although they refuse; needs a reason, and the right to.
    """

    environment: str
    app: str
    release: str | None
    reason: str | None = None
    expected: str | None = None
    is_rollback: bool = False
    override: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """What became of a release, as the objects say that follow its binding.

    Attributes:
        phase: `Waiting`, `Progressing`, `Healthy`, `Degraded` or `Failed`.
        healthy_at: when the release was healthy first; None: never yet.
        message: what is in the way.
    """

    phase: str
    since: str | None = None
    healthy_at: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """One app in one environment now.

    Attributes:
        release: None: it was taken out, or never there.
        deployment_id: of its newest change; None: it was never there.
        recorded: the operator has written the record of that change.
        rollout: None: nothing follows the app.
    """

    environment: str
    app: str
    release: str | None = None
    deployment_id: str | None = None
    recorded: bool = False
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class GateSays:
    """What one gate says of a change.

    Attributes:
        gate: as an override names it: `lock`, `freeze/<name>`, `clusterfreeze/<name>`, `promotion`, `approvals`.
        enforcement: `Deny`, or `Warn`: the change passes with a warning.
        code: the stable word of the refusal, such as `EnvironmentFrozen`; None: it lets the change pass.
        message: why it refuses; empty if it does not.
        opens_at: from when on it alone lets the change pass, RFC 3339; None: nobody knows, or it does now.
        override: whether an override can pass it.
    """

    gate: str
    allowed: bool
    enforcement: str
    code: str | None
    message: str
    opens_at: str | None
    override: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """What all gates say of a change.

    Attributes:
        app: None: any.
        release: None: one that was never there.
        at: the moment of the change, RFC 3339.
        allowed: no gate refuses it.
        opens_at: the first moment at which the same change passes; None: nobody knows, or it does now.
        unseen: kinds that the user may not read: what they say is not known.
    """

    environment: str
    app: str | None
    release: str | None
    at: str
    allowed: bool
    opens_at: str | None
    gates: Sequence[GateSays]
    unseen: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Freezing:
    """A Freeze of one window.

    Attributes:
        begins: the first moment, RFC 3339.
        until: the first moment after it.
        environments: empty: all.
        apps: empty: all.
        allow_rollback: what was active before may come back.
    """

    name: str
    reason: str
    begins: str
    until: str
    environments: Sequence[str] = ()
    apps: Sequence[str] = ()
    allow_rollback: bool = False


@dataclass(frozen=True, slots=True)
class ListedFreeze:
    """A Freeze of the workspace as it stands.

    Attributes:
        mode: `Closed`: it refuses changes inside its times; `OpenOnly`: outside of them.
        environments: None: all.
        apps: None: all.
        windows: from one moment to another; `weekly` and `yearly` are hours and days in `time_zone`.
        enforcement: `Deny`, or `Warn`: what it has something against passes with a warning.
        closed: its times forbid changes now.
        next_open: while it is closed: when it opens; None: not in sight.
        next_close: while it is open: when it closes; None: not in sight.
    """

    freeze: str
    reason: str
    mode: str
    environments: Sequence[str] | None
    apps: Sequence[str] | None
    windows: Sequence[Mapping[str, Any]] | None
    weekly: Sequence[Mapping[str, Any]] | None
    yearly: Sequence[Mapping[str, Any]] | None
    time_zone: str
    allow_rollback: bool
    enforcement: str
    closed: bool
    next_open: str | None
    next_close: str | None
    created_by: str
    updated_by: str


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest change of an app in an environment.

    Attributes:
        release: None: it was taken out.
        action: `adopt`: no policy watched.
        recorded: the operator has written its record.
        rollout: the phase of what became of it; None: nothing follows the app.
    """

    environment: str
    app: str
    release: str | None
    action: str
    at: str | None
    by: str | None
    recorded: bool
    rollout: str | None = None


@dataclass(frozen=True, slots=True)
class Promoting:
    """A promotion of releases to an environment.

    Attributes:
        origin: where they run; None: the environment that its rule names.
        app: None: every app whose release differs.
        override: as of `Change`.
    """

    environment: str
    origin: str | None = None
    app: str | None = None
    reason: str | None = None
    override: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of one app of a promotion.

    Attributes:
        previous: the release that was active before; None: none.
        code: exit code that a deploy of this release has.
        reason: the stable word of a refusal; empty if it was not refused.
        message: why it was refused.
    """

    app: str
    release: str
    previous: str | None
    promoted: bool
    deployment_id: str | None = None
    code: int = Exit.DONE
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Somebody's yes or no to a release in an environment."""

    environment: str
    app: str
    release: str
    approve: bool
    comment: str | None = None
    dry_run: bool = False


def no_environment(slug: str, known: Sequence[str]) -> TroubleError:
    """There is no environment of that name."""
    there = f"; there are {', '.join(sorted(known))}" if known else ""
    return TroubleError(Exit.NOT_FOUND, f"there is no environment {slug}{there}", reason="EnvironmentNotFound")


def place_of(slug: str, places: Sequence[Place]) -> Place:
    """The environment of that name. Raises TroubleError: there is none."""
    for place in places:
        if place.environment == slug:
            return place
    raise no_environment(slug, [place.environment for place in places])


def to_json(value: Any) -> Any:
    """Dataclasses as JSON values."""
    if isinstance(value, Mapping):
        return {key: to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_json(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
