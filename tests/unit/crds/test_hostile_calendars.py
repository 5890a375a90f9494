"""Authors of Freezes cannot stop operator and facade, which serve everybody: an answer has a bounded cost."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.verdict import AskedChange
from moorage_crds.kinds import freeze
from moorage_crds.reading import readable

NOW = datetime(2026, 12, 1, 12, 3, tzinfo=UTC)
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
#: So often a clock may be asked in one answer; to walk through a year of windows asks it a hundred times as often.
MOST_LOOKS = 20_000


class CountedZone(tzinfo):
    """Clocks that say when they were looked at too often."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self.looks = 0

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        self.looks += 1
        assert self.looks <= MOST_LOOKS, "worked for too long"
        return self._zone.utcoffset(moment)

    def dst(self, moment: datetime | None, /) -> timedelta | None:
        return self._zone.dst(moment)

    def tzname(self, moment: datetime | None, /) -> str | None:
        return self._zone.tzname(moment)

    def fromutc(self, moment: datetime, /) -> datetime:
        self.looks += 1
        assert self.looks <= MOST_LOOKS, "worked for too long"
        return self._zone.fromutc(moment.replace(tzinfo=self._zone)).replace(tzinfo=self)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def quarters(first: int) -> list[dict[str, Any]]:
    """Every second quarter of an hour of each day."""
    return [
        {"days": DAYS, "from": clock(minute), "until": clock(minute + 15)} for minute in range(first, 24 * 60 - 1, 30)
    ]


def frozen(zone: CountedZone, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> Freeze:
    """As the API server would take it."""
    freeze.FreezeSpec.model_validate({"reason": "hostile", **spec})
    monkeypatch.setattr(freeze, "ZoneInfo", lambda _name: zone)
    return freeze.from_object({"metadata": {"name": "hostile"}, "spec": {"reason": "hostile", **spec}}).gate


@pytest.fixture
def zone() -> CountedZone:
    return CountedZone("America/St_Johns")


ALWAYS = [*quarters(0), {"days": DAYS, "from": "00:00", "until": "24:00"}]
#: A year of it, and hours in between that would open.
YEAR = [{"from": "2026-11-01T00:00:00Z", "until": "2027-12-01T00:00:00Z"}]
NEVER: dict[str, list[dict[str, Any]]] = {
    "one that never opens": [{"weekly": ALWAYS}],
    "windows under a long one": [{"weekly": quarters(0), "windows": YEAR}],
    "many that never open": [{"weekly": ALWAYS}] * 100,
    "two that take turns": [{"weekly": quarters(0)}, {"weekly": quarters(15)}],
    "many that take turns": [{"weekly": quarters(15 * (number % 2))} for number in range(100)],
    "the last one is closed": [*[{"weekly": quarters(0), "mode": "OpenOnly"}] * 50, {"weekly": ALWAYS}],
}


@pytest.mark.parametrize("case", NEVER)
def test_an_answer_about_hostile_freezes_has_a_bounded_price(
    case: str, zone: CountedZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = [frozen(zone, monkeypatch, **spec) for spec in NEVER[case]]

    found = engine.schedule(gates, "production", NOW)

    assert found.closed
    assert found.next_open is None or case == "windows under a long one"
    assert all(engine.schedule_of(one.calendar, NOW) for one in gates)
    assert engine.verdicts(gates, AskedChange("production"), NOW)


def test_an_open_calendar_with_many_windows_says_when_it_closes(
    zone: CountedZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = [frozen(zone, monkeypatch, weekly=quarters(15)) for _ in range(100)]

    assert engine.schedule(gates, "production", NOW) == engine.Schedule(False, next_close=NOW + timedelta(minutes=12))


def test_below_a_long_window_the_end_of_it_counts(zone: CountedZone, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = frozen(zone, monkeypatch, weekly=quarters(15), windows=YEAR)

    assert engine.schedule([gate], "production", NOW).next_open == datetime(2027, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize("spec", [case for cases in NEVER.values() for case in cases[:1]], ids=list(NEVER))
def test_whatever_the_api_server_takes_can_be_read(spec: dict[str, Any]) -> None:
    raw = {"metadata": {"name": "hostile"}, "spec": {"reason": "hostile", **spec}}

    assert readable(freeze.from_object, raw, names.FREEZES) is not None


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_at_the_ends_of_the_calendar_there_is_an_answer(name: str, moment: str) -> None:
    yearly = [{"from": "12-20", "until": "01-05"}]
    spec = {"reason": "far", "weekly": quarters(0), "yearly": yearly, "timeZone": name}
    gate = freeze.from_object({"metadata": {"name": "far"}, "spec": spec}).gate

    assert engine.schedule([gate], "production", datetime.fromisoformat(moment)).closed
