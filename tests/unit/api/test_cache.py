"""The cached objects of one kind against what an API server does to them."""

import asyncio
from dataclasses import dataclass

from facade_world import HandClock, StillFeed
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_api.cache.freshness import Freshness
from moorage_api.cache.kind import KindCache
from moorage_api.cache.versions import Versions
from moorage_api.views import Words


@dataclass(frozen=True)
class Thing:
    name: str
    uid: str
    resource_version: str
    namespace: str = "ns"


def cache() -> "tuple[KindCache[Thing], dict[str, Thing]]":
    """A cache and what its listener believes is there."""
    index: dict[str, Thing] = {}

    def follow(old: Thing | None, new: Thing | None) -> None:
        if old is not None:
            assert index.pop(old.name) == old
        if new is not None:
            assert new.name not in index
            index[new.name] = new

    return KindCache(follow), index


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["write", "delete", "deliver", "relist", "answer"]), st.sampled_from("abc"))
    )
)
def test_cache_equals_the_cluster_when_everything_is_delivered(  # noqa: PLR0915 — one run through all steps
    steps: list[tuple[str, str]],
) -> None:
    """Whatever the order of writes, late events, relists and own answers: in the end there is no ghost and no gap."""
    kept, index = cache()
    cluster: dict[str, Thing] = {}
    events: list[tuple[str, Thing]] = []
    version, delivered, uids = 0, 0, 0
    for step, name in steps:
        if step == "write":
            version += 1
            old = cluster.get(name)
            uids += old is None
            cluster[name] = Thing(name, old.uid if old else f"u{uids}", str(version))
            events.append(("MODIFIED" if old else "ADDED", cluster[name]))
        elif step == "delete" and name in cluster:
            version += 1
            gone = cluster.pop(name)
            events.append(("DELETED", Thing(name, gone.uid, str(version))))
            kept.deleted(gone)
        elif step == "deliver" and delivered < len(events):
            kept.apply(*events[delivered])
            delivered += 1
        elif step == "relist":
            kept.replace(list(cluster.values()), str(version))
            delivered = len(events)
        elif step == "answer" and name in cluster:
            kept.wrote(cluster[name])
            assert kept.get("ns", name) == cluster[name]

    for event in events[delivered:]:
        kept.apply(*event)

    assert {thing.name: thing for thing in kept} == cluster
    assert index == cluster


def test_relist_of_an_older_state_keeps_our_newer_write() -> None:
    kept, _ = cache()
    kept.wrote(Thing("a", "u1", "9"))

    kept.replace([], "8")

    assert kept.get("ns", "a") is not None


async def test_version_is_waited_for() -> None:
    versions = Versions()
    waiting = asyncio.ensure_future(versions.wait_for("10", 5))
    await asyncio.sleep(0)
    versions.advance("9")
    assert not waiting.done()

    versions.advance("10")

    assert await waiting is True
    assert await versions.wait_for("11", 0.01) is False


def test_words_are_kept_once_and_bounded() -> None:
    words = Words(limit=2)
    first = words("".join(["a", "b"]))

    assert words("".join(["a", "b"])) is first
    assert [words(text) for text in ("x", "y", "z")] == ["x", "y", "z"]
    assert words.maybe("") is None


def test_short_reconnect_is_not_stale() -> None:
    clock = HandClock()
    feed = StillFeed("environments")
    freshness = Freshness([feed], max_staleness=300, clock=clock)
    clock.advance(100)
    freshness.sample()
    feed.connected, feed.seconds = False, 60
    clock.advance(1)

    freshness.sample()
    short = freshness.stale_seconds
    clock.advance(2)
    freshness.sample()

    assert (short, freshness.stale_seconds) == (0, 60)
