"""The port of a gate, its question and its answer. Pure.

The policies of the API server decide; gates explain, with the same texts. One file of this package holds one gate, and
`engine` asks all that stand before an environment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

#: Stands for a release that was never anywhere: no release is called so.
NEW_RELEASE: Final = "?"


class Enforcement(StrEnum):
    """What a refusal does."""

    DENY = "Deny"
    """The API server refuses the write."""
    WARN = "Warn"
    """The API server warns and writes it into its audit log; the write passes."""


class Code(StrEnum):
    """Why a gate refuses: `details.reason` of a REST answer."""

    LOCKED = "EnvironmentLocked"
    FROZEN = "EnvironmentFrozen"
    NOT_PROMOTED = "NotPromoted"
    APPROVAL_REQUIRED = "ApprovalRequired"
    REJECTED = "ApprovalRejected"


@dataclass(frozen=True, slots=True)
class AskedChange:
    """A change of the release of one app in one environment, as it is asked for.

    Attributes:
        environment: slug.
        app: as the binding names it; empty: an app of which nothing is known.
        release: the wanted release; None: the app is taken out.
        present: the release that is active now; None: there is none.
        sequence: number of the last change of the binding; 0: there was none.
        logged: the releases that the binding's own log names.
        override: the gates that the write names in `spec.change.override`.
        user: who asks; nobody approves a change of their own.
    """

    environment: str
    app: str = ""
    release: str | None = NEW_RELEASE
    present: str | None = None
    sequence: int = 0
    logged: frozenset[str] = frozenset()
    override: frozenset[str] = frozenset()
    user: str = ""

    @property
    def goes_back(self) -> bool:
        """Whether the binding's own log shows that the wanted release was active here."""
        return self.release is not None and self.release in self.logged

    def newcomer(self, known: frozenset[str]) -> str | None:
        """The release, if it enters for the first time; None where it comes back, or where the app is taken out.

        Args:
            known: releases of which is known that they were active here.
        """
        return None if self.goes_back or self.release in known else self.release


@dataclass(frozen=True, slots=True)
class Refusal:
    """The no of a gate: why, in the words of its policy, and what else is known of it."""

    code: Code
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Gate(Protocol):
    """One rule that stands before an environment."""

    @property
    def gate(self) -> str:
        """Its name, as an override names it."""
        ...

    @property
    def enforcement(self) -> Enforcement:
        """What its refusal does."""
        ...

    @property
    def can_be_overridden(self) -> bool:
        """Whether somebody with the verb `override` on the environment may pass it."""
        ...

    def concerns(self, change: AskedChange) -> bool:
        """Whether it is about that app in that environment at all."""
        ...

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Why the change may not be made at that moment; None if it may.

        Args:
            change: another release than the present one.
            moment: when the API server accepts the write (aware); None: the write leaves no time.
        """
        ...

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """The first moment from `after` on at which it refuses the change, or does not; None: no such is in sight."""
        ...


def first_turn(
    gate: Gate, change: AskedChange, after: datetime, moments: Iterable[datetime], *, refuses: bool
) -> datetime | None:
    """`Gate.turn` of a gate whose answer changes at a few known moments alone."""
    asked = (after, *sorted(moment for moment in moments if moment > after))
    return next((moment for moment in asked if (gate.refusal(change, moment) is not None) is refuses), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one gate about one change at one moment.

    Attributes:
        code: why it refuses; None if it does not.
        message: why it refuses, for people; empty if it does not.
        opens_at: from when on it alone would let the change pass; None: nobody knows, or it does now.
        override: whether an override can pass it.
        overridden: it would refuse, and the write names it.
    """

    gate: str
    allowed: bool
    enforcement: Enforcement
    code: Code | None
    message: str
    opens_at: datetime | None
    details: Mapping[str, Any]
    override: bool
    overridden: bool

    @property
    def refuses(self) -> bool:
        """Whether the API server refuses the write because of it."""
        return not self.allowed and self.enforcement is Enforcement.DENY
