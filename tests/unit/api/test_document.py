"""The OpenAPI document: fresh, valid, and one with routes, models and examples."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from facade_world import World
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from moorage_api.app import document_text
from moorage_api.contract import replies
from moorage_api.document import examples, openapi
from moorage_api.operation import Operation

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    return [one for one in World().operations if one.documented]


@pytest.fixture(scope="module")
def document(operations: list[Operation]) -> dict[str, Any]:
    return dict(json.loads(openapi.document(operations)))


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the components means."""
    found: Any = part
    while "$ref" in found:
        name = found["$ref"]
        found = document
        for key in name.removeprefix("#/").split("/"):
            found = found[key]
    return dict(found)


def described(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, spec) for path, methods in document["paths"].items() for method, spec in methods.items()]


def check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    wanted = {"$schema": Draft202012Validator.META_SCHEMA["$id"], **schema, "components": document["components"]}
    Draft202012Validator(wanted).validate(value)


def test_committed_document_is_fresh() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_bytes()

    assert committed == document_text().encode(), "run `make generate`"


def test_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_and_nothing_else(operations: list[Operation], document: dict[str, Any]) -> None:
    assert {(path, method.upper()) for path, method, _ in described(document)} == {
        (operation.path, operation.method) for operation in operations
    }


def test_every_operation_says_what_it_needs_and_what_it_answers(
    operations: list[Operation], document: dict[str, Any]
) -> None:
    for operation in operations:
        spec = document["paths"][operation.path][operation.method.lower()]
        wanted = {str(operation.success[0]), *map(str, openapi.statuses(operation))}
        assert set(spec["responses"]) == wanted
        assert ("requestBody" in spec) == (operation.body is not None)
        given = [resolved(document, one) for one in spec["parameters"]]
        parameters = {(one["in"], one["name"]) for one in given}
        if operation.query is not None:
            assert {("query", one.alias or name) for name, one in operation.query.model_fields.items()} <= parameters
        assert {("path", name) for name in re.findall(r"{(\w+)}", operation.path)} <= parameters
        if operation.permission is not None:
            assert spec["x-required-permission"] == operation.permission.name
        if not operation.public:
            assert {"401", "403", "404", "422", "500", "503"} <= wanted


def test_every_example_validates(document: dict[str, Any]) -> None:
    checked = 0
    for _, _, spec in described(document):
        contents = [resolved(document, response).get("content", {}) for response in spec["responses"].values()]
        contents.append(spec.get("requestBody", {}).get("content", {}))
        for content in contents:
            media = content.get("application/json", {})
            if "example" in media:
                check(document, media["schema"], media["example"])
                checked += 1
    assert checked > 100


def test_examples_of_bodies_are_taken_by_their_models(operations: list[Operation]) -> None:
    for operation in operations:
        if operation.body is not None:
            operation.body.model_validate(examples.REQUESTS[operation.name])


async def test_real_answers_fit_their_models() -> None:
    world = World()
    base = "/v1/orgs/acme/workspaces/shop/environments"
    answers = {
        replies.EnvironmentCreated: await world.call("POST", base, {"name": "S", "slug": "s"}),
        replies.Deployed: await world.deploy("a", "v1", environment="s"),
        replies.EnvironmentLocked: await world.call("PUT", f"{base}/s/lock", {"reason": "x"}),
        replies.EnvironmentUnlocked: await world.call("DELETE", f"{base}/s/lock"),
        replies.EnvironmentList: await world.call("GET", base),
        replies.EnvironmentReply: await world.call("GET", f"{base}/s"),
        replies.HistoryPage: await world.call("GET", f"{base}/s/deployments"),
        replies.EnvironmentUpdated: await world.call("PUT", f"{base}/s", {"name": "T"}),
        replies.Undeployed: await world.call("DELETE", f"{base}/s/deploy/a"),
        replies.RolledBack: await world.call("POST", f"{base}/s/deploy/a/rollback", {}),
        replies.ErrorReply: await world.call("GET", f"{base}/nowhere"),
        replies.ValidationReply: await world.call("POST", base, {}),
        replies.HealthReply: await world.call("GET", "/healthz", user=None),
        replies.VersionReply: await world.call("GET", "/version", user=None),
    }
    for model, reply in answers.items():
        known = set(model.model_validate(reply.json).model_dump())
        # What only some requests ask for has a default; everything else is always there.
        always = {name for name, one in model.model_fields.items() if one.is_required()}
        assert always <= set(reply.json) <= known, model


async def test_page_needs_nothing_from_elsewhere() -> None:
    reply = await World().call("GET", "/docs", user=None)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"//" not in reply.content.replace(b"<!doctype", b"").split(b"<script>")[0]
    assert b"http" not in reply.content
