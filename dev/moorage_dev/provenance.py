"""How a release was made: an in-toto statement with the provenance of SLSA, about every file of it.

It is not signed here: the publisher signs it with their own identity (RELEASING.md).
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from moorage_dev.layout import ROOT

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
#: What `externalParameters` mean; RELEASING.md describes it.
BUILD_TYPE: Final = "https://moorage.dev/make-dist/v1"
#: Everything else that decides what comes out.
MATERIALS: Final = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock", "web/package-lock.json")


class Built(Protocol):
    """The commit that was built."""

    @property
    def version(self) -> str:
        """Of the release."""

    @property
    def commit(self) -> str:
        """Its SHA-1."""

    @property
    def ref(self) -> str:
        """Its tag."""

    @property
    def remote(self) -> str:
        """Where the repository is."""


def text(built: Built, files: Sequence[Path], *, began: str, ended: str) -> str:
    """The statement, as JSON."""
    repository = f"git+{built.remote or 'file:.'}"
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": path.name, "digest": {"sha256": _digest(path)}} for path in files],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"repository": repository, "ref": built.ref, "version": built.version},
                "internalParameters": {"python": platform.python_version(), "system": platform.system()},
                "resolvedDependencies": [
                    {"uri": f"{repository}@{built.ref}", "digest": {"gitCommit": built.commit}},
                    *({"uri": f"file:{name}", "digest": {"sha256": _digest(ROOT / name)}} for name in MATERIALS),
                ],
            },
            "runDetails": {
                "builder": {"id": f"{BUILD_TYPE}/local"},
                "metadata": {"invocationId": f"{built.commit}@{began}", "startedOn": began, "finishedOn": ended},
            },
        },
    }
    return json.dumps(statement, indent=2) + "\n"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
