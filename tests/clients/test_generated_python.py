"""Python clients that others generate from our document: they are made, they import, and they survive a new field."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from moorage_api.document import examples
from moorage_dev import pinned
from moorage_dev.layout import ROOT

DOCUMENT = ROOT / "docs/openapi.json"
#: An answer as a later version may give it: a field, and words, that the document does not know yet.
LINE = {**examples.ANSWERS["listDeployments"]["deployments"][0], "action": "teleport", "of_tomorrow": {"a": [1]}}
PAGE = {**examples.ANSWERS["listDeployments"], "deployments": [LINE], "of_tomorrow": True}
CONFLICT = {
    "error": "CONFLICT",
    "message": "m",
    "details": {"reason": "ReasonOfTomorrow", "more": 1},
    "timestamp": "2026-01-31T12:00:00.000000",
    "status_code": 409,
    "of_tomorrow": 1,
}

READ_BY_DATACLASSES = """
import json, sys
from made.models import ConflictReply, DeployRequest, HistoryPage
page, conflict = json.load(sys.stdin)
read = HistoryPage.from_dict(page)
assert read.deployments[0].action == "teleport", read
assert read.deployments[0].deployed_at.isoformat().startswith("2026-01-31T11:59"), read
assert ConflictReply.from_dict(conflict).details.reason == "ReasonOfTomorrow"
assert DeployRequest(app_id="a", release_id="1").to_dict() == {"app_id": "a", "release_id": "1"}
"""
READ_BY_PYDANTIC = """
import json, sys
import pydantic
from models import ConflictReply, DeployRequest, HistoryPage
page, conflict = json.load(sys.stdin)
read = HistoryPage.model_validate(page)
assert read.deployments[0].action == "teleport", read
assert ConflictReply.model_validate(conflict).model_dump()["details"]["reason"] == "ReasonOfTomorrow"
assert DeployRequest(app_id="a", release_id="1").model_dump(exclude_none=True) == {"app_id": "a", "release_id": "1"}
try:
    DeployRequest(app_id="a", release_id="1", relase="2")
except pydantic.ValidationError:
    pass
else:
    raise AssertionError("an unknown field of a request was taken")
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    return pinned.programs("clients")


def run(*command: object, folder: Path, given: Any = None) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_client_of_openapi_python_client_survives_growth(programs: Path, tmp_path: Path) -> None:
    run(
        programs / "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none",
        "--output-path", tmp_path / "made", folder=tmp_path,
    )  # fmt: skip
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    wanted = {
        snake(spec["operationId"])
        for methods in document["paths"].values()
        for spec in methods.values()
        if "application/json" in next(iter(spec["responses"].values())).get("content", {})
    }
    assert wanted <= {path.stem for path in (tmp_path / "made/api").rglob("*.py")}
    run(programs / "python", "-c", READ_BY_DATACLASSES, folder=tmp_path, given=[PAGE, CONFLICT])


def test_models_of_datamodel_code_generator_survive_growth(programs: Path, tmp_path: Path) -> None:
    run(
        programs / "datamodel-codegen", "--input", DOCUMENT, "--input-file-type", "openapi",
        "--output-model-type", "pydantic_v2.BaseModel", "--output", tmp_path / "models.py", folder=tmp_path,
    )  # fmt: skip
    run(programs / "python", "-c", READ_BY_PYDANTIC, folder=tmp_path, given=[PAGE, CONFLICT])


def snake(name: str) -> str:
    """`listEnvironments` → `list_environments`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
