"""Who is reviewed first, and that only those who send bad tokens wait for it."""

import asyncio
import itertools
from collections import Counter

import pytest
from facade_world import BASE, World
from fixed_clock import FixedClock
from signed_tokens import jwk, signed

from moorage_api.contract.errors import ApiError
from moorage_api.reviews import lanes
from moorage_api.reviews.keys import follow
from moorage_api.reviews.lanes import Lanes, Turns
from moorage_api.reviews.signatures import Keys
from moorage_crds.clock import SystemClock
from moorage_crds.store import UnavailableError
from moorage_dev import patience


class Cluster:
    """Accepts tokens that it knows; counts what it is asked."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.asked: Counter[str] = Counter()

    async def ask(self, token: str) -> str | None:
        await asyncio.sleep(0)
        self.asked[token] += 1
        return token if token in self.good else None


def with_keys(**options: float) -> Lanes:
    keys = Keys()
    keys.replace({"keys": [jwk()]})
    return Lanes(SystemClock(), keys=keys, **options)  # type: ignore[arg-type]


async def status(one: Lanes, cluster: Cluster, token: str, address: str = "a") -> int:
    try:
        answer = await one.review(token, address, lambda: cluster.ask(token))
    except ApiError as error:
        return error.status
    return 401 if answer is None else 200


async def test_signed_tokens_are_served_whatever_others_send_from_their_address() -> None:
    good = [signed(sub="robot", jti=number) for number in range(20)]
    one, cluster = with_keys(rate=0.01, burst=2), Cluster(*good)
    guesses = await asyncio.gather(*(status(one, cluster, f"bad-{number}") for number in range(100)))

    served = [await status(one, cluster, token) for token in good]

    assert served == [200] * 20
    assert Counter(guesses) == {401: 2, 429: 98}
    assert cluster.asked.total() == 22


async def test_unsigned_token_waits_for_its_turn_behind_few_guesses() -> None:
    """Who guesses on two connections has two guesses in the queue; a good token is third."""
    one, cluster = Lanes(SystemClock(), rate=100.0, burst=1), Cluster("opaque-1", "opaque-2")
    numbers, done = itertools.count(), asyncio.Event()

    async def guess() -> None:
        while not done.is_set():
            await status(one, cluster, f"bad-{next(numbers)}")

    guessing = [asyncio.ensure_future(guess()) for _ in range(2)]
    served = [await status(one, cluster, token) for token in ("opaque-1", "opaque-2")]
    done.set()
    await asyncio.gather(*guessing)

    assert served == [200, 200]


async def test_kind_of_token_that_was_accepted_has_places_of_its_own() -> None:
    foreign = [signed(sub="person", jti=number, kid="elsewhere", iss="https://people") for number in range(2)]
    one, cluster = Lanes(FixedClock(), rate=0.01, burst=2), Cluster(*foreign)
    first = await status(one, cluster, foreign[0])
    guesses = [await status(one, cluster, f"bad-{number}") for number in range(5)]

    second = await status(one, cluster, foreign[1])

    assert (first, second, guesses) == (200, 200, [401, 401, 429, 429, 429])


async def test_guesser_cannot_invent_kinds() -> None:
    one, cluster = Lanes(FixedClock(), rate=0.01, burst=2), Cluster()
    invented = [signed(sub="x", kid=f"k{number}", iss=f"https://{number}") for number in range(20)]

    statuses = [await status(one, cluster, token) for token in invented]

    assert Counter(statuses) == {401: 2, 429: 18}


async def test_addresses_do_not_pay_for_each_other() -> None:
    one, cluster = Lanes(FixedClock(), rate=0.01, burst=1), Cluster()

    statuses = [await status(one, cluster, "bad", address) for address in ("a", "b", "a", "b")]

    assert statuses == [401, 401, 429, 429]


async def test_subject_that_floods_the_fast_lane_pays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens of a deleted account keep their valid signature: they must not be reviewed without end."""
    monkeypatch.setattr(lanes, "SUBJECT_BURST", 3)
    keys = Keys()
    keys.replace({"keys": [jwk()]})
    one = Lanes(FixedClock(), rate=0.01, burst=2, keys=keys)
    honest = [signed(sub="honest", jti=number) for number in range(3)]
    cluster = Cluster(*honest)
    flood = [await status(one, cluster, signed(sub="gone", jti=number)) for number in range(20)]

    served = [await status(one, cluster, token) for token in honest]

    assert (Counter(flood), served) == ({401: 5, 429: 15}, [200] * 3)


async def test_outage_is_no_guess() -> None:
    one = Lanes(FixedClock(), rate=0.01, burst=1)

    async def down() -> str | None:
        raise UnavailableError("down")

    for _ in range(3):
        with pytest.raises(UnavailableError):
            await one.review("a", "a", down)

    assert await status(one, Cluster("a"), "a") == 200


async def test_waiting_tokens_are_bounded_over_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 3)
    one, hold = Lanes(FixedClock(), rate=10, burst=1), asyncio.Event()

    async def silent() -> str | None:
        await hold.wait()
        return None

    waiting = [asyncio.ensure_future(one.review(str(number), str(number), silent)) for number in range(3)]
    await asyncio.sleep(0)
    refused = await status(one, Cluster(), "x", "another")
    hold.set()
    await asyncio.gather(*waiting)

    assert (refused, await status(one, Cluster("x"), "x", "another")) == (429, 200)


def test_keys_of_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_KEYS", 5)
    turns = Turns(1, 1, FixedClock())
    for number in range(9):
        turns.take(number)

    assert len(turns) == 5


async def test_keys_are_read_again_when_a_token_names_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage_api.reviews.keys.PAUSE_SECONDS", 0.0)
    keys, documents = Keys(), [{"keys": []}, {"keys": [jwk()]}]
    reads: asyncio.Queue[int] = asyncio.Queue()

    async def read() -> dict[str, object]:
        reads.put_nowait(1)
        if len(documents) == 1 and len(keys):
            raise UnavailableError("down")
        return documents.pop(0) if len(documents) > 1 else documents[0]

    following = asyncio.ensure_future(follow(keys, read))
    await reads.get()
    one, cluster, token = Lanes(SystemClock(), keys=keys), Cluster(), signed(sub="robot")
    await status(one, cluster, token)
    await asyncio.wait_for(reads.get(), patience.scaled(5))
    known = len(keys)
    await status(one, cluster, signed(sub="robot", kid="other"))
    await asyncio.wait_for(reads.get(), patience.scaled(5))
    following.cancel()

    assert (known, len(keys)) == (1, 1)


async def test_fresh_good_tokens_from_an_address_that_guesses_are_answered() -> None:
    world = World(failed_rate_burst=2, failed_rate_limit=0.01)
    world.keys.replace({"keys": [jwk()]})
    guesses = [(await world.call("GET", BASE, user=f"bad-{number}")).status for number in range(20)]
    fresh = [signed(sub="robot", jti=number) for number in range(20)]
    for token in fresh:
        world.reviews.grant(token, "list environments")

    served = [(await world.call("GET", BASE, user=token)).status for token in fresh]

    assert (served, Counter(guesses)) == ([200] * 20, {401: 2, 429: 18})


async def test_requests_without_a_token_do_not_take_the_places_of_tokens() -> None:
    world = World(failed_rate_burst=2, failed_rate_limit=0.01)
    nothing = [(await world.call("GET", BASE, user=None)).status for _ in range(5)]

    assert nothing == [401, 401, 429, 429, 429]
    assert (await world.call("GET", BASE)).status == 200


async def test_client_behind_a_trusted_proxy_pays_alone() -> None:
    world = World(failed_rate_burst=1, failed_rate_limit=0.01, trusted_proxies="127.0.0.0/8")
    world.peer = "127.0.0.1"

    async def sent(token: str, client: str) -> int:
        return (await world.call("GET", BASE, user=token, headers={"X-Forwarded-For": client})).status

    guesser = [await sent(f"bad-{number}", "198.51.100.7") for number in range(3)]

    assert (guesser, await sent("alice", "198.51.100.8")) == ([401, 429, 429], 200)
