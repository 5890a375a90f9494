"""The index of the history: pages, chains, what is expected and what is kept."""

from dataclasses import replace

import pytest
from fixed_clock import FixedClock
from history_lines import LINES, SECONDS, UIDS, binding, change, in_place, line, page
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_api.cache.history import HistoryIndex
from moorage_api.cache.line import NO_TIME, Line
from moorage_api.cache.lines import Filters
from moorage_crds.kinds.deployment import Action, Change


@settings(max_examples=150, deadline=None)
@given(
    before=LINES,
    after=LINES,
    filters=st.builds(
        Filters,
        app=st.none() | st.sampled_from(["app-0", "app-1", "other"]),
        action=st.none() | st.just("rollback"),
        since=st.none() | SECONDS,
        until=st.none() | SECONDS,
    ),
    limit=st.integers(1, 5),
)
def test_pages_are_the_sorted_list_in_pieces(
    before: list[Line], after: list[Line], filters: Filters, limit: int
) -> None:
    index = HistoryIndex(FixedClock())
    index.replace(before, "10")
    index.replace([replace(one, version="11") for one in after], "11")
    wanted = sorted(
        (
            one
            for one in in_place(after)
            if filters.match(one)
            and (filters.since is None or one.key[0] >= filters.since)
            and (filters.until is None or one.key[0] <= filters.until)
        ),
        key=lambda one: one.key,
        reverse=True,
    )

    found: list[Line] = []
    key = None
    while True:
        piece = page(index, filters=filters, after=key, limit=limit)
        assert (piece.total, piece.matching) == (len(after), len(wanted))
        found += piece.lines
        key = piece.last
        if key is None:
            break

    assert [(one.uid, one.sequence) for one in found] == [(one.uid, one.sequence) for one in wanted]
    assert len(index) == len(after)


def test_unrecorded_change_becomes_its_record_without_a_gap() -> None:
    index = HistoryIndex(FixedClock())
    index.binding_changed(binding(UIDS[0], change(1)))
    (unrecorded,) = page(index).lines
    index.binding_changed(binding(UIDS[0], recorded=1, version="21"))
    between = page(index).lines
    index.apply("ADDED", line(UIDS[0], 1))

    (recorded,) = page(index).lines

    assert (unrecorded.recorded, recorded.recorded) == (False, True)
    assert [one.key for one in between] == [unrecorded.key] == [recorded.key]


def test_line_without_time_stands_first() -> None:
    index = HistoryIndex(FixedClock())
    index.apply("ADDED", line(UIDS[0], 1, "2026-01-09T00:00:00Z"))
    index.binding_changed(binding(UIDS[1], change(1, at=None)))

    # People see the moment at which it was seen here.
    assert [(one.at, one.key[0]) for one in page(index).lines] == [
        ("2026-01-31T12:00:00Z", NO_TIME),
        ("2026-01-09T00:00:00Z", "2026-01-09T00:00:00Z"),
    ]


def test_bare_delete_is_an_undeploy_at_once_and_keeps_its_number() -> None:
    index = HistoryIndex(FixedClock())
    view = binding(UIDS[0], change(1))
    index.binding_changed(view)
    index.binding_gone(view, namespace_stays=True)

    newest = page(index).lines[0]

    assert (newest.sequence, newest.action, newest.previous, newest.release, newest.by) == (
        2,
        Action.UNDEPLOY,
        "v1",
        None,
        None,
    )


def test_nothing_stays_of_a_namespace_that_is_gone() -> None:
    index = HistoryIndex(FixedClock())
    view = binding(UIDS[0], change(1))
    index.binding_changed(view)
    index.apply("ADDED", line(UIDS[0], 1))
    index.binding_gone(view, namespace_stays=False)
    index.apply("DELETED", line(UIDS[0], 1))
    index.namespace_gone("ns")

    assert len(index) == 0
    assert index.revision("ns", "staging") == 0


@pytest.mark.parametrize(
    ("last_at", "version", "birth", "live", "release", "belongs"),
    [
        ("2026-01-01T00:00:01Z", "10", None, False, None, True),
        ("2025-12-31T23:59:59Z", "10", None, False, None, False),
        ("2025-12-31T23:59:59Z", "10", None, True, None, False),
        ("2025-12-31T23:59:59Z", "10", None, True, "v1", True),
        ("2026-01-01T00:00:00Z", "10", "9", False, None, True),
        ("2026-01-01T00:00:00Z", "10", "11", True, None, False),
        ("2026-01-01T00:00:00Z", "10", None, False, None, True),
        ("2026-01-01T00:00:00Z", "10", None, True, None, True),
    ],
)
def test_which_chains_belong_to_an_environment(
    last_at: str, version: str, birth: str | None, live: bool, release: str | None, belongs: bool
) -> None:
    index = HistoryIndex(FixedClock())
    index.apply("ADDED", line(UIDS[0], 1, last_at, version=version))
    if live:
        index.binding_changed(binding(UIDS[0], release=release, recorded=1))

    assert page(index, birth=birth).total == (1 if belongs else 0)


def test_refilled_shelf_does_not_look_unchanged() -> None:
    index = HistoryIndex(FixedClock())
    index.apply("ADDED", line(UIDS[0], 1))
    first = index.revision("ns", "staging")
    index.apply("DELETED", line(UIDS[0], 1))
    index.apply("ADDED", line(UIDS[1], 1))

    assert index.revision("ns", "staging") > first


class Recorder:
    """Lines with a time, and adopted changes that get theirs when they are recorded; replicas that know all that.

    Changes of one Deployment are recorded in their order, and their times do not go back.
    """

    def __init__(self, timed: int, untimed: int) -> None:
        self.version, self.second = 10, 0
        self.pending = {number: Change(number, Action.ADOPT, None, "v1") for number in range(1, untimed + 1)}
        self.records = {(UIDS[0], n): line(UIDS[0], n, f"2026-01-02T00:00:0{n}Z") for n in range(1, timed + 1)}

    def replica(self) -> HistoryIndex:
        index = HistoryIndex(FixedClock())
        index.replace(list(self.records.values()), str(self.version))
        rest = tuple(change for _, change in sorted(self.pending.items()))
        index.binding_changed(binding(UIDS[1], *rest, recorded=0, version=str(self.version)))
        return index

    def record(self, index: HistoryIndex, second: int) -> None:
        number = min(self.pending, default=0)
        if self.pending.pop(number, None) is None:
            return
        self.version, self.second = self.version + 1, max(second, self.second)
        at = f"2026-01-02T00:00:0{self.second}Z"
        made = line(UIDS[1], number, at, action=Action.ADOPT, by=None, version=str(self.version))
        self.records[UIDS[1], number] = made
        index.apply("ADDED", made)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.tuples(st.integers(0, 8), st.integers(1, 8)),
    recordings=st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=20),
    limit=st.integers(1, 4),
    app=st.none() | st.just("app-1"),
    restart=st.integers(0, 10),
)
def test_line_that_gets_its_time_between_pages_is_shown_once(
    sizes: tuple[int, int], recordings: list[list[int]], limit: int, app: str | None, restart: int
) -> None:
    recorder = Recorder(*sizes)
    wanted = {key for key in recorder.records if app is None} | {(UIDS[1], number) for number in recorder.pending}
    index = recorder.replica()
    piece = page(index, filters=Filters(app=app), limit=limit)
    found, rounds = list(piece.lines), 0
    while piece.last is not None:
        for second in recordings[rounds] if rounds < len(recordings) else ():
            recorder.record(index, second)
        if rounds == restart:
            index = recorder.replica()
        rounds += 1
        piece = page(index, filters=Filters(app=app), after=piece.last, limit=limit)
        found += piece.lines

    keys = [(one.uid, one.sequence) for one in found]
    assert len(keys) == len(set(keys))
    assert set(keys) == wanted


def test_index_of_keys_forgets_with_the_line_and_knows_only_stamped_users() -> None:
    index = HistoryIndex(FixedClock())
    made = [
        line(UIDS[number], 1, request_id=f"key{number}.x", by=by) for number, by in enumerate(("alice", "bob", None))
    ]
    index.replace(made, "10")
    known = [index.made_by("ns", user, key) for user, key in (("alice", "key0"), ("alice", "key1"), ("bob", "key1"))]
    other = index.made_by("elsewhere", "alice", "key0")
    index.apply("DELETED", made[0])

    assert (known, other) == ([made[0], None, made[1]], None)
    assert index.made_by("ns", "alice", "key0") is None
    assert len(index._keys) == 1
