"""The document as generators of clients need it: requests closed, answers open, nothing twice, everything described."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from facade_world import World
from jsonschema import Draft202012Validator

from moorage_api.contract import errors
from moorage_api.document import openapi, shape

Json = dict[str, Any]
BASE = "/v1/orgs/acme/workspaces/shop/environments"


@pytest.fixture(scope="module")
def document() -> Json:
    return dict(json.loads(openapi.document(World().operations)))


def operations(document: Json) -> list[Json]:
    return [spec for methods in document["paths"].values() for spec in methods.values()]


def parts(value: Any) -> Iterator[Json]:
    """Every object inside, the outermost first."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from parts(one)


def test_no_field_has_a_default_and_the_description_says_it(document: Json) -> None:
    """Generators take a field with a default for one that is always there (openapi-typescript #2489)."""
    assert [one for one in parts(document["components"]["schemas"]) if "default" in one] == []
    freeze = document["components"]["schemas"]["FreezeRequest"]["properties"]
    assert freeze["mode"]["description"].endswith('Default: "Closed".')
    assert freeze["allow_rollback"]["description"] == "Default: false."


def test_a_field_may_be_called_default() -> None:
    made = {"properties": {"default": {"type": "string", "default": "a"}}}
    assert shape._without_defaults(made) == {
        "properties": {"default": {"type": "string", "description": 'Default: "a".'}}
    }


def test_requests_are_closed_and_answers_are_open(document: Json) -> None:
    closed = shape.requested(document)
    assert {"DeployRequest", "RollbackRequest", "EnvironmentUpdate"} <= closed
    # The request of Argo CD is Argo CD's: what a newer version sends beside it passes.
    closed -= {name for name in closed if name.startswith("Plugin")}
    for name, schema in document["components"]["schemas"].items():
        inside = [one.get("additionalProperties") for one in parts(schema) if "properties" in one]
        assert all(one is False for one in inside) if name in closed else False not in inside, name


def test_words_of_answers_may_grow_and_stay_words_of_the_type(document: Json) -> None:
    closed = shape.requested(document)
    schemas = {name: one for name, one in document["components"]["schemas"].items() if name not in closed}
    lone = [one for one in parts(schemas) if "const" in one or ("enum" in one and one not in _choices(schemas))]
    assert lone == []
    action = schemas["HistoryLine"]["properties"]["action"]
    Draft202012Validator(action).validate("a word of tomorrow")
    assert {"deploy", "undeploy", "rollback", "adopt", "import"} == set(action["anyOf"][0]["enum"])


def _choices(schemas: Json) -> list[Json]:
    """Members of a choice that has plain text beside them."""
    choices = [one["anyOf"] for one in parts(schemas) if {"type": "string"} in one.get("anyOf", ())]
    return [member for choice in choices for member in choice]


def test_an_answer_with_a_further_field_fits_its_schema(document: Json) -> None:
    for spec in operations(document):
        for status, response in spec["responses"].items():
            media = response.get("content", {}).get("application/json", {})
            if status.startswith("2") and isinstance(media.get("example"), dict):
                schema = {**media["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate({**media["example"], "of_tomorrow": {"a": 1}})


@pytest.mark.parametrize("name", ["created_at", "updated_at", "locked_at", "deployed_at"])
def test_moments_are_moments(document: Json, name: str) -> None:
    closed = shape.requested(document)
    found = [
        field
        for schema, one in document["components"]["schemas"].items()
        if schema not in closed
        for key, field in one.get("properties", {}).items()
        if key == name
    ]
    assert found
    assert all("date-time" in json.dumps(field) for field in found)


def test_every_reason_and_code_is_in_a_type(document: Json) -> None:
    schemas = document["components"]["schemas"]

    def words(model: str, *path: str) -> set[str]:
        found = schemas[model]
        for key in path:
            found = found["properties"][key]
            while "$ref" in found:
                found = schemas[found["$ref"].rsplit("/", 1)[1]]
        return {word for one in parts(found) for word in one.get("enum", ())}

    assert words("ErrorReply", "error") == set(errors.CODES)
    assert words("ConflictReply", "details", "reason") == set(errors.ConflictReason)
    assert words("UnavailableReply", "details", "reason") == set(errors.UnavailableReason)


def test_headers_that_are_sent_with_errors_are_described(document: Json) -> None:
    headers = {name: set(one["headers"]) for name, one in document["components"]["responses"].items()}
    assert "Retry-After" in headers["TooManyRequests"] & headers["Unavailable"]
    assert "Allow" in headers["MethodNotAllowed"]
    assert "WWW-Authenticate" in headers["Unauthenticated"]
    assert all("X-Request-Id" in one for one in headers.values())


async def test_real_errors_have_the_headers_that_the_document_names(document: Json) -> None:
    world = World()
    replies = {
        "Unauthenticated": await world.call("GET", BASE, user=None),
        "MethodNotAllowed": await world.call("PATCH", BASE, {}),
        "NotFound": await world.call("GET", f"{BASE}/nowhere"),
        "Invalid": await world.call("POST", BASE, {}),
    }
    sent_always = {"Content-Type", "Cache-Control", "X-Content-Type-Options", "Server", "Content-Length", "Date"}
    for name, reply in replies.items():
        assert set(reply.headers) - sent_always <= set(document["components"]["responses"][name]["headers"]), name


def test_every_error_but_a_conflict_stands_once(document: Json) -> None:
    for spec in operations(document):
        for status, response in spec["responses"].items():
            if int(status) in shape.RESPONSES:
                assert response == {"$ref": f"#/components/responses/{shape.RESPONSES[int(status)]}"}


def test_names_and_texts_read_well_in_generated_code(document: Json) -> None:
    ids = [spec["operationId"] for spec in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}
    assert len(set(ids)) == len(ids)
    for spec in operations(document):
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", spec["operationId"])
        assert spec["description"].endswith(".")
        assert set(spec["tags"]) <= tags
    assert document["info"]["description"]


async def test_a_body_whose_fields_are_all_optional_may_be_absent(document: Json) -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    await world.deploy("checkout", "v2")
    rolled_back = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback")
    needed = await world.call("POST", f"{BASE}/staging/deploy")

    assert (rolled_back.status, rolled_back.json["release_id"]) == (200, "v1")
    assert needed.status == 422
    bodies = {
        spec["operationId"]: spec["requestBody"]["required"] for spec in operations(document) if "requestBody" in spec
    }
    assert bodies["rollbackApp"] is False
    assert bodies["deployRelease"] is True


def test_committed_document_is_smaller_than_one_that_says_everything_twice() -> None:
    text = (Path(__file__).parents[3] / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert text.count("The log of the server has the") == 1
