"""Flux: inputs of a ResourceSet, for a ResourceSetInputProvider of type `ExternalService`.

The protocol is that of flux-operator 0.58: `{"inputs": [{"id": …}]}`, at most 900 KiB.
Its `filter.limit` silently drops what is beyond it, and what is dropped is pruned; so the caller says its limit,
and an answer that is longer is an error.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from moorage_api.contract import errors, schemas
from moorage_api.contract.parameters import WHOLE
from moorage_api.contract.replies import Reply
from moorage_api.integrations.inputs import Form, Inputs, Item, dumps
from moorage_api.integrations.release import ActiveRelease
from moorage_api.integrations.selection import Selection
from moorage_api.operation import Answer, Call, Facade

#: What flux-operator reads of a body, in bytes.
MAX_BODY: Final = 900 * 1024
#: `filter.limit` of flux-operator, where nobody sets another one.
DEFAULT_LIMIT: Final = 100


def _names(text: str) -> str:
    if not all(text.split(",")):
        message = "must be names separated by commas, without spaces"
        raise ValueError(message)
    return text


Names = Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(_names)]


class InputsQuery(schemas.Query):
    """Which releases."""

    environment: Names | None = Field(default=None, description="Slugs or ids, separated by commas; default: all.")
    app: Names | None = Field(default=None, description="App ids, separated by commas; default: all.")
    limit: Annotated[int, Field(ge=1, le=10_000), WHOLE] = Field(
        default=DEFAULT_LIMIT,
        description="The `filter.limit` of the provider: more inputs are a 422, because Flux would drop them.",
    )


class Input(ActiveRelease):
    """One active release."""

    id: str = Field(description="Namespace and name of the binding, joined by a dot; stays for as long as its name.")


class InputsReply(Reply):
    """All active releases of the selection, by environment and app."""

    inputs: list[Input]


class Flux:
    """Handler of the inputs of Flux."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    async def inputs(self, facade: Facade, call: Call) -> Answer:
        """The active releases of a workspace."""
        query: InputsQuery = call.query
        workspace = call.workspace
        wanted = Selection((workspace.org,), (workspace.workspace,), _split(query.environment), _split(query.app))
        form = Form(f"flux, at most {query.limit}", lambda count, inputs: _body(count, inputs, query.limit), _input)
        return self._inputs.answer(facade, call.headers, [workspace], wanted, form)


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(sorted(set(text.split(",")))) if text else ()


def _body(count: int, inputs: bytes, limit: int) -> bytes:
    if count > limit:
        message = f"there are {count} inputs, and Flux would drop what is beyond {limit}: raise both limits"
        raise errors.invalid(["query", "limit"], message, value=limit)
    body = b'{"inputs":[' + inputs + b"]}"
    if len(body) > MAX_BODY:
        message = f"the answer would have {len(body)} bytes, and Flux reads {MAX_BODY}: ask for fewer environments"
        raise errors.invalid(["query", "environment"], message)
    return body


def _input(item: Item, piece: bytes) -> bytes:
    return b'{"id":' + dumps(f"{item.binding.namespace}.{item.binding.name}") + b"," + piece.removeprefix(b"{")
