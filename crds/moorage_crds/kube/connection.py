"""One identity's requests over HTTP: raw JSON, allow-listed paths, every failure turned into a `StoreError`.

Nothing is repeated blindly: after a lost reply it is not known whether a write took place, so that is for the caller
to find out. The exceptions: after a 401, which the API server answers before it does anything, the credentials are read
again and the request is sent once more; what it turns away for now is sent again by who has `patience`; and aiohttp
repeats a GET or DELETE whose kept-alive connection turned out to be dead. Every DELETE names the uid that it means, so
at worst one that worked is answered 404.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from yarl import URL

from moorage_crds.kube.answers import decode, warnings_of
from moorage_crds.kube.libraries import aiohttp
from moorage_crds.kube.paths import AllowList, UrlPath
from moorage_crds.kube.patience import Patience
from moorage_crds.kube.session import Cluster
from moorage_crds.objects import RawObject
from moorage_crds.store import TransientError, UnauthenticatedError, UnavailableError, Warned, nobody

JSON: Final = "application/json"


class Connection:
    """Sends allow-listed requests as one identity.

    Args:
        cluster: whose.
        session: carries them.
        calls: what may be sent.
        caller: whose token is sent; None: the credentials of the process.
        warned: hears warnings.
        patience: waits when the API server turns a request away; None: that is an error at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        session: aiohttp.ClientSession,
        calls: AllowList,
        *,
        caller: str | None = None,
        warned: Warned = nobody,
        patience: Patience | None = None,
    ) -> None:
        self.cluster = cluster
        self.session = session
        self.calls = calls
        self._caller = caller
        self._warned = warned
        self._patience = patience

    def as_caller(self, token: str, warned: Warned = nobody) -> "Connection":
        """The same connection pool, with somebody else's token."""
        return Connection(self.cluster, self.session, self.calls, caller=token, warned=warned)

    def with_patience(self, patience: Patience) -> "Connection":
        """The same identity, which waits and asks again when the API server turns a request away."""
        return Connection(
            self.cluster, self.session, self.calls, caller=self._caller, warned=self._warned, patience=patience
        )

    async def headers(self, *, renew: bool = False) -> dict[str, str]:
        """The headers that say who asks."""
        value = f"Bearer {self._caller}" if self._caller else await self.cluster.authorization(renew=renew)
        return {"Authorization": value} if value else {}

    def url(self, path: UrlPath, query: Mapping[str, str] | None = None) -> URL:
        """The final address; nothing normalizes it any more."""
        text = f"?{urlencode(query)}" if query else ""
        return URL(f"{self.cluster.server}{path.text}{text}", encoded=True)

    async def call(
        self,
        method: str,
        path: UrlPath,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> RawObject:
        """One request, one JSON answer.

        Raises:
            StoreError: whatever went wrong, as the docstring of `moorage_crds.store` draws it.
            ForbiddenCallError: the request is not on the allow-list; nothing was sent.
        """
        self.calls.require(method, path)
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = orjson.dumps(body)
        url, tries = self.url(path, query), 0
        while True:
            tries += 1
            try:
                return await self._send_known(method, path, url, headers, data)
            except TransientError as error:
                if self._patience is None or not await self._patience.waited(method, error, tries):
                    raise

    async def _send_known(
        self, method: str, path: UrlPath, url: URL, headers: Mapping[str, str], data: bytes | None
    ) -> RawObject:
        """Send with credentials, and once more with new ones if they have ended."""
        try:
            return await self._send(method, path, url, {**headers, **await self.headers()}, data)
        except UnauthenticatedError:
            if self._caller:
                raise
            return await self._send(method, path, url, {**headers, **await self.headers(renew=True)}, data)

    async def _send(
        self, method: str, path: UrlPath, url: URL, headers: Mapping[str, str], data: bytes | None
    ) -> RawObject:
        try:
            async with self.session.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
                content = await response.read()
                for text in warnings_of(response.headers.getall("Warning", ())):
                    self._warned(text)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise UnavailableError(f"{method} {path.template}: {type(error).__name__} {error}") from error
        return decode(method, path, response.status, response.headers.get("Retry-After"), content)
