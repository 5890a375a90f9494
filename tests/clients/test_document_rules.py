"""Redocly and Spectral find nothing to say of the document, and do find what is wrong in a spoiled one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moorage_dev import document_rules
from moorage_dev.document_rules import Finding
from moorage_dev.layout import ROOT

DOCUMENT = ROOT / "docs/openapi.json"
DEPLOY = "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy"
Tool = Callable[[Path], list[Finding]]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three paths of the document with mistakes that are errors to a tool, or warnings, or seen by one of them only."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    # What only the other paths use is left over, which is a mistake, too.
    document["paths"] = {path: document["paths"][path] for path in (DEPLOY, "/healthz", "/readyz")}
    deploy = document["paths"][DEPLOY]["post"]
    deploy["requestBody"]["content"]["application/json"]["example"]["app_id"] = 7
    deploy["parameters"].append({"name": "why", "in": "query", "required": False, "schema": {"type": "string"}})
    del document["paths"]["/healthz"]["get"]["description"]
    document["paths"]["/readyz"]["get"]["operationId"] = document["paths"]["/healthz"]["get"]["operationId"]
    path = tmp_path_factory.mktemp("spoiled") / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("tool", [document_rules.redocly, document_rules.spectral])
def test_nothing_is_wrong_with_the_document(tool: Tool) -> None:
    assert tool(DOCUMENT) == []


def test_redocly_finds_mistakes(spoiled: Path) -> None:
    found = {one.rule for one in document_rules.redocly(spoiled)}
    assert found == {"no-invalid-media-type-examples", "no-unused-components", "operation-operationId-unique"}


def test_spectral_finds_mistakes(spoiled: Path) -> None:
    found = {one.rule for one in document_rules.spectral(spoiled)}
    assert found == {
        "oas3-parameter-description",
        "oas3-unused-component",
        "oas3-valid-media-example",
        "operation-description",
        "operation-operationId-unique",
    }
