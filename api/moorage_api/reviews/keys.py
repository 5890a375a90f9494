"""Keeps the cluster's public keys up to date: they change rarely, and then tokens name one that is not known yet."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from moorage_api.reviews.signatures import Keys
from moorage_crds.store import StoreError

#: Seconds after which the keys are read again without a reason.
REFRESH_SECONDS: Final = 600.0
#: Whatever tokens claim, they are not read more often than this. Seconds.
PAUSE_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


async def follow(keys: Keys, read: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Read the keys, for as long as the process runs. Without them reviews still work, in the slow lane.

    Args:
        keys: gets them.
        read: asks the cluster; may raise StoreError.
    """
    readable = True
    while True:
        keys.missed.clear()
        try:
            keys.replace(await read())
            readable = True
        except StoreError as error:
            if readable:
                _log.warning("the keys of tokens cannot be read", extra={"fields": {"error": str(error)}})
            readable = False
        await asyncio.sleep(PAUSE_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(keys.missed.wait(), REFRESH_SECONDS - PAUSE_SECONDS)
