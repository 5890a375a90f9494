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
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

import rfc8785
from cluster import AuditEvent, LiveCluster, Workspace
from ledger import Ledger, Object

#: Seconds that the API server's times (whole seconds) may be away from the client's clock.
CLOCK_SLACK = 2.0
#: How long a witness waits between two looks.
WITNESS_SECONDS = 0.3
#: Stands for a request id that the operator chose itself.
ANY_REQUEST_ID = "<any>"
#: What a record must say exactly as its change did.
FIELDS = ("action", "release", "previousRelease", "by", "reason", "requestId")

T = TypeVar("T")


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
