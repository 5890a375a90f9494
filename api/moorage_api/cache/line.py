"""One line of history, and the time by which it stands there. Pure."""

from dataclasses import dataclass, replace

from moorage_crds.kinds.deployment import Action, Claim
from moorage_crds.moments import to_moment, to_text
from moorage_crds.stamps import MAX_SKEW

#: Sorts after every time: a line that has no time yet is the newest.
NO_TIME = "~"
#: Of a time as Kubernetes writes it, in characters.
_LENGTH = len("2026-01-31T12:00:00Z")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of history, of a record or of a log entry that has no record yet.

    Attributes:
        uid: of the Deployment; with `sequence` it is the `deployment_id`.
        previous: the release before the change.
        release: the release after it; None after an undeploy.
        at: when the change was made, RFC 3339; of an unrecorded one without a time that can be believed: when it was
            seen here.
        version: resourceVersion of the record, or of the Deployment whose log has the entry.
        created: creation time of the record, or when the unrecorded change was seen here; no client can set it.
        first_version: the earliest version at which this process saw the line.
        own: the time by which it would stand in the history if it stood alone in its chain; `NO_TIME`: none yet.
        key: place in the history: time, not before that of the line before it; then binding, then sequence.
        was: the time by which it stood in the history until it was recorded, if that was another one.
        override: the gates that it passed although they refused.
        digest: the hash of the record, which the next one names; None of a line without a record.
        claim: who and when, as an import claims it; such a line has no `by`, and `at` is the claimed time.
    """

    namespace: str
    environment: str
    app: str
    uid: str
    sequence: int
    action: Action
    previous: str | None
    release: str | None
    by: str | None
    at: str
    reason: str | None
    request_id: str | None
    recorded: bool
    version: str
    created: str
    first_version: str
    own: str
    key: tuple[str, str, int]
    was: str | None = None
    override: tuple[str, ...] = ()
    digest: bytes | None = None
    claim: Claim | None = None

    @property
    def moment(self) -> str:
        """The time that counts when the state at a moment is asked for."""
        if self.key[0] != NO_TIME:
            return self.key[0]
        return self.at if self.own == NO_TIME else self.own

    def moved_to(self, place: str) -> "Line":
        """The same line at that time in the history."""
        return replace(self, key=(place, self.uid, self.sequence))

    def same_as(self, other: "Line") -> bool:
        """Whether only versions differ."""
        return replace(self, version=other.version, first_version=other.first_version) == other


def recorded_place(at: str, created: str) -> str:
    """The time by which a record stands in the history: its own, but not one after the record was made."""
    if len(at) == _LENGTH and at <= created:
        return at
    moment, made = to_moment(at), to_moment(created)
    if moment is None or (made is not None and moment - made > MAX_SKEW):
        return created
    return to_text(moment)
