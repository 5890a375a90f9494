"""Who unlocked: what the operator writes down, by each door, and workspaces in which no unlock goes without a name."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import EDITOR, MEMBERS, NAMESPACE_ADMIN, OWNER, change, garbage_collector, lock, refused_by
from services import Facade, is_acting
from terminals import WAYS, Terminals, terminals
from waiting import eventually

from moorage_cli.people.model import Exit
from moorage_crds import names
from moorage_crds.moments import to_text
from moorage_dev import patience
from moorage_dev.processes import Service
from moorage_dev.rest_client import MERGE_PATCH

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")

PAST = "2000-01-01T00:00:00Z"


@pytest.fixture
def acting(operator: Service) -> Service:
    """An operator that writes down what is set from now on."""
    eventually(lambda: is_acting(operator), timeout=30)
    return operator


@pytest.fixture
def attributed(workspace: Workspaces) -> Workspace:
    return workspace("production", members=MEMBERS, labels={names.LABEL_ATTRIBUTED_DELETES: "true"})


def _lines(operator: Service, shop: Workspace) -> list[dict[str, Any]]:
    """What the operator has written about the locks of a workspace."""
    lines = map(json.loads, filter(None, operator.child.log.read_text().splitlines()))
    return [one for one in lines if one.get("rule") == names.LOCKS and one.get("namespace") == shop.namespace]


def _by_rest(shop: Workspace, facade: Facade) -> None:
    answer = facade.call("DELETE", f"{shop.rest}/production/lock", user=OWNER)
    assert answer.status == 200, answer.body


def _by_kubectl(shop: Workspace, _: Facade) -> None:
    wanted = {"spec": {"until": PAST, "reason": "the audit is over"}}
    answer = change(shop, "environmentlocks", "production", "merge patch", wanted, user=OWNER)
    assert answer.status == 200, answer.body
    assert _delete(shop, user=OWNER).status == 200


def _delete(shop: Workspace, *, user: str) -> Any:
    return shop.cluster.raw("DELETE", shop.path("environmentlocks", "production"), user=user)


@pytest.mark.parametrize("unlock", [_by_rest, _by_kubectl])
def test_log_and_rest_say_who_unlocked(
    attributed: Workspace, facade: Facade, acting: Service, unlock: Callable[[Workspace, Facade], None]
) -> None:
    """In force at once: the write that ends the lock opens the environment."""
    lock(attributed, "production", user=EDITOR)
    eventually(lambda: _lines(acting, attributed))

    unlock(attributed, facade)

    def gone() -> list[dict[str, Any]]:
        return [one for one in _lines(acting, attributed) if one["message"] == "rule gone"]

    eventually(gone)
    [line], username = gone(), attributed.cluster.username
    assert (line["by"], line["unlockedBy"]) == (username(OWNER), username(OWNER))

    def told() -> Any:
        answer = facade.call("GET", f"{attributed.rest}/production", user=EDITOR)
        return answer.json()["last_unlock"]

    said = eventually(told)
    assert (said["unlocked_by"], said["first_locked_by"]) == (username(OWNER), username(EDITOR))
    assert _lines(acting, attributed)[0]["by"] == username(EDITOR)


def test_the_command_unlocks_with_a_name_by_every_way(
    attributed: Workspace, acting: Service, terminal: Terminals
) -> None:
    for way in WAYS:
        lock(attributed, "production", user=OWNER)
        said = terminal(way, attributed, EDITOR)("unlock", "production")
        assert said[0] == Exit.DONE, said

    def named() -> list[str]:
        return [one["unlockedBy"] for one in _lines(acting, attributed) if one["message"] == "rule gone"]

    eventually(lambda: len(named()) == len(WAYS))
    assert all(name.endswith(EDITOR) for name in named()), named()


@pytest.mark.parametrize("who", [EDITOR, NAMESPACE_ADMIN, OWNER, "the collector"])
def test_no_lock_goes_without_a_name_where_deletes_are_attributed(
    attributed: Workspace, cluster: LiveCluster, who: str
) -> None:
    token = garbage_collector(cluster) if who == "the collector" else cluster.token(who)
    path = attributed.path("environmentlocks", "production")
    lock(attributed, "production", user=EDITOR)

    def refused() -> bool:
        answer = cluster.raw("DELETE", path, token=token)
        return refused_by(answer, names.POLICY_ATTRIBUTED_DELETES) and "unlock it first" in answer.json()["message"]

    assert refused()
    # An end that was ahead when it was written names nobody who has unlocked, even when it has come.
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1 + math.ceil(min(patience.scaled(1), 20)))
    body = {"spec": {"until": to_text(soon)}}
    assert cluster.raw("PATCH", path, user=EDITOR, body=body, content_type=MERGE_PATCH).status == 200
    assert refused()
    eventually(lambda: datetime.now(UTC) > soon + timedelta(seconds=1))
    assert refused()
    assert cluster.raw("DELETE", attributed.path("environmentlocks"), user=OWNER).status == 403
    ended = {"spec": {"until": PAST}}
    assert cluster.raw("PATCH", path, user=EDITOR, body=ended, content_type=MERGE_PATCH).status == 200
    assert cluster.raw("DELETE", path, token=token).status == 200


def test_elsewhere_a_lock_is_deleted_as_ever(workspace: Workspaces) -> None:
    shop = workspace("production", members=MEMBERS)
    lock(shop, "production", user=EDITOR)

    assert _delete(shop, user=OWNER).status == 200
