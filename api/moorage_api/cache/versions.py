"""How far one kind of the cache has come, and who waits for it to come further."""

import asyncio

from moorage_crds.objects import is_newer


class Versions:
    """The resourceVersion that the watch of one kind has reached."""

    def __init__(self) -> None:
        self.current = ""
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    def advance(self, version: str) -> None:
        """The watch has delivered everything up to `version`."""
        if not is_newer(version, self.current):
            return
        self.current = version
        if self._waiting:
            self._wake()

    def reached(self, version: str) -> bool:
        """Whether `version` has been delivered."""
        return not is_newer(version, self.current)

    async def wait_for(self, version: str, seconds: float) -> bool:
        """Wait until `version` has been delivered; False if it was not in time."""
        if self.reached(version):
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (version, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting = [one for one in self._waiting if one is not entry]
        return True

    async def wait_for_next(self, seconds: float) -> None:
        """Return at the next progress, or after that time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = ("", future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return
        finally:
            self._waiting = [one for one in self._waiting if one is not entry]

    def _wake(self) -> None:
        for version, future in self._waiting:
            if self.reached(version) and not future.done():
                future.set_result(None)
