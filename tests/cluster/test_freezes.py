"""Freezes with no operator: what the API server refuses, to the second, and what the engine says of it."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import random_calendars
from cluster import LiveCluster, Workspace, Workspaces
from identities import DEPLOYER, EDITOR, MEMBERS, VIEWER, WAYS, Object, change, refused_by
from oracles import settled
from services import Facade, Operators
from waiting import eventually

from moorage_crds.gates.calendar import DAYS
from moorage_crds.kinds import cluster_freeze, freeze
from moorage_crds.moments import to_text
from moorage_crds.names import binding_name
from moorage_dev import patience
from moorage_dev.rest_client import MERGE_PATCH, Answer

NAME = "production.web"
POLICY = "freezes.moorage.dev"
CLUSTER_POLICY = "clusterfreezes.moorage.dev"
CLUSTER_PATH = "/apis/moorage.dev/v1/clusterfreezes"
ALWAYS = {"weekly": [{"days": list(DAYS), "from": "00:00", "until": "24:00"}]}


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """A workspace with a binding of which everything is recorded, and an operator that is down."""
    made = Workspaces(cluster)
    shop = made("production", "staging", members=MEMBERS)
    _operators.ensure()
    shop.create_deployment("production", "web", "v1")
    eventually(lambda: settled(shop))
    _operators.stop()
    yield shop
    made.clean()


@pytest.fixture
def freezes(shop: Workspace) -> Iterator["Freezes"]:
    made = Freezes(shop)
    yield made
    made.clean()


class Freezes:
    """Makes Freezes, and waits until the API server acts on what was made or removed."""

    def __init__(self, shop: Workspace) -> None:
        self._shop = shop
        self._raw = shop.cluster.raw
        self._paths: list[str] = []

    def put(self, name: str, spec: Object, *, user: str = EDITOR) -> Answer:
        """Create a Freeze, or replace its spec."""
        path = self._shop.path("freezes")
        body = _freeze("Freeze", name, spec)
        stored = self._raw("GET", f"{path}/{name}")
        if stored.status == 200:
            body["metadata"] = stored.json()["metadata"]
            answer = self._raw("PUT", f"{path}/{name}", user=user, body=body)
        else:
            answer = self._raw("POST", path, user=user, body=body)
        self._paths.append(f"{path}/{name}")
        return answer

    def put_everywhere(self, name: str, spec: Object) -> Answer:
        """Create a ClusterFreeze."""
        body = _freeze("ClusterFreeze", name, spec)
        answer = self._raw("POST", CLUSTER_PATH, body=body)
        self._paths.append(f"{CLUSTER_PATH}/{name}")
        return answer

    def will_clean(self, name: str) -> None:
        """Somebody else makes it."""
        self._paths.append(self._shop.path("freezes", name))

    def clean(self) -> None:
        for path in self._paths:
            self._raw("DELETE", path)
        eventually(lambda: dry_run(self._shop, "probe").status == 201)


def _freeze(kind: str, name: str, spec: Object) -> Object:
    spec = {"reason": "quiet", **spec}
    return {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def dry_run(shop: Workspace, app: str, *, environment: str = "production") -> Answer:
    """Whether the first release of an app would pass; nothing is stored."""
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": binding_name(environment, app)},
        "spec": {"environment": environment, "app": app, "release": "v1"},
    }
    return shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", user=DEPLOYER, body=body)


def closed(shop: Workspace, freezes: Freezes, **spec: Any) -> None:
    """A Freeze that is always closed is in force."""
    assert freezes.put("always", {**ALWAYS, **spec}).status in {200, 201}
    eventually(lambda: refused_by(dry_run(shop, "probe"), POLICY))


@pytest.mark.parametrize("way", WAYS)
def test_a_closed_freeze_refuses_every_way_of_writing_a_release(shop: Workspace, freezes: Freezes, way: str) -> None:
    closed(shop, freezes)

    answer = change(shop, "deployments", NAME, way, {"spec": {"release": "v2"}}, user=DEPLOYER)

    assert refused_by(answer, POLICY), answer.body
    message = answer.json()["message"]
    assert message.endswith(f"is frozen by freeze/always: quiet; window {', '.join(DAYS)} 00:00 until 24:00 UTC")


def test_a_write_that_leaves_no_time_is_inside_every_window(shop: Workspace, freezes: Freezes) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    window = {"from": to_text(tomorrow), "until": to_text(tomorrow + timedelta(days=1))}
    assert freezes.put("tomorrow", {"windows": [window]}).status == 201

    def refused(query: str = "") -> bool:
        path, body = shop.path("deployments", NAME) + query, {"spec": {"release": None}}
        answer = shop.cluster.raw("PATCH", path, user=DEPLOYER, body=body, content_type=MERGE_PATCH)
        return refused_by(answer, POLICY) and "send spec.change in the same write" in answer.json()["message"]

    # By dry run: a real write that came before the Freeze was in force would leave nothing to refuse.
    eventually(lambda: refused("?dryRun=All"))
    assert refused()


def test_a_release_cannot_be_deleted_where_a_freeze_applies(shop: Workspace, freezes: Freezes) -> None:
    closed(shop, freezes)

    answer = shop.cluster.raw("DELETE", shop.path("deployments", NAME), user=EDITOR)

    assert refused_by(answer, POLICY)
    assert "undeploy it first" in answer.json()["message"]


def test_a_freeze_is_about_the_environments_and_apps_that_it_names(shop: Workspace, freezes: Freezes) -> None:
    closed(shop, freezes, environments=["production"], apps=["probe", "billing"])

    assert dry_run(shop, "web-2").status == 201
    assert dry_run(shop, "billing", environment="staging").status == 201
    assert refused_by(dry_run(shop, "billing"), POLICY)


@pytest.mark.parametrize("named", ["web-shop", "Web_Shop"])
def test_another_spelling_of_an_app_passes_no_freeze(shop: Workspace, freezes: Freezes, named: str) -> None:
    """The binding has the same name, and workloads follow that."""
    closed(shop, freezes, apps=["probe", named])

    answers = [dry_run(shop, app) for app in ("web-shop", "web_shop", "Web-Shop", "WEB_SHOP")]

    assert all(refused_by(one, POLICY) for one in answers), [one.body for one in answers]
    assert dry_run(shop, "webshop").status == 201


def test_labels_may_change_in_a_freeze(shop: Workspace, freezes: Freezes) -> None:
    closed(shop, freezes)

    answer = change(shop, "deployments", NAME, "merge patch", {"metadata": {"labels": {"team": "a"}}}, user=DEPLOYER)

    assert answer.status == 200


def test_a_release_that_was_here_before_passes_where_rollbacks_may(shop: Workspace, freezes: Freezes) -> None:
    shop.create_deployment("production", "rolled", "v1")
    shop.set_release("production.rolled", "v2")
    closed(shop, freezes, allowRollback=True)

    unknown = change(
        shop, "deployments", "production.rolled", "merge patch", {"spec": {"release": "v3"}}, user=DEPLOYER
    )
    known = change(shop, "deployments", "production.rolled", "merge patch", {"spec": {"release": "v1"}}, user=DEPLOYER)

    assert (unknown.status, known.status) == (403, 200)


def test_the_word_rollback_alone_passes_no_freeze(shop: Workspace, freezes: Freezes) -> None:
    closed(shop, freezes, allowRollback=True)
    claimed = {"spec": {"release": "v9", "change": {"reason": "please", "action": "rollback"}}}

    answer = change(shop, "deployments", NAME, "merge patch", claimed, user=DEPLOYER)

    assert refused_by(answer, POLICY)


def test_a_freeze_that_only_warns_lets_changes_pass_with_a_warning(shop: Workspace, freezes: Freezes) -> None:
    assert freezes.put("trial", {**ALWAYS, "enforcement": "Warn"}).status == 201

    warning = eventually(lambda: dry_run(shop, "probe").headers.get("warning"))

    assert "frozen by freeze/trial" in warning
    assert dry_run(shop, "probe").status == 201


def test_the_label_that_chooses_the_binding_follows_the_spec(shop: Workspace, freezes: Freezes) -> None:
    closed(shop, freezes)
    forged = {"metadata": {"labels": {"moorage.dev/enforcement": "warn"}}}

    # Put back, the write sets nothing: refused for that, or none at all within the second of the one before.
    change(shop, "freezes", "always", "merge patch", forged, user=EDITOR)

    stored = shop.get("freezes", "always")
    assert stored is not None
    assert stored["metadata"]["labels"]["moorage.dev/enforcement"] == "deny"


@pytest.mark.parametrize("user", [DEPLOYER, VIEWER])
def test_a_deployer_cannot_touch_a_freeze(shop: Workspace, freezes: Freezes, user: str) -> None:
    closed(shop, freezes)

    answers = [
        freezes.put("mine", ALWAYS, user=user),
        change(shop, "freezes", "always", "merge patch", {"spec": {"enforcement": "Warn"}}, user=user),
        shop.cluster.raw("DELETE", shop.path("freezes", "always"), user=user),
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]


def test_a_cluster_freeze_is_about_the_workspaces_that_it_names(
    shop: Workspace, workspace: Workspaces, freezes: Freezes
) -> None:
    other = workspace("production", members=MEMBERS)
    named = f"{shop.org}/{shop.name}"

    assert freezes.put_everywhere("named", {**ALWAYS, "workspaces": [named]}).status == 201

    eventually(lambda: refused_by(dry_run(shop, "probe"), CLUSTER_POLICY), 60)
    assert dry_run(other, "probe").status == 201


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "at least one of windows, weekly and yearly"),
        ({"weekly": [{"days": ["Mon"], "from": "10:00", "until": "10:00"}]}, "spec.weekly[0].until"),
        ({"weekly": [{"days": [], "from": "10:00", "until": "11:00"}]}, "spec.weekly[0].days"),
        ({"weekly": [{"days": ["Mon"], "from": "24:00", "until": "11:00"}]}, "spec.weekly[0].from"),
        ({"yearly": [{"from": "12-24", "until": "12-24"}]}, "spec.yearly[0].until"),
        ({"yearly": [{"from": "13-01", "until": "12-24"}]}, "spec.yearly[0].from"),
        ({"windows": [{"from": "2026-06-02T00:00:00Z", "until": "2026-06-01T00:00:00Z"}]}, "spec.windows[0].until"),
        ({"windows": [{"from": "2026-02-30T00:00:00Z", "until": "2026-06-01T00:00:00Z"}]}, "spec.windows[0].from"),
        ({"windows": [{"from": "0000-01-01T00:00:00Z", "until": "2026-06-01T00:00:00Z"}]}, "spec.windows[0].from"),
        (
            {"windows": [{"from": "2026-06-01T00:00:00Z", "until": "9999-12-31T23:59:59-23:59"}]},
            "spec.windows[0].until",
        ),
        ({**ALWAYS, "timeZone": "Mars/Olympus"}, "spec.timeZone"),
        ({**ALWAYS, "timeZone": "Local"}, "spec.timeZone"),
        ({**ALWAYS, "reason": ""}, "spec.reason"),
    ],
)
def test_a_freeze_that_means_nothing_is_refused_with_its_field(freezes: Freezes, spec: Object, field: str) -> None:
    answer = freezes.put("odd", spec)

    assert answer.status == 422
    assert field in answer.json()["message"]


def test_a_window_closes_and_opens_at_its_second(shop: Workspace, freezes: Freezes) -> None:
    """Each write lies between two looks at the clock: where both are on one side of an edge, the verdict is known."""
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=math.ceil(min(patience.scaled(3), 20)))
    ends = begins + timedelta(seconds=3)
    assert freezes.put("short", {"windows": [{"from": to_text(begins), "until": to_text(ends)}]}).status == 201
    _wait_until_seen(shop, freezes, "flag")
    verdicts: list[tuple[bool, bool]] = []

    def passed_the_end() -> bool:
        before = datetime.now(UTC)
        answer = dry_run(shop, f"app-{len(verdicts)}")
        after = datetime.now(UTC)
        assert answer.status in {201, 403}, answer.body
        if answer.status == 403:
            assert f"; window {to_text(begins)} until {to_text(ends)}" in answer.json()["message"]
        inside = [begins <= moment < ends for moment in (before, after)]
        if inside[0] is inside[1]:
            verdicts.append((inside[0], answer.status == 403))
        return before > ends + timedelta(seconds=1)

    eventually(passed_the_end, 60, interval=0.01)

    assert {inside for inside, _ in verdicts} == {True, False}
    assert [pair for pair in verdicts if pair[0] is not pair[1]] == []


def test_the_engine_says_what_the_api_server_decides(shop: Workspace, freezes: Freezes, figures: Any) -> None:
    """Random calendars with edges near the present minute, in six zones; the API server is asked by dry run."""
    chance = random.Random(20261130)  # noqa: S311 — a repeatable choice, no secret
    compared = refused = 0
    while compared < 60:
        spec = random_calendars.spec(chance, datetime.now(UTC))
        stored = freezes.put("random", spec)
        assert stored.status in {200, 201}, stored.body
        engine = freeze.from_object(stored.json()).gate
        _wait_until_seen(shop, freezes, f"flag-{compared}")
        before = datetime.now(UTC)
        answer = dry_run(shop, "compared")
        if engine.calendar.is_closed(before) is not engine.calendar.is_closed(datetime.now(UTC)):
            continue
        assert (answer.status == 403) is engine.calendar.is_closed(before), (spec, before, answer.body)
        if answer.status == 403:
            assert ("; window " in answer.json()["message"]) is (spec["mode"] == "Closed"), answer.body
        compared, refused = compared + 1, refused + (answer.status == 403)
    figures(f"{compared} random calendars, {refused} closed, 0 verdicts differ")


def _wait_until_seen(shop: Workspace, freezes: Freezes, flag: str) -> None:
    """Parameters reach the policy in the order of their versions: where a later one is in force, earlier ones are."""
    assert freezes.put(flag, {**ALWAYS, "environments": ["staging"]}).status == 201
    eventually(lambda: refused_by(dry_run(shop, "flag", environment="staging"), POLICY))
    assert shop.cluster.raw("DELETE", shop.path("freezes", flag)).status == 200
    eventually(lambda: dry_run(shop, "flag", environment="staging").status == 201)


def test_a_cluster_freeze_is_read_as_a_freeze_with_workspaces(freezes: Freezes) -> None:
    stored = freezes.put_everywhere("elsewhere", {**ALWAYS, "workspaces": ["acme/nowhere"]})

    view = cluster_freeze.from_object(stored.json())

    assert (view.gate.gate, view.workspaces) == ("clusterfreeze/elsewhere", frozenset({"acme/nowhere"}))


def test_rest_says_which_freeze_refuses_and_when_it_opens(shop: Workspace, freezes: Freezes, facade: Facade) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    window = {"from": "2026-01-01T00:00:00Z", "until": to_text(ends)}
    assert freezes.put("audit", {"windows": [window], "environments": ["production"]}).status == 201
    path = f"{shop.rest}/production/deploy?dry_run=true"

    def refusal() -> Answer | None:
        answer = facade.call("POST", path, user=DEPLOYER, body={"app_id": "rest", "release_id": "v1"})
        details = answer.json()["details"] if answer.status == 409 else {}
        # One of the test before may still be going.
        return answer if details.get("freezes") == ["freeze/audit"] else None

    answer = eventually(refusal)

    assert answer is not None
    details = answer.json()["details"]
    assert (details["reason"], details["freeze"], details["freezes"], details["opens_at"]) == (
        "EnvironmentFrozen",
        "freeze/audit",
        ["freeze/audit"],
        to_text(ends),
    )
    assert [gate["message"] for gate in details["gates"]] == ["environment production is frozen by freeze/audit: quiet"]


def test_rest_writes_freezes_as_kubectl_does(shop: Workspace, freezes: Freezes, facade: Facade) -> None:
    """Made by REST, in force for kubectl; what a Freeze may not say is refused in the same words, with the field."""
    path = f"{shop.rest.removesuffix('/environments')}/freezes"
    always = {**ALWAYS, "reason": "audit", "environments": ["production"]}
    freezes.will_clean("by-rest")

    made = facade.call("PUT", f"{path}/by-rest", user=EDITOR, body=always)
    eventually(lambda: refused_by(dry_run(shop, "probe"), POLICY))

    def gates() -> list[str]:
        answer = facade.call("GET", f"{shop.rest}/production/gates?app_id=web", user=DEPLOYER).json()
        return [gate["gate"] for gate in answer["gates"] if not answer["allowed"]]

    # A Freeze of the test before may still be going.
    eventually(lambda: gates() == ["freeze/by-rest"])
    odd = facade.call("PUT", f"{path}/odd", user=EDITOR, body={**always, "time_zone": "Mars/Olympus"})
    empty = facade.call("PUT", f"{path}/odd", user=EDITOR, body={"reason": "audit"})
    not_mine = facade.call("PUT", f"{path}/odd", user=DEPLOYER, body=always)
    deleted = facade.call("DELETE", f"{path}/by-rest", user=EDITOR)

    assert (made.status, made.json()["freeze"]["created_by"], made.json()["freeze"]["closed"]) == (200, EDITOR, True)
    assert (odd.status, odd.json()["detail"][0]["loc"]) == (422, ["body", "time_zone"])
    assert (empty.status, "at least one of windows" in empty.json()["detail"][0]["msg"]) == (422, True)
    assert (not_mine.status, deleted.status) == (403, 200)
    eventually(lambda: dry_run(shop, "probe").status == 201)
