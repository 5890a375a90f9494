"""Decides whether a history is right: what the clients of a test saw accepted, against what the cluster has.

`Ledger` makes the changes and remembers every answer; it believes nothing but the status code and the version of an
answer. The functions below compare: H1 to H8 are the promises of the history, each raises AssertionError with what is
wrong. Hashes are computed here again, with another implementation of canonical JSON than the one that ships.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

import rfc8785
from cluster import AuditEvent, LiveCluster, Workspace
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH, Answer

#: The refusal of the 17th unrecorded change.
BACK_PRESSURE = "16 changes of this Deployment are not recorded yet; retry when the operator has caught up"
#: Refusal to delete a Deployment with unrecorded changes.
DELETE_REFUSAL = "the last changes of this Deployment are not recorded yet; retry in a moment"
#: Reason in the record of a bare delete.
DELETED = "the Deployment was deleted"
#: Seconds that the API server's times (whole seconds) may be away from the client's clock.
CLOCK_SLACK = 2.0
#: How long a witness waits between two looks.
WITNESS_SECONDS = 0.3
#: Stands for a request id that the operator chose itself.
ANY_REQUEST_ID = "<any>"
#: What a record must say exactly as its change did.
FIELDS = ("action", "release", "previousRelease", "by", "reason", "requestId")

Object = dict[str, Any]
T = TypeVar("T")


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
        answer = self._cluster.raw(
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
            answer = self._cluster.raw("DELETE", path, user=user)
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


def records_of(workspaces: Iterable[Workspace]) -> list[Object]:
    """All DeploymentRecords of these workspaces, as they are stored, in the order of their names."""
    return [item for workspace in workspaces for item in workspace.list("deploymentrecords")]


def check_history(ledger: Ledger, records: Sequence[Object]) -> None:
    """H1, H2, H3 and H5 at once: these records, and no others, in this order, with whole chains."""
    exactly_once(ledger, records)
    says_what_was_accepted(ledger, records)
    chains_are_whole(records)


def exactly_once(ledger: Ledger, records: Sequence[Object]) -> None:
    """H1 and H5: every accepted change has exactly one record, and nothing else has one."""
    wanted = Counter((uid, row["sequence"]) for uid, chain in ledger.chains.items() for row in chain.expected())
    found = Counter((item["spec"]["deployment"]["uid"], item["spec"]["sequence"]) for item in records)
    lost, extra = wanted - found, found - wanted
    assert not lost, f"{sum(lost.values())} of {sum(wanted.values())} changes have no record: {sorted(lost)[:5]}"
    assert not extra, f"{sum(extra.values())} records are of no accepted change: {sorted(extra)[:5]}"


def says_what_was_accepted(ledger: Ledger, records: Sequence[Object]) -> None:
    """H2: user, action, releases, note and place of each record are those of its change; its time is true."""
    by_place = {(item["spec"]["deployment"]["uid"], item["spec"]["sequence"]): item["spec"] for item in records}
    for uid, chain in ledger.chains.items():
        ordered = sorted(chain.changes, key=lambda change: change.version)
        for row, change in zip(chain.expected(), ordered, strict=True):
            spec = by_place[uid, row["sequence"]]
            says = {key: spec[key] for key in (*FIELDS, "sequence") if key in spec}
            if change.request_id == ANY_REQUEST_ID and "requestId" in says:
                says["requestId"] = ANY_REQUEST_ID
            assert _digest(says) == _digest(row), f"{chain.name} {row['sequence']}: {says} instead of {row}"
            place = (spec["deployment"]["name"], spec["environment"], spec["app"])
            assert place == (chain.name, chain.environment, chain.app)
            try:
                time_is_true(spec["at"], started=change.started, ended=change.ended)
            except AssertionError as error:
                raise AssertionError(f"{chain.name} {row}: {error}") from error


def time_is_true(at: str, *, started: float, ended: float | None) -> None:
    """A time is within `CLOCK_SLACK` of the client's own; without `ended` it may be later, but not in the future."""
    moment = datetime.fromisoformat(at).timestamp()
    latest = (time.time() if ended is None else ended) + CLOCK_SLACK
    assert started - CLOCK_SLACK <= moment <= latest, f"{at} is not between {started:.0f} and {latest:.0f}"


def chains_are_whole(records: Sequence[Object]) -> None:
    """H3: per uid numbers without gap or repeat, releases and hashes that follow one another, times in order."""
    chains: dict[str, list[Object]] = {}
    for item in records:
        chains.setdefault(item["spec"]["deployment"]["uid"], []).append(item)
    for uid, items in chains.items():
        items.sort(key=lambda item: int(item["spec"]["sequence"]))
        specs = [item["spec"] for item in items]
        assert [spec["sequence"] for spec in specs] == list(range(1, len(specs) + 1)), f"gap or repeat in {uid}"
        assert [item["metadata"]["name"] for item in items] == [f"{uid}-{spec['sequence']:08d}" for spec in specs]
        first = specs[0]
        place = f"{items[0]['metadata']['namespace']}/{first['deployment']['name']}/{uid}"
        assert first["previousHash"] == hashlib.sha256(place.encode()).hexdigest()
        assert "previousRelease" not in first or first["action"] == "adopt"
        for spec in specs:
            assert spec["hash"] == _digest({key: value for key, value in spec.items() if key != "hash"})
        for before, after in pairwise(specs):
            assert after["previousHash"] == before["hash"], f"{uid}: {after['sequence']} does not follow"
            assert after.get("previousRelease") == before.get("release"), f"{uid}: {after['sequence']} skips a release"
            assert after["at"] >= before["at"], f"{uid}: {after['sequence']} is older than the one before it"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()


def never_changed(before: Sequence[Object], after: Sequence[Object]) -> None:
    """H4: what was read once is there, byte for byte, under the same uid and in its first generation."""
    now = {(item["metadata"]["namespace"], item["metadata"]["name"]): frozen(item) for item in after}
    for item in before:
        key = item["metadata"]["namespace"], item["metadata"]["name"]
        assert key in now, f"record {key} is gone"
        assert now[key] == frozen(item), f"record {key} was changed"
        assert item["metadata"]["generation"] == 1


def frozen(record: Object) -> bytes:
    """Everything of a record that means something, as bytes; who last sent which field (managedFields) is left out."""
    meta = {key: value for key, value in record["metadata"].items() if key not in {"managedFields", "resourceVersion"}}
    return rfc8785.dumps({**record, "metadata": meta})


class Witness:
    """Reads all records of some workspaces again and again inside its block, and remembers each as it saw it first.

    Attributes:
        looks: how often it has looked.
        seen: records by Namespace and name, as they were at first sight.
    """

    def __init__(self, cluster: LiveCluster, namespaces: Iterable[str]) -> None:
        self._cluster = cluster
        self._namespaces = frozenset(namespaces)
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self.looks = 0
        self.seen: dict[tuple[str, str], Object] = {}

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def testify(self) -> None:
        """H4, for every look: what was seen once was never gone and never different. Call it after the block."""
        if self._failures:
            raise self._failures[0]
        assert self.looks > 1, "nobody looked"
        self._look()

    def _watch(self) -> None:
        try:
            while not self._over.wait(WITNESS_SECONDS):
                self._look()
        except BaseException as error:
            self._failures.append(error)

    def _look(self) -> None:
        answer = self._cluster.raw("GET", "/apis/moorage.dev/v1/deploymentrecords")
        assert answer.status == 200, answer.body
        ours = [item for item in answer.json()["items"] if item["metadata"]["namespace"] in self._namespaces]
        never_changed(list(self.seen.values()), ours)
        for item in ours:
            self.seen.setdefault((item["metadata"]["namespace"], item["metadata"]["name"]), item)
        self.looks += 1


def settled(workspace: Workspace) -> bool:
    """Every Deployment counts all of its changes as recorded, and every Environment shows what is active."""
    deployments, environments = workspace.list("deployments"), workspace.list("environments")
    return all(map(_is_recorded, deployments)) and all(_shows(one, deployments) for one in environments)


def _is_recorded(deployment: Object) -> bool:
    status = deployment.get("status") or {}
    log = deployment.get("changeLog") or {"sequence": 0}
    return (
        status.get("recordedSequence", 0) >= log["sequence"]
        and status.get("release") == deployment["spec"].get("release")
        and status.get("observedGeneration") == deployment["metadata"]["generation"]
    )


def _shows(environment: Object, deployments: Sequence[Object]) -> bool:
    name, status = environment["metadata"]["name"], environment.get("status") or {}
    active = {
        (one["spec"]["app"], one["spec"]["release"])
        for one in deployments
        if one["spec"]["environment"] == name and one["spec"].get("release")
    }
    shown = {(one["app"], one["release"]) for one in status.get("activeDeployments", [])}
    return bool(active == shown and status.get("activeDeploymentCount") == len(active))


def end_state(workspace: Workspace) -> list[Object]:
    """H6: what must be equal with and without faults: names, specs, statuses, records, without ids and times."""
    kept: list[Object] = []
    for plural in ("environments", "deployments"):
        for item in workspace.list(plural):
            status = item.get("status") or {}
            conditions = sorted((one["type"], one["status"], one["reason"]) for one in status.get("conditions", []))
            plain = {key: status.get(key) for key in ("recordedSequence", "release", "previousRelease")}
            kept.append({"kind": plural, "name": item["metadata"]["name"], "conditions": conditions, **plain})
            kept[-1]["spec"] = {key: value for key, value in item["spec"].items() if key != "change"}
    rows: list[Object] = [
        {"name": spec["deployment"]["name"], **{key: spec.get(key) for key in ("sequence", *FIELDS[:3])}}
        for spec in workspace.records()
    ]
    return [*kept, *sorted(rows, key=str)]


def writes_are_few(faultless: int, found: int, *, faults: int) -> None:
    """H7: at most two writes more for each injected fault than without faults."""
    assert found <= faultless + 2 * faults, f"{found} writes, {faultless} without the {faults} faults"


def is_quiet(events: Iterable[AuditEvent]) -> None:
    """H8: no write but the Lease."""
    written = [
        (event.user, event.verb, event.resource, event.name, event.code)
        for event in events
        if event.resource != "leases"
    ]
    assert not written, f"{len(written)} writes, the first ones: {written[:5]}"


def in_parallel(threads: int, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Do all jobs, `threads` at once, and return what they return in their order; the first failure is raised.

    Jobs are dealt out like cards, so jobs of one thread stay in order.
    """
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def run(first: int) -> None:
        try:
            for number in range(first, len(jobs), threads):
                if failures:
                    return
                results[number] = jobs[number]()
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=run, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(jobs))]
