"""Settings: flags over variables over defaults, and one sentence for each mistake."""

import pytest

from moorage_crds.process import settings
from moorage_crds.process.settings import ProcessSettings


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ProcessSettings.model_fields:
        monkeypatch.delenv(settings.ENV_PREFIX + name.upper(), raising=False)


def test_flag_wins_over_variable_and_variable_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load(ProcessSettings, [], prog="moorage x").metrics_port == 9090
    monkeypatch.setenv("MOORAGE_METRICS_PORT", "9100")
    assert settings.load(ProcessSettings, [], prog="moorage x").metrics_port == 9100
    assert settings.load(ProcessSettings, ["--metrics-port", "9200"], prog="moorage x").metrics_port == 9200


@pytest.mark.parametrize(
    ("argv", "variable", "named"),
    [
        (["--metrics-port", "0"], None, "--metrics-port=0"),
        (["--log-level", "LOUD"], None, "--log-level=LOUD"),
        ([], "many", "MOORAGE_METRICS_PORT=many"),
    ],
)
def test_bad_value_is_one_sentence_that_names_its_source(
    argv: list[str],
    variable: str | None,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if variable:
        monkeypatch.setenv("MOORAGE_METRICS_PORT", variable)
    with pytest.raises(SystemExit) as caught:
        settings.load(ProcessSettings, argv, prog="moorage x")
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_plain_kubeconfig_variable_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somebody/s/production")
    assert settings.load(ProcessSettings, [], prog="moorage x").kubeconfig is None
