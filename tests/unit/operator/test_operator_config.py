"""Settings of the operator and of the commands: bounded, and a wrong one is a sentence."""

import pytest

from moorage_cli.config import ExportSettings, to_utc
from moorage_crds.process.settings import load
from moorage_operator.config import OperatorSettings


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--retention-records", "15"),
        ("--retention-days", "0"),
        ("--retention-max-records", "49"),
        ("--sweep-interval-seconds", "1"),
        ("--retention-per-second", "0"),
        ("--metrics-port", "0"),
        ("--namespace", "Not_A_Namespace"),
        ("--lease-enabled", "perhaps"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(OperatorSettings, [flag, value], prog="moorage operator")
    assert stopped.value.code == 2
    assert flag in capsys.readouterr().err


def test_what_always_stays_is_within_the_maximum(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(OperatorSettings, ["--retention-records", "20000"], prog="moorage operator")
    assert "RETENTION_MAX_RECORDS" in capsys.readouterr().err


def test_defaults_are_those_that_the_docs_name() -> None:
    settings = load(OperatorSettings, [], prog="moorage operator")
    assert (settings.retention_records, settings.retention_days, settings.sweep_interval_seconds) == (50, 90, 300)


@pytest.mark.parametrize(
    "arguments",
    [["--since", "yesterday"], ["--environment", "No Slug"], ["--app", "."], ["--workspace", "x"], ["--format", "xml"]],
)
def test_a_wrong_choice_is_refused_by_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ExportSettings, arguments, prog="moorage export")
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00+00:00"),
    ],
)
def test_dates_and_times_are_moments(text: str, expected: str) -> None:
    moment = to_utc(text)
    assert moment is not None
    assert moment.isoformat() == expected
