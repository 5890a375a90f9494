"""Who is logged in at the page: the token of a caller in sealed cookies, and links that log in once.

Nothing of a session is kept here, so every replica with the same keys takes it. Links alone are, for a few minutes.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from moorage_api.reviews.signatures import expiry
from moorage_api.session import cookies
from moorage_api.session.seal import Seal, Session
from moorage_crds.clock import Clock

#: A session never lasts longer, in seconds, however long its token does.
MAX_SECONDS: Final = 12 * 3_600
#: A link that logs in is good for so long, in seconds, and once.
LINK_SECONDS: Final = 600.0
MAX_LINKS: Final = 1_000
#: A longer token does not fit into the cookies.
MAX_TOKEN: Final = 9_000

_SAFE: Final = frozenset({"GET", "HEAD"})


class Sessions:
    """Sessions of the page.

    Args:
        seal: seals and opens cookies.
        clock: for their ends.
    """

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock
        #: hash of a code → until when it is good (monotonic), and the token
        self._links: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def begin(self, token: str) -> Session:
        """A session with that token, which somebody has checked: 12 hours, and never longer than the token."""
        now = int(self._clock.now().timestamp())
        ends = expiry(token)
        return Session(token, now + MAX_SECONDS if ends is None else int(min(now + MAX_SECONDS, ends)))

    def cookies(self, session: Session, headers: Mapping[str, str]) -> list[str]:
        """The values of `Set-Cookie` that keep a session."""
        left = session.ends - int(self._clock.now().timestamp())
        return cookies.written(self._seal.seal(session), headers, max(0, left))

    def of(self, headers: Mapping[str, str]) -> Session | None:
        """The session that the cookies of a request hold, while it lasts."""
        text = cookies.read(headers)
        session = self._seal.open(text) if text else None
        return session if session is not None and session.ends > self._clock.now().timestamp() else None

    def token(self, method: str, headers: Mapping[str, str]) -> str:
        """The token in the cookies of a request; empty without one, or if the page itself did not send it.

        Browsers say where a request comes from (`Sec-Fetch-Site`), and no script can change that. What changes
        something has to come from the page; what only reads may also be opened by hand.
        """
        site = headers.get("Sec-Fetch-Site")
        allowed = site in {"same-origin", "none", None} if method in _SAFE else site == "same-origin"
        session = self.of(headers) if allowed else None
        return session.token if session is not None else ""

    # --- links

    def link(self, token: str) -> str:
        """A code that logs in with that token, once, within `LINK_SECONDS`."""
        self.drop_links()
        code = secrets.token_urlsafe(24)
        self._links[_hashed(code)] = (self._clock.monotonic() + LINK_SECONDS, token)
        while len(self._links) > MAX_LINKS:
            self._links.popitem(last=False)
        return code

    def redeem(self, code: str) -> str:
        """The token behind a code, which is then used up; empty if the code is not valid."""
        until, token = self._links.pop(_hashed(code), (0.0, ""))
        return token if until > self._clock.monotonic() else ""

    def drop_links(self) -> None:
        """Forget tokens behind links that are not valid any more. The oldest stand first."""
        now = self._clock.monotonic()
        while self._links and next(iter(self._links.values()))[0] <= now:
            self._links.popitem(last=False)


def _hashed(code: str) -> bytes:
    return blake2b(code.encode(), digest_size=16).digest()
