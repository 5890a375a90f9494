"""The form of the document that clients are generated from. Pure: a document in, the same document in that form out.

Requests are closed and answers are open: what a request may hold is checked, what an answer holds only grows, and a
generated client must not break when it does. What many operations have in common stands once, in `components`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"

#: Status → name of the component that all operations share. A 409 says something else for each operation.
RESPONSES: Final = {
    400: "BadRequest",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "BodyTimeout",
    412: "PreconditionFailed",
    413: "PayloadTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    431: "HeadersTooLarge",
    500: "InternalError",
    503: "Unavailable",
}


def shaped(document: Json) -> Json:
    """The document in the form for generators."""
    components: Json = document["components"]
    closed = requested(document)
    schemas = {
        name: _without_defaults(schema if name in closed else opened(schema))
        for name, schema in components["schemas"].items()
    }
    shared: dict[str, Json] = {"responses": {}, "parameters": {}, "headers": {}}
    paths = {
        path: {method: _sharing(spec, shared) for method, spec in methods.items()}
        for path, methods in document["paths"].items()
    }
    parts = {name: dict(sorted(part.items())) for name, part in shared.items() if part}
    return {**document, "paths": paths, "components": {**components, "schemas": schemas, **parts}}


def requested(document: Json) -> set[str]:
    """Names of the schemas that belong to requests: those of the bodies, and what they refer to."""
    schemas: Json = document["components"]["schemas"]
    bodies = [spec.get("requestBody", {}) for methods in document["paths"].values() for spec in methods.values()]
    waiting = [name for body in bodies for name in _references(body)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def opened(schema: Any, name: str = "") -> Any:
    """A schema of answers that takes more than is known today: further fields, and further values of words.

    Args:
        schema: of a model or a field.
        name: of the field; a moment ends with `_at`.
    """
    if isinstance(schema, list):
        return [opened(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    wanted: Json = {}
    for key, value in schema.items():
        if key == "properties":
            wanted[key] = {field: opened(one, field) for field, one in value.items()}
        elif key != "const" and not (key == "additionalProperties" and value is False):
            wanted[key] = opened(value, name) if key != "examples" else value
    if isinstance(schema.get("const"), str):
        wanted["examples"] = [schema["const"]]
    if wanted.get("type") == "string" and name.endswith("_at"):
        wanted["format"] = "date-time"
    return _with_open_words(wanted)


def _with_open_words(schema: Json) -> Json:
    """The known words stay in the type, and any other text is one of its values."""
    if schema.get("type") == "string" and "enum" in schema:
        known = {"type": "string", "enum": schema["enum"]}
        rest = {key: value for key, value in schema.items() if key not in known}
        return {**rest, "anyOf": [known, {"type": "string"}]}
    choices = schema.get("anyOf", ())
    if any("anyOf" in one for one in choices):
        return {**schema, "anyOf": [inner for one in choices for inner in one.get("anyOf", [one])]}
    return schema


def _without_defaults(schema: Any) -> Any:
    """A default is said in words: generators take a field with a `default` for one that is always there.

    Absent means null anyway, so a default of null is not said at all.
    """
    if isinstance(schema, list):
        return [_without_defaults(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        # The keys of `properties` are names of fields; one of them may be called `default`.
        key: {field: _without_defaults(one) for field, one in value.items()}
        if key == "properties"
        else _without_defaults(value)
        for key, value in schema.items()
        if key != "default"
    }
    default = schema.get("default")
    if default is not None:
        kept["description"] = f"{schema.get('description', '')} Default: {json.dumps(default)}.".lstrip()
    return kept


def _sharing(spec: Json, shared: dict[str, Json]) -> Json:
    responses = {status: _with_shared_headers(response, shared) for status, response in spec["responses"].items()}
    for status, response in responses.items():
        name = RESPONSES.get(int(status))
        if name is not None:
            # The first operation with that status gives the example.
            shared["responses"].setdefault(name, response)
            responses[status] = {"$ref": f"#/components/responses/{name}"}
    parameters = [_shared_parameter(one, shared) for one in spec["parameters"]]
    return {**spec, "parameters": parameters, "responses": responses}


def _with_shared_headers(response: Json, shared: dict[str, Json]) -> Json:
    if "headers" not in response:
        return response
    for name, header in response["headers"].items():
        shared["headers"].setdefault(name, header)
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in response["headers"]}
    return {**response, "headers": references}


def _shared_parameter(parameter: Json, shared: dict[str, Json]) -> Json:
    """Query parameters of one name mean something else in different operations; the others do not."""
    if parameter["in"] == "query":
        return parameter
    name = parameter["name"]
    shared["parameters"].setdefault(name, parameter)
    return {"$ref": f"#/components/parameters/{name}"}
