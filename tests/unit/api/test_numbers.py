"""The numbers of delivery equal those of an independent computation, and what is not known says why."""

import csv
import lzma
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from numbers_by_sql import BySql

from moorage_api.reads import numbers
from moorage_api.reads.numbers import Entry, Tally, body, in_steps, tallies, together
from moorage_crds.kinds.deployment import Action

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
END = START + timedelta(days=30)
REPLAY = os.environ.get("MOORAGE_REPLAY", "")


def line(sequence: int, action: Action, release: str | None, minutes: float, **more: object) -> Entry:
    entry = Entry("chain", sequence, "production", "web", action, release, START + timedelta(minutes=minutes))
    return replace(entry, **more)  # type: ignore[arg-type]


def numbers_of(*entries: Entry) -> dict[str, object]:
    return body(together(tallies(entries, START, END).values()), START, END)


def test_a_rollback_says_that_the_change_before_it_failed_and_restores() -> None:
    said = numbers_of(
        line(1, Action.DEPLOY, "v1", 0),
        line(2, Action.DEPLOY, "v2", 60),
        line(3, Action.ROLLBACK, "v1", 75),
        line(4, Action.DEPLOY, "v3", 200),
    )
    assert (said["deployments"], said["rollbacks"], said["failures"]) == (3, 1, 1)
    assert said["change_failure_rate"] == said["rework_rate"] == 0.3333
    assert said["time_to_restore"] == {"median_seconds": 900, "p90_seconds": 900, "count": 1}
    assert said["deployments_per_day"] == 0.1
    assert said["unknown"] == {"lead_time": numbers.NO_EARLIER_PLACE, "time_to_healthy": numbers.NO_OUTCOME}


def test_a_rollout_that_failed_is_restored_by_the_next_that_did_not() -> None:
    said = numbers_of(
        line(1, Action.DEPLOY, "v1", 0, healthy_at=START + timedelta(minutes=2)),
        line(2, Action.DEPLOY, "v2", 60, failed=True),
        line(3, Action.DEPLOY, "v3", 70, failed=True),
        line(4, Action.DEPLOY, "v4", 90, healthy_at=START + timedelta(minutes=94)),
    )
    assert (said["failures"], said["rework_rate"]) == (2, 0.5)
    assert said["time_to_restore"] == {"median_seconds": 1200, "p90_seconds": 1800, "count": 2}
    assert said["time_to_healthy"] == {"median_seconds": 120, "p90_seconds": 240, "count": 2}


def test_lead_time_is_from_where_the_release_was_first() -> None:
    first = line(1, Action.DEPLOY, "v1", 0, chain="s", environment="staging")
    said = numbers_of(first, line(1, Action.DEPLOY, "v1", 240), line(2, Action.DEPLOY, "hotfix", 250))
    assert said["lead_time"] == {"median_seconds": 14_400, "p90_seconds": 14_400, "count": 1}


def test_what_cannot_be_known_is_null_and_says_why() -> None:
    said = body(Tally(), START, END)
    names = {"lead_time", "time_to_healthy", "change_failure_rate", "time_to_restore", "rework_rate"}
    assert {name for name in said if said[name] is None} == names
    assert said["unknown"] == dict.fromkeys(names, numbers.NOTHING_DEPLOYED)
    unrestored = numbers_of(line(1, Action.DEPLOY, "v1", 0, failed=True))
    assert unrestored["unknown"]["time_to_restore"] == numbers.NOT_RESTORED  # type: ignore[index]


def test_only_what_is_in_the_time_counts_and_what_was_before_is_known() -> None:
    early = [
        line(1, Action.DEPLOY, "v1", -500, chain="s", environment="staging"),
        line(1, Action.DEPLOY, "v0", -400),
        line(2, Action.DEPLOY, "v1", 10),
    ]
    late = line(3, Action.ROLLBACK, "v0", 60 * 24 * 31)
    said = body(tallies([*early, late], START, END)["production", "web"], START, END)
    assert (said["deployments"], said["failures"], said["rollbacks"]) == (1, 0, 0)
    assert said["lead_time"] == {"median_seconds": 30_600, "p90_seconds": 30_600, "count": 1}


def test_steps_end_with_the_time_and_the_first_takes_what_is_left_over() -> None:
    day = timedelta(days=1)
    assert numbers.starts_of(START, START + timedelta(days=2, hours=10), day) == (START, START + timedelta(hours=34))
    assert numbers.starts_of(START, START + timedelta(days=2, hours=13), day)[1] == START + timedelta(hours=13)
    assert numbers.starts_of(START, START + timedelta(hours=2), day) == (START,)


def test_what_became_of_a_deployment_counts_in_its_own_step() -> None:
    day = 24 * 60
    lines = [
        line(1, Action.DEPLOY, "v1", 0),
        line(2, Action.DEPLOY, "v2", day - 1),
        line(3, Action.ROLLBACK, "v1", day + 1),
        line(4, Action.DEPLOY, "v3", 2 * day),
    ]
    steps = in_steps(lines, [START + timedelta(days=number) for number in range(4)], END)["production", "web"]
    assert sorted(steps) == [0, 1, 2]
    assert (steps[0].failures, steps[0].restore, steps[0].rework) == (1, [120], 0)
    assert (steps[1].deployments, steps[1].rollbacks, steps[1].failures) == (0, 1, 0)
    assert (steps[2].deployments, steps[2].rework) == (1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_steps_together_are_the_whole(seed: int) -> None:
    entries = made_up(seed)
    whole = tallies(entries, START, END)
    steps = in_steps(entries, numbers.starts_of(START, END, timedelta(days=1)), END)
    assert max(len(parts) for parts in steps.values()) > 10
    assert {key: _sorted(together(parts.values())) for key, parts in steps.items()} == {
        key: _sorted(tally) for key, tally in whole.items()
    }


def _sorted(tally: Tally) -> Tally:
    return replace(tally, lead=sorted(tally.lead), healthy=sorted(tally.healthy), restore=sorted(tally.restore))


def made_up(seed: int, count: int = 3_000) -> list[Entry]:
    """Lines of a workspace in which much goes wrong: some outcomes are known, bindings end and are created again."""
    chance = random.Random(seed)  # noqa: S311 — a seed, to repeat what failed
    sequences: dict[str, int] = {}
    entries: list[Entry] = []
    at = START - timedelta(days=20)
    for number in range(count):
        at += timedelta(seconds=chance.randrange(0, 2_400))
        app = f"app-{chance.randrange(12)}"
        environment = chance.choice(("integration", "staging", "production"))
        chain = f"{environment}.{app}.{number // 1_000 if app == 'app-0' else 0}"
        sequences[chain] = sequences.get(chain, 0) + 1
        action = _action(chance)
        release = None if action is Action.UNDEPLOY else f"v{number // 60 + chance.randrange(4)}"
        ended = chance.random()
        entries.append(
            Entry(
                chain,
                sequences[chain],
                environment,
                app,
                action,
                release,
                at,
                failed=release is not None and ended < 0.1,
                healthy_at=at + timedelta(seconds=chance.randrange(900)) if ended > 0.6 else None,
            )
        )
    return entries


def _action(chance: random.Random) -> Action:
    return chance.choices((Action.DEPLOY, Action.ROLLBACK, Action.UNDEPLOY, Action.ADOPT), (16, 3, 1, 1))[0]


def agree(entries: list[Entry], since: datetime, until: datetime) -> int:
    """Both computations say the same of every environment, and of every app in it; how many that were."""
    found, compared = tallies(entries, since, until), 0
    with closing(BySql(entries, since, until)) as by_sql:
        for environment in sorted({key[0] for key in found}):
            for app in ("%", *sorted(app for place, app in found if place == environment)):
                parts = [tally for key, tally in found.items() if key[0] == environment and app in {"%", key[1]}]
                ours = body(together(parts), since, until)
                ours.pop("unknown")
                assert ours == by_sql.numbers(environment, app), (environment, app)
                compared += 1
    return compared


@pytest.mark.parametrize("seed", range(4))
def test_an_independent_computation_says_the_same(seed: int) -> None:
    assert agree(made_up(seed), START, END) > 30


def replayed(path: Path) -> Iterator[Entry]:
    """The changes of a real organisation; one that goes back to the release before is a rollback."""
    sequences: dict[str, int] = {}
    last: dict[str, tuple[str | None, str | None, Action]] = {}
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            chain = f"{row['environment']}.{row['app']}"
            before, now, action = last.get(chain, (None, None, Action.DEPLOY))
            release = row["release"] or None
            if release is None:
                action = Action.UNDEPLOY
            elif release == before and action is not Action.ROLLBACK:
                action = Action.ROLLBACK
            else:
                action = Action.DEPLOY
            last[chain] = (now, release, action)
            sequences[chain] = sequences.get(chain, 0) + 1
            at = datetime.fromisoformat(row["time"]).astimezone(UTC)
            yield Entry(chain, sequences[chain], row["environment"], row["app"], action, release, at)


@pytest.mark.campaign
def test_campaign_of_a_real_organisation(figures: Callable[[str], None]) -> None:
    if not REPLAY or not Path(REPLAY).is_file():
        pytest.skip("NOT RUN: set MOORAGE_REPLAY to the file of real deployments")
    entries = list(replayed(Path(REPLAY)))
    compared = sum(agree(entries, since, until) for since, until in _quarters(entries))
    since, until = entries[-1].at - timedelta(days=90), entries[-1].at
    for environment in ("integration", "staging", "production"):
        parts = (tally for key, tally in tallies(entries, since, until).items() if key[0] == environment)
        figures(f"{environment}, last 90 days: {body(together(parts), since, until)}")
    figures(f"{len(entries)} lines, {compared} sets of numbers equal to those by SQL")


def _quarters(entries: Iterable[Entry]) -> Iterator[tuple[datetime, datetime]]:
    times = [entry.at for entry in entries]
    begin, end = min(times), max(times)
    while begin < end:
        yield begin, begin + timedelta(days=182)
        begin += timedelta(days=182)
