"""The OpenAPI document, made of the operations that are routed and the models that check them."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import orjson
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from moorage_api.contract import errors, replies
from moorage_api.document import examples
from moorage_api.document.shape import shaped
from moorage_api.operation import Operation

_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"

#: Errors that every operation of the API can answer.
USUAL: Final = (400, 401, 403, 404, 405, 408, 422, 429, 431, 500, 503)
#: … and those that read a body.
OF_BODIES: Final = (413, 415)
#: Errors of operations without authentication.
PUBLIC: Final = (400, 405, 431, 500)

_ERRORS: Final = {
    304: "The client has it already (`If-None-Match`).",
    400: "Not valid HTTP.",
    401: "No token, or none that the cluster accepts.",
    403: "The cluster does not give the caller this right.",
    404: "There is no such thing here.",
    405: "The path takes other methods.",
    408: "The body did not arrive in time.",
    409: "Something is in the way; `details.reason` says what.",
    412: "The environment has changed since the client read it (`If-Match`).",
    413: "The body is too large.",
    415: "The body is not JSON, or is compressed.",
    422: "The request is not valid.",
    429: "Too many requests.",
    431: "The request line or the headers are too large.",
    500: "A bug. The log of the server has the `X-Request-Id`.",
    503: "Try again later; `details.reason` says why.",
}

_PARAMETERS: Final = {
    "org_id": "Organisation: the label `moorage.dev/org` of the workspace's Namespace.",
    "workspace_id": "Workspace: the label `moorage.dev/workspace` of its Namespace.",
    "environment_id": "Id or slug of an environment.",
    "app_id": "App.",
    "freeze_name": "Name of a Freeze.",
    "approval_name": "Name of the Approval, as the list says it.",
}
_REQUEST_HEADERS: Final = {
    "If-Match": "Tags that a GET answered: write only if name, description and the like are still the same.",
    "If-None-Match": "Tags that a GET answered: 304 if nothing changed.",
    "Idempotency-Key": "1 to 64 printable characters: repeat the request with it and the change is made once; another "
    "request of the same user in the workspace is a 422.",
    "X-Resource-Version": "What a write answered: wait until this replica shows it.",
    "X-Request-Id": "Is returned and logged; made if absent.",
}
_TAGS: Final = {"pattern": r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'}
_HEADER_PATTERNS: Final = {
    "If-Match": _TAGS,
    "If-None-Match": _TAGS,
    # Spaces at its ends are not part of a header's value.
    "Idempotency-Key": {"pattern": "^[!-~]([ -~]{0,62}[!-~])?$"},
    "X-Resource-Version": {"pattern": "^[a-z]{1,63}=[1-9][0-9]{0,19}(,[a-z]{1,63}=[1-9][0-9]{0,19})*$"},
}
_ANSWER_HEADERS: Final = {
    "X-Request-Id": "The request's id.",
    "X-Resource-Version": "After a write: the version it made.",
    "ETag": "The state of what is shown.",
    "WWW-Authenticate": "`Bearer`.",
    "Allow": "The methods that the path takes.",
    "Retry-After": "Seconds to wait before the next try.",
    "Location": "Path of the new environment.",
    "Warning": "`110` while the cache is cut off from the cluster; `299` with what the API server warns of, such as a "
    "rule that only warns.",
    "X-Dry-Run": "`true` if nothing was stored, because the request said `dry_run=true`.",
    "Age": "Seconds since the cluster was last heard of, with `Warning` 110.",
    "X-Recording-Stopped-At": "When an operator worked last, if none does now: changes are accepted and wait to be "
    "recorded.",
}
#: Headers of errors beside the usual ones.
_ERROR_HEADERS: Final = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_NUMBERS: Final = ("Age", "Retry-After")
_ERROR_MODELS: Final[dict[int, type[BaseModel]]] = {
    409: replies.ConflictReply,
    412: replies.PreconditionReply,
    422: replies.ValidationReply,
    429: replies.RateLimitReply,
    503: replies.UnavailableReply,
}
#: Tag → what its operations are about, and how their paths end (or begin); the first that fits.
_TAGS_OF_PATHS: Final = (
    ("releases", "Deploy, undeploy, roll back.", r"/deploy(/|$)"),
    ("history", "Who changed what, when and why.", r"/deployments$"),
    ("locks", "Refuse every release change in an environment.", r"/lock$"),
    ("environments", "Places where releases run, and what is active in them.", r"/environments(/\{environment_id\})?$"),
    ("governance", "Which rules hold, and what they say of a change.", r"/environments/|/freezes"),
    ("workspace", "A whole workspace at one look, and who is asking.", r"^/v1/"),
    ("service", "The process itself; needs no token.", r""),
)
#: Names that read well in generated code, where the name of the operation, which its metrics carry, does not.
_IDS: Final = {
    "health": "getHealth",
    "readiness": "getReadiness",
    "version": "getVersion",
    "openapi": "getOpenapiDocument",
    "docs": "getReferencePage",
}
_ABOUT: Final = """\
Moorage keeps which release of which app is in which environment, who put it there, and the history of every change.

Send `Authorization: Bearer <token>` with any token that the cluster's API server accepts. What you may do is what the
cluster's RBAC gives you; each operation names the rights that it needs.

Requests are checked strictly: an unknown field or parameter is a 422. Answers grow: ignore fields and words that you do
not know. Decide on `error` and `details.reason`, never on `message`."""
_TAGGED: Final = ("createEnvironment", "getEnvironment", "updateEnvironment", "getMatrix")


def document(operations: Sequence[Operation]) -> bytes:
    """The document as JSON, the same bytes for the same operations."""
    operations = [one for one in operations if one.documented]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    used = {_tag(operation.path) for operation in operations}
    content = {
        "openapi": "3.1.0",
        "info": {
            "title": "Moorage",
            "version": version("moorage"),
            "summary": "Which release of which app is in which environment, who put it there, and since when.",
            "description": _ABOUT,
            "contact": {"name": "The Moorage project"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag, "description": about} for tag, about, _ in _TAGS_OF_PATHS if tag in used],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Any token that the cluster's API server accepts.",
                }
            },
        },
    }
    return orjson.dumps(shaped(content), option=orjson.OPT_INDENT_2)


def _tag(path: str) -> str:
    return next(tag for tag, _, pattern in _TAGS_OF_PATHS if re.search(pattern, path))


def _needs(operation: Operation) -> str:
    if operation.permission is None:
        return "Needs no token." if operation.public else "Needs a token."
    rights = ", ".join(f"`{verb} {resource}`" for verb, resource in operation.permission.rights)
    return f"Needs `{operation.permission.name}` ({rights})."


def statuses(operation: Operation) -> list[int]:
    """All statuses beside the success that an operation can answer."""
    if operation.public:
        return sorted({*PUBLIC, *operation.errors})
    bodies = OF_BODIES if operation.body is not None else ()
    return sorted({*USUAL, *bodies, *operation.errors})


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _IDS.get(operation.name, operation.name),
        "summary": operation.summary,
        "description": f"{operation.description} {_needs(operation)}".strip(),
        "tags": [_tag(operation.path)],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.public:
        described["security"] = []
    if operation.permission is not None:
        described["x-required-permission"] = operation.permission.name
        described["x-kubernetes-rights"] = [f"{verb} {resource}" for verb, resource in operation.permission.rights]
    if operation.body is not None:
        described["requestBody"] = {
            "required": not getattr(operation.body, "may_be_absent", False),
            "content": {_JSON: {"schema": _ref(operation.body), "example": examples.REQUESTS[operation.name]}},
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PARAMETERS[name],
            "schema": {"type": "string"},
            "example": examples.PARAMETERS[name],
        }
        for name in re.findall(r"\{([a-z_]+)\}", operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    described = operation.query.model_json_schema(ref_template=_REF)
    properties: dict[str, dict[str, Any]] = described.get("properties", {})
    required = described.get("required", ())
    parameters: list[dict[str, Any]] = []
    for name, schema in properties.items():
        schema = _without_null({key: value for key, value in schema.items() if key != "title"})  # noqa: PLW2901
        description = schema.pop("description", "")
        parameters.append({"name": name, "in": "query", "required": name in required, "schema": schema})
        if description:
            parameters[-1]["description"] = description
    return parameters


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.public:
        return []
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": _REQUEST_HEADERS[name],
            "schema": {"type": "string", **_HEADER_PATTERNS.get(name, {})},
        }
        for name in (*operation.headers, "X-Resource-Version", "X-Request-Id")
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an optional parameter: one that is absent, never one that is null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**choices[0], **rest}
    if schema.get("default", ...) is None:
        del schema["default"]
    return schema


def _responses(operation: Operation) -> dict[str, Any]:
    status, model = operation.success
    success: dict[str, Any] = {"description": "Done." if operation.method != "GET" else "Here it is."}
    success["headers"] = _headers(operation, status)
    if model is not None:
        success["content"] = {_JSON: {"schema": _ref(model), "example": examples.ANSWERS[operation.name]}}
    elif operation.name == "openapi":
        success["content"] = {_JSON: {"schema": {"type": "object"}}}
    else:
        success["content"] = {"text/html": {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {str(status): success}
    for code in statuses(operation):
        responses[str(code)] = _error(operation, code)
    return responses


def _headers(operation: Operation, status: int) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if not operation.public:
        names += ["Warning", "Age", "X-Recording-Stopped-At"]
        if operation.method != "GET":
            names += ["X-Resource-Version", "X-Dry-Run"]
    if operation.name in _TAGGED:
        names.append("ETag")
    if status == 201:
        names.append("Location")
    return _described(names)


def _described(names: Sequence[str]) -> dict[str, Any]:
    return {
        name: {
            "description": _ANSWER_HEADERS[name],
            "schema": {"type": "integer" if name in _NUMBERS else "string"},
            "required": name == "Location",
        }
        for name in names
    }


def _error(operation: Operation, status: int) -> dict[str, Any]:
    headers = _described(["X-Request-Id", "Warning", "Age", *_ERROR_HEADERS.get(status, ())])
    response: dict[str, Any] = {"description": _ERRORS[status], "headers": headers}
    if status == 304:
        return response
    model = _ERROR_MODELS.get(status, replies.ErrorReply)
    response["content"] = {_JSON: {"schema": _ref(model), "example": examples.error(operation, status)}}
    return response


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    bodies = [operation.body for operation in operations if operation.body is not None]
    answers = [operation.success[1] for operation in operations if operation.success[1] is not None]
    models: dict[str, tuple[type[BaseModel], JsonSchemaMode]] = {}
    for body in bodies:
        models[body.__name__] = (body, "validation")
    answers += [replies.ErrorReply, *_ERROR_MODELS.values()]
    for answer in answers:
        models[answer.__name__] = (answer, "serialization")
    _, definitions = models_json_schema(list(models.values()), ref_template=_REF)
    found: dict[str, Any] = definitions["$defs"]
    failures: list[type[BaseModel]] = [replies.ErrorReply, *_ERROR_MODELS.values()]
    for model in failures:
        if "error" in model.model_fields:
            found[model.__name__]["properties"]["error"]["enum"] = sorted(errors.CODES)
    return {name: found[name] for name in sorted(found)}
