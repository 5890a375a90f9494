"""Times in requests: the refusal of a wrong one shows the right form."""

import pytest
from facade_world import BASE, World

TOLD = "since must be a time of RFC 3339 with a zone, such as 2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("yesterday", ""),
        ("2026-01-31", ""),
        ("2026-01-31T12:00:00", ""),
        ("2026-01-31T12:00:00+01:00", "; in a query + is written %2B"),
        ("9" * 500, ""),
    ],
)
async def test_what_is_no_time_is_told_what_it_should_be(text: str, hint: str) -> None:
    world = World()
    world.environment()
    reply = await world.call("GET", f"{BASE}/staging/deployments?since={text}")
    assert (reply.status, reply.json["detail"][0]["msg"]) == (422, f"Value error, {TOLD}{hint}")


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789%2B01:00"])
async def test_a_time_with_a_zone_is_one(text: str) -> None:
    world = World()
    world.environment()
    assert (await world.call("GET", f"{BASE}/staging/deployments?since={text}")).status == 200
