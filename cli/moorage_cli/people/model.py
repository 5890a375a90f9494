"""What the commands of people speak of, whatever the way to the cluster; and the port of both ways. Pure.

The two ways are `cluster` (a kubeconfig, straight to the API server) and `rest` (the facade). Both raise `TroubleError`
with the same reasons, so that a script sees no difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol


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
    """A lock of an environment."""

    by: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is wanted.

    Attributes:
        release: None: undeploy.
        expected: refuse if another release is active; None: whatever is active.
        is_rollback: say so in the history.
    """

    environment: str
    app: str
    release: str | None
    reason: str | None = None
    expected: str | None = None
    is_rollback: bool = False
    dry_run: bool = False


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
class Newest:
    """The newest change of an app in an environment.

    Attributes:
        release: None: it was taken out.
        action: `adopt`: no policy watched.
        recorded: the operator has written its record.
    """

    environment: str
    app: str
    release: str | None
    action: str
    at: str | None
    by: str | None
    recorded: bool


@dataclass(frozen=True, slots=True)
class Promoting:
    """Releases that shall go on to an environment.

    Attributes:
        origin: where they run; None: the environment that its rule names.
        app: None: every app whose release differs.
    """

    environment: str
    origin: str | None = None
    app: str | None = None
    reason: str | None = None
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


class Register(Protocol):
    """One workspace, in the rights of whoever asks. Everything may raise `TroubleError`."""

    async def places(self) -> Sequence[Place]:
        """All environments, by slug."""
        ...

    async def history(self, environment: str, *, app: str | None = None) -> Sequence[Line]:
        """The changes in an environment, the newest first."""
        ...

    async def change(self, wanted: Change) -> str:
        """Make a change; the `deployment_id` of its line, or of the line that made it active before."""
        ...

    async def newest(self) -> Sequence[Newest]:
        """The newest change of every app that is there, by environment and app."""
        ...

    async def promote(self, wanted: Promoting) -> Sequence[Promotion]:
        """Let releases go on, each app by a change of its own; one that is refused stops none of the others."""
        ...

    async def decide(self, opinion: Opinion) -> str:
        """Say yes or no to a release; the name of the Approval."""
        ...

    async def lock(self, environment: str, reason: str, *, dry_run: bool) -> None:
        """Lock an environment."""
        ...

    async def unlock(self, environment: str, *, dry_run: bool) -> None:
        """Unlock an environment."""
        ...

    async def explain(self, environment: str, app: str | None, release: str | None, at: datetime) -> Explained:
        """What every gate says of a change at a moment."""
        ...

    async def freeze(self, wanted: Freezing, *, dry_run: bool) -> None:
        """Create a Freeze, or replace what it says."""
        ...

    async def unfreeze(self, name: str, *, dry_run: bool) -> None:
        """Delete a Freeze."""
        ...


def no_environment(slug: str, known: Sequence[str]) -> TroubleError:
    """There is no environment of that name."""
    there = f"; there are {', '.join(sorted(known))}" if known else ""
    return TroubleError(Exit.NOT_FOUND, f"there is no environment {slug}{there}", reason="EnvironmentNotFound")


def mismatch(wanted: Change, active: str | None) -> TroubleError:
    """Another release is active than the one that was expected."""
    message = f"{wanted.app} has {active or 'no release'} in {wanted.environment}, not {wanted.expected}"
    return TroubleError(Exit.CONFLICT, message, reason="ReleaseMismatch")


def no_rule(slug: str) -> TroubleError:
    """Nobody said where releases come from."""
    return TroubleError(Exit.USAGE, f"{slug} has no promotion rule: say --from ENVIRONMENT")


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
