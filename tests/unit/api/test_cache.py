"""The cached objects of one kind against what an API server does to them."""

import asyncio
from dataclasses import dataclass

import pytest
from facade_world import StillFeed
from fixed_clock import FixedClock
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_api.cache.freshness import Freshness
from moorage_api.cache.kind import MAX_GONE, KindCache
from moorage_api.cache.versions import Versions
from moorage_api.cache.views import Words
from moorage_api.reviews.heard import HeardReviewer
from moorage_crds.store import Identity, Right, UnavailableError


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
    clock = FixedClock()
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


async def test_version_of_a_removal_is_what_the_watch_tells_of_it() -> None:
    kept, _ = cache()
    for number in "12":
        kept.apply("ADDED", Thing(number, f"u{number}", number))
    waiting = asyncio.ensure_future(kept.gone_at("u1", 5))
    kept.deleted(Thing("1", "u1", "1"))
    await asyncio.sleep(0)
    kept.apply("DELETED", Thing("1", "u1", "7"))
    kept.deleted(Thing("2", "u2", "2"))
    silent = await kept.gone_at("u2", 0.01)
    kept.replace([], "9")

    assert (await waiting, silent, await kept.gone_at("u2", 5)) == ("7", "", "9")


async def test_list_from_before_our_write_says_nothing_of_its_removal() -> None:
    kept, _ = cache()
    kept.wrote(Thing("1", "u1", "5"))
    kept.deleted(Thing("1", "u1", "5"))
    kept.replace([], "4")
    kept.apply("ADDED", Thing("1", "u1", "5"))

    assert (await kept.gone_at("u1", 0.01), kept.get("ns", "1")) == ("", None)


def test_late_answer_does_not_bring_back_what_the_watch_saw_go() -> None:
    kept, _ = cache()
    kept.apply("DELETED", Thing("1", "u1", "7"))
    kept.wrote(Thing("1", "u1", "6"))

    assert kept.get("ns", "1") is None


def test_remembered_removals_are_bounded() -> None:
    kept, _ = cache()
    for number in range(MAX_GONE + 5):
        kept.apply("DELETED", Thing(str(number), f"u{number}", str(number + 1)))

    assert len(kept._gone) == MAX_GONE


class MuteReviewer:
    """Answers, or does not, as a test says."""

    def __init__(self) -> None:
        self.mute = False

    async def authenticate(self, token: str) -> Identity | None:
        if self.mute:
            raise UnavailableError("no answer")
        return Identity(token)

    async def allowed(self, identity: Identity, right: Right) -> bool:
        return bool(await self.authenticate(identity.username))


async def test_reviews_without_answers_make_the_cache_stale_but_not_useless() -> None:
    """A frozen API server keeps the watches open: that reviews have no answer is the only sign."""
    clock, mute = FixedClock(), MuteReviewer()
    reviewer = HeardReviewer(mute, clock)
    freshness = Freshness([StillFeed("deployments")], max_staleness=5, clock=clock, silence=reviewer.silent_seconds)
    freshness.sample()
    mute.mute = True
    with pytest.raises(UnavailableError):
        await reviewer.authenticate("x")
    fresh = freshness.stale_seconds
    clock.advance(60)
    stale, usable = freshness.stale_seconds, freshness.usable
    mute.mute = False
    await reviewer.allowed(Identity("x"), Right("get", "environments"))

    assert (fresh, stale, usable, freshness.stale_seconds) == (0, 60, True, 0)
