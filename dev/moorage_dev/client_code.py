"""The generated part of the Python client: one type for each schema, one method for each operation.

The document is the source, so an operation that the facade gets is one that the client has, at the next
`make generate`. What a client does beside naming things (errors, retries, pages) is written by hand in
`client/moorage_client`.
"""

import keyword
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from moorage_dev.layout import ROOT

Json = Mapping[str, Any]

_NOTE: Final = "Generated from docs/openapi.json by `make generate`. Do not edit."
_SCHEMAS: Final = "#/components/schemas/"
_PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
#: Headers that are arguments of methods; the others the client sends by itself.
_ARGUMENT_HEADERS: Final = {
    "If-Match": "if_match",
    "If-None-Match": "if_none_match",
    "Idempotency-Key": "idempotency_key",
}


def files(document: Json) -> dict[str, str]:
    """Module → its source, formatted.

    Raises:
        CalledProcessError: the generated code is not Python.
    """
    made = {
        "models.py": models(document),
        "operations.py": operations(document, is_async=False),
        "async_operations.py": operations(document, is_async=True),
    }
    return {name: _formatted(name, source) for name, source in made.items()}


def _formatted(name: str, source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", f"client/moorage_client/{name}", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True, cwd=ROOT).stdout


# --- types


def models(document: Json) -> str:
    """A TypedDict for each object, an alias for each word."""
    schemas: Json = document["components"]["schemas"]
    lines = [
        f'"""What is sent and answered, as types. {_NOTE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Any, Literal, NotRequired, TypedDict",
        "",
    ]
    words = {name: schema for name, schema in schemas.items() if "properties" not in schema}
    lines += [f"{name} = {type_of(schema)}" for name, schema in words.items()]
    for name, schema in schemas.items():
        if name not in words:
            lines += _typed_dict(name, schema)
    return "\n".join(lines) + "\n"


def _typed_dict(name: str, schema: Json) -> list[str]:
    needed = schema.get("required", ())
    fields = {key: _field(one, is_needed=key in needed) for key, one in schema["properties"].items()}
    if any(keyword.iskeyword(key) or not key.isidentifier() for key in fields):
        inside = ", ".join(f"{key!r}: {found!r}" for key, found in fields.items())
        return [
            "",
            "",
            f"{name} = TypedDict({name!r}, {{{inside}}})",
            f"#: {' '.join(schema.get('description', name).split())}",
        ]
    lines = ["", "", f"class {name}(TypedDict):", f"    {_doc(schema.get('description', name))}", ""]
    return [*lines, *(f"    {key}: {found}" for key, found in fields.items())]


def _field(schema: Json, *, is_needed: bool) -> str:
    found = type_of(schema)
    return found if is_needed else f"NotRequired[{found}]"


def type_of(schema: Json, prefix: str = "") -> str:
    """The Python type of a schema. Words that may grow are plain text; those of a request are exactly these.

    Args:
        schema: of the document.
        prefix: module of the models, with a dot.
    """
    if "$ref" in schema:
        return prefix + str(schema["$ref"]).removeprefix(_SCHEMAS)
    if "anyOf" in schema:
        return _choice([type_of(one, prefix) for one in schema["anyOf"]])
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]".replace("'", '"')
    kind = schema.get("type")
    if kind == "array":
        return f"list[{type_of(schema.get('items', {}), prefix)}]"
    if kind == "object":
        further = schema.get("additionalProperties")
        return f"dict[str, {type_of(further, prefix) if isinstance(further, dict) else 'Any'}]"
    return _PLAIN.get(str(kind), "Any")


def _choice(types: list[str]) -> str:
    if "Any" in types:
        return "Any"
    distinct = list(dict.fromkeys(types))
    if "str" in distinct:
        distinct = [one for one in distinct if not one.startswith("Literal[")]
    return " | ".join(sorted(distinct, key=lambda one: one == "None"))


def _doc(text: str) -> str:
    words = " ".join(text.split()).replace('"""', "'''")
    return f'"""{words}"""'


# --- operations


def operations(document: Json, *, is_async: bool) -> str:
    """A class with a method for each operation, and one for all items of a list that has pages."""
    name = "AsyncOperations" if is_async else "Operations"
    iterator, asked = ("AsyncIterator", "Awaitable[Any]") if is_async else ("Iterator", "Any")
    abstract = "AsyncIterator, Awaitable, Callable" if is_async else "Callable, Iterator"
    lines = [
        f'"""Every operation as a method. {_NOTE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from abc import ABC, abstractmethod",
        f"from collections.abc import {abstract}",
        "from typing import Any, Literal",
        "",
        "from moorage_client import models",
        "from moorage_client.events import Event",
        "from moorage_client.requests import Request, request",
        "",
        "",
        f"class {name}(ABC):",
        '    """The operations of the API; a subclass sends them."""',
        "",
        "    @abstractmethod",
        f"    {'async ' if is_async else ''}def _call(self, sent: Request) -> Any: ...",
        "",
        "    @abstractmethod",
        f"    def _pages(self, ask: Callable[[str | None], {asked}], items: str) -> {iterator}[Any]: ...",
        "",
        "    @abstractmethod",
        f"    def _events(self, sent: Request) -> {iterator}[Event]: ...",
    ]
    for path, methods in document["paths"].items():
        for method, spec in methods.items():
            lines += Method(document, path, method.upper(), spec, is_async=is_async).lines()
    return "\n".join(lines) + "\n"


class Method:
    """One operation as Python.

    Args:
        document: the whole.
        path: template.
        method: HTTP method.
        spec: the operation.
        is_async: its caller awaits it.
    """

    def __init__(self, document: Json, path: str, method: str, spec: Json, *, is_async: bool) -> None:
        self._document = document
        self._path = path
        self._method = method
        self._spec = spec
        self._async = "async " if is_async else ""
        self._await = "await " if is_async else ""
        self._iterator = "AsyncIterator" if is_async else "Iterator"
        self.name = snake(str(spec["operationId"]))
        parameters = [_resolved(document, one) for one in spec["parameters"]]
        self._in_path = re.findall(r"{(\w+)}", path)
        self._query = {one["name"]: type_of(one["schema"], "models.") for one in parameters if one["in"] == "query"}
        self._headers = [one["name"] for one in parameters if one["name"] in _ARGUMENT_HEADERS]
        body = spec.get("requestBody")
        self._body = type_of(body["content"]["application/json"]["schema"], "models.") if body else ""
        self._body_needed = bool(body and body["required"])
        status, success = next(iter(spec["responses"].items()))
        self._media: Json = _resolved(document, success).get("content", {})
        self._status = status

    def lines(self) -> list[str]:
        """The method, and the one for all items."""
        if "text/event-stream" in self._media:
            return self._method_lines(f"{self._iterator}[Event]", "return self._events", is_stream=True)
        lines = self._method_lines(
            self._answer(), f"found: {self._answer()} = {self._await}self._call", is_stream=False
        )
        items = self._items()
        return lines if items is None else [*lines, *self._iteration(*items)]

    def _answer(self) -> str:
        media = self._media.get("application/json")
        found = type_of(media["schema"], "models.") if media else ("str" if self._media else "None")
        return f"{found} | None" if "304" in self._spec["responses"] else found

    def _method_lines(self, answer: str, act: str, *, is_stream: bool) -> list[str]:
        asynchronous = "" if is_stream else self._async
        lines = [
            "",
            f"    {asynchronous}def {self.name}(",
            *self._arguments(),
            f"    ) -> {answer}:",
            f"        {_doc(self._about())}",
            f"        {act}(",
            "            request(",
            f'                "{self._method}",',
            f'                "{self._path}",',
            f"                path={_table({name: name for name in self._in_path})},",
            f"                query={_table({name: argument(name) for name in self._query})},",
            f"                headers={_table({name: _ARGUMENT_HEADERS[name] for name in self._headers})},",
            *(["                body=body,"] if self._body else []),
            "            )",
            "        )",
        ]
        return lines if is_stream else [*lines, "        return found"]

    def _about(self) -> str:
        return f"{self._spec['summary']}. {self._spec.get('description', '')}".strip()

    def _arguments(self, *, without: str = "") -> list[str]:
        required = ["self", *(f"{name}: str" for name in self._in_path)]
        if self._body_needed:
            required.append(f"body: {self._body}")
        optional = [f"{argument(name)}: {_optional(kind)}" for name, kind in self._query.items() if name != without]
        optional += [f"{_ARGUMENT_HEADERS[name]}: str | None = None" for name in self._headers]
        if self._body and not self._body_needed:
            optional.insert(0, f"body: {self._body} | None = None")
        return [f"        {one}," for one in (*required, *(["*", *optional] if optional else []))]

    def _items(self) -> tuple[str, str] | None:
        """Field and type of the items of a list that has pages."""
        media = self._media.get("application/json")
        if not media or "cursor" not in self._query:
            return None
        schema = _resolved(self._document, media["schema"])
        for name, one in schema.get("properties", {}).items():
            if one.get("type") == "array" and "$ref" in one.get("items", {}):
                return name, type_of(one["items"], "models.")
        return None

    def _iteration(self, field: str, kind: str) -> list[str]:
        passed = [*self._in_path, *(["body"] if self._body_needed else [])]
        passed += [f"{argument(name)}={argument(name)}" for name in self._query if name != "cursor"]
        passed += [f"{_ARGUMENT_HEADERS[name]}={_ARGUMENT_HEADERS[name]}" for name in self._headers]
        return [
            "",
            f"    def all_{self.name.removeprefix('list_')}(",
            *self._arguments(without="cursor"),
            f"    ) -> {self._iterator}[{kind}]:",
            f"        {_doc(str(self._spec['summary']) + ': every item of all pages. `limit` is the size of a page.')}",
            f"        return self._pages(lambda cursor: self.{self.name}({', '.join(passed)}, cursor=cursor), "
            f'"{field}")',
        ]


def _optional(kind: str) -> str:
    return f"{kind if kind.endswith('None') else f'{kind} | None'} = None"


def argument(name: str) -> str:
    """A parameter's name as Python takes it: `from` is `from_`."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _table(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}"


def snake(name: str) -> str:
    """`listEnvironments` → `list_environments`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _resolved(document: Json, part: Json) -> Json:
    found: Any = part
    while "$ref" in found:
        keys = str(found["$ref"]).removeprefix("#/").split("/")
        found = document
        for key in keys:
            found = found[key]
    return dict(found)
