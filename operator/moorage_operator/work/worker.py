"""Takes keys from a queue and hands each to a step; one place turns what went wrong into the next attempt."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from moorage_crds.store import StoreError, TransientError, UnavailableError
from moorage_operator.work.queue import KeyedQueue

KeyT = TypeVar("KeyT")

#: First delay, in seconds, after a refusal that only somebody else can lift.
REFUSED_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The step makes no progress until somebody changes something; it is retried slowly, up to once a minute."""


async def work(queue: KeyedQueue[Any], step: Callable[[Any], Awaitable[float | None]], *, name: str) -> None:
    """Work until cancelled.

    Args:
        queue: where the keys come from.
        step: does what is to be done for a key; returns None, or seconds after which to look again.
        name: of the loop, for logs.
    """
    while True:
        key = await queue.get()
        try:
            queue.done(key, look_again=await step(key))
        except asyncio.CancelledError:
            if is_ours():
                raise
            queue.retry(key)
        except (RefusedError, StoreError) as error:
            _report(name, key, error, _try_later(queue, key, error))
        except Exception:
            # One object that cannot be handled must not stop all others.
            delay = queue.retry(key, least=REFUSED_SECONDS)
            _log.exception("step failed", extra={"fields": {"loop": name, "key": key, "retry_in_seconds": delay}})


def is_ours() -> bool:
    """Whether a CancelledError that was caught means the present task.

    If not, somebody else gave up a connection that a request of ours waited for: as good as a lost reply. A loop that
    lets it through ends silently, because to a TaskGroup a cancelled task is one that was no longer wanted.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


@contextmanager
def lost_replies_as_errors() -> Iterator[None]:
    """Turn a connection that somebody else gave up into what a lost reply is, for loops that handle that already.

    Raises:
        UnavailableError: a CancelledError that did not mean the present task.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if is_ours():
            raise
        message = "the connection was given up"
        raise UnavailableError(message) from error


def _try_later(queue: KeyedQueue[Any], key: Any, error: Exception) -> float:
    if isinstance(error, RefusedError):
        return queue.retry(key, least=REFUSED_SECONDS)
    return queue.retry(key, retry_after=error.retry_after if isinstance(error, TransientError) else None)


def _report(name: str, key: Any, error: Exception, delay: float) -> None:
    _log.warning(
        "step has to be repeated",
        extra={"fields": {"loop": name, "key": key, "error": str(error), "retry_in_seconds": round(delay, 3)}},
    )
