"""What readers see after a write, and what repeated and simultaneous requests do; against a real API server."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from oracles import settled
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev import children, patience

PAIRS = 1_000
PER_APP = 15


def known(facade: Facade, space: Workspace) -> Workspace:
    """The workspace, once the facade has heard of its environment."""
    eventually(lambda: facade.call("GET", f"{space.rest}/staging").status == 200)
    return space


def deploy(facade: Facade, space: Workspace, app: str, release: str, **options: object) -> object:
    body = {"app_id": app, "release_id": release}
    return facade.call("POST", f"{space.rest}/staging/deploy", body=body, **options)  # type: ignore[arg-type]


def test_every_write_is_seen_by_the_next_read(facade: Facade, workspace: Workspaces) -> None:
    space = known(facade, workspace("staging"))

    def pair(number: int, app: str) -> bool:
        release = f"v{number}"
        written = facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": app, "release_id": release})
        assert written.status == 200, written.body
        if number % 2:
            lines = facade.call("GET", f"{space.rest}/staging/deployments?limit=1&app_id={app}").json()
            return bool(lines["deployments"][0]["deployment_id"] == written.json()["deployment_id"])
        shown = facade.call("GET", f"{space.rest}/staging").json()
        return bool(shown["active_deployments"].get(app) == release)

    def chain(index: int) -> list[bool]:
        return [pair(number, f"app-{index}") for number in range(PER_APP)]

    with ThreadPoolExecutor(4) as pool:
        seen = [answer for answers in pool.map(chain, range(-(-PAIRS // PER_APP))) for answer in answers]

    assert len(seen) >= PAIRS
    assert all(seen)


def test_other_replica_waits_for_the_version_of_the_write(
    facade: Facade, facades: Facades, workspace: Workspaces
) -> None:
    space = known(facade, workspace("staging"))
    other = facades.start()
    for number in range(15):
        body = {"app_id": "checkout", "release_id": f"v{number}"}
        written = facade.call("POST", f"{space.rest}/staging/deploy", body=body)
        seen = other.call(
            "GET",
            f"{space.rest}/staging",
            headers={"X-Resource-Version": written.headers["x-resource-version"]},
        )
        assert seen.json()["active_deployments"] == {"checkout": f"v{number}"}


def test_one_key_in_parallel_at_two_replicas_is_one_change(
    facade: Facade, facades: Facades, workspace: Workspaces
) -> None:
    space = known(facade, workspace("staging"))
    replicas = [facade, facades.start()]
    deploy(facade, space, "checkout", "v0")
    rounds = [("POST", "deploy", {"app_id": "checkout", "release_id": "v1"}),
              ("POST", "deploy/checkout/rollback", {}),
              ("DELETE", "deploy/checkout", None),
              ("POST", "deploy", {"app_id": "fresh", "release_id": "v1"})]  # fmt: skip
    for number, (method, suffix, body) in enumerate(rounds):
        headers = {"Idempotency-Key": f"key-{number}"}
        path = f"{space.rest}/staging/{suffix}"
        before = facade.call("GET", f"{space.rest}/staging/deployments").json()["total"]

        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda index: replicas[index % 2].call(method, path, body=body, headers=headers),  # noqa: B023 — used up before the next round
                    range(8),
                )
            )

        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        eventually(
            lambda: facade.call("GET", f"{space.rest}/staging/deployments").json()["total"] == before + 1  # noqa: B023 — used up before the next round
        )


def test_one_key_survives_a_facade_that_is_killed_in_the_middle(
    facade: Facade, facades: Facades, workspace: Workspaces
) -> None:
    space = known(facade, workspace("staging"))
    for number, delay in enumerate((0.0, 0.003, 0.008)):
        victim = facades.start()
        headers = {"Idempotency-Key": f"key-{number}"}
        app = f"app-{number}"
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(_quiet, victim, space, app, headers)
            time.sleep(delay)  # the moment of the crash, not a wait for anything
            children.kill(victim.service.child)
            pending.result()

        first = facade.call(
            "POST", f"{space.rest}/staging/deploy", body={"app_id": app, "release_id": "v1"}, headers=headers
        )
        again = facade.call(
            "POST", f"{space.rest}/staging/deploy", body={"app_id": app, "release_id": "v1"}, headers=headers
        )

        assert (first.status, first.body) == (200, again.body)
        seen = {"X-Resource-Version": again.headers["x-resource-version"]}
        lines = facade.call("GET", f"{space.rest}/staging/deployments?app_id={app}", headers=seen).json()
        assert lines["matching"] == 1


def _quiet(facade: Facade, space: Workspace, app: str, headers: dict[str, str]) -> None:
    """A request whose answer may never come."""
    with suppress(OSError, HTTPException):
        facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": app, "release_id": "v1"}, headers=headers)


def test_simultaneous_changes_of_one_app_make_one_chain(facade: Facade, workspace: Workspaces) -> None:
    space = known(facade, workspace("staging"))
    deploy(facade, space, "checkout", "v0")

    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda number: facade.call(
                    "POST",
                    f"{space.rest}/staging/deploy",
                    body={"app_id": "checkout", "release_id": f"v{number}"},
                    user="alice" if number % 2 else "bob",
                ),
                range(1, 13),
            )
        )

    done = [answer for answer in answers if answer.status == 200]
    lines = facade.call("GET", f"{space.rest}/staging/deployments").json()["deployments"][::-1]
    assert {answer.status for answer in answers} <= {200, 503}
    assert len(lines) == len(done) + 1
    assert [line["previous_release_id"] for line in lines[1:]] == [line["release_id"] for line in lines[:-1]]


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "being recorded"])
def test_pages_of_the_history_neither_skip_nor_repeat(
    facade: Facade, workspace: Workspaces, operators: Operators, *, recorded: bool
) -> None:
    operators.ensure()
    space = known(facade, workspace("staging"))
    for number in range(24):
        deploy(facade, space, f"app-{number % 3}", f"v{number}")
    if recorded:
        eventually(lambda: all(line["recorded"] for line in _page(facade, space, "limit=200")["deployments"]))
    whole = _page(facade, space, "limit=200")["deployments"]
    found: list[str] = []
    cursor = ""
    while True:
        page = _page(facade, space, f"limit=7{cursor}")
        found += [line["deployment_id"] for line in page["deployments"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        deploy(facade, space, "app-0", f"later-{len(found)}")

    # What comes meanwhile within the same second may stand among the older lines; those are all there, once, in order.
    # A line that was not recorded yet when `whole` was read may have been given its time, and with it its place, since.
    before = [line["deployment_id"] for line in whole]
    again = [line for line in found if line in before]
    assert again == before if recorded else sorted(again) == sorted(before)
    assert len(set(found)) == len(found)


def _page(facade: Facade, space: Workspace, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = facade.call("GET", f"{space.rest}/staging/deployments?{query}").json()
    return answer


def test_changes_by_kubectl_and_rest_are_one_history(
    facade: Facade, workspace: Workspaces, operators: Operators
) -> None:
    operators.ensure()
    space = known(facade, workspace("staging"))
    deploy(facade, space, "checkout", "v1")
    space.set_release("staging.checkout", "v2")
    space.set_release("staging.checkout", "v1")

    def lines() -> list[tuple[str, str, str, bool]]:
        answer = facade.call("GET", f"{space.rest}/staging/deployments").json()
        return [
            (line["action"], line["release_id"], line["deployed_by"], line["recorded"])
            for line in answer["deployments"]
        ]

    eventually(
        lambda: (
            lines()
            == [("rollback", "v1", "admin", True), ("deploy", "v2", "admin", True), ("deploy", "v1", "alice", True)]
        )
    )


def test_state_at_an_earlier_moment(facade: Facade, workspace: Workspaces) -> None:
    space = known(facade, workspace("staging"))
    deploy(facade, space, "checkout", "v1")
    moment = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC).timestamp() > moment.timestamp() + 1.1)
    deploy(facade, space, "checkout", "v2")

    then = facade.call("GET", f"{space.rest}/staging?at={moment.strftime('%Y-%m-%dT%H:%M:%SZ')}").json()

    assert then["active_deployments"] == {"checkout": "v1"}
    early = facade.call("GET", f"{space.rest}/staging?at=2020-01-01T00:00:00Z")
    assert early.status == 422


def test_facade_asks_only_for_reviews_and_writes_nothing_itself(
    facade: Facade, workspace: Workspaces, cluster: LiveCluster, operators: Operators
) -> None:
    operators.ensure()
    space = known(facade, workspace("staging"))
    deploy(facade, space, "checkout", "v1")
    # A status that comes between would make the next write a second attempt, after a read.
    eventually(lambda: settled(space))
    mark = cluster.audit_mark()
    for _ in range(50):
        facade.call("GET", space.rest)
        facade.call("GET", f"{space.rest}/staging")
        facade.call("GET", f"{space.rest}/staging/deployments")
    deploy(facade, space, "checkout", "v2")

    events = eventually(lambda: cluster.audit_since(mark, user="alice", resource="deployments"))
    own = cluster.audit_since(mark, user=account("moorage-api"))

    assert [event.verb for event in events] == ["patch"]
    assert {(event.verb, event.resource) for event in own if event.verb != "watch"} <= {
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
        # Is the environment still there, after a deploy into it?
        ("get", "environments"),
        # Does an operator work?
        ("get", "leases"),
    }


def test_right_that_is_taken_away_is_gone_after_eleven_seconds(
    facade: Facade, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = known(facade, workspace("staging"))
    assert facade.call("GET", f"{space.rest}/staging", user="viewer").status == 200
    cluster.revoke(space.namespace, "viewer", "moorage-view")
    begun = time.monotonic()

    eventually(lambda: facade.call("GET", f"{space.rest}/staging", user="viewer").status == 403, 15)

    assert time.monotonic() - begun <= 10 + patience.scaled(1)


def test_token_for_another_audience_is_nobody(facade: Facade, cluster: LiveCluster, workspace: Workspaces) -> None:
    space = known(facade, workspace("staging"))
    right = cluster.service_account_token(space.namespace, "default")
    wrong = cluster.service_account_token(space.namespace, "default", audiences=["somebody-else"])

    assert facade.call("GET", space.rest, token=right).status == 403
    assert facade.call("GET", space.rest, token=wrong).status == 401


@pytest.mark.parametrize("user", ["élise"])
def test_user_with_a_name_that_is_not_ascii(
    facade: Facade, workspace: Workspaces, cluster: LiveCluster, user: str
) -> None:
    space = workspace("staging", members={user: "moorage-edit"})

    assert deploy(facade, space, "checkout", "v1", user=user).status == 200  # type: ignore[attr-defined]
    lines = facade.call("GET", f"{space.rest}/staging/deployments", user=user).json()

    assert lines["deployments"][0]["deployed_by"] == cluster.username(user)
