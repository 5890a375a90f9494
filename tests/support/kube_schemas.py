"""JSON schemas for kubeconform, made from the OpenAPI documents of a running API server: nothing is fetched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What kubeconform is told: file names as `write` gives them.
LOCATION = "{{.ResourceKind}}_{{.Group}}_{{.ResourceAPIVersion}}.json"


def write(fetch: Callable[[str], Any], folder: Path, groups: set[str]) -> None:
    """One file for each kind of the API groups (`v1`, `apps/v1`, …); unknown fields are mistakes there.

    Args:
        fetch: path at the API server → parsed answer.
        folder: gets the files.
        groups: group versions, as in `apiVersion`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = fetch("/openapi/v3")["paths"]
    for group in groups:
        key = f"apis/{group}" if "/" in group else f"api/{group}"
        _write_group(fetch(paths[key]["serverRelativeURL"])["components"]["schemas"], folder)


def _write_group(schemas: dict[str, Any], folder: Path) -> None:
    definitions = {name: _strict(schema) for name, schema in schemas.items()}
    for name, schema in schemas.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            # A trailing list of versions is for DeleteOptions and the like, which are not objects.
            if len(schema["x-kubernetes-group-version-kind"]) == 1:
                document = {"$ref": f"#/definitions/{name}", "definitions": definitions}
                # kubeconform takes "v1" for the group of the core.
                group = kind["group"] or kind["version"]
                path = folder / f"{kind['kind'].lower()}_{group}_{kind['version']}.json"
                path.write_text(json.dumps(document), encoding="utf-8")


def _strict(schema: Any) -> Any:
    """The schema in plain JSON Schema, closed against unknown fields."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    kept = {key: _part(key, value) for key, value in schema.items() if not key.startswith("x-") and key != "default"}
    if "properties" in kept and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    return kept


def _part(keyword: str, value: Any) -> Any:
    if keyword == "properties":
        # A map of names, which may look like keywords: the schema of CRDs has properties called `default` and `$ref`.
        return {name: _strict(one) for name, one in value.items()}
    if keyword == "$ref":
        return value.replace("#/components/schemas/", "#/definitions/")
    if isinstance(value, list):
        return [_strict(one) for one in value]
    return _strict(value)
