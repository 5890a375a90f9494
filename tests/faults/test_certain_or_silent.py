"""Tools that delete what an answer leaves out get the truth or an error, whatever breaks between us and the cluster."""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from certainty import SLACK_SECONDS, Asker, Truth
from cluster import LiveCluster, Workspaces, account
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev import children
from moorage_dev.installation import FACADE

ENVIRONMENTS = ("staging", "production")
APPS = ("web", "api", "cart", "mail")
#: What the endpoints are made of.
KINDS = ("deployments", "environments", "deploymentrecords", "namespaces")
#: Seconds; the shortest that the silence of a watch can be told from within.
BOUND = 5.0
#: A new process takes a second or two: so often one is killed among the other faults.
KILLS = 60
#: How long the campaign is, and by which dice; it can be run in pieces.
FAULTS, SEED = int(os.environ.get("MOORAGE_FAULTS", "10000")), int(os.environ.get("MOORAGE_SEED", "7"))
#: Clients at once, where one asks otherwise.
CROWD = 10


def status_line(code: int) -> bytes:
    """An ERROR event of a watch."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "X", "message": "x"}
    return json.dumps({"type": "ERROR", "object": status}).encode()


def lost(content: bytes) -> bytes:
    """A list with nothing in it, as of a cluster that has lost its data."""
    found = json.loads(content)
    found["items"] = []
    return json.dumps(found).encode()


#: Lines of a watch after which a list or another watch has to follow.
LINES = {
    "410": status_line(410),
    "500": status_line(500),
    "401": status_line(401),
    "half a line": b'{"type":"DELETED","object":{"metadata":{"name":"production.web","namespace":',
    "no JSON": b"<html>502 Bad Gateway</html>",
    "an object without metadata": b'{"type":"DELETED","object":{}}',
}
#: What a list is answered with, once, after its watch was told to list again.
LISTS = {
    "500": Fault(500),
    "503": Fault(503),
    "429": Fault(429),
    "410": Fault(410),
    "401": Fault(401),
    "cut": Fault(0),
    "junk": Fault(200, b"junk"),
    "nothing": Fault(200, b""),
    "an empty object": Fault(200, b"{}"),
    "half": Fault(alter=lambda content: content[: len(content) // 2]),
    "most of it lost": Fault(alter=lost),
}


@dataclass
class Trial:
    """A facade behind a proxy, and faults for it."""

    proxy: ApiServerProxy
    facades: Facades
    settings: dict[str, str]
    asker: Asker
    chance: random.Random
    faults: dict[str, int] = field(default_factory=dict)
    facade: Facade = field(init=False)

    def __post_init__(self) -> None:
        self.facade = self.facades.start(self.settings)

    def inject(self) -> None:
        """One fault; its watch may not be open just now, then it is another one."""
        draw = self.chance.random()
        if draw < 0.85:
            self._break_a_feed(self.chance.choice(KINDS), by_a_list=draw >= 0.40)
            return
        ways: dict[str, Callable[[], None]] = {
            "reviews fail": self._fail_reviews,
            "API server away": self._cut,
            "watches fall silent": self.proxy.freeze,
            f"{CROWD} times the load": self.ask_as_a_crowd,
            "the process stands still": self.stand_still,
        }
        [name] = self.chance.choices(list(ways), (7, 3, 2, 2, 1))
        ways[name]()
        self._count(name, 1)

    def _break_a_feed(self, kind: str, *, by_a_list: bool) -> None:
        if by_a_list:
            name = self.chance.choice(sorted(LISTS))
            self.proxy.fault = once(kind, LISTS[name])
            self._count(f"list: {name}", self.proxy.inject(kind, LINES["410"]))
        else:
            name = self.chance.choice(sorted(LINES))
            self._count(f"watch: {name}", self.proxy.inject(kind, LINES[name]))

    def _fail_reviews(self) -> None:
        self.proxy.fault = reviews_fail

    def _cut(self) -> None:
        self.proxy.cut()
        self.asker.ask(self.facade)
        self.proxy.mend()

    def ask_as_a_crowd(self) -> None:
        """Ten clients ask at once, several times each."""
        with ThreadPoolExecutor(CROWD) as crowd:
            list(crowd.map(self.asker.ask, [self.facade] * (3 * CROWD)))

    def stand_still(self, *, seconds: float = 0.0) -> None:
        """The facade stands still while a release changes; who has asked meanwhile is answered first.

        Its clocks keep running, so it wakes in a later time with the sockets full of what it has missed.
        """
        truth, child = self.asker.truth, self.facade.service.child
        children.pause(child)
        try:
            truth.change(self.chance.choice(truth.bindings()), truth.next_release())
            until = time.monotonic() + seconds
            eventually(lambda: time.monotonic() >= until, seconds + 1)
            with ThreadPoolExecutor(CROWD) as crowd:
                asked = [crowd.submit(self.asker.ask, self.facade) for _ in range(CROWD)]
                eventually(lambda: all(one.running() or one.done() for one in asked), 10)
                children.resume(child)
                for one in asked:
                    one.result()
        finally:
            children.resume(child)

    def kill(self) -> None:
        """Kill the facade; the next one is asked from its first moment on, while a list of it fails."""
        children.kill(self.facade.service.child)
        self.asker.ask(self.facade)
        self.proxy.fault = once(self.chance.choice(KINDS), LISTS[self.chance.choice(("500", "cut", "half"))])
        self.facade = self.facades.start(self.settings, wait=False)
        eventually(lambda: self.asker.ask(self.facade), 60)
        self._count("killed, cold cache", 1)

    def recover(self) -> None:
        """Nothing fails any more; both endpoints come to tell what is there."""
        self.proxy.fault = no_fault
        eventually(self._told_after_new_lists, 60, interval=1)

    def _told_after_new_lists(self) -> bool:
        if self.asker.ask(self.facade):
            return True
        for kind in KINDS:
            # A list that was a lie lasts until the next one.
            self.proxy.inject(kind, LINES["410"])
        return False

    def seen(self) -> set[tuple[str, str]]:
        """Environment and app of all that the facade's cache has a release of, right or wrong."""
        path = self.asker.here.rest
        found = {one: self.facade.call("GET", f"{path}/{one}", user="viewer").json() for one in ENVIRONMENTS}
        return {(environment, app) for environment, one in found.items() for app in one["active_deployments"]}

    def _count(self, name: str, times: int) -> None:
        if times:
            self.faults[name] = self.faults.get(name, 0) + 1


def once(plural: str, fault: Fault) -> Callable[[Seen], Fault | None]:
    """That fault for the next list of a kind."""
    left = [fault]

    def answer(seen: Seen) -> Fault | None:
        is_list = seen.method == "GET" and not seen.is_watch and seen.path.endswith(f"/{plural}")
        return left.pop() if left and is_list else None

    return answer


def reviews_fail(seen: Seen) -> Fault | None:
    """Nobody can be authenticated, and no right be looked up."""
    return Fault(500) if seen.method == "POST" and "reviews" in seen.path else None


def watches_fail(seen: Seen) -> Fault | None:
    """No watch begins."""
    return Fault(500) if seen.is_watch else None


@pytest.fixture
def trial(cluster: LiveCluster, facades: Facades, operators: Operators, workspace: Workspaces) -> Iterator[Trial]:
    """Eight bindings; an operator writes their history."""
    operators.ensure()
    mark, here = cluster.audit_mark(), workspace(*ENVIRONMENTS)
    truth = Truth(here)
    for environment in ENVIRONMENTS:
        for app in APPS:
            truth.change((environment, app), truth.next_release())
    proxy = ApiServerProxy(cluster.endpoint)
    settings = proxy.settings(cluster) | {"MOORAGE_MAX_INPUT_STALENESS_SECONDS": str(BOUND)}
    made = Trial(proxy, facades, settings, Asker(here, truth, BOUND), random.Random(SEED))  # noqa: S311 — a plan
    made.recover()
    yield made
    facades.clean()
    proxy.close()
    # All that an answer costs the cluster is to learn who asks, and what that account may.
    written = cluster.audit_since(mark, user=account(FACADE), verbs={"create", "patch", "update", "delete"})
    assert {one.resource for one in written} <= {"tokenreviews", "subjectaccessreviews"}


def run(trial: Trial, faults: int, figures: Callable[[str], None]) -> None:
    """Inject `faults` faults, changing releases meanwhile; no answer may be wrong, and both endpoints recover."""
    truth, chance, began = trial.asker.truth, trial.chance, time.monotonic()
    kills = max(2, faults // KILLS // 4)
    every = faults // kills
    while (done := sum(trial.faults.values())) < faults:
        if done % every == every - 1:
            trial.kill()
            continue
        trial.inject()
        if chance.random() < 0.25:
            binding = chance.choice(truth.bindings())
            gone = binding in truth.now() and chance.random() < 0.2
            truth.change(binding, None if gone else truth.next_release())
        trial.asker.ask(trial.facade)
        if done % 50 == 0:
            trial.recover()
    trial.recover()
    asker = trial.asker
    figures(
        f"{sum(trial.faults.values())} faults of {len(trial.faults)} kinds in {time.monotonic() - began:.0f} s: "
        f"{asker.count('200')} answers, {asker.count('503')} times silent, {len(asker.wrong)} wrong"
    )
    assert asker.wrong == []
    # A facade that is always silent would pass, too.
    assert asker.count("200") > faults / 4
    assert asker.count("503") > faults / 20


def test_500_faults_and_no_wrong_answer(trial: Trial, figures: Callable[[str], None]) -> None:
    run(trial, 500, figures)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_campaign_of_10000_faults(trial: Trial, figures: Callable[[str], None]) -> None:
    run(trial, FAULTS, figures)


def test_a_watch_that_falls_silent_is_not_believed(trial: Trial) -> None:
    truth = trial.asker.truth
    trial.proxy.freeze()
    truth.change(("production", "web"), truth.next_release())
    # It takes part in the answer, or there is none, long before the silence of a watch is an error by itself.
    eventually(lambda: trial.asker.ask(trial.facade), 3 * BOUND)
    assert trial.asker.wrong == []


def test_a_facade_that_stood_still_is_not_believed(trial: Trial) -> None:
    # As after a suspended machine: connections are dead and silent, and new watches fail at first.
    trial.proxy.freeze()
    trial.proxy.fault = watches_fail
    trial.stand_still(seconds=BOUND + SLACK_SECONDS + 1)
    # There was no answer although every watch looked open, or had been cut for a moment only.
    assert trial.asker.wrong == []
    trial.recover()
    assert trial.asker.wrong == []


def test_half_of_a_lost_list_that_comes_back_is_not_believed(trial: Trial) -> None:
    truth, proxy, asker = trial.asker.truth, trial.proxy, trial.asker
    places = truth.bindings()
    back = places[: len(places) // 2 + 1]
    # The list after it shows no Deployment at all, and the watch then brings those that change.
    proxy.fault = once("deployments", LISTS["most of it lost"])
    eventually(lambda: proxy.inject("deployments", LINES["410"]))
    eventually(lambda: trial.seen() == set())
    for place in back:
        truth.change(place, truth.next_release())
        eventually(lambda place=place: place in trial.seen())
        assert asker.said(trial.facade) == []
    assert trial.seen() == set(back)
    trial.recover()
    assert asker.said(trial.facade) == [set(places)] * 2
