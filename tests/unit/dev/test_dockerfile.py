"""What the build says about a base that is named by a tag."""

import re
import subprocess

import pytest

from moorage_dev.layout import ROOT

DIGEST = "python@sha256:" + "a" * 64
TAG = "python:3.13-slim-bookworm"


def said(base: str, runtime: str) -> str:
    """What the first step of the build prints for these arguments."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG BASE_IMAGE\nARG RUNTIME_IMAGE\nRUN (.*?[^\\])$", dockerfile, re.MULTILINE | re.DOTALL)
    assert found is not None
    environment = {"BASE_IMAGE": base, "RUNTIME_IMAGE": runtime}
    done = subprocess.run(["/bin/sh", "-c", found[1]], capture_output=True, text=True, check=True, env=environment)
    return done.stderr


@pytest.mark.parametrize(
    ("base", "runtime", "warned"),
    [
        (DIGEST, DIGEST, []),
        (TAG, DIGEST, [f"BASE_IMAGE={TAG}"]),
        (TAG, TAG, [f"BASE_IMAGE={TAG}", f"RUNTIME_IMAGE={TAG}"]),
    ],
)
def test_base_without_digest_is_warned_about_and_built(base: str, runtime: str, warned: list[str]) -> None:
    lines = said(base, runtime).splitlines()
    assert [line.split()[1] for line in lines] == warned
    assert all(line.startswith("WARNING: ") for line in lines)
