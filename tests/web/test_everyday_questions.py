"""Each everyday question has an answer on the page in one look, and by REST in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import Workspace, Workspaces
from journeys import Journey
from oracles import settled
from services import Facade
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_dev.layout import ROOT
from moorage_dev.processes import Service

OPENS = "2099-01-01T00:00:00Z"
LOCKED = f"environment production is locked by alice until {OPENS}: Quarter end"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, where the page answers it, and the call that does.

    Attributes:
        asked: as docs/everyday.md asks it.
        path: of the page, in the workspace.
        sees: texts; those of one tuple stand together, and nobody has to click or scroll to see them.
        call: method and path, in the workspace.
        told: what is read off the answer; it must be `answer`.
    """

    asked: str
    path: str
    sees: tuple[tuple[str, ...], ...]
    call: tuple[str, str]
    told: Callable[[Any], object]
    answer: object
    body: Mapping[str, object] | None = field(default=None)


QUESTIONS = (
    Question(
        "what runs in production?",
        "/env/production", (("web-shop", "2.3.0", "alice"), ("catalog", "3.1.4", "alice")),
        ("GET", "/environments/production"),
        lambda found: found["active_deployments"], {"web-shop": "2.3.0", "catalog": "3.1.4"},
    ),
    Question(
        "what changed in the last hour, and who did it?",
        "/history?since={hour}", (("web-shop", "2.3.0", "2.4.0", "bob", "New basket"),),
        ("GET", "/deployments?since={hour}&limit=1&app_id=web-shop"),
        lambda found: [(one["release_id"], one["deployed_by"][-3:], one["reason"]) for one in found["deployments"]],
        [("2.4.0", "bob", "New basket")],
    ),
    Question(
        "what ran in production yesterday at three?",
        "/env/production?at={before}", (("catalog", "3.1.3"), ("web-shop", "2.3.0")),
        ("GET", "/environments/production?at={before}"),
        lambda found: found["active_deployments"], {"web-shop": "2.3.0", "catalog": "3.1.3"},
    ),
    Question(
        "go back",
        "/env/staging/web-shop", (("Roll back …",), ("2.3.0", "2.4.0", "bob")),
        ("POST", "/environments/staging/deploy/web-shop/rollback?dry_run=true"),
        lambda found: found["release_id"], "2.3.0", {},
    ),
    Question(
        "undo that",
        "/env/staging/search", (("Roll back …",), ("rolled back", "0.15.0", "0.14.0")),
        ("POST", "/environments/staging/deploy/search/rollback?dry_run=true"),
        lambda found: found["release_id"], "0.15.0", {},
    ),
    Question(
        "what differs between staging and production?",
        "/compare?from=staging&to=production",
        (("web-shop", "2.4.0", "2.3.0", "1 change behind"), ("catalog", "3.1.4"), ("search", "0.14.0")),
        ("GET", "/compare?from=staging&to=production"),
        lambda found: [one["app_id"] for one in found["apps"] if one["distance"]["relation"] != "same"],
        ["catalog", "search", "web-shop"],
    ),
    Question(
        "which apps are behind?",
        "", (("web-shop", "2.4.0", "2.3.0", "↓1"),),
        ("GET", "/matrix?order=staging,production"),
        lambda found: [
            (column["slug"], app, cell["distance"]["changes"])
            for column in found["environments"]
            for app, cell in column["cells"].items()
            if (cell["distance"] or {}).get("relation") == "behind"
        ],
        [("production", "web-shop", 1)],
    ),
    Question(
        "why was it refused, and when is it open?",
        "/env/production", ((LOCKED, "opens"),),
        ("GET", "/environments/production/gates?app_id=web-shop&release_id=2.4.0"),
        lambda found: [(one["message"], one["opens_at"]) for one in found["gates"] if not one["allowed"]],
        [(LOCKED, OPENS)],
    ),
    Question(
        "who locked production, and why?",
        "/env/production", (("Locked by alice", "Quarter end"),),
        ("GET", "/environments/production"),
        lambda found: (found["lock"]["locked_by"][-5:], found["lock"]["reason"]), ("alice", "Quarter end"),
    ),
    Question(
        "who unlocked staging, and when?",
        "/env/staging", (("Unlocked by alice",),),
        ("GET", "/environments/staging"),
        lambda found: (found["last_unlock"]["unlocked_by"][-5:], found["last_unlock"]["first_locked_by"][-5:]),
        ("alice", "alice"),
    ),
    Question(
        "did my change arrive?",
        "/env/staging/web-shop/{line}", (("Recorded", "yes", "New basket"), ("2.3.0", "2.4.0")),
        ("GET", "/deployments?environment_id=staging&app_id=web-shop&limit=1"),
        lambda found: [(one["release_id"], one["recorded"]) for one in found["deployments"]], [("2.4.0", True)],
    ),
    Question(
        "does Moorage itself work?",
        "", (("3 apps", "every change is recorded"),),
        ("GET", "/matrix"),
        lambda found: {cell["recorded"] for one in found["environments"] for cell in one["cells"].values()}, {True},
    ),
)  # fmt: skip


def _deploy(facade: Facade, shop: Workspace, environment: str, app: str, release: str, *, user: str, why: str) -> str:
    body = {"app_id": app, "release_id": release, "reason": why}
    answer = facade.call("POST", f"{shop.rest}/{environment}/deploy", user=user, body=body)
    assert answer.status == 200, answer.body
    return str(answer.json()["deployment_id"])


def _is_recorded(facade: Facade, shop: Workspace) -> bool:
    environments = facade.call("GET", f"{shop.rest.removesuffix('/environments')}/matrix").json()["environments"]
    return all(cell["recorded"] for one in environments for cell in one["cells"].values())


@pytest.fixture
def facts(workspace: Workspaces, facade: Facade, operator: Service) -> Mapping[str, Any]:
    """A workspace in which all of that can be asked: `shop`, moments in it, and the `line` of one change."""
    shop = workspace("staging", "production")
    for app, release in (("web-shop", "2.3.0"), ("catalog", "3.1.3")):
        _deploy(facade, shop, "production", app, release, user="alice", why="Autumn")
    eventually(lambda: settled(shop))
    before = max(str(one["at"]) for one in shop.records())
    eventually(lambda: to_text(datetime.now(UTC)) > before)
    _deploy(facade, shop, "production", "catalog", "3.1.4", user="alice", why="Prices")
    for app, release in (("search", "0.14.0"), ("search", "0.15.0"), ("web-shop", "2.3.0")):
        _deploy(facade, shop, "staging", app, release, user="bob", why="Winter")
    line = _deploy(facade, shop, "staging", "web-shop", "2.4.0", user="bob", why="New basket")
    assert facade.call("POST", f"{shop.rest}/staging/deploy/search/rollback", user="bob", body={}).status == 200
    assert facade.call("PUT", f"{shop.rest}/staging/lock", body={"reason": "Stocktaking"}).status == 200
    assert facade.call("DELETE", f"{shop.rest}/staging/lock").status == 200
    lock = {"reason": "Quarter end", "until": OPENS}
    assert facade.call("PUT", f"{shop.rest}/production/lock", body=lock).status == 200
    eventually(lambda: settled(shop))
    eventually(lambda: "lastUnlock" in shop.get("environments", "staging")["status"])
    # The facade hears of the records a moment later.
    eventually(lambda: _is_recorded(facade, shop))
    hour = to_text(datetime.now(UTC) - timedelta(hours=1))
    return {"shop": shop, "before": before, "hour": hour, "line": line}


def test_each_has_one_look_at_the_page_and_one_call_by_rest(
    journey: Journey, facade: Facade, facts: Mapping[str, Any]
) -> None:
    root = facts["shop"].rest.removesuffix("/environments")
    told = {}
    for one in QUESTIONS:
        method, path = one.call
        answer = facade.call(method, root + path.format_map(facts), user="bob", body=one.body)
        assert answer.status == 200, (one.asked, answer.body)
        told[one.asked] = one.told(answer.json())
    assert told == {one.asked: one.answer for one in QUESTIONS}

    asked = [
        {"question": one.asked, "path": one.path.format_map(facts), "sees": [list(words) for words in one.sees]}
        for one in QUESTIONS
    ]
    journey("answer each everyday question in one look", facts["shop"], {"questions": asked})


def test_the_guide_asks_the_same() -> None:
    rows = (ROOT / "docs/everyday.md").read_text(encoding="utf-8").splitlines()
    documented = {row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| ")}
    assert {one.asked for one in QUESTIONS} - documented == set()
