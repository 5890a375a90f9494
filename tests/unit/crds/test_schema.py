"""The generated CRDs: everything bounded, everything described, nothing that a structural schema cannot say."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from moorage_crds import schema
from moorage_crds.kinds.kind import Kind
from moorage_crds.kinds.registry import KINDS


def nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")


def root(kind: Kind[Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_string_and_list_has_a_bound(kind: Kind[Any]) -> None:
    for path, node in nodes(root(kind), kind.kind):
        if node["type"] == "string" and "enum" not in node and not path.endswith((".apiVersion", ".kind")):
            assert "maxLength" in node, path
        if node["type"] == "array":
            assert "maxItems" in node, path
        if node["type"] == "integer":
            assert "minimum" in node, path
        assert "x-kubernetes-preserve-unknown-fields" not in node, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_text_in_a_spec_has_a_pattern(kind: Kind[Any]) -> None:
    for path, node in nodes(root(kind)["properties"]["spec"], "spec"):
        if node["type"] == "string" and node.get("format") != "date-time" and not path.endswith(".by"):
            assert "pattern" in node or "enum" in node, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_kubectl_explain_has_a_text_for_kind_and_spec(kind: Kind[Any]) -> None:
    for path in ((), ("spec",)):
        node = root(kind)
        for step in path:
            node = node["properties"][step]
        assert len(node["description"]) > 10


def test_record_is_immutable_at_the_root_and_its_spec_is_required() -> None:
    record = next(kind for kind in KINDS if kind.kind == "DeploymentRecord")
    assert root(record)["required"] == ["spec"]
    assert {"rule": "self.spec == oldSelf.spec", "message": "a record is immutable"} in root(record)[
        "x-kubernetes-validations"
    ]


def test_files_are_yaml_of_the_crds() -> None:
    files = schema.crd_files()
    assert len(files) == len(KINDS)
    for name, content in files.items():
        loaded = yaml.safe_load(content)
        assert loaded["metadata"]["name"] + ".yaml" == name


def test_choice_that_a_structural_schema_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="choice"):
        schema.structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})
    with pytest.raises(ValueError, match="no type"):
        schema.structural({"description": "anything"}, {})
