"""What the endpoints for tools that prune may answer: the truth of a moment within their bound, or an error."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from cluster import Workspace
from services import Facade
from waiting import eventually

from moorage_dev.rest_client import Answer

Binding = tuple[str, str]
"""Environment and app."""

#: What is beside the bound: how often the facade looks at its watches, and how long a busy machine may let it wait.
SLACK_SECONDS = 8.0


@dataclass(slots=True)
class Stay:
    """A release was there from a moment to another one; both are the widest that they can be."""

    release: str | None
    since: float
    until: float = float("inf")


class Truth:
    """Which release was where, and when, as the writer of the changes knows it."""

    def __init__(self, here: Workspace) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._stays: dict[Binding, list[Stay]] = {}
        self._numbers = iter(range(1, 1_000_000))

    def change(self, binding: Binding, release: str | None) -> None:
        """Deploy, undeploy, or create."""
        environment, app = binding
        began = time.monotonic()
        if binding in self._stays:
            # Back-pressure, and a Namespace of policies that is being read: both pass.
            eventually(lambda: self._set(f"{environment}.{app}", release), 30)
        else:
            self._here.create_deployment(environment, app, release)
        with self._lock:
            stays = self._stays.setdefault(binding, [Stay(None, float("-inf"))])
            stays[-1].until = time.monotonic()
            stays.append(Stay(release, began))

    def _set(self, name: str, release: str | None) -> bool:
        path = self._here.path("deployments", name)
        body = {"spec": {"release": release}}
        answer = self._here.cluster.raw("PATCH", path, body=body, content_type="application/merge-patch+json")
        return answer.status == 200

    def next_release(self) -> str:
        """One that was nowhere before; its number is the highest so far."""
        return f"r-{next(self._numbers)}"

    def now(self) -> dict[Binding, str]:
        """What is there."""
        return {binding: stays[-1].release for binding, stays in self._stays.items() if stays[-1].release is not None}

    def bindings(self) -> list[Binding]:
        """All, also those without a release."""
        return sorted(self._stays)

    def wrong(self, answered: dict[Binding, str], asked_at: float, bound: float) -> str:
        """Why an answer that came just now is wrong; empty if it is not."""
        now, oldest = time.monotonic(), asked_at - bound - SLACK_SECONDS
        with self._lock:
            for binding, stays in self._stays.items():
                fit = {stay.release for stay in stays if stay.since <= now and stay.until >= oldest}
                if answered.get(binding) not in fit:
                    return f"{binding} has {answered.get(binding)!r}, and {sorted(map(str, fit))} would be right"
        extra = set(answered) - set(self._stays)
        return f"{sorted(extra)} were never there" if extra else ""


def number_of(release: str) -> int:
    """Releases count up over all bindings."""
    return int(release.removeprefix("r-"))


@dataclass(slots=True)
class Asker:
    """Asks both endpoints, also from several threads at once, and judges what they say.

    Attributes:
        here: the workspace that is asked for.
        truth: what is right.
        bound: age of the cache beyond which the facade has to be silent, in seconds.
        answers: (endpoint, status or `cut`) → how many.
        wrong: sentences about wrong answers.
    """

    here: Workspace
    truth: Truth
    bound: float
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _told: dict[tuple[str, Binding], tuple[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, facade: Facade) -> bool:
        """Ask both once; whether both answered 200 with what is there now."""
        told = [self._judge(endpoint, facade) for endpoint in ("plugin", "inputs")]
        return told == [self.truth.now()] * 2

    def said(self, facade: Facade) -> list[set[Binding]]:
        """What has a release by each endpoint that answers 200."""
        plugin, inputs = self._plugin(facade), self._inputs(facade)
        told = [plugin.json()["output"]["parameters"]] if plugin.status == 200 else []
        told += [inputs.json()["inputs"]] if inputs.status == 200 else []
        return [set(_told(one)) for one in told]

    def _judge(self, endpoint: str, facade: Facade) -> dict[Binding, str] | None:
        began = time.monotonic()
        try:
            answer = self._plugin(facade) if endpoint == "plugin" else self._inputs(facade)
        except (OSError, HTTPException):
            # The facade is being killed, or has not begun to listen.
            self._count(endpoint, "cut")
            return None
        self._count(endpoint, str(answer.status))
        if answer.status != 200:
            # Whatever the error is, it changes nothing.
            return None
        told = _told(answer.json()["output"]["parameters"] if endpoint == "plugin" else answer.json()["inputs"])
        if problem := self.truth.wrong(told, began, self.bound) or self._went_back(endpoint, told, began):
            self.wrong.append(f"{endpoint}: {problem}")
        return told

    def _count(self, endpoint: str, status: str) -> None:
        with self._lock:
            self.answers[endpoint, status] += 1

    def _went_back(self, endpoint: str, told: dict[Binding, str], asked_at: float) -> str:
        """Why a tool would be set back: an older release than one that was told before this question was asked."""
        found = []
        with self._lock:
            for binding, release in told.items():
                number = number_of(release)
                newest, told_at = self._told.get((endpoint, binding), (0, 0.0))
                if number < newest and told_at < asked_at:
                    found.append(f"{binding} went back from {newest} to {number}")
                if number > newest:
                    self._told[endpoint, binding] = number, time.monotonic()
        return ", ".join(found)

    def _plugin(self, facade: Facade) -> Answer:
        parameters = {"org": self.here.org, "workspace": [self.here.name]}
        body = {"applicationSetName": "all", "input": {"parameters": parameters}}
        return facade.call("POST", "/api/v1/getparams.execute", user="viewer", body=body)

    def _inputs(self, facade: Facade) -> Answer:
        path = f"/v1/orgs/{self.here.org}/workspaces/{self.here.name}/inputs?limit=10000"
        return facade.call("GET", path, user="viewer")

    def count(self, status: str) -> int:
        """How many answers of that status there were, of both endpoints."""
        return sum(count for (_, one), count in self.answers.items() if one == status)


def _told(items: list[dict[str, Any]]) -> dict[Binding, str]:
    found = {(item["environment"], item["app"]): str(item["release"]) for item in items}
    assert len(found) == len(items), "a binding is there twice"
    return found
