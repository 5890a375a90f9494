"""People on the page, in a real browser, against the real stack."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from hostile import SCRIPTS
from journeys import Journey
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev import page
from moorage_dev.processes import Service

#: All hostile texts, several in each of these: what takes a text is filled with every one of them by few objects.
HOSTILE = [" ".join(SCRIPTS[number::6]) for number in range(6)]
#: Every day of the year.
EVER = [{"from": "01-01", "until": "12-31"}]

OF_STRANGERS = "run no script of a stranger"


def _journeys(file: str) -> list[str]:
    source = (page.WEB / "journeys" / file).read_text(encoding="utf-8")
    return re.findall(r'^  async "([^"]+)"', source, re.MULTILINE)


LOOKING, CHANGING = _journeys("looking.mjs"), _journeys("changing.mjs")


@pytest.fixture
def shop(workspace: Workspaces, facade: Facade, operator: Service) -> Workspace:
    """A workspace for one journey alone."""
    return _shop(workspace)


@pytest.fixture(scope="module")
def looked_at(
    cluster: LiveCluster, _operators: Operators, _begun_without_the_page: None, _facades: Facades
) -> Iterator[tuple[Workspace, str]]:
    """One workspace for all journeys that change nothing, and a moment before its last change."""
    _operators.ensure()
    _facades.ensure()
    made = Workspaces(cluster)
    shop = _shop(made)
    # A user with one workspace is led into it, and one with two may choose.
    made("staging")
    yield shop, _moved_on(shop)
    made.clean()


def _shop(workspace: Workspaces) -> Workspace:
    """A workspace with a history: in staging web-shop has moved on, catalog has not, and search is there alone."""
    made = workspace("staging", "production")
    made.create_deployment("production", "web-shop", "2.3.0")
    for app, release in (("web-shop", "2.3.0"), ("catalog", "3.1.4"), ("search", "0.14.0")):
        made.create_deployment("staging", app, release)
    made.create_deployment("production", "catalog", "3.1.4")
    return made


def _moved_on(shop: Workspace) -> str:
    """Give staging a newer web-shop, in a later second than everything else; the moment before."""
    [first] = eventually(lambda: shop.records("staging.web-shop"))
    before = str(first["at"])
    eventually(lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") > before)
    shop.set_release("staging.web-shop", "2.4.0")
    eventually(lambda: len(shop.records("staging.web-shop")) == 2)
    return before


@pytest.fixture
def cluster_freezes(shop: Workspace) -> Iterator[Callable[[str, str], None]]:
    """Makes freezes of the whole cluster that are about the shop alone, and only warn."""
    root, made = "/apis/moorage.dev/v1/clusterfreezes", []

    def make(name: str, reason: str) -> None:
        about = {"workspaces": [f"{shop.org}/{shop.name}"], "enforcement": "Warn", "yearly": EVER}
        spec = {"reason": reason, **about}
        body = {"apiVersion": "moorage.dev/v1", "kind": "ClusterFreeze", "metadata": {"name": name}, "spec": spec}
        made.append(name)
        answer = shop.cluster.raw("POST", root, body=body)
        assert answer.status == 201, answer.body

    yield make
    for name in made:
        shop.cluster.raw("DELETE", f"{root}/{name}")


def _full_of_scripts(facade: Facade, shop: Workspace) -> None:
    """Put the hostile texts into every field that takes a text, and let somebody write who is called like that."""
    root = shop.rest.removesuffix("/environments")
    for number, text in enumerate(SCRIPTS):
        body = {"app_id": "web-shop", "release_id": f"2.5.{number}", "reason": text}
        # Sixteen of them may be unrecorded; the answer to the next one says when to come again.
        eventually(lambda body=body: facade.call("POST", f"{shop.rest}/staging/deploy", body=body).status == 200)
    for number, text in enumerate(SCRIPTS):
        environment = {"name": text, "slug": f"odd-{number}", "description": HOSTILE[number % len(HOSTILE)]}
        assert facade.call("POST", shop.rest, body=environment).status == 201
    for number, text in enumerate(HOSTILE):
        assert facade.call("PUT", f"{shop.rest}/odd-{number}/lock", body={"reason": text}).status == 200
        freeze = {"reason": text, "environments": ["staging"], "enforcement": "Warn", "yearly": EVER}
        assert facade.call("PUT", f"{root}/freezes/odd-{number}", body=freeze).status == 200
        approval = {"app_id": "web-shop", "release_id": f"3.0.{number}", "decision": "Reject", "comment": text}
        assert facade.call("POST", f"{shop.rest}/staging/approvals", user="admin", body=approval).status == 201
        app = {"app_id": f"javascript-alert_{number}", "release_id": f"javascript:alert@{number}/x"}
        assert facade.call("POST", f"{shop.rest}/production/deploy", body=app).status == 200
        _written_by(text, shop, number)


def _written_by(name: str, shop: Workspace, number: int) -> None:
    """A change by somebody of that name: the administrator impersonates them."""
    people = {"Impersonate-User": name, "Impersonate-Group": "system:masters"}
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": f"odd-{number}.of-a-stranger"},
        "spec": {"environment": f"odd-{number}", "app": "of-a-stranger", "release": "1"},
    }
    path = shop.path("deployments")
    unlocked = shop.cluster.raw("DELETE", shop.path("environmentlocks", f"odd-{number}"))
    assert unlocked.status == 200, unlocked.body
    eventually(lambda: shop.cluster.raw("POST", path, headers=people, body=body).status in {201, 409})
    assert shop.cluster.raw("POST", shop.path("environmentlocks"), body=_lock(number, name)).status == 201


def _lock(number: int, reason: str) -> dict[str, object]:
    meta = {"name": f"odd-{number}"}
    return {"apiVersion": "moorage.dev/v1", "kind": "EnvironmentLock", "metadata": meta, "spec": {"reason": reason}}


@pytest.mark.parametrize("name", LOOKING)
def test_look(name: str, journey: Journey, operator: Service, looked_at: tuple[Workspace, str]) -> None:
    shop, before = looked_at
    journey(name, shop, {"before": before})


@pytest.mark.parametrize("name", [name for name in CHANGING if name != OF_STRANGERS])
def test_journey(name: str, journey: Journey, shop: Workspace) -> None:
    journey(name, shop, {"before": _moved_on(shop)})


def test_no_script_of_a_stranger_runs(
    journey: Journey, shop: Workspace, facade: Facade, cluster_freezes: Callable[[str, str], None]
) -> None:
    _moved_on(shop)
    _full_of_scripts(facade, shop)
    for number, text in enumerate(HOSTILE):
        cluster_freezes(f"odd-{number}", text)
    journey(OF_STRANGERS, shop, {"hostile": HOSTILE, "each": SCRIPTS})


def test_all_journeys_are_known() -> None:
    assert len(LOOKING) > 10
    assert OF_STRANGERS in CHANGING
    assert not set(LOOKING) & set(CHANGING)
