"""Reading what a request brings: its body within time and size, its query, each checked by a model."""

import asyncio
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError

from moorage_api.contract import errors
from moorage_api.edge import strict_json
from moorage_api.edge.strict_json import JsonError

MAX_BODY: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
MAX_QUERY_FIELDS: Final = 32
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete: there is nobody to answer."""


async def read_body(request: web.BaseRequest, model: type[BaseModel]) -> BaseModel:
    """The body as a checked model.

    Raises:
        ApiError: 408, 413, 415 or 422.
        ClientGoneError: nobody waits for an answer.
    """
    _require_plain(request)
    content = await _read(request)
    if not content and getattr(model, "may_be_absent", False):
        return model()
    _require_json(request.headers.get("Content-Type", ""), empty=not content)
    if not content:
        raise errors.invalid(["body"], "Field required", kind="missing")
    try:
        value = strict_json.loads(content)
    except JsonError as error:
        problem = {
            "loc": ["body", *error.place],
            "msg": "JSON decode error" if error.kind == "json_invalid" else error.message,
            "type": error.kind,
            "input": {},
            "ctx": {"error": error.message},
        }
        raise errors.ValidationFailedError([problem]) from None
    return validated(model, value, "body")


def validated(model: type[BaseModel], value: Any, place: str) -> BaseModel:
    """`value` as a model; `place` is body or query. Raises ApiError 422."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise errors.from_validation(error, place) from None


#: Parameters that may be given more than once.
REPEATABLE: Final = frozenset({"override"})


def read_query(text: str, model: type[BaseModel]) -> BaseModel:
    """The query string as a checked model. Raises ApiError 422."""
    if not text:
        # A model may need a parameter.
        return validated(model, {}, "query")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError:
        message = f"must be valid UTF-8 with at most {MAX_QUERY_FIELDS} parameters"
        raise errors.invalid(["query"], message) from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in REPEATABLE:
            values.setdefault(name, []).append(value)
            continue
        if name in values:
            raise errors.invalid(["query", name], "is given twice", kind="duplicate_key", value=value)
        values[name] = value
    return validated(model, values, "query")


def _require_plain(request: web.BaseRequest) -> None:
    codings = ",".join(request.headers.getall("Content-Encoding", ())).split(",")
    if any(coding.strip().lower() not in {"", "identity"} for coding in codings):
        raise errors.unsupported_media_type("Compressed request bodies are not taken")
    length = request.content_length
    if length is not None and length > MAX_BODY:
        raise errors.payload_too_large(MAX_BODY)


def _require_json(content_type: str, *, empty: bool) -> None:
    """Raises ApiError 415 if the body says that it is something else, or says nothing and is not empty."""
    if empty and not content_type.strip():
        return
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "application/json":
        raise errors.unsupported_media_type("The body must be application/json")
    for parameter in filter(None, (part.strip().lower() for part in parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            raise errors.unsupported_media_type("The body must be in UTF-8")


async def _read(request: web.BaseRequest) -> bytes:
    try:
        return await asyncio.wait_for(_collect(request), BODY_SECONDS)
    except TimeoutError:
        raise errors.body_timeout() from None
    except web.RequestPayloadError:
        raise errors.bad_request("The request body is not valid HTTP") from None
    except OSError as error:
        raise ClientGoneError from error


async def _collect(request: web.BaseRequest) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > MAX_BODY:
            raise errors.payload_too_large(MAX_BODY)
        parts.append(part)
    return b"".join(parts)
