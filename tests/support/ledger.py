"""What was accepted: a ledger of changes, kept by those who make them, beside what the operator writes."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cluster import LiveCluster, Workspace
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH, Answer

#: The refusal of the 17th unrecorded change.
BACK_PRESSURE = "16 changes of this Deployment are not recorded yet; retry when the operator has caught up"


#: Refusal to delete a Deployment with unrecorded changes.
DELETE_REFUSAL = "the last changes of this Deployment are not recorded yet; retry in a moment"


#: Reason in the record of a bare delete.
DELETED = "the Deployment was deleted"


Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One change that was answered 2xx.

    Attributes:
        version: resourceVersion of the answer; orders the changes of one Deployment.
        by: full user name; None where nobody can know it.
        started: client's clock before the request, seconds since the epoch.
        ended: the same after the answer; None if the time that a record may say has no upper end.
    """

    version: int
    action: str
    release: str | None
    by: str | None
    reason: str | None
    request_id: str | None
    started: float
    ended: float | None


@dataclass(slots=True)
class Chain:
    """All accepted changes of one Deployment (one uid)."""

    namespace: str
    name: str
    uid: str
    environment: str
    app: str
    changes: list[Accepted] = field(default_factory=list)

    def expected(self) -> list[dict[str, Any]]:
        """What its records have to say, oldest first."""
        ordered = sorted(self.changes, key=lambda change: change.version)
        previous: str | None = None
        rows = []
        for sequence, change in enumerate(ordered, 1):
            says = {
                "sequence": sequence,
                "action": change.action,
                "release": change.release,
                "previousRelease": previous,
                "by": change.by,
                "reason": change.reason,
                "requestId": change.request_id,
            }
            rows.append({key: value for key, value in says.items() if value is not None})
            previous = change.release
        return rows

    @property
    def release(self) -> str | None:
        """The release after the last change."""
        return max(self.changes, key=lambda change: change.version).release if self.changes else None


class Ledger:
    """Makes changes as users do, and remembers which were accepted. Safe to use from several threads.

    Attributes:
        chains: by uid of the Deployment.
        refused: messages of the refusals by back-pressure, with how often each came.
    """

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self.chains: dict[str, Chain] = {}
        self.refused: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many changes were accepted."""
        return sum(len(chain.changes) for chain in self.chains.values())

    def create(
        self, workspace: Workspace, environment: str, app: str, release: str | None, *, user: str = "alice"
    ) -> str:
        """Create a Deployment; its uid."""
        started = time.time()
        stored = workspace.create_deployment(environment, app, release, user=user)
        chain = self.adopt(stored)
        if release is not None:
            self._accept(chain, stored, release, user=user, started=started)
        return chain.uid

    def adopt(self, stored: Object) -> Chain:
        """Follow a Deployment from here on."""
        meta, spec = stored["metadata"], stored["spec"]
        chain = Chain(meta["namespace"], meta["name"], meta["uid"], spec["environment"], spec["app"])
        with self._lock:
            return self.chains.setdefault(chain.uid, chain)

    def change(
        self, workspace: Workspace, name: str, release: str | None, *, user: str = "alice", reason: str | None = None
    ) -> Answer:
        """Try once to change a release by merge patch; what was accepted or refused by back-pressure is remembered.

        The release must differ from every earlier one of that Deployment, or be None.
        """
        note = {} if reason is None else {"change": {"reason": reason}}
        body = {"spec": {"release": release, **note}}
        started = time.time()
        answer = workspace.cluster.raw(
            "PATCH", workspace.path("deployments", name), user=user, body=body, content_type=MERGE_PATCH
        )
        if answer.status == 200:
            self.accept(answer.json(), user=user, started=started, reason=reason)
        else:
            self._refuse(answer)
        return answer

    def insist(
        self, workspace: Workspace, name: str, release: str | None, *, user: str = "alice", reason: str | None = None
    ) -> None:
        """Change a release, again and again while back-pressure refuses it."""
        eventually(
            lambda: self.change(workspace, name, release, user=user, reason=reason).status == 200,
            timeout=60,
            interval=0.1,
        )

    def accept(
        self,
        stored: Object,
        *,
        user: str,
        started: float,
        reason: str | None = None,
        request_id: str | None = None,
        action: str | None = None,
    ) -> None:
        """Remember a change that was made in another way than by `change`; `stored` is its answer."""
        with self._lock:
            known = self.chains.get(stored["metadata"]["uid"])
        chain = known or self.adopt(stored)
        release = stored["spec"].get("release")
        self._accept(
            chain, stored, release, user=user, started=started, reason=reason, request_id=request_id, action=action
        )

    def delete(self, workspace: Workspace, name: str, *, user: str = "alice") -> None:
        """Delete a Deployment, as soon as the policy lets it go; an active release ends there, by nobody."""
        uid = (workspace.get("deployments", name) or {})["metadata"]["uid"]
        path = workspace.path("deployments", name)

        def gone() -> bool:
            answer = workspace.cluster.raw("DELETE", path, user=user)
            if answer.status == 403:
                assert DELETE_REFUSAL in answer.json()["message"]
            return answer.status == 200

        started = time.time()
        eventually(gone, timeout=60)
        self.ended(uid, started=started)

    def ended(
        self,
        uid: str,
        *,
        started: float,
        by: str | None = None,
        reason: str = DELETED,
        request_id: str | None = None,
    ) -> None:
        """Remember that a Deployment went with an active release; no-op when nothing was deployed."""
        chain = self.chains[uid]
        if chain.release is None:
            return
        latest = max(change.version for change in chain.changes)
        end = Accepted(latest + 1, "undeploy", None, by, reason, request_id, started, None)
        with self._lock:
            chain.changes.append(end)

    def _accept(
        self,
        chain: Chain,
        stored: Object,
        release: str | None,
        *,
        user: str,
        started: float,
        reason: str | None = None,
        request_id: str | None = None,
        action: str | None = None,
    ) -> None:
        # A stamp has the true time or none (ADR 0008): a write that only removes the release leaves none, nor does one
        # that brings a first note in the second of the change before. Then the record has the moment of the sight.
        entries = stored.get("changeLog", {}).get("entries") or [{"at": ""}]
        timeless = (release is None and reason is None and request_id is None) or "at" not in entries[-1]
        change = Accepted(
            version=int(stored["metadata"]["resourceVersion"]),
            action=action or ("undeploy" if release is None else "deploy"),
            release=release,
            by=self._cluster.username(user),
            reason=reason,
            request_id=request_id,
            started=started,
            ended=None if timeless else time.time(),
        )
        with self._lock:
            chain.changes.append(change)

    def _refuse(self, answer: Answer) -> None:
        status = answer.json()
        assert answer.status == 422, answer.body
        causes = status["details"]["causes"]
        assert [cause["reason"] for cause in causes] == ["FieldValueForbidden"], causes
        with self._lock:
            # The API server puts its own word for the kind of error before the message of the schema.
            self.refused[causes[0]["message"].removeprefix("Forbidden: ")] += 1
