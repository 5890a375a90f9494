"""Who is the caller, and may they? Answers of the cluster's reviews, kept for a second (who) and for ten (may they).

Bounded, one review in flight for each question, keyed by a keyed hash of the token, and closed when in doubt: an error
of a review is never an answer and never kept.
"""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson

from moorage_api.reviews.answers import BELIEVED_SECONDS, MAX_ANSWERS, Answers, Upstream, Validity
from moorage_api.reviews.lanes import Lanes
from moorage_api.reviews.signatures import expiry
from moorage_crds.clock import Clock
from moorage_crds.store import Identity, Reviewer, Right

#: Seconds after which an accepted token is reviewed again: the API server itself continues to accept the token of a
#: deleted account for up to 10 s (its own cache), and both together stay below 11 s.
TOKEN_SECONDS: Final = 1.0
#: Reviews that may be in flight at once: a flood of invented tokens is not passed on to the API server.
MAX_REVIEWS: Final = 32
#: How long it is remembered that a token was accepted once, in seconds: a client with such a token is not guessing.
ACCEPTED_SECONDS: Final = 3_600.0
#: No token of a cluster is longer; the headers' limit is above it.
MAX_TOKEN_LENGTH: Final = 16_000


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user.

    Attributes:
        token: goes out with every write of this caller, and nowhere else.
        digest: of all that the cluster knows of the identity, for keys of caches.
    """

    identity: Identity
    token: str
    digest: bytes

    @property
    def username(self) -> str:
        """The user name."""
        return self.identity.username

    def __repr__(self) -> str:
        """Without the token, which must not reach a log."""
        return f"Caller({self.identity.username!r})"


#: Stands for a caller of whom nothing is known.
_UNKNOWN: Final = Caller(Identity(""), "", b"")


class Access:
    """Authentication and authorisation by the cluster's own reviews.

    Args:
        reviewer: asks the cluster.
        clock: for how long answers are believed.
        lanes: lets reviews of unknown tokens through; default: with the default limits, and without keys.
    """

    def __init__(self, reviewer: Reviewer, clock: Clock, lanes: Lanes | None = None) -> None:
        self._reviewer = reviewer
        self._clock = clock
        self._lanes = lanes if lanes is not None else Lanes(clock)
        self._key = secrets.token_bytes(32)
        self._callers: Answers[Caller | None] = Answers(clock)
        self._rights: Answers[bool] = Answers(clock)
        self._room = asyncio.Semaphore(MAX_REVIEWS)
        #: digest of a token → until when it counts as accepted before
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self.reviews = 0

    async def authenticate(self, token: str, upstream: Upstream | None = None, *, address: str = "") -> Caller | None:
        """The caller with that token; None if the cluster does not accept it.

        Args:
            token: as it was sent.
            upstream: gets the time that is waited.
            address: of the client, which pays for tokens that are not accepted.

        Raises:
            ApiError: 429, nobody knows the token and too many of its kind came from that address.
            StoreError: the cluster gave no answer.
        """
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        digest = self._digest(token.encode())
        caller = await self._callers.get(
            digest,
            lambda: self._authenticate(token, address),
            validity=lambda found: self._token_validity(found, token),
            upstream=upstream,
        )
        self._note(digest, accepted=caller is not None)
        return caller

    def refused(self, token: str) -> bool:
        """Whether it is known without a review that the cluster does not accept this token."""
        return len(token) > MAX_TOKEN_LENGTH or self._callers.kept(self._digest(token.encode()), _UNKNOWN) is None

    async def allowed(self, caller: Caller, right: Right, upstream: Upstream | None = None) -> bool:
        """Whether the caller has that right.

        Raises:
            StoreError: the cluster gave no answer.
        """
        return await self._rights.get((caller.digest, right), lambda: self._allowed(caller, right), upstream=upstream)

    def known_allowed(self, caller: Caller, right: Right) -> bool:
        """Whether it is known without a review that the caller has that right."""
        return self._rights.kept((caller.digest, right), otherwise=False)

    def accepted_before(self, token: str) -> bool:
        """Whether the cluster accepted this token not long ago, and has not refused it since."""
        return self._accepted.get(self._digest(token.encode()), 0.0) > self._clock.monotonic()

    def drop_expired(self) -> None:
        """Forget tokens and answers that are not believed any more."""
        self._callers.drop_expired()
        self._rights.drop_expired()

    def _note(self, digest: bytes, *, accepted: bool) -> None:
        self._accepted.pop(digest, None)
        if accepted:
            self._accepted[digest] = self._clock.monotonic() + ACCEPTED_SECONDS
            if len(self._accepted) > MAX_ANSWERS:
                self._accepted.popitem(last=False)

    def distrust(self, caller: Caller, right: Right | None = None) -> None:
        """The API server just said no to a token or right that was believed: ask again next time."""
        if right is not None:
            self._rights.forget((caller.digest, right))
        else:
            self._callers.forget(self._digest(caller.token.encode()))

    async def _authenticate(self, token: str, address: str) -> Caller | None:
        if self.accepted_before(token):
            # A client with a token that was accepted is not guessing.
            identity = await self._review(token)
        else:
            identity = await self._lanes.review(token, address, lambda: self._review(token))
        if identity is None or not identity.username.strip():
            return None
        known = [identity.username, identity.uid, sorted(identity.groups), sorted(identity.extra.items())]
        return Caller(identity, token, self._digest(orjson.dumps(known)))

    async def _review(self, token: str) -> Identity | None:
        async with self._room:
            self.reviews += 1
            return await self._reviewer.authenticate(token)

    async def _allowed(self, caller: Caller, right: Right) -> bool:
        async with self._room:
            self.reviews += 1
            return await self._reviewer.allowed(caller.identity, right)

    def _token_validity(self, caller: Caller | None, token: str) -> Validity:
        if caller is None:
            return Validity()
        remaining = self._remaining(token)
        return Validity(fresh=min(TOKEN_SECONDS, remaining), believed=min(BELIEVED_SECONDS, remaining))

    def _digest(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=32).digest()

    def _remaining(self, token: str) -> float:
        """Seconds until the token says it expires; infinite if it does not say.

        Read without a check of the signature: it only ever shortens the time of belief.
        """
        ends = expiry(token)
        return float("inf") if ends is None else max(0.0, ends - self._clock.now().timestamp())
