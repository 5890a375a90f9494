"""Reviews: what is kept, for how long, and what happens when many ask at once."""

import asyncio
import json
from base64 import urlsafe_b64encode

import pytest
from facade_world import Reviews
from fixed_clock import FixedClock

from moorage_api.access import Access
from moorage_api.edge.limits import MAX_BUCKETS, RateLimit
from moorage_api.reviews.answers import MAX_ANSWERS, Answers
from moorage_crds.store import Identity, Right, UnavailableError

RIGHT = Right("get", "environments", "ns")


def token_that_expires(clock: FixedClock, seconds: float) -> str:
    payload = json.dumps({"exp": clock.now().timestamp() + seconds}).encode()
    return f"head.{urlsafe_b64encode(payload).decode().rstrip('=')}.sum"


async def test_answer_is_asked_for_once_by_many_at_once() -> None:
    reviews = Reviews()
    access = Access(reviews, FixedClock())

    callers = await asyncio.gather(*(access.authenticate("alice") for _ in range(20)))

    assert {caller.username for caller in callers if caller} == {"alice"}
    assert reviews.asked == ["alice"]


async def test_token_is_believed_for_a_second_because_the_api_server_believes_it_for_ten() -> None:
    clock, reviews = FixedClock(), Reviews()
    access = Access(reviews, clock)
    await access.authenticate("alice")
    clock.advance(0.99)
    await access.authenticate("alice")
    assert len(reviews.asked) == 1

    clock.advance(0.01)
    await access.authenticate("alice")

    assert len(reviews.asked) == 2


async def test_refused_token_is_not_asked_about_again_for_ten_seconds() -> None:
    clock, reviews = FixedClock(), Reviews()
    access = Access(reviews, clock)
    await access.authenticate("bad")
    clock.advance(9.99)
    await access.authenticate("bad")
    assert len(reviews.asked) == 1

    clock.advance(0.01)
    await access.authenticate("bad")

    assert len(reviews.asked) == 2


async def test_token_is_not_believed_beyond_its_own_end() -> None:
    clock, reviews = FixedClock(), Reviews()
    access = Access(reviews, clock)
    token = token_that_expires(clock, 0.5)
    await access.authenticate(token)
    clock.advance(0.6)

    await access.authenticate(token)

    assert len(reviews.asked) == 2


async def test_error_is_raised_and_not_kept() -> None:
    reviews = Reviews()
    access = Access(reviews, FixedClock())
    reviews.broken = UnavailableError("down")
    with pytest.raises(UnavailableError):
        await access.authenticate("alice")
    reviews.broken = None

    assert await access.authenticate("alice") is not None


async def test_blank_user_is_nobody() -> None:
    class Blank(Reviews):
        async def authenticate(self, token: str) -> Identity | None:
            return Identity(" ")

    assert await Access(Blank(), FixedClock()).authenticate("x") is None


async def test_identity_with_other_groups_is_asked_about_anew() -> None:
    class Groups(Reviews):
        async def authenticate(self, token: str) -> Identity | None:
            return Identity("alice", groups=(token,))

    reviews = Groups()
    access = Access(reviews, FixedClock())
    for token in ("one", "two"):
        caller = await access.authenticate(token)
        assert caller is not None
        await access.allowed(caller, RIGHT)

    assert len(reviews.asked) == 2


async def test_distrusted_right_is_asked_for_again() -> None:
    reviews = Reviews()
    access = Access(reviews, FixedClock())
    caller = await access.authenticate("root")
    assert caller is not None
    await access.allowed(caller, RIGHT)
    access.distrust(caller, RIGHT)

    await access.allowed(caller, RIGHT)

    assert reviews.asked.count(RIGHT) == 2


async def test_caller_who_goes_away_does_not_take_the_answer_along() -> None:
    answers: Answers[str] = Answers(FixedClock())
    gate = asyncio.Event()

    async def ask() -> str:
        await gate.wait()
        return "yes"

    first, second = (asyncio.ensure_future(answers.get("key", ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()

    assert await second == "yes"


async def test_kept_answers_are_bounded() -> None:
    answers: Answers[int] = Answers(FixedClock())

    async def ask() -> int:
        return 1

    for number in range(MAX_ANSWERS + 10):
        await answers.get(number, ask)

    assert len(answers) == MAX_ANSWERS


def test_token_is_not_in_the_text_of_a_caller() -> None:
    caller = asyncio.run(Access(Reviews(), FixedClock()).authenticate("secret-token"))

    assert "secret-token" not in repr(caller).replace("'secret-token'", "", 1)


def test_bucket_empties_and_fills() -> None:
    clock = FixedClock()
    limit = RateLimit(rate=0.5, burst=2, clock=clock)
    taken = [limit.take("a") for _ in range(3)]
    clock.advance(2)

    assert taken == [0, 0, 2]
    assert [limit.take("a"), limit.take("a")] == [0, 2]
    assert limit.take("b") == 0


def test_buckets_are_bounded() -> None:
    limit = RateLimit(rate=1, burst=1, clock=FixedClock())
    for number in range(MAX_BUCKETS + 5):
        limit.take(str(number))

    assert len(limit._buckets) == MAX_BUCKETS


async def test_token_that_cannot_be_asked_about_again_is_believed_ten_seconds_and_no_longer() -> None:
    clock, reviews = FixedClock(), Reviews()
    access = Access(reviews, clock)
    await access.authenticate("alice")
    reviews.broken = UnavailableError("down")
    clock.advance(9.99)

    caller = await access.authenticate("alice")

    assert caller is not None
    clock.advance(0.01)
    with pytest.raises(UnavailableError):
        await access.authenticate("alice")
