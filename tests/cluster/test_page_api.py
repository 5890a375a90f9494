"""The needs of the page, on a real cluster: a login of its own, and events that resume at another replica."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from cluster import LiveCluster, Workspace, Workspaces
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_client.events import Event, Parser
from moorage_crds.moments import to_moment
from moorage_dev import patience

pytestmark = pytest.mark.cluster
OWN = {"Sec-Fetch-Site": "same-origin"}


@contextmanager
def events_of(facade: Facade, space: Workspace, *, user: str = "alice", last: str = "") -> Iterator[Iterator[Event]]:
    """The events of a workspace, as they come."""
    headers = {"Authorization": f"Bearer {facade.cluster.token(user)}", **({"Last-Event-ID": last} if last else {})}
    path = space.rest.removesuffix("/environments") + "/events"
    timeout = patience.scaled(30)
    with httpx.stream("GET", facade.service.url + path, headers=headers, timeout=timeout) as response:
        assert response.status_code == 200
        parser = Parser()
        yield (event for line in response.iter_lines() if (event := parser.feed(line)) is not None)


def until(events: Iterator[Event], name: str) -> tuple[dict[str, Any], str]:
    """The data of the next event of that name, and the last id so far."""
    last = ""
    for event in events:
        last = event.id or last
        if event.name == name:
            return json.loads(event.data), last
    pytest.fail(f"the stream ended before {name}")


def test_events_go_on_at_another_replica(facades: Facades, workspace: Workspaces) -> None:
    space = workspace("staging")
    first, second = facades.ensure(), facades.start()
    deploy = f"{space.rest}/staging/deploy"
    with events_of(first, space) as events:
        until(events, "hello")
        assert first.call("POST", deploy, body={"app_id": "web", "release_id": "v0"}).status == 200
        change, last = until(events, "change")
        assert change["release_id"] == "v0"
    for number in range(1, 6):
        assert first.call("POST", deploy, body={"app_id": "web", "release_id": f"v{number}"}).status == 200
    seen: set[str] = set()
    with events_of(second, space, last=last) as events:
        while not {f"v{number}" for number in range(1, 6)} <= seen:
            seen.add(until(events, "change")[0]["release_id"])


def test_a_stream_ends_when_the_rights_are_taken_away(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces
) -> None:
    space = workspace("staging", members={"bob": "moorage-view"})
    with events_of(facade, space, user="bob") as events:
        until(events, "hello")
        cluster.revoke(space.namespace, "bob", "moorage-view")
        assert until(events, "end")[0] == {"reason": "Forbidden"}


def test_a_login_is_good_for_its_page_alone(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    token = facade.cluster.token("alice")
    with httpx.Client(base_url=facade.service.url, headers=OWN, timeout=patience.scaled(30)) as page:
        entered = page.post("/session", json={"token": token})
        cookies = entered.headers.get_list("set-cookie")
        body = {"app_id": "web", "release_id": "v1"}
        elsewhere = page.post(f"{space.rest}/staging/deploy", json=body, headers={"Sec-Fetch-Site": "same-site"})
        here = page.post(f"{space.rest}/staging/deploy", json=body)
        line = page.get(f"{space.rest}/staging/deployments").json()["deployments"][0]
        left = page.delete("/session")
        after = page.get(space.rest)

    assert entered.status_code == 200
    assert all("HttpOnly" in one and "SameSite=Strict" in one for one in cookies)
    assert not any(token in one for one in cookies)
    assert (elsewhere.status_code, here.status_code) == (401, 200)
    assert line["deployed_by"] == entered.json()["username"]
    assert (left.status_code, after.status_code) == (200, 401)
    log = facade.service.child.log.read_text()
    assert token not in log
    assert not any(one.partition(";")[0].partition("=")[2] in log for one in cookies)


def test_answers_say_that_no_operator_works(facades: Facades, workspace: Workspaces, operators: Operators) -> None:
    space = workspace("staging")
    operators.ensure()
    own = facades.start({"MOORAGE_OPERATOR_SILENCE_SECONDS": "5"})

    def stopped_at() -> str | None:
        return own.call("GET", space.rest).headers.get("x-recording-stopped-at")

    operators.stop()
    said = eventually(stopped_at, 30)
    operators.ensure()
    eventually(lambda: stopped_at() is None, 60)

    assert to_moment(said) is not None
