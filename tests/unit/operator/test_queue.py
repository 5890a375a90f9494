"""The keyed queue: once per key, in time, with backoff."""

import asyncio

from moorage_operator.work.queue import BACKOFF_SECONDS, KeyedQueue


def queue() -> KeyedQueue[str]:
    return KeyedQueue(lambda: 1.0)


async def test_a_key_is_handed_out_once_however_often_it_was_put() -> None:
    keys = queue()
    for _ in range(3):
        keys.put("a")
    keys.put("b")
    assert [await keys.get(), await keys.get()] == ["a", "b"]
    assert len(keys) == 2


async def test_the_earliest_time_wins() -> None:
    keys = queue()
    keys.put("a", 60)
    keys.put("a", 0.01)
    keys.put("a", 60)
    async with asyncio.timeout(5):
        assert await keys.get() == "a"


async def test_later_keys_come_in_the_order_of_their_times() -> None:
    keys = queue()
    for key, delay in (("c", 0.03), ("a", 0.01), ("b", 0.02)):
        keys.put(key, delay)
    async with asyncio.timeout(5):
        assert [await keys.get() for _ in range(3)] == ["a", "b", "c"]


async def test_rounds_bring_waiting_keys_together_and_never_early() -> None:
    keys = KeyedQueue[str](lambda: 1.0, rounds=0.25)
    loop = asyncio.get_running_loop()
    began = loop.time()
    keys.put("at once")
    assert await keys.get() == "at once"
    for number in range(10):
        keys.put(f"{number}", number * 0.02 + 0.01)
    keys.done("at once", look_again=0.2)
    planned = set(keys._planned.values())
    assert len(planned) <= 2
    assert all(when / 0.25 == round(when / 0.25) and when > began for when in planned)
    assert keys._planned["9"] >= began + 0.19
    async with asyncio.timeout(5):
        assert {await keys.get() for _ in range(11)} == {"at once", *map(str, range(10))}


async def test_news_about_a_key_in_work_brings_it_back_after_the_work() -> None:
    keys = queue()
    keys.put("a")
    await keys.get()
    keys.put("a")
    assert not keys.settled
    keys.done("a")
    async with asyncio.timeout(5):
        assert await keys.get() == "a"
    keys.done("a")
    assert keys.settled
    assert "a" not in keys


async def test_backoff_doubles_up_to_a_minute_and_obeys_the_server() -> None:
    keys = queue()
    delays = []
    for _ in range(12):
        keys.put("a")
        await _taken(keys, "a")
        delays.append(keys.retry("a"))
        _make_due(keys, "a")
    assert delays[:3] == [BACKOFF_SECONDS[0], 2 * BACKOFF_SECONDS[0], 4 * BACKOFF_SECONDS[0]]
    assert delays[-1] == BACKOFF_SECONDS[1]
    await _taken(keys, "a")
    assert keys.retry("a", retry_after=5, least=0.2) == BACKOFF_SECONDS[1]


async def test_retry_after_of_the_server_is_kept() -> None:
    keys = queue()
    keys.put("a")
    await keys.get()
    assert keys.retry("a", retry_after=7) == 7


async def test_news_does_not_shorten_a_backoff() -> None:
    keys = queue()
    keys.put("a")
    await keys.get()
    keys.retry("a", least=30)
    keys.put("a")
    assert keys.settled
    assert keys.failing == 1
    keys.put("b")
    assert await keys.get() == "b"


async def test_success_ends_the_backoff() -> None:
    keys = queue()
    keys.put("a")
    await keys.get()
    keys.retry("a", least=0.01)
    async with asyncio.timeout(5):
        await keys.get()
    keys.done("a")
    assert keys.failing == 0
    keys.put("a")
    assert await keys.get() == "a"
    assert keys.retry("a", least=1) == 1


async def test_a_look_again_brings_the_key_back() -> None:
    keys = queue()
    keys.put("a")
    await keys.get()
    keys.done("a", look_again=0.01)
    async with asyncio.timeout(5):
        assert await keys.get() == "a"


async def _taken(keys: KeyedQueue[str], key: str) -> None:
    async with asyncio.timeout(5):
        assert await keys.get() == key


def _make_due(keys: KeyedQueue[str], key: str) -> None:
    """End a backoff at once: a test does not wait for minutes."""
    keys._planned[key] = 0.0
    keys._ready.put_nowait(key)
