"""The plugin generator of Argo CD: its protocol, what can be asked for, and by whom."""

from typing import Any

import pytest
from facade_world import NAMESPACE, Reply, World

from moorage_crds import names

PLUGIN = "/api/v1/getparams.execute"
READER = [f"list {plural}" for plural in (names.ENVIRONMENTS, names.DEPLOYMENTS, names.RECORDS)]


async def ask(world: World, user: str = "root", **parameters: Any) -> Reply:
    # What Argo CD sends beside the parameters changes from version to version.
    body = {"applicationSetName": "moorage", "input": {"parameters": {**parameters, "more": 1}}, "later": {}}
    return await world.call("POST", PLUGIN, body, user=user)


async def sets(world: World, user: str = "root", **parameters: Any) -> list[dict[str, Any]]:
    reply = await ask(world, user, **parameters)
    assert reply.status == 200, reply.content
    assert set(reply.json) == {"output"}
    return list(reply.json["output"]["parameters"])


async def several() -> World:
    """web and api in staging of acme/shop, web in production; acme/bank beside it, with web in its only environment."""
    world = World()
    world.namespace("acme-bank", "acme", "bank")
    world.environment("staging", parameters={"cluster": "one"})
    world.environment("production")
    for environment, app in (("staging", "web"), ("staging", "api"), ("production", "web")):
        await world.deploy(app, f"{app}-1", environment=environment)
    raw = {"metadata": {"name": "live", "namespace": "acme-bank"}, "spec": {}}
    world.cluster.put(raw, names.ENVIRONMENTS)
    world.deliver()
    path = "/v1/orgs/acme/workspaces/bank/environments/live/deploy"
    assert (await world.call("POST", path, {"app_id": "web", "release_id": "web-9"}, user="root")).status == 200
    return world


def places(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["workspace"], one["environment"], one["app"]) for one in found]


BANK = ("bank", "live", "web")
API = ("shop", "staging", "api")
WEB = ("shop", "staging", "web")
LIVE = ("shop", "production", "web")


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({}, [BANK, LIVE, API, WEB]),
        ({"org": "acme"}, [BANK, LIVE, API, WEB]),
        ({"workspace": "shop"}, [LIVE, API, WEB]),
        ({"workspace": ["shop", "bank"], "environment": "staging"}, [API, WEB]),
        ({"app": ["web"]}, [BANK, LIVE, WEB]),
        ({"workspace": "shop", "environment": ["production", "staging"], "app": "web"}, [LIVE, WEB]),
    ],
)
async def test_a_selection_is_a_name_or_a_list_and_the_answer_is_sorted(
    parameters: dict[str, Any], wanted: list[tuple[str, str, str]]
) -> None:
    assert places(await sets(await several(), **parameters)) == wanted


async def test_a_set_is_what_flux_gets_without_its_id() -> None:
    world = await several()

    found = await sets(world, workspace="shop", environment="staging", app="api")
    flux = await world.call("GET", "/v1/orgs/acme/workspaces/shop/inputs?environment=staging&app=api")

    assert found == [{key: value for key, value in flux.json["inputs"][0].items() if key != "id"}]
    assert all(isinstance(value, str) for key, value in found[0].items() if key != "parameters")
    assert found[0]["parameters"] == {"cluster": "one"}


async def test_what_argo_cd_may_leave_out_may_be_left_out() -> None:
    world = await several()

    bodies: list[Any] = [{}, {"input": {}}, {"input": {"parameters": {}}}]
    replies = [await world.call("POST", PLUGIN, body, user="root") for body in bodies]

    assert [(reply.status, len(reply.json["output"]["parameters"])) for reply in replies] == [(200, 4)] * 3


async def test_the_same_state_has_the_same_bytes() -> None:
    world = await several()

    first = await ask(world, workspace="shop")
    again = await ask(world, workspace=["shop"])

    assert (first.content, first.headers["ETag"]) == (again.content, again.headers["ETag"])


@pytest.mark.parametrize(
    ("parameters", "kind", "what"),
    [
        ({"org": "nobody"}, "org", "nobody"),
        ({"workspace": "nothing"}, "workspace", "nothing"),
        ({"workspace": ["shop", "nothing"]}, "workspace", "nothing"),
        ({"environment": "nowhere"}, "environment", "nowhere"),
        ({"workspace": "bank", "environment": "staging"}, "environment", "staging"),
        ({"workspace": "bank", "app": "api"}, "app", "api"),
    ],
)
async def test_what_is_named_and_not_there_is_an_error(parameters: dict[str, Any], kind: str, what: str) -> None:
    reply = await ask(await several(), **parameters)

    assert (reply.status, reply.json["details"]) == (404, {"resource_type": kind, "resource_id": what})


@pytest.mark.parametrize("value", ["", [], [""], 7, [7], {"a": "b"}, "x" * 64])
async def test_a_value_that_selects_nothing_names_its_field(value: object) -> None:
    reply = await ask(await several(), environment=value)

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"][:4] == ["body", "input", "parameters", "environment"]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"workspace": "shop"}, 200),
        ({"workspace": "bank"}, 403),
        ({"workspace": ["shop", "bank"]}, 403),
        ({}, 403),
        # An outsider hears the same of what does not exist.
        ({"workspace": "nothing"}, 403),
        ({"workspace": ["shop", "nothing"]}, 403),
        ({"org": "nobody"}, 403),
    ],
)
async def test_every_workspace_that_is_asked_for_has_to_be_readable(parameters: dict[str, Any], status: int) -> None:
    world = await several()
    world.reviews.grant("argocd", *READER, namespace=NAMESPACE)

    assert (await ask(world, "argocd", **parameters)).status == status


@pytest.mark.parametrize("missing", READER)
async def test_every_right_is_needed(missing: str) -> None:
    world = await several()
    world.reviews.grant("argocd", *(right for right in READER if right != missing), namespace=NAMESPACE)

    reply = await ask(world, "argocd", workspace="shop")

    assert reply.status == 403
    assert f"{reply.json['details']['verb']} {reply.json['details']['resource']}" == missing


async def test_nobody_is_told_without_a_token() -> None:
    assert (await (await several()).call("POST", PLUGIN, {}, user=None)).status == 401


async def test_the_last_answer_is_remembered_for_each_selection() -> None:
    world = await several()
    assert len(await sets(world, workspace="shop")) == 3

    for app in ("web", "api"):
        world.cluster.remove(names.DEPLOYMENTS, NAMESPACE, f"staging.{app}")
    world.deliver()

    refused = await ask(world, workspace="shop")
    assert (refused.status, "2 of 3" in refused.json["message"]) == (503, True)
    assert places(await sets(world, workspace="bank")) == [BANK]


async def test_rights_are_reviewed_once_in_ten_seconds_and_no_longer() -> None:
    world = await several()
    for namespace in (NAMESPACE, "acme-bank"):
        world.reviews.grant("argocd", *READER, namespace=namespace)
    assert len(await sets(world, "argocd", workspace=["shop", "bank"])) == 4
    asked = len(world.reviews.asked)
    assert len(await sets(world, "argocd", workspace=["shop", "bank"])) == 4
    assert len(world.reviews.asked) == asked

    world.reviews.rights.discard(("argocd", "list", names.RECORDS, "acme-bank"))
    world.clock.advance(10)

    assert (await ask(world, "argocd", workspace=["shop", "bank"])).status == 403
    assert len(await sets(world, "argocd", workspace="shop")) == 3


async def test_a_workspace_that_comes_or_goes_is_in_the_next_answer() -> None:
    world = await several()
    assert places(await sets(world, org="acme")) == [BANK, LIVE, API, WEB]

    world.namespace("acme-bank", "other", "bank")
    world.deliver()
    assert places(await sets(world, org="acme")) == [LIVE, API, WEB]

    world.namespace("acme-bank", "acme", "bank")
    world.deliver()
    assert places(await sets(world, org="acme")) == [BANK, LIVE, API, WEB]
