"""`wait_healthy`: until the objects that follow an app say so, or will never."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from moorage_client import AsyncMoorage, Moorage, NotHealthyError

APP = ("o", "w", "e", "web")
ID = "8b441a92-ba68-49a4-9cae-f047a2c9ab25-0000000"


def state(number: int = 2, phase: str | None = "Progressing", *, healthy: bool = False, **more: Any) -> dict[str, Any]:
    rollout = {"phase": phase, "since": None, "healthy_at": "t" if healthy else None, "message": "1 of 3 pods"}
    line = {"deployment_id": f"{ID}{number}", "release_id": "2", "recorded": True}
    found = {"environment_id": "e", "app_id": "web", "release_id": "2", "line": line, "rollout": phase and rollout}
    return {**found, **more}


def answers(*states: dict[str, Any]) -> httpx.MockTransport:
    waiting: Iterator[dict[str, Any]] = iter(states)
    return httpx.MockTransport(lambda _: httpx.Response(200, json=next(waiting)))


def test_it_waits_until_the_release_is_healthy() -> None:
    pauses: list[float] = []
    steps = (state(1, healthy=True), state(), state(healthy=True))
    with Moorage("http://facade", transport=answers(*steps), sleep=pauses.append) as client:
        assert client.wait_healthy(*APP, deployment_id=f"{ID}2") == steps[-1]
    assert len(pauses) == 2


async def test_it_is_awaited_too() -> None:
    async def at_once(_: float) -> None:
        return

    async with AsyncMoorage("http://facade", transport=answers(state(), state(healthy=True)), sleep=at_once) as client:
        assert (await client.wait_healthy(*APP))["release_id"] == "2"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (state(phase="Failed"), "1 of 3 pods"),
        (state(3), "another change"),
        (state(phase=None), "not healthy after 0 s"),
        (state(release_id=None), "no release"),
        (state(), "not healthy after 0 s: 1 of 3 pods"),
    ],
)
def test_what_never_becomes_healthy_is_an_error_that_says_why(found: dict[str, Any], says: str) -> None:
    with Moorage("http://facade", transport=answers(found)) as client, pytest.raises(NotHealthyError, match=says):
        client.wait_healthy(*APP, deployment_id=f"{ID}2", timeout=0)


def test_what_follows_may_take_a_moment_to_be_found() -> None:
    alone = [state(phase=None)] * 6
    with Moorage("http://facade", transport=answers(*alone[:4], state(healthy=True)), sleep=lambda _: None) as client:
        assert client.wait_healthy(*APP)["rollout"] is not None
    with (
        Moorage("http://facade", transport=answers(*alone), sleep=lambda _: None) as client,
        pytest.raises(NotHealthyError, match="no object follows"),
    ):
        client.wait_healthy(*APP)
