"""Whether an operator works: the Lease that it renews, as the facade sees it, and what answers say of it."""

import pytest
from facade_world import BASE, World
from fixed_clock import FixedClock

from moorage_api.cache.recording import Recording
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError, NotFoundError, StoreError, UnavailableError

LIMIT = 30.0
RENEWED = "2026-01-31T11:59:58.123456Z"
SINCE = "2026-01-31T11:59:58Z"


class Place:
    """Where the Lease lies: what is read there next."""

    def __init__(self) -> None:
        self.version = 1
        self.renewed: object = RENEWED
        self.broken: StoreError | None = None

    async def read(self) -> RawObject:
        if self.broken is not None:
            raise self.broken
        return {"metadata": {"resourceVersion": str(self.version)}, "spec": {"renewTime": self.renewed}}


class Looking:
    """A facade that looks at the Lease, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.place, self.clock = Place(), FixedClock()
        self.recording = Recording(self.place.read, self.clock, LIMIT)

    async def after(self, seconds: float) -> str | None:
        """What it says when it looks that much later."""
        self.clock.advance(seconds)
        await self.recording.look()
        return self.recording.stopped_at()


async def test_a_lease_that_is_renewed_says_nothing() -> None:
    here = Looking()
    said = []
    for _ in range(20):
        here.place.version += 1
        said.append(await here.after(LIMIT))
    assert set(said) == {None}


async def test_a_lease_that_is_not_renewed_says_when_it_was_until_it_is_again() -> None:
    here = Looking()
    assert [await here.after(0), await here.after(LIMIT), await here.after(1), await here.after(500)] == [
        None,
        None,
        SINCE,
        SINCE,
    ]
    here.place.version += 1
    assert [await here.after(1), await here.after(LIMIT), await here.after(1)] == [None, None, SINCE]


@pytest.mark.parametrize("error", [NotFoundError("none"), ForbiddenError("no"), UnavailableError("away")])
async def test_what_cannot_be_read_is_not_known(error: StoreError) -> None:
    here = Looking()
    await here.after(0)
    assert await here.after(LIMIT + 1) == SINCE
    here.place.broken = error
    assert [await here.after(1), await here.after(500)] == [None, None]
    # It may have been renewed meanwhile, so the time without a renewal begins when it is seen again.
    here.place.broken = None
    assert [await here.after(1), await here.after(LIMIT), await here.after(1)] == [None, None, SINCE]


@pytest.mark.parametrize("renewed", [None, "", "soon", 7, {}, "2026-01-31T11:59:58"])
async def test_a_lease_without_a_time_says_nothing(renewed: object) -> None:
    here = Looking()
    here.place.renewed = renewed
    await here.after(0)
    assert await here.after(LIMIT + 1) is None


async def test_answers_say_since_when_nothing_is_recorded() -> None:
    world = World()
    world.environment("staging")
    before = await world.call("GET", f"{BASE}/staging")
    world.facade.freshness.recording_stopped_at = lambda: SINCE
    after = [await world.call("GET", path) for path in (f"{BASE}/staging", f"{BASE}/nowhere", "/v1/me")]
    assert "X-Recording-Stopped-At" not in before.headers
    assert [answer.headers["X-Recording-Stopped-At"] for answer in after] == [SINCE] * 3
