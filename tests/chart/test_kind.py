"""`make kind` without an engine: one clear sentence. With one it is run by hand (docs/compatibility.md)."""

import pytest

from moorage_dev import __main__ as dev
from moorage_dev import kind_cluster


@pytest.mark.skipif(kind_cluster.kind_is_usable(), reason="NOT RUN: a Docker engine is here")
def test_missing_engine_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["kind"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Docker engine" in error
