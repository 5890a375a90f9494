"""`moorage explain --replay`: what a promotion rule would have refused of changes that were made."""

import json
import lzma
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moorage_cli.people.explain import run_explain
from moorage_cli.people.model import Exit
from moorage_cli.replay import Line, Rule, replay
from moorage_crds.moments import to_text

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def line(minute: int, environment: str, release: str | None, app: str = "web") -> Line:
    return Line(BEGIN + timedelta(minutes=minute), app, environment, release)


def rule(minutes: int) -> Rule:
    return Rule("production", "staging", timedelta(minutes=minutes), f"{minutes}m")


def counted(lines: Sequence[Line], minutes: int) -> tuple[int, int, int, int]:
    report = replay(lines, rule(minutes))
    assert report.refused == report.early + report.unproven
    return report.changes, report.back, report.early, report.unproven


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([line(0, "staging", "1"), line(10, "production", "1")], (1, 0, 0, 0), id="soaked to the second"),
        pytest.param([line(0, "staging", "1"), line(9, "production", "1")], (1, 0, 1, 0), id="too early"),
        pytest.param([line(0, "production", "1")], (1, 0, 0, 1), id="never there"),
        pytest.param(
            [line(0, "staging", "1"), line(5, "staging", "2"), line(20, "production", "1")],
            (1, 0, 0, 1),
            id="left before it had soaked",
        ),
        pytest.param(
            [line(0, "staging", "1"), line(10, "staging", "2"), line(11, "production", "1")],
            (1, 0, 0, 0),
            id="left when it had soaked",
        ),
        pytest.param(
            [line(0, "staging", "1"), line(5, "staging", "1"), line(10, "production", "1")],
            (1, 0, 0, 0),
            id="the same release again is not a change",
        ),
        pytest.param(
            [line(0, "production", "1"), line(1, "production", None), line(2, "production", "1")],
            (3, 1, 0, 1),
            id="out passes, and so does the way back",
        ),
        pytest.param([line(0, "staging", "1", "api"), line(30, "production", "1")], (1, 0, 0, 1), id="another app"),
        pytest.param([line(0, "elsewhere", "1"), line(30, "production", "1")], (1, 0, 0, 1), id="another origin"),
    ],
)
def test_what_a_rule_of_ten_minutes_refuses(lines: list[Line], expected: tuple[int, int, int, int]) -> None:
    assert counted(lines, 10) == expected


def oracle(lines: Sequence[Line], soak: timedelta) -> tuple[int, int]:
    """All changes and all refused ones, by looking back over the whole past at each of them."""
    changes = refused = 0
    for index, one in enumerate(lines):
        past = [other for other in lines[:index] if other.app == one.app]
        here = [other.release for other in past if other.environment == "production"]
        present = here[-1] if here else None
        if one.environment != "production" or one.release == present:
            continue
        changes += 1
        if one.release is None or one.release in here:
            continue
        there = [other for other in past if other.environment == "staging"]
        ends = [*(other.at for other in there[1:]), one.at]
        spans: list[tuple[str | None, datetime, datetime]] = []
        for other, end in zip(there, ends, strict=False):
            if spans and spans[-1][0] == other.release:
                spans[-1] = (other.release, spans[-1][1], end)
            else:
                spans.append((other.release, other.at, end))
        refused += not any(release == one.release and end - begin >= soak for release, begin, end in spans)
    return changes, refused


def test_random_histories_against_an_oracle() -> None:
    source = random.Random(4711)  # noqa: S311 — random histories, no secrets
    seen = 0
    for _ in range(300):
        minutes = sorted(source.randrange(120) for _ in range(60))
        lines = [
            line(minute, source.choice(["staging", "production"]), source.choice(["1", "2", "3", "4", None]), app)
            for minute in minutes
            for app in [source.choice(["web", "api"])]
        ]
        soak = source.choice([0, 1, 5, 20])
        changes, _, early, unproven = counted(lines, soak)
        assert (changes, early + unproven) == oracle(lines, timedelta(minutes=soak))
        seen += early + unproven
    assert seen > 300


def text_of(lines: Sequence[Line]) -> str:
    rows = [f"{to_text(one.at)},{one.app},{one.environment},{one.release or ''}" for one in lines]
    return "\n".join(["time,app,environment,release", *rows, ""])


@pytest.mark.parametrize("name", ["changes.csv", "changes.csv.xz"])
def test_the_command_reads_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    lines = [
        line(0, "staging", "1"),
        line(3, "production", "1"),
        line(4, "production", None),
        line(5, "production", "2"),
        line(6, "production", "1"),
    ]
    content = text_of(lines).encode()
    Path(tmp_path, name).write_bytes(lzma.compress(content) if name.endswith(".xz") else content)

    assert run_explain(["--replay", str(tmp_path / name), "--soak", "10m", "-o", "json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == [
        {
            "environment": "production",
            "from": "staging",
            "soak": "10m",
            "changes": 4,
            "back": 1,
            "refused": 2,
            "early": 1,
            "unproven": 1,
        }
    ]
    assert run_explain(["--replay", str(tmp_path / name)]) == Exit.DONE
    assert "REFUSED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"time,app,release\n", "line 1: the columns environment are missing"),
        (b"", "line 1: the columns time, app, environment, release are missing"),
        (b"time,app,environment,release\nnow,web,staging,1\n", "line 2: time must be RFC 3339 with a zone"),
        (b"time,app,environment,release\n2026-03-01T00:00:00,web,staging,1\n", "line 2: time must be RFC 3339"),
        (b"time,app,environment,release\n2026-03-01T00:00:00Z,web\n", "line 2: environment, release must have"),
        (b"time,app,environment,release\n2026-03-01T00:00:00Z,,staging,1\n", "line 2: app must have a value"),
        (
            b"time,app,environment,release\n2026-03-01T00:00:01Z,web,staging,1\n2026-03-01T00:00:00Z,web,staging,2\n",
            "line 3: it is older than the line before",
        ),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_a_file_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    Path(tmp_path, "changes.csv").write_bytes(content)
    assert run_explain(["--replay", str(tmp_path / "changes.csv")]) == Exit.TROUBLE
    found = capsys.readouterr()
    assert said in found.err
    assert "changes.csv" in found.err
    assert found.out == ""


def test_what_cannot_be_unpacked_or_found_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = lzma.compress(text_of([line(0, "staging", "1")] * 50).encode())
    for content in (b"no archive", whole[:-20]):
        Path(tmp_path, "changes.csv.xz").write_bytes(content)
        assert run_explain(["--replay", str(tmp_path / "changes.csv.xz")]) == Exit.TROUBLE
    assert run_explain(["--replay", str(tmp_path / "absent.csv")]) == Exit.TROUBLE
    assert capsys.readouterr().err.count("cannot read") == 3


@pytest.mark.parametrize("arguments", [[], ["--replay", "x.csv", "--soak", "soon"], ["--nonsense"]])
def test_wrong_arguments_are_refused_before_anything_is_read(arguments: list[str]) -> None:
    assert run_explain(arguments) == Exit.USAGE
