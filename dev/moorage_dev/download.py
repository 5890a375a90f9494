"""Downloads of published files, bounded in every way: whether they come is known in 10 s, none may trickle or be
endless, and none is kept whose SHA-256 is not pinned.
"""

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Event, Thread

from moorage_dev import progress

#: Seconds in which a server has to begin its answer; all files of one call share them.
DECIDE_SECONDS = 10.0
#: A download that brings less than this in `WINDOW_SECONDS` is given up: building is faster.
WINDOW_SECONDS = 10.0
WINDOW_BYTES = 1 << 20
#: No published program is nearly as large; a server that sends more than this sends something else.
LARGEST_BYTES = 512 << 20
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """One place where a file may be had.

    Attributes:
        url: http or https.
        sums: SHA-256 in lower-case hex; a file with another one is refused.
    """

    url: str
    sums: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the download of one file ended.

    Attributes:
        source: where it was taken from; None when it could not be had.
        why_not: the reason then, for a person.
    """

    source: Source | None
    why_not: str = ""


class DownloadError(Exception):
    """A file cannot be had from one source; the text says why."""


def fetch(wanted: Mapping[Path, Sequence[Source]], title: str) -> dict[Path, Outcome]:
    """Download all files at the same time, each from the first of its sources that has it.

    A file that could not be had is missing afterwards, and its outcome says why.
    """
    transfers = {target: _Transfer(target, sources) for target, sources in wanted.items()}
    with progress.shown(title, lambda: _megabytes(transfers.values())):
        for transfer in transfers.values():
            transfer.start()
        deadline = time.monotonic() + DECIDE_SECONDS
        for transfer in transfers.values():
            transfer.settle(deadline)
    return {target: transfer.outcome for target, transfer in transfers.items()}


class _Transfer(Thread):
    """One file on its way. A daemon: a name server that never answers cannot be interrupted, only left behind."""

    def __init__(self, target: Path, sources: Sequence[Source]) -> None:
        super().__init__(daemon=True)
        self.outcome = Outcome(None, f"no answer within {DECIDE_SECONDS:g} s from {sources[0].url}")
        self.received = 0
        self._target = target
        self._sources = sources
        self._answered = Event()
        self._result: Outcome | None = None

    def settle(self, deadline: float) -> None:
        """Wait for the end of a download that began before the deadline; give up any other."""
        if self._answered.wait(max(0.0, deadline - time.monotonic())):
            self.join()
            if self._result is not None:
                self.outcome = self._result

    def run(self) -> None:
        try:
            self._result = self._from_first()
        finally:
            self._answered.set()

    def _from_first(self) -> Outcome:
        reasons = []
        for source in self._sources:
            try:
                self._take(source)
            except DownloadError as error:
                reasons.append(str(error))
            else:
                return Outcome(source)
        return Outcome(None, "; ".join(reasons))

    def _take(self, source: Source) -> None:
        part = self._target.with_name(f"{self._target.name}.part")
        try:
            digest = self._store(source, part)
            if digest in source.sums:
                part.rename(self._target)
                return
        except (OSError, HTTPException) as error:
            raise DownloadError(_explained(source.url, error)) from error
        raise DownloadError(f"{source.url} was refused: its SHA-256 is {digest}, and that is not the pinned one")

    def _store(self, source: Source, part: Path) -> str:
        digest = hashlib.sha256()
        with opened(source.url) as response, part.open("wb") as file:
            self._answered.set()
            for chunk in _chunks(response):
                self.received += len(chunk)
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()


def opened(url: str) -> HTTPResponse:
    """The answer to a GET, with the proxies that the environment names. Each read has `WINDOW_SECONDS`.

    Raises:
        OSError: no connection, or an answer other than success.
    """
    # Callers made the address from a checked http(s) base and a fixed path.
    request = urllib.request.Request(url, headers={"User-Agent": "moorage-dev"})  # noqa: S310 — http(s) only
    response: HTTPResponse = urllib.request.urlopen(request, timeout=WINDOW_SECONDS)  # noqa: S310 — as above
    return response


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    expected = response.length
    total, in_window, window_ends = 0, 0, time.monotonic() + WINDOW_SECONDS
    while chunk := response.read1(_CHUNK):
        total += len(chunk)
        in_window += len(chunk)
        if total > LARGEST_BYTES:
            raise DownloadError(f"{response.url} was given up: it is larger than {LARGEST_BYTES >> 20} MiB")
        if time.monotonic() > window_ends:
            if in_window < WINDOW_BYTES:
                raise DownloadError(f"{response.url} was given up: it is slower than a build")
            in_window, window_ends = 0, time.monotonic() + WINDOW_SECONDS
        yield chunk
    if expected is not None and total < expected:
        raise DownloadError(f"{response.url} ended after {total} of {expected} bytes")


def _explained(url: str, error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{url} answers {error.code}"
    if isinstance(error, TimeoutError):
        return f"{url} stopped sending for {WINDOW_SECONDS:g} s"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"{url} cannot be fetched ({reason})"


def _megabytes(transfers: Iterable[_Transfer]) -> str:
    return f"{sum(transfer.received for transfer in transfers) / (1 << 20):.0f} MiB"
