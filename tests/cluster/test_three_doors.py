"""kubectl, REST and server-side apply meet in one attributed history, even while the operator is down."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster import LiveCluster, Workspace
from services import Facade, Operators
from waiting import eventually, eventually_passes

ENVIRONMENTS = ("development", "production")
APPS = [f"app-{number:02}" for number in range(10)]
#: How far the time of a line may be from the moment of the request: lines have whole seconds.
TOLERANCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that the system accepted, as the client saw it."""

    user: str
    action: str
    previous: str | None
    release: str | None
    began: datetime
    ended: datetime


class Doors:
    """Three users, each with a door of his own; every accepted change is kept as the expectation."""

    def __init__(self, cluster: LiveCluster, facade: Facade, workspace: Workspace) -> None:
        self.cluster = cluster
        self.facade = facade
        self.workspace = workspace
        self.accepted: dict[str, list[Accepted]] = defaultdict(list)

    def release_of(self, binding: str) -> str | None:
        return self.accepted[binding][-1].release if self.accepted[binding] else None

    def change(self, environment: str, app: str, release: str | None, door: str) -> None:
        """Deploy `release` (None: undeploy) through one of the doors."""
        binding = f"{environment}.{app}"
        previous = self.release_of(binding)
        began = datetime.now(UTC)
        user = {"rest": self._by_rest, "kubectl": self._by_kubectl, "apply": self._by_apply}[door](
            environment, app, release, previous
        )
        action = "deploy" if release else "undeploy"
        self.accepted[binding].append(Accepted(user, action, previous, release, began, datetime.now(UTC)))

    def roll_back(self, environment: str, app: str) -> None:
        """alice goes back to the last different release by REST."""
        binding = f"{environment}.{app}"
        before = self.accepted[binding][-1]
        began = datetime.now(UTC)
        answer = self.facade.call("POST", f"{self.workspace.rest}/{environment}/deploy/{app}/rollback", body={})
        assert answer.status == 200, answer.body
        assert answer.json()["release_id"] == before.previous
        self.accepted[binding].append(
            Accepted("alice", "rollback", before.release, before.previous, began, datetime.now(UTC))
        )

    def _by_rest(self, environment: str, app: str, release: str | None, previous: str | None) -> str:
        path = f"{self.workspace.rest}/{environment}/deploy"
        if release is None:
            answer = self.facade.call("DELETE", f"{path}/{app}", user="alice")
        else:
            answer = self.facade.call("POST", path, user="alice", body={"app_id": app, "release_id": release})
        assert answer.status == 200, answer.body
        return "alice"

    def _by_kubectl(self, environment: str, app: str, release: str | None, previous: str | None) -> str:
        manifest = self._manifest(environment, app, release)
        if self.accepted[f"{environment}.{app}"]:
            # The note makes sure that an undeploy leaves its time behind, as the facade's undeploy does.
            note = {"reason": f"to {release or 'nothing'}"}
            patch = json.dumps({"spec": {"release": release, "change": note}})
            done = self.cluster.kubectl(
                "patch", "mdep", f"{environment}.{app}", "-n", self.workspace.namespace, "--type=merge", "-p", patch,
                user="bob",
            )  # fmt: skip
        else:
            done = self.cluster.kubectl("create", "-f", "-", user="bob", stdin=json.dumps(manifest))
        assert done.returncode == 0, done.stderr
        return "bob"

    def _by_apply(self, environment: str, app: str, release: str | None, previous: str | None) -> str:
        self.cluster.apply(self._manifest(environment, app, release or ""), user="carol")
        return "carol"

    def _manifest(self, environment: str, app: str, release: str | None) -> dict[str, Any]:
        spec = {"environment": environment, "app": app} | ({} if release is None else {"release": release})
        metadata = {"name": f"{environment}.{app}", "namespace": self.workspace.namespace}
        return {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def play(doors: Doors, dice: random.Random, round_number: int) -> None:
    """One change of each of the 20 bindings, doors and kinds of change mixed."""
    places = [(environment, app) for environment in ENVIRONMENTS for app in APPS]
    dice.shuffle(places)
    for number, (environment, app) in enumerate(places):
        history = doors.accepted[f"{environment}.{app}"]
        _leave_the_second(history)
        deployed = bool(history) and history[-1].release is not None
        if deployed and history[-1].previous is not None and number % 5 == 0:
            doors.roll_back(environment, app)
        elif deployed and number % 7 == 0:
            doors.change(environment, app, None, dice.choice(["rest", "kubectl", "apply"]))
        else:
            doors.change(environment, app, f"{round_number}.{number}", ["rest", "kubectl", "apply"][number % 3])


def _leave_the_second(history: list[Accepted]) -> None:
    """A second change by one manager within a second has no time (ADR 0008), and here times are compared."""
    eventually(lambda: not history or datetime.now(UTC) > history[-1].ended + timedelta(seconds=1))


def lines_of(facade: Facade, workspace: Workspace, environment: str) -> list[dict[str, Any]]:
    """The whole history of an environment by REST, newest first, page by page; with the last change by any door."""
    versions = (int(one["metadata"]["resourceVersion"]) for one in workspace.list("deployments"))
    headers = {"X-Resource-Version": f"deployments={max(versions)}"}
    lines: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = facade.call("GET", f"{workspace.rest}/{environment}/deployments?limit=7{cursor}", headers=headers)
        assert answer.status == 200, answer.body
        page = answer.json()
        lines += page["deployments"]
        if not page["has_more"]:
            assert page["total"] == len(lines)
            return lines
        cursor = f"&cursor={page['next_cursor']}"


def check_times(accepted: Accepted, at: str) -> None:
    moment = datetime.fromisoformat(at)
    assert accepted.began - TOLERANCE <= moment <= accepted.ended + TOLERANCE, (accepted, at)


def check_rest(doors: Doors) -> None:
    for environment in ENVIRONMENTS:
        lines = lines_of(doors.facade, doors.workspace, environment)
        assert [line["deployed_at"] for line in lines] == sorted((line["deployed_at"] for line in lines), reverse=True)
        by_app: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in reversed(lines):
            by_app[line["app_id"]].append(line)
        assert sorted(by_app) == APPS
        for app, found in by_app.items():
            expected = doors.accepted[f"{environment}.{app}"]
            assert [
                (line["deployed_by"], line["action"], line["release_id"], line["previous_release_id"], line["sequence"])
                for line in found
            ] == [
                (one.user, one.action, one.release or one.previous, one.previous, number)
                for number, one in enumerate(expected, 1)
            ]
            for one, line in zip(expected, found, strict=True):
                check_times(one, line["deployed_at"])


def check_records(doors: Doors) -> None:
    for binding, expected in doors.accepted.items():
        records = doors.workspace.records(binding)
        assert [
            (spec.get("by"), spec["action"], spec.get("previousRelease"), spec.get("release"), spec["sequence"])
            for spec in records
        ] == [(one.user, one.action, one.previous, one.release, number) for number, one in enumerate(expected, 1)], (
            binding
        )
        for one, spec in zip(expected, records, strict=True):
            check_times(one, spec["at"])


def test_three_users_by_three_doors_leave_one_history(
    cluster: LiveCluster, operators: Operators, facade: Facade, workspace: Any
) -> None:
    operators.ensure()
    place = workspace(
        *ENVIRONMENTS,
        members={"alice": "moorage-edit", "bob": "moorage-deployer", "carol": "moorage-deployer"},
    )
    doors = Doors(cluster, facade, place)
    dice = random.Random(20)  # noqa: S311 — the same mixture in every run
    play(doors, dice, 1)
    play(doors, dice, 2)
    eventually_passes(lambda: check_records(doors))
    operators.stop()
    play(doors, dice, 3)
    play(doors, dice, 4)
    # By REST the history is right at once, also while the operator is down …
    check_rest(doors)
    operators.ensure()
    # … and the records follow, with the time at which the change was made.
    eventually_passes(lambda: check_records(doors), timeout=30)
    check_rest(doors)
    assert sum(len(history) for history in doors.accepted.values()) == 80
