"""What is forked from a process that has everything imported is the command itself, and nobody else's."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import preloaded
import pytest
from waiting import eventually

from moorage_dev import children
from moorage_dev.failures import DevError


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    preloaded.close()


def said(log: Path, *arguments: str, environment: Mapping[str, str]) -> str:
    """What the command has written until it ended."""
    child = preloaded.spawn("it", ["moorage", *arguments], log=log, env=environment)
    eventually(lambda: not children.is_running(child))
    return log.read_text(encoding="utf-8")


def test_each_has_a_log_and_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_METRICS_PORT", "ours")
    first = said(tmp_path / "first.log", "operator", environment={"MOORAGE_METRICS_PORT": "wrong-1"})
    second = said(tmp_path / "second.log", "operator", environment={"MOORAGE_LEASE_ENABLED": "wrong-2"})
    assert ("MOORAGE_METRICS_PORT" in first, "MOORAGE_LEASE_ENABLED" in first) == (True, False)
    assert ("MOORAGE_METRICS_PORT" in second, "MOORAGE_LEASE_ENABLED" in second) == (False, True)


def test_unknown_command_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DevError, match="could not be started"):
        preloaded.spawn("it", ["moorage", "nothing"], log=tmp_path / "log", env={})
