"""Lines, bindings and environments for tests of the index of the history."""

from typing import Any

from hypothesis import strategies as st

from moorage_api.cache.history import HistoryIndex
from moorage_api.cache.line import Line
from moorage_api.cache.lines import Filters
from moorage_api.cache.ownership import UNOWNED
from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_crds.kinds.deployment import Action, Change

UIDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(3)]
ALL = Filters()


def environment(created_at: str = "2026-01-01T00:00:00Z", uid: str = "e") -> EnvironmentView:
    """An Environment as the cache has it."""
    return EnvironmentView(
        namespace="ns",
        name="staging",
        uid=uid,
        resource_version="1",
        generation=1,
        display_name="",
        description="",
        is_default=False,
        created_by=None,
        created_at=created_at,
        updated_at=created_at,
        stamp=None,
        ownership=UNOWNED,
    )


def line(uid: str = UIDS[0], sequence: int = 1, at: str = "2026-01-02T00:00:00Z", **more: Any) -> Line:
    """A recorded line."""
    fields: dict[str, Any] = {
        "namespace": "ns",
        "environment": "staging",
        "app": f"app-{uid[7]}",
        "action": Action.DEPLOY,
        "previous": None,
        "release": "v1",
        "by": "alice",
        "reason": None,
        "request_id": None,
        "recorded": True,
        "version": "10",
        "created": at,
        "key": (at, uid, sequence),
        **more,
    }
    fields.setdefault("first_version", fields["version"])
    fields.setdefault("own", fields["key"][0])
    return Line(uid=uid, sequence=sequence, at=at, **fields)


def binding(
    uid: str = UIDS[0], *changes: Change, release: str | None = "v1", recorded: int = 0, version: str = "20"
) -> BindingView:
    """A Deployment as the cache has it."""
    return BindingView(
        namespace="ns",
        name=f"staging.app-{uid[7]}",
        uid=uid,
        resource_version=version,
        environment="staging",
        app=f"app-{uid[7]}",
        release=release,
        pending=changes,
        last_sequence=changes[-1].sequence if changes else recorded,
        recorded=recorded,
        floor=1,
        declared_by=None,
    )


def change(sequence: int, at: str | None = "2026-01-02T00:00:00Z") -> Change:
    """An entry of a change log."""
    return Change(sequence, Action.DEPLOY, None, "v1", by="alice", at=at)


def page(index: HistoryIndex, env: EnvironmentView | None = None, **more: Any) -> Any:
    """The first page of the history."""
    options = {"filters": ALL, "after": None, "limit": 1000, **more}
    return index.page(env or environment(), options.pop("birth", None), **options)


SECONDS = st.integers(0, 3).map(lambda second: f"2026-01-02T00:00:0{second}Z")
LINES = st.lists(
    st.builds(
        lambda uid, sequence, at, action: line(uid, sequence, at, action=action),
        st.sampled_from(UIDS),
        st.integers(1, 12),
        SECONDS,
        st.sampled_from([Action.DEPLOY, Action.ROLLBACK]),
    ),
    unique_by=lambda one: (one.uid, one.sequence),
)


def in_place(lines: list[Line]) -> list[Line]:
    """No line stands before the one whose number is one less, whatever its time says."""
    placed: dict[tuple[str, int], Line] = {}
    for one in sorted(lines, key=lambda one: (one.uid, one.sequence)):
        before = placed.get((one.uid, one.sequence - 1), one)
        placed[one.uid, one.sequence] = one.moved_to(max(one.key[0], before.key[0]))
    return list(placed.values())
