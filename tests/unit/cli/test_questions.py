"""Pure answers: moments, what was active when, differences, choices; and how they are written."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moorage_cli.people.model import Exit, Line, TroubleError
from moorage_cli.people.output import Form, table, written
from moorage_cli.people.questions import between, differences, earlier_releases, moment_of, newest_first, standing

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 10, 9, 30, tzinfo=ZONE)
#: What names and reasons may hold: no control characters.
WORDS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=5)
RELEASES = st.none() | st.sampled_from(["1", "2", "3"])


def history(*releases: str | None, app: str = "web", start: int = 0) -> list[Line]:
    """One binding, a change each minute, the oldest first."""
    previous: str | None = None
    lines = []
    for number, release in enumerate(releases, 1):
        at = f"2026-03-01T00:{start + number:02}:00Z"
        action = "deploy" if release else "undeploy"
        lines.append(
            Line(f"{app}-{number}", "staging", app, action, previous, release, "alice", at, None, number, recorded=True)
        )
        previous = release
    return lines


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", datetime(2026, 3, 10, 6, 0, tzinfo=UTC)),
        ("2d", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        ("1w", datetime(2026, 3, 3, 7, 30, tzinfo=UTC)),
        ("yesterday 15:00", datetime(2026, 3, 9, 13, 0, tzinfo=UTC)),
        ("today", datetime(2026, 3, 9, 22, 0, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 30, 22, 0, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, 0, tzinfo=UTC)),
        ("2026-01-31T12:00:00-05:00", datetime(2026, 1, 31, 17, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_what_people_mean(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "1y", "yesterday 25:00", "-1h", "2026-13-01", "99999999999w"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(TroubleError, match="yesterday 15:00") as refused:
        moment_of(text, NOW)
    assert refused.value.code is Exit.USAGE


@given(st.lists(RELEASES, max_size=8), st.lists(RELEASES, max_size=8), st.integers(0, 30), st.randoms())
def test_what_stood_at_a_moment_is_what_a_replay_says(first: list, second: list, minute: int, chance: object) -> None:
    lines = [*history(*first, app="a"), *history(*second, app="b", start=10)]
    then = datetime(2026, 3, 1, 0, minute, tzinfo=UTC)
    replayed: dict[str, str | None] = {}
    for line in sorted(lines, key=lambda one: (str(one.at), one.sequence)):
        if datetime.fromisoformat(str(line.at)) <= then:
            replayed[line.app] = line.release
    chance.shuffle(lines)  # type: ignore[attr-defined]
    assert {one.app: one.release for one in standing(lines, then)} == {
        app: release for app, release in replayed.items() if release
    }


@given(st.lists(RELEASES, min_size=1, max_size=8))
def test_choices_are_earlier_releases_and_never_the_present_one(releases: list[str | None]) -> None:
    earlier = {release for release in releases if release and release != releases[-1]}
    if not earlier:
        with pytest.raises(TroubleError) as refused:
            earlier_releases(history(*releases))
        assert refused.value.reason == "NothingToRollBack"
        return
    found = [line.release for line in earlier_releases(history(*releases))]
    assert sorted(map(str, found)) == sorted(map(str, earlier))


def test_a_line_without_a_time_is_the_newest_and_always_in_range() -> None:
    lines = history("1", "2")
    unknown = Line("x", "staging", "web", "adopt", "2", "3", None, None, None, 3, recorded=False)
    assert newest_first([unknown, *lines])[0] is unknown
    assert between([unknown, *lines], datetime(2030, 1, 1, tzinfo=UTC), None) == [unknown]


@given(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("12")),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("12")),
)
def test_differences_make_one_the_other(first: dict[str, str], second: dict[str, str]) -> None:
    changed = first.copy()
    for one in differences(first, second):
        assert one.first != one.second
        changed.pop(one.app, None)
        changed |= {one.app: one.second} if one.second is not None else {}
    assert changed == second


@given(st.lists(st.fixed_dictionaries({"app": WORDS, "release": st.none() | WORDS}), max_size=4))
def test_every_form_says_the_same(rows: list[dict[str, str | None]]) -> None:
    assert json.loads(written(rows, Form.JSON)) == rows
    assert yaml.safe_load(written(rows, Form.YAML)) == rows
    back = list(csv.DictReader(io.StringIO(written(rows, Form.CSV), newline="")))
    assert len(back) == len(rows)
    assert written(rows, Form.NAME, name="app").count("\n") >= len(rows)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx"])
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    assert written([{"reason": text}], Form.CSV).splitlines()[1].strip('"').startswith("'")


@given(st.text(max_size=20))
def test_a_cell_of_a_table_cannot_move_the_cursor(text: str) -> None:
    shown = table([{"reason": text}], ["reason"])
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))
    assert shown.count("\n") == 2


def test_truth_reads_the_same_in_every_form() -> None:
    assert written([{"ok": True}, {"ok": False}], Form.CSV).split() == ["ok", "true", "false"]
