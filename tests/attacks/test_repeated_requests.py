"""One Idempotency-Key is one change, however often and whatever dies meanwhile; and what is written can be read."""

import itertools
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import pytest
from cluster import Workspace, Workspaces
from services import Facade, Facades
from waiting import eventually

from moorage_dev import children
from moorage_dev.processes import Service
from moorage_dev.rest_client import Answer

PARALLEL = 8
#: Rounds from one killed replica to the next.
KILL_EVERY = 8


@dataclass(frozen=True, slots=True)
class Request:
    """One write, to be sent many times with one key."""

    method: str
    suffix: str
    body: Any = None


def requests_for(round_number: int) -> Request:
    """Deploy, deploy, rollback, undeploy, and again; each of them changes something after the one before."""
    kind = round_number % 4
    if kind == 2:
        return Request("POST", "web/rollback", {})
    if kind == 3:
        return Request("DELETE", "web")
    return Request("POST", "", {"app_id": "web", "release_id": f"r{round_number}"})


class Replicas:
    """Two facades, one of which may be killed and is replaced then."""

    def __init__(self, facades: Facades, space: Workspace) -> None:
        self._facades = facades
        self.space = space
        self.running = [facades.start(), facades.start()]
        self.kills = 0

    def all_at_once(self, request: Request, key: str, *, kill: bool, dice: random.Random) -> list[Answer]:
        """Eight times the same, over both; the answers that came, also those after a retry at the one that lives."""
        victim = self.running[0].service.child
        # Some of the eight are on their way when it dies: sooner or later in the life of the request.
        fatal = threading.Timer(dice.uniform(0.001, 0.02), children.kill, [victim])
        with ThreadPoolExecutor(PARALLEL) as pool:
            futures = [pool.submit(self._send, request, key, number) for number in range(PARALLEL)]
            if kill:
                fatal.start()
            answers = [future.result() for future in futures]
        if kill:
            fatal.join()
            eventually(lambda: not children.is_running(victim))
            self.kills += 1
            self.running[0] = self._facades.start()
        return answers

    def _send(self, request: Request, key: str, number: int) -> Answer:
        path = f"{self.space.rest}/prod/deploy" + (f"/{request.suffix}" if request.suffix else "")
        headers = {"Idempotency-Key": key}
        for facade in (self.running[number % 2], self.running[1]):
            try:
                return facade.call(request.method, path, body=request.body, headers=headers)
            except (OSError, HTTPException):
                # What a client does that got no answer: the same again, elsewhere.
                continue
        raise AssertionError("the replica that lives gave no answer")


def run(facades: Facades, space: Workspace, rounds: int) -> str:
    """A number of keys, each eight times in parallel."""
    replicas, dice = Replicas(facades, space), random.Random(17)  # noqa: S311 — repeatable, not secret
    for number in range(rounds):
        request = requests_for(number)
        kill = number % KILL_EVERY == KILL_EVERY - 1
        answers = replicas.all_at_once(request, f"key-{number}", kill=kill, dice=dice)
        assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
        assert len({answer.body for answer in answers}) == 1, (request, [answer.body for answer in answers])
        # One effect: the API server itself has counted one more change, and the answer names it.
        binding = space.get("deployments", "prod.web")
        assert binding is not None
        assert binding["changeLog"]["sequence"] == number + 1
        assert answers[0].json()["deployment_id"] == f"{binding['metadata']['uid']}-{number + 1:08}"
    other = replicas.running[1].call(
        "POST",
        f"{space.rest}/prod/deploy",
        body={"app_id": "web", "release_id": "something-else"},
        headers={"Idempotency-Key": "key-0"},
    )
    assert other.status == 422, other.body
    # Whichever replica has answered last: by its version the other one shows it, too.
    seen = {"X-Resource-Version": answers[-1].headers["x-resource-version"]}
    lines = replicas.running[1].call("GET", f"{space.rest}/prod/deployments?app_id=web", headers=seen).json()
    assert lines["total"] == rounds
    return f"{rounds} keys x {PARALLEL} in parallel over 2 replicas, {replicas.kills} killed: {rounds} effects"


def test_one_key_is_one_change_over_replicas_that_die(
    facades: Facades, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(run(facades, workspace("prod"), 24))


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_repeated_requests(
    facades: Facades, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(run(facades, workspace("prod"), int(os.environ.get("MOORAGE_REPEATED_KEYS", "500"))))


class Pairs:
    """Writes of every kind at one replica, each followed by a read that must show it, at the same or the other one."""

    def __init__(self, replicas: list[Facade], space: Workspace) -> None:
        self._replicas = replicas
        self._space = space

    def chain(self, number: int, pairs: int) -> int:
        """One environment through a number of pairs; returns how many reads did not show the write before."""
        slug = f"env-{number}"
        stale = 0
        for name in (slug, f"locked-{slug}"):
            self._written("POST", "", {"name": name, "slug": name}, number)
        for step in range(pairs):
            write = (self._rename, self._deploy, self._lock, self._unlock)[step % 4]
            stale += not write(slug, step, number + step)
        return stale

    def _rename(self, slug: str, step: int, at: int) -> bool:
        version = self._written("PUT", f"/{slug}", {"name": f"Name {step}"}, at)
        return bool(self._read(f"/{slug}", version, at)["name"] == f"Name {step}")

    def _deploy(self, slug: str, step: int, at: int) -> bool:
        body = {"app_id": f"app-{step % 8}", "release_id": f"r{step}"}
        version = self._written("POST", f"/{slug}/deploy", body, at)
        if at % 2:
            return bool(self._read(f"/{slug}", version, at)["active_deployments"][body["app_id"]] == f"r{step}")
        newest = self._read(f"/{slug}/deployments?limit=1&app_id={body['app_id']}", version, at)["deployments"][0]
        return bool(newest["release_id"] == f"r{step}")

    def _lock(self, slug: str, step: int, at: int) -> bool:
        # Of an environment without releases: policies hear of locks a moment after their writers do.
        version = self._written("PUT", f"/locked-{slug}/lock", {"reason": f"because {step}"}, at)
        return bool((self._read(f"/locked-{slug}", version, at)["lock"] or {}).get("reason") == f"because {step}")

    def _unlock(self, slug: str, _step: int, at: int) -> bool:
        version = self._written("DELETE", f"/locked-{slug}/lock", None, at)
        assert version is not None
        return self._read(f"/locked-{slug}", version, at)["lock"] is None

    def _written(self, method: str, path: str, body: Any, at: int) -> str | None:
        answer = self._replicas[at % 2].call(method, self._space.rest + path, body=body)
        assert answer.status in {200, 201}, (method, path, answer.body)
        return answer.headers.get("x-resource-version")

    def _read(self, path: str, version: str | None, at: int) -> Any:
        """At the other replica if there is a version to wait for."""
        replica = self._replicas[(at + 1) % 2] if version else self._replicas[at % 2]
        headers = {"X-Resource-Version": version} if version else {}
        answer = replica.call("GET", self._space.rest + path, headers=headers)
        assert answer.status == 200, answer.body
        return answer.json()


def read_after_write(replicas: list[Facade], space: Workspace, pairs: int) -> str:
    """A number of pairs, in eight environments at once."""
    each = -(-pairs // 8)
    with ThreadPoolExecutor(4) as pool:
        stale = sum(pool.map(Pairs(replicas, space).chain, range(8), itertools.repeat(each)))
    assert stale == 0
    return f"{8 * each} pairs over 2 replicas: {stale} stale"


def test_what_one_replica_wrote_the_other_shows(
    facade: Facade, facades: Facades, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(read_after_write([facade, facades.start()], workspace(), 400))


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_campaign_of_writes_and_reads(
    facade: Facade, facades: Facades, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    pairs = int(os.environ.get("MOORAGE_READ_PAIRS", "10000"))
    figures(read_after_write([facade, facades.start()], workspace(), pairs))
