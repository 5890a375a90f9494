"""Waits of the tests: on conditions, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from moorage_dev import patience

T = TypeVar("T")


def eventually(ask: Callable[[], T], timeout: float = 15.0, *, interval: float = 0.05) -> T:
    """Ask again and again until the answer is true, and return it. The only wait of the tests.

    An assertion that fails while asking means "not yet", as a false answer does; None is false too, so a function that
    only asserts goes to `eventually_passes`. A question that takes long is asked less often, so that it takes at most
    half of what it waits for.

    Raises:
        AssertionError: it did not become true within `timeout` seconds of an idle machine (`moorage_dev.patience`).
    """
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        problem: AssertionError | None = None
        answer: Any = None
        try:
            answer = ask()
        except AssertionError as error:
            problem = error
        if answer:
            return answer
        if patience.is_over(began, timeout):
            message = f"not within {time.monotonic() - began:.0f} s; the last answer was {answer!r}"
            raise AssertionError(message) from problem
        time.sleep(max(interval, min(time.monotonic() - asked, 1.0)))


def eventually_passes(check: Callable[[], object], timeout: float = 15.0) -> None:
    """Call a function that only asserts until no assertion fails; as `eventually` otherwise."""

    def passes() -> bool:
        check()
        return True

    eventually(passes, timeout)


async def eventually_async(ask: Callable[[], T], timeout: float = 15.0) -> T:
    """`eventually` for async tests; `ask` runs in a thread."""
    return await asyncio.to_thread(eventually, ask, timeout)
