"""What an answer of the index costs."""

from datetime import UTC, datetime, timedelta

import pytest
from fixed_clock import FixedClock
from history_lines import ALL, UIDS, line, page

from moorage_api.cache.chains import ChainLines
from moorage_api.cache.history import HistoryIndex
from moorage_api.cache.line import NO_TIME, Line
from moorage_api.cache.lines import AFTER_UIDS, MAX_MOVED, Filters, Position
from moorage_crds.kinds.deployment import Action
from moorage_crds.moments import to_text


def many(count: int, apps: int = 10) -> HistoryIndex:
    """Lines of ten apps; every hundredth is a rollback."""
    index = HistoryIndex(FixedClock())
    lines = []
    for number in range(count):
        app, sequence = number % apps, number // apps + 1
        uid = f"{app:08d}-0000-4000-8000-000000000000"
        moment = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=number)
        action = Action.ROLLBACK if number % 100 == 0 else Action.DEPLOY
        lines.append(line(uid, sequence, to_text(moment), app=f"app-{app}", action=action, version=str(number + 10)))
    index.replace(lines, str(count + 10))
    return index


@pytest.mark.parametrize(
    ("filters", "total"),
    [
        (ALL, 5_000),
        (Filters(app="app-3"), 500),
        (Filters(action="rollback"), 50),
        (Filters(app="app-3", action="rollback"), 0),
        (Filters(app="app-0", action="rollback"), 50),
        (Filters(since="2026-01-02T01:00:00Z"), 1_400),
        (Filters(until="2026-01-02T00:00:09Z"), 10),
        (Filters(app="app-3", since="2026-01-02T00:10:00Z", until="2026-01-02T00:19:59Z"), 60),
        (Filters(action="undeploy"), 0),
    ],
)
def test_page_looks_at_what_it_shows_and_no_more(filters: Filters, total: int) -> None:
    index = many(5_000)
    page(index)
    before = index.work.lines

    answer = page(index, filters=filters, limit=20)

    assert (answer.total, answer.matching) == (5_000, total)
    assert len(answer.lines) == min(20, total)
    assert index.work.lines - before <= 21


def test_state_at_a_moment_is_sought_by_halves() -> None:
    chain = many(5_000, apps=1).chain(UIDS[0])
    assert chain is not None
    asked: list[int] = []
    get = ChainLines.get

    def counted(self: ChainLines, sequence: int) -> Line | None:
        asked.append(sequence)
        return get(self, sequence)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChainLines, "get", counted)
        found = chain.at("2026-01-02T00:30:00Z")

    assert found is not None
    assert found.sequence == 1_801
    assert len(asked) <= 15


def test_ends_of_a_chain_are_known_without_looking_for_them() -> None:
    index = many(300, apps=1)
    for number in (1, 2, 300, 150):
        index.apply("DELETED", line(UIDS[0], number, app="app-0", version="999"))

    chain = index.chain(UIDS[0])

    assert chain is not None
    assert (chain.bottom, chain.top, len(chain)) == (3, 299, 296)
    assert [one.sequence for one in chain.descending()] == [n for n in range(299, 2, -1) if n != 150]
    found = chain.at("2026-01-02T00:02:30Z")
    assert found is not None
    assert found.sequence == 151


def test_forged_cursor_does_not_make_others_wait() -> None:
    """Lines that got their times when they were recorded stand elsewhere for old cursors: a bounded number of them."""
    index = HistoryIndex(FixedClock())
    adopted = [
        line(
            UIDS[0],
            number,
            f"2026-01-02T00:{number // 60:02}:{number % 60:02}Z",
            action=Action.ADOPT,
            by=None,
            version=str(number + 10),
        )
        for number in range(1, 3_001)
    ]
    index.replace(adopted, "4000")
    before = index.work.lines

    page(index, after=Position((NO_TIME, AFTER_UIDS, 0), ""), limit=20)

    assert index.work.lines - before <= MAX_MOVED + 21
