"""Approvals as a gate: a release enters only after enough other people have said yes, and nobody no. Pure.

Who said yes is evidence in the status of the Environment, written by the operator. A no is an Approval by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from moorage_crds import names
from moorage_crds.gates.verdict import AskedChange, Code, Enforcement, Refusal, first_turn


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who said yes; `until`: how long that counts, None: until the binding changes."""

    user: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """A release that was approved for the next change of its binding.

    Attributes:
        sequence: number that the last change of the binding had when it was approved.
    """

    release: str
    sequence: int
    by: Sequence[Approver] = ()


@dataclass(frozen=True, slots=True)
class ApprovalsGate:
    """How many people have to say yes to a release of one app, with the evidence about that app.

    Attributes:
        known: releases that were active here; they may come back.
    """

    environment: str
    required: int
    approved: Sequence[Approved] = ()
    known: frozenset[str] = frozenset()
    enforcement: Enforcement = Enforcement.DENY

    @property
    def gate(self) -> str:
        """There is one at most."""
        return "approvals"

    @property
    def can_be_overridden(self) -> bool:
        """By naming it."""
        return True

    def concerns(self, change: AskedChange) -> bool:
        """All apps of its environment."""
        return change.environment == self.environment

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Refuses what too few others have approved. To take an app out, and the way back, it lets pass."""
        if change.newcomer(self.known) is None:
            return None
        users = self._users(change, moment)
        if len(users) >= self.required:
            return None
        noun = "approval" if self.required == 1 else "approvals"
        rule = f"environment {self.environment} takes a release only with {self.required} {noun} of others"
        message = f"{rule} than the one who deploys (gate approvals): {change.app} {change.release} has {len(users)}"
        details = {"required": self.required, "approved_by": users, "missing": self.required - len(users)}
        return Refusal(Code.APPROVAL_REQUIRED, message, details)

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """It closes when Approvals end."""
        ends = {one.until for one in self._counting(change) if one.until is not None}
        return first_turn(self, change, after, ends, refuses=refuses)

    def _users(self, change: AskedChange, moment: datetime | None) -> list[str]:
        counting = (
            one
            for one in self._counting(change)
            if one.user != change.user and (one.until is None or (moment is not None and moment < one.until))
        )
        return list(dict.fromkeys(one.user for one in counting))

    def _counting(self, change: AskedChange) -> Iterator[Approver]:
        for found in self.approved:
            if found.release == change.release and found.sequence == change.sequence:
                yield from found.by


@dataclass(frozen=True, slots=True)
class Rejection:
    """Somebody's no to one release of an app. `name`: of the Approval that says it."""

    name: str
    environment: str
    app: str
    release: str
    by: str | None = None
    comment: str = ""

    @property
    def gate(self) -> str:
        """Who overrides the approvals overrides a no, too."""
        return "approvals"

    @property
    def enforcement(self) -> Enforcement:
        """A no never only warns."""
        return Enforcement.DENY

    @property
    def can_be_overridden(self) -> bool:
        """By naming the approvals; else its author deletes it."""
        return True

    def concerns(self, change: AskedChange) -> bool:
        """That release of that app there."""
        asked = (change.environment, names.app_place(change.app), change.release)
        return asked == (self.environment, names.app_place(self.app), self.release)

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Refuses until its author deletes it, the way back too."""
        by = f" by {' '.join(self.by.splitlines())}" if self.by else ""
        why = f": {self.comment}" if self.comment else ""
        what = f"environment {self.environment} does not take {self.app} {self.release} (gate approvals)"
        details = {"rejected_by": self.by, "comment": self.comment, "approval": self.name}
        return Refusal(Code.REJECTED, f"{what}: rejected{by}{why} (approval/{self.name})", details)

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """No moment opens it."""
        return after if refuses else None
