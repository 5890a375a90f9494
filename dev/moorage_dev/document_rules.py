"""What Redocly and Spectral find in a document of the API, by the rules of `dev/openapi`."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moorage_dev import pinned
from moorage_dev.failures import DevError
from moorage_dev.layout import DEV
from moorage_dev.node_js import find_node

_RULES = DEV / "openapi"
#: Neither tells anybody that it runs, nor asks for a newer version of itself.
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a place in the document, as an error or as a warning."""

    rule: str
    place: str
    message: str


def redocly(document: Path) -> list[Finding]:
    """What Redocly finds.

    Raises:
        DevError: it cannot be installed, or does not say what it found.
    """
    program = "@redocly/cli/bin/cli.js"
    # By itself it tells the first hundred only.
    asked = ("--config", str(_RULES / "redocly.yaml"), "--format", "json", "--max-problems", "10000")
    answer = _said(program, ("lint", str(document), *asked), document.parent)
    return [Finding(one["ruleId"], one["location"][0].get("pointer", ""), one["message"]) for one in answer["problems"]]


def spectral(document: Path) -> list[Finding]:
    """What Spectral finds.

    Raises:
        DevError: it cannot be installed, or does not say what it found.
    """
    program = "@stoplight/spectral-cli/dist/index.js"
    asked = ("--ruleset", str(_RULES / "spectral.yaml"), "--format", "json", "--quiet")
    answer = _said(program, ("lint", str(document), *asked), document.parent)
    return [Finding(one["code"], "/".join(map(str, one["path"])), one["message"]) for one in answer]


def _said(program: str, arguments: Sequence[str], folder: Path) -> Any:
    """The JSON that a program writes. Its exit code tells of errors only, and we count warnings, too."""
    node = find_node()
    command: list[str | Path] = [node.program, pinned.packages("openapi", node) / program, *arguments]
    environment = {**node.environment(), **_QUIET}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise DevError(f"{program} did not say what it found:\n{done.stdout[-2000:]}{done.stderr[-2000:]}") from None
