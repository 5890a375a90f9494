"""The cost of an answer about a workspace is bounded, however many Freezes its users write."""

from datetime import UTC, datetime, timedelta

import pytest

from moorage_api.reads.closures import Closures
from moorage_crds.gates.calendar import Absolute, Calendar, Weekly
from moorage_crds.gates.freezes import Freeze

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def frozen(name: str, hours: float, **more: frozenset[str]) -> Freeze:
    window = Absolute(NOW - timedelta(hours=1), NOW + timedelta(hours=hours))
    return Freeze(f"freeze/{name}", "quiet", Calendar(absolute=(window,)), **more)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The looks at calendars."""
    found: list[str] = []
    for name in ("is_closed", "next"):
        real = getattr(Calendar, name)

        def counted(calendar: Calendar, *args: object, real: object = real, name: str = name, **more: object) -> object:
            found.append(name)
            return real(calendar, *args, **more)  # type: ignore[operator]

        monkeypatch.setattr(Calendar, name, counted)
    return found


def test_each_freeze_is_looked_at_once_for_all_environments(looks: list[str]) -> None:
    freezes, closures = [frozen(str(number), 1) for number in range(200)], Closures()

    shown = [closures.of(f"e-{number}", freezes, NOW) for number in range(50)]

    assert all(len(one) == 200 for one in shown)
    assert looks.count("next") == 200
    # The search for an opening looks once more.
    assert looks.count("is_closed") <= 400


def test_an_opening_is_worked_out_again_when_it_has_come(looks: list[str]) -> None:
    evening = Calendar(weekly=(Weekly(frozenset({"Tue", "Wed"}), 0, 20 * 60),))
    freezes, closures = [Freeze("freeze/evening", "quiet", evening)], Closures()

    def opens(hours: float) -> list[str]:
        return [one["opens_at"] for one in closures.of("production", freezes, NOW + timedelta(hours=hours))]

    assert [opens(hours) for hours in (0, 1, 9, 14)] == [
        ["2026-12-01T20:00:00Z"],
        ["2026-12-01T20:00:00Z"],
        [],
        ["2026-12-02T20:00:00Z"],
    ]
    assert looks.count("next") == 2


def test_a_freeze_that_is_written_anew_is_looked_at_anew() -> None:
    closures = Closures()
    for hours in range(1, 200):
        freeze = frozen("same", hours, environments=frozenset({"production"}))
        [shown] = closures.of("production", [freeze], NOW)
        assert shown["opens_at"] == (NOW + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
        assert closures.of("staging", [freeze], NOW) == []
