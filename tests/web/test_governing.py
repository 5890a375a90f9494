"""People at gates on the page, and what it says when something is down, in a real browser against the real stack."""

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster, Workspace, Workspaces
from governance import MEMBERS_WITH_RULES, Rules
from journeys import Journey
from oracles import settled
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_dev import page
from moorage_dev.processes import Service

_SOURCE = (page.WEB / "journeys/governing.mjs").read_text(encoding="utf-8")
JOURNEYS = re.findall(r'^  async "([^"]+)"', _SOURCE, re.MULTILINE)
AWAY = "hear that the cluster is away"
SILENT = "hear that nobody records before anything is changed"
#: These have a facade of their own.
ELSEWHERE = {AWAY, SILENT}
#: A folder for pictures of the dialogs, to look at them.
PICTURES = os.environ.get("MOORAGE_PICTURES", "")


@pytest.fixture
def shop(workspace: Workspaces, facade: Facade, operator: Service) -> Workspace:
    """In staging web-shop has moved on; production has what was there before."""
    made = workspace("staging", "production", members=MEMBERS_WITH_RULES)
    made.create_deployment("production", "web-shop", "2.3.0")
    for app, release in (("web-shop", "2.4.0"), ("search", "0.14.0")):
        made.create_deployment("staging", app, release)
    eventually(lambda: settled(made))
    return made


def _protected(shop: Workspace, facade: Facade) -> None:
    """Production takes what ran in staging and what one other person has approved."""
    rules = Rules(shop)
    rules.protect(promotion={"from": "staging"}, approvals={"required": 1})
    eventually(
        lambda: (
            "search" in ((shop.get("environments", "production") or {})["status"].get("gates") or {}).get("proven", {})
        )
    )
    eventually(
        lambda: "proven" in ((shop.get("deployments", "production.web-shop") or {})["status"].get("evidence") or {})
    )


def _full_of_apps(shop: Workspace, count: int) -> None:
    """Put `count` further apps into staging that production lacks."""
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(shop.create_deployment, "staging", f"many-{one:03}", "1") for one in range(count)]:
            done.result()
    eventually(lambda: settled(shop))


def _frozen(shop: Workspace, facade: Facade, opens: str) -> None:
    root = shop.rest.removesuffix("/environments")
    body = {
        "reason": "Quarter end",
        "environments": ["production"],
        "windows": [{"from": "2026-01-01T00:00:00Z", "until": opens}],
    }
    assert facade.call("PUT", f"{root}/freezes/audit", body=body).status == 200


@pytest.mark.parametrize("name", [name for name in JOURNEYS if name not in ELSEWHERE])
def test_journey(name: str, journey: Journey, shop: Workspace, facade: Facade, operators: Operators) -> None:
    opens = to_text(datetime.now(UTC) + timedelta(days=2))
    if "agreed" in name:
        _protected(shop, facade)
    if "cut" in name:
        _full_of_apps(shop, 201)
        _protected(shop, facade)
    if "freeze" in name:
        _frozen(shop, facade, opens)
    facts: Mapping[str, object] = {"opens": opens, "pictures": PICTURES}
    deeds: Mapping[str, Callable[[], object]] = {"stop the operator": operators.stop}
    journey(name, shop, facts, deeds)


def test_a_developer_gets_no_further_than_their_rights(
    journey: Journey, shop: Workspace, workspace: Workspaces
) -> None:
    others = workspace("staging", members={"alice": "moorage-edit"})
    others.create_deployment("staging", "secret-app", "6.6.0")
    journey("get no further than one's own rights", shop, {"elsewhere": {"org": others.org, "workspace": others.name}})


def test_the_page_says_when_the_cluster_is_away(
    journey: Journey, shop: Workspace, cluster: LiveCluster, facades: Facades, built_page: object
) -> None:
    """A facade of its own, whose way to the API server is cut for a while."""
    proxy = ApiServerProxy(cluster.endpoint)
    try:
        own = facades.start(proxy.settings(cluster))
        deeds: Mapping[str, Callable[[], object]] = {"cut the cluster off": proxy.cut, "mend it": proxy.mend}
        journey(AWAY, shop, {"url": own.service.url, "pictures": PICTURES}, deeds)
    finally:
        facades.clean()
        proxy.close()


def test_the_page_says_before_a_change_that_nobody_records(
    journey: Journey, shop: Workspace, facades: Facades, operators: Operators, built_page: object
) -> None:
    """A facade of its own, which does not wait for long."""
    own = facades.start({"MOORAGE_OPERATOR_SILENCE_SECONDS": "5"})
    deeds: Mapping[str, Callable[[], object]] = {"stop the operator": operators.stop, "start it": operators.ensure}
    journey(SILENT, shop, {"url": own.service.url, "pictures": PICTURES}, deeds)
