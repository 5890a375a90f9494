"""Bounds grow with the load, or by the one setting."""

import time

import pytest

from moorage_dev import patience
from moorage_dev.failures import DevError


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(patience.VARIABLE, raising=False)
    monkeypatch.setattr(patience, "_cores", lambda: 2)


@pytest.mark.parametrize(("load", "factor"), [(0.0, 1.0), (1.0, 1.0), (2.0, 2.0), (6.0, 6.0), (400.0, 20.0)])
def test_load_multiplies_a_bound_up_to_a_limit(load: float, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))

    assert patience.scaled(15) == 15 * factor


def test_setting_wins_over_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (400.0, 0.0, 0.0))
    monkeypatch.setenv(patience.VARIABLE, "2.5")

    assert patience.scaled(10) == 25


@pytest.mark.parametrize("value", ["much", "0", "0.5", "-1", "nan", "inf", "1001"])
def test_setting_that_is_no_factor_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patience.VARIABLE, value)

    with pytest.raises(DevError, match="MOORAGE_PATIENCE"):
        patience.factor()


def test_wait_goes_on_while_the_load_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic() - 20
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    idle = patience.is_over(began, 15)
    monkeypatch.setattr("os.getloadavg", lambda: (6.0, 0.0, 0.0))

    assert (idle, patience.is_over(began, 15)) == (True, False)
