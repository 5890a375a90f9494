"""The port of the sender of events besides the cluster: it carries a body to a URL."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class AddressRefusedError(Exception):
    """Nothing may be sent there. The text says why, for people."""


class NoAddressError(Exception):
    """The name could not be resolved. The text says why."""


class NoTurnError(Exception):
    """Look-ups of others took so long that this one was not begun: nothing is known of the name."""


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What an endpoint answered.

    Attributes:
        status: of HTTP; 0: there was no answer, and `why` says why.
        retry_after: seconds that it asked for; None: it did not.
    """

    status: int
    why: str = ""
    retry_after: float | None = None


Post = Callable[[bytes, Mapping[str, str]], Awaitable[EndpointReply]]
"""Send a body with headers; never raises what went wrong on the way."""


class Courier(Protocol):
    """Carries bodies to URLs."""

    def to(self, url: str, turn: int) -> AbstractAsyncContextManager[Post]:
        """Open the way to one URL, for a while; of several addresses the one whose turn it is.

        Raises:
            AddressRefusedError: what the name resolves to is not allowed.
            NoAddressError: it resolves to nothing.
            NoTurnError: try again in a moment.
        """
        ...
