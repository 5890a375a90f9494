"""A TypeScript program over all operations compiles strictly, with nothing in its requests but what they need."""

import json
from pathlib import Path
from typing import Any

import pytest

from moorage_dev import page
from moorage_dev.layout import ROOT
from moorage_dev.node_js import Node

DOCUMENT = ROOT / "docs/openapi.json"
TYPES = """import type { operations } from "./document";
type Json<C> = C extends { "application/json": infer B } ? B : never;
type Body<K extends keyof operations> = operations[K] extends { requestBody?: infer R }
  ? NonNullable<R> extends { content: infer C } ? Json<C> : never : never;
type Answer<K extends keyof operations> = operations[K] extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 ? (R[S] extends { content: infer C } ? Json<C> : never) : never }[keyof R]
  : never;
type Query<K extends keyof operations> = operations[K]["parameters"]["query"];
"""


@pytest.fixture(scope="module")
def node() -> Node:
    return page.tools()


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return dict(document["components"]["schemas"][name]) if name else schema


def smallest_query(document: dict[str, Any], spec: dict[str, Any]) -> str:
    """A word for each parameter that must be said; nothing where none must be."""
    shared = document["components"]["parameters"]
    known = [shared[one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one for one in spec["parameters"]]
    needed = {one["name"]: "staging" for one in known if one["in"] == "query" and one.get("required")}
    return json.dumps(needed) if needed else "undefined"


def program(document: dict[str, Any]) -> str:
    """For each operation: its smallest body, its smallest query, and its example read as its answer."""
    lines = [TYPES]
    for spec in (one for methods in document["paths"].values() for one in methods.values()):
        name = spec["operationId"]
        media = spec.get("requestBody", {}).get("content", {}).get("application/json")
        if media:
            needed = resolved(document, media["schema"]).get("required", ())
            body = {key: value for key, value in media["example"].items() if key in needed}
            assert body.keys() == set(needed), name
            lines.append(f"export const body_{name}: Body<{name!r}> = {json.dumps(body)};")
        lines.append(f"export const query_{name}: Query<{name!r}> = {smallest_query(document, spec)};")
        answer = next(iter(spec["responses"].values())).get("content", {}).get("application/json", {}).get("example")
        if answer is not None:
            lines.append(f"export const answer_{name}: Answer<{name!r}> = {json.dumps(answer)};")
    lines.append("// @ts-expect-error a field that the request does not need to have, misspelt")
    lines.append('export const wrong: Body<"deployRelease"> = { app_id: "a", relase_id: "1" };')
    return "\n".join(lines) + "\n"


def test_program_over_all_operations_compiles_strictly(node: Node, tmp_path: Path) -> None:
    modules = ROOT / "web/node_modules"
    types = [str(modules / "openapi-typescript/bin/cli.js"), str(DOCUMENT), "--output", str(tmp_path / "document.ts")]
    node.run(types, folder=tmp_path, what="openapi-typescript")
    (tmp_path / "program.ts").write_text(program(json.loads(DOCUMENT.read_text(encoding="utf-8"))), encoding="utf-8")
    strict = ["--strict", "--noEmit", "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "bundler"]
    node.run([str(modules / "typescript/bin/tsc"), *strict, "program.ts"], folder=tmp_path, what="tsc --strict")
