"""After any outage the facade answers what the API server has: nothing missing, nothing old, no ghosts."""

import itertools
import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from cluster import ADMIN, GROUP_PATH, LiveCluster, Workspace
from etcd import Etcd
from services import Facade, Facades
from waiting import eventually

from moorage_crds.clock import SystemClock
from moorage_crds.kinds import deployment, record
from moorage_crds.kinds.deployment import Change
from moorage_crds.kinds.record import Binding
from moorage_crds.moments import to_text
from moorage_dev import patience
from moorage_dev.rest_client import MERGE_PATCH

#: Seconds after the way to the API server is open again.
LIMIT = 5.0
#: Environments whose bindings and history are looked at; the others come and go.
BASES = [f"base-{number}" for number in range(8)]
#: Environments that stay, and are locked and unlocked; a locked one could not be deleted.
LOCKABLE = [f"lockable-{number}" for number in range(320)]
COLLECTIONS = ("environments", "environmentlocks", "deployments", "deploymentrecords")

Job = Callable[[], object]


@pytest.fixture
def own_proxy(own_cluster: LiveCluster) -> Iterator[ApiServerProxy]:
    made = ApiServerProxy(own_cluster.endpoint)
    yield made
    made.close()


@pytest.fixture
def own_facade(own_cluster: LiveCluster, own_proxy: ApiServerProxy) -> Iterator[Facade]:
    facades = Facades(own_cluster)
    yield facades.start(own_proxy.settings(own_cluster))
    facades.clean()


class Churn:
    """A workspace in which everything comes, changes and goes. Does the operator's work too, which is not there."""

    def __init__(self, cluster: LiveCluster) -> None:
        unique = secrets.token_hex(4)
        self.space = Workspace(cluster, f"ws-{unique}", f"org-{unique}", f"space-{unique}")
        self._cluster = cluster
        self._dice = random.Random(7)  # noqa: S311 — repeatable, not secret
        self._numbers = itertools.count()
        self._tips: dict[str, str] = {}
        self.environments: list[str] = []
        self.locked: list[str] = []
        self.bindings: list[str] = []
        self.records: list[str] = []

    def furnish(self) -> None:
        """The workspace with 1,000 objects."""
        labels = {"moorage.dev/org": self.space.org, "moorage.dev/workspace": self.space.name}
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.space.namespace, "labels": labels},
        }
        assert self._cluster.raw("POST", "/api/v1/namespaces", body=body).status == 201
        self._in_parallel([self._environment(name) for name in (*BASES, *LOCKABLE)])
        self._in_parallel([*self._added(200), *self._locks(220), *self._added_bindings(150)])
        self._in_parallel(self._recorded(self.bindings))

    def play(self) -> int:
        """Delete, change and add 300 each; the number of writes beside the recorder's."""
        gone = self._dice.sample(self.environments, 100)
        ended = self._dice.sample(self.bindings, 50)
        forgotten = self._dice.sample(self.records, 50)
        # What is not recorded cannot be deleted.
        self._in_parallel(self._recorded(ended))
        self.environments = [name for name in self.environments if name not in gone]
        self.bindings = [name for name in self.bindings if name not in ended]
        self.records = [name for name in self.records if name not in forgotten]
        unlocked = self._dice.sample(self.locked, 100)
        kept = [name for name in self.locked if name not in unlocked]
        locks = self._locks(100)
        self.locked = [name for name in self.locked if name not in unlocked]
        changed = self._dice.sample(self.environments, 100)
        moved = self._dice.sample(self.bindings, 100)
        jobs = [
            *(self._delete("environments", name) for name in gone),
            *(self._delete("environmentlocks", name) for name in unlocked),
            *(self._end(name) for name in ended),
            *(self._delete("deploymentrecords", name) for name in forgotten),
            *(self._patch("environments", name, {"displayName": self._text()}) for name in changed),
            *(self._patch("environmentlocks", name, {"reason": self._text()}) for name in kept[:100]),
            *locks,
            *(self._patch("deployments", name, {"release": self._text()}) for name in moved),
            *self._added(100),
            *self._added_bindings(50),
        ]
        self._in_parallel(jobs)
        # One binding in two: the others' changes are still in their logs only.
        self._in_parallel(self._recorded(moved[::2]))
        return len(jobs) + 50

    def _added(self, count: int) -> list[Job]:
        names = [f"env-{next(self._numbers)}" for _ in range(count)]
        self.environments += names
        return [self._environment(name) for name in names]

    def _environment(self, name: str) -> Job:
        return lambda: self.space.create_environment(name)

    def _locks(self, count: int) -> list[Job]:
        names = self._dice.sample([name for name in LOCKABLE if name not in self.locked], count)
        self.locked += names
        return [self._post("environmentlocks", "EnvironmentLock", name, {"reason": self._text()}) for name in names]

    def _added_bindings(self, count: int) -> list[Job]:
        jobs: list[Job] = []
        for _ in range(count):
            base, app, release = self._dice.choice(BASES), f"app-{next(self._numbers)}", self._text()
            self.bindings.append(f"{base}.{app}")
            jobs.append(lambda base=base, app=app, release=release: self.space.create_deployment(base, app, release))
        return jobs

    def _recorded(self, names: Iterable[str]) -> list[Job]:
        return [lambda name=name: self._record(name) for name in names]

    def _record(self, name: str) -> None:
        """What the operator does: records of all changes that have none, then the status."""
        raw = self.space.get("deployments", name)
        assert raw is not None
        found = deployment.from_object(raw)
        binding = Binding(found.namespace, found.name, found.uid, found.environment, found.app)
        previous = self._tips.get(found.uid) or record.genesis_hash(binding)
        due = deployment.due_changes(found)
        for change in due:
            previous = self._write_record(binding, change, previous)
        self._tips[found.uid] = previous
        if due:
            status = {"recordedSequence": due[-1].sequence, "release": due[-1].release}
            path = self.space.path("deployments", f"{name}/status")
            answer = self._cluster.raw("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)
            assert answer.status == 200, answer.body

    def _write_record(self, binding: Binding, change: Change, previous: str) -> str:
        wanted = record.to_object(binding, change, previous_hash=previous)
        self._expect(201, "POST", self.space.path("deploymentrecords"), wanted)
        self.records.append(wanted["metadata"]["name"])
        return str(wanted["spec"]["hash"])

    def _end(self, name: str) -> Job:
        """Delete a binding, and record that, as the operator does when it hears of it."""

        def end() -> None:
            raw = self.space.get("deployments", name)
            assert raw is not None
            found = deployment.from_object(raw)
            self._expect(200, "DELETE", self.space.path("deployments", name), None)
            last = deployment.deletion_change(last_sequence=found.logged, release=found.release)
            assert last is not None
            binding = Binding(found.namespace, found.name, found.uid, found.environment, found.app)
            self._write_record(binding, replace(last, at=to_text(SystemClock().now())), self._tips[found.uid])

        return end

    def _post(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> Job:
        body = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        return lambda: self._expect(201, "POST", self.space.path(plural), body)

    def _patch(self, plural: str, name: str, spec: dict[str, Any]) -> Job:
        return lambda: self._expect(200, "PATCH", self.space.path(plural, name), {"spec": spec})

    def _delete(self, plural: str, name: str) -> Job:
        return lambda: self._expect(200, "DELETE", self.space.path(plural, name), None)

    def _expect(self, status: int, method: str, path: str, body: object) -> None:
        kind = MERGE_PATCH if method == "PATCH" else None
        answer = self._cluster.raw(method, path, body=body, content_type=kind)
        assert answer.status == status, (method, path, answer.body)

    def _text(self) -> str:
        return f"v{next(self._numbers)}"

    @staticmethod
    def _in_parallel(jobs: Iterable[Job]) -> None:
        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(job) for job in jobs]:
                future.result()


def expected(space: Workspace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a LIST says: environments by slug, and lines of history by id."""
    locks = {item["metadata"]["name"]: item["spec"]["reason"] for item in space.list("environmentlocks")}
    bindings = space.list("deployments")
    active: dict[str, dict[str, str]] = {}
    lines: dict[str, Any] = {}
    for raw in bindings:
        found = deployment.from_object(raw)
        if found.release:
            active.setdefault(found.environment, {})[found.app] = found.release
        for change in deployment.due_changes(found):
            lines[f"{found.uid}-{change.sequence:08}"] = (found.app, change.release, False)
    for raw in space.list("deploymentrecords"):
        spec = raw["spec"]
        # In REST an undeploy is about the release that was taken out.
        release = spec.get("release") or spec.get("previousRelease")
        lines[raw["metadata"]["name"]] = (spec["app"], release, True)
    environments = {
        raw["metadata"]["name"]: (
            raw["metadata"]["uid"],
            raw["spec"]["displayName"],
            active.get(raw["metadata"]["name"], {}),
            locks.get(raw["metadata"]["name"]),
        )
        for raw in space.list("environments")
    }
    return environments, lines


def shown(facade: Facade, space: Workspace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same, as the facade answers it."""
    environments = {
        body["slug"]: (
            body["environment_id"],
            body["name"],
            body["active_deployments"],
            body["lock"]["reason"] if body["lock"] else None,
        )
        for body in _get(facade, space.rest)["environments"]
    }
    lines: dict[str, Any] = {}
    for base in BASES:
        cursor = ""
        while True:
            page = _get(facade, f"{space.rest}/{base}/deployments?limit=200{cursor}")
            for line in page["deployments"]:
                lines[line["deployment_id"]] = (line["app_id"], line["release_id"], line["recorded"])
            if not page["has_more"]:
                assert page["total"] >= len(page["deployments"])
                break
            cursor = f"&cursor={page['next_cursor']}"
    return environments, lines


def _get(facade: Facade, path: str) -> Any:
    answer = facade.call("GET", path, user=ADMIN)
    assert answer.status == 200, answer.body
    return answer.json()


def differences(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """What is not the same, readable and short."""
    keys = left.keys() | right.keys()
    found = [f"{key}: {left.get(key)} instead of {right.get(key)}" for key in keys if left.get(key) != right.get(key)]
    return sorted(found)[:5]


def require_truth(facade: Facade, space: Workspace) -> float:
    """Seconds until the facade shows exactly what a LIST says; nothing changes meanwhile."""
    begun = time.monotonic()
    truth = expected(space)

    def is_true() -> bool:
        answer = shown(facade, space)
        for got, wanted in zip(answer, truth, strict=True):
            assert differences(got, wanted) == []
        return True

    eventually(is_true, 30)
    return time.monotonic() - begun


class TooOld:
    """Answers the first watch of every kind in the API server's place: the version that it resumes from is too old."""

    STATUS = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","message":"too old","code":410}'
    #: As the API server says it: instead of the stream, or as its first line.
    FORMS = (Fault(410, STATUS), Fault(200, b'{"type":"ERROR","object":' + STATUS + b"}\n"))

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._told: set[str] = set()

    def __call__(self, seen: Seen) -> Fault | None:
        if not seen.is_watch or seen.path in self._told:
            return None
        self._told.add(seen.path)
        return self._fault


def _restart(cluster: LiveCluster, space: Workspace) -> None:
    """End the API server's own memory of old versions, so that nobody can resume from one. Takes most of a minute."""
    cluster.control_plane.restart_api_server()
    eventually(lambda: all(_is_listed(cluster, plural) for plural in COLLECTIONS), 30)
    eventually(lambda: _takes_bindings(space), 60)


def run(cluster: LiveCluster, proxy: ApiServerProxy, facade: Facade, rounds: int) -> str:
    """`rounds` outages, each with 900 writes that the facade does not see, and a compaction behind it."""
    churn = Churn(cluster)
    churn.furnish()
    require_truth(facade, churn.space)
    # A restart takes most of a minute, so the other two ways to lose one's place come twice as often.
    took, writes, restarts, forms = [], 0, 0, [None, *TooOld.FORMS, *TooOld.FORMS]
    for _, form in zip(range(rounds), itertools.cycle(forms), strict=False):
        proxy.cut()
        writes += churn.play()
        Etcd(cluster.control_plane).compact()
        # Without a restart the API server still knows what etcd has forgotten, and would let the watches resume.
        if form is None:
            _restart(cluster, churn.space)
            restarts += 1
        else:
            proxy.fault = TooOld(form)
        took.append(_mend(proxy, facade, churn.space, listing=COLLECTIONS))
    # And an outage after which the watch may resume where it was.
    proxy.cut()
    writes += churn.play()
    took.append(_mend(proxy, facade, churn.space))
    return (
        f"{rounds + 1} outages, {writes} writes behind the facade's back, {rounds} compactions, "
        f"{restarts} restarts of the API server: equal to a LIST after at most {max(took):.1f} s, "
        "0 ghosts"
    )


def _mend(proxy: ApiServerProxy, facade: Facade, space: Workspace, *, listing: Iterable[str] = ()) -> float:
    """End an outage; seconds until the facade is right again, after it has listed those kinds again."""
    before = len(proxy.seen)
    proxy.mend()
    took = require_truth(facade, space)
    proxy.fault = no_fault
    lists = {seen.path.rpartition("/")[2] for seen in proxy.seen[before:] if seen.method == "GET" and not seen.is_watch}
    assert set(listing) <= lists, f"not listed again: {set(listing) - lists}"
    assert took <= patience.scaled(LIMIT), f"true only after {took:.1f} s"
    return took


def _takes_bindings(space: Workspace) -> bool:
    """Whether the policies know their parameters again; before, they refuse every binding."""
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{BASES[0]}.probe"},
        "spec": {"environment": BASES[0], "app": "probe"},
    }
    return space.cluster.raw("POST", f"{space.path('deployments')}?dryRun=All", body=body).status == 201


def _is_listed(cluster: LiveCluster, plural: str) -> bool:
    """Whether the cache of the API server is filled again; before, it answers 429."""
    return cluster.raw("GET", f"{GROUP_PATH}/{plural}").status == 200


@pytest.mark.timeout(900)
def test_cache_equals_a_list_after_every_outage(
    own_cluster: LiveCluster, own_proxy: ApiServerProxy, own_facade: Facade, figures: Callable[[str], None]
) -> None:
    figures(run(own_cluster, own_proxy, own_facade, 5))


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_outages(
    own_cluster: LiveCluster, own_proxy: ApiServerProxy, own_facade: Facade, figures: Callable[[str], None]
) -> None:
    figures(run(own_cluster, own_proxy, own_facade, int(os.environ.get("MOORAGE_OUTAGES", "50"))))
