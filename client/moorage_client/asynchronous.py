"""The client for asyncio: every operation as a method that is awaited. `moorage_client.sync` has the same without."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import httpx

from moorage_client import models
from moorage_client.async_operations import AsyncOperations
from moorage_client.errors import ApiError, NoAnswerError
from moorage_client.events import Event, Parser
from moorage_client.requests import Request, Versions, decoded, pause_after, request, warnings_of
from moorage_client.waiting import LOOK_SECONDS, is_healthy, too_long


class AsyncMoorage(AsyncOperations):
    """Speaks to one facade.

    Args:
        url: address of the facade, such as `https://moorage.example.com`.
        token: any token that the cluster accepts; None: only what needs none.
        timeout: seconds that one connect or read may take.
        transport: instead of the network, for tests.
        sleep: waits the given number of seconds.
        warned: hears what the API server warns of, such as a rule that only warns.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        warned: Callable[[str], None] | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._versions = Versions()
        self._sleep = sleep
        self._warned = warned

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def wait_healthy(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        app_id: str,
        *,
        deployment_id: str | None = None,
        timeout: float = 600.0,  # noqa: ASYNC109 — of the whole wait, not of a call
    ) -> models.AppState:
        """Wait until a release is healthy, as the objects say that follow it.

        Args:
            org_id: of the workspace.
            workspace_id: its name.
            environment_id: id or slug.
            app_id: the app.
            deployment_id: the change that is waited for, as its answer names it; None: whichever is the newest.
            timeout: seconds to wait at most.

        Raises:
            NotHealthyError: it failed, was replaced, nothing follows the app, or it took too long.
            ApiError: the facade refuses.
        """
        waited = 0.0
        while True:
            state = await self.get_app(org_id, workspace_id, environment_id, app_id)
            if is_healthy(state, deployment_id, waited):
                return state
            if waited >= timeout:
                raise too_long(state, timeout)
            await self._sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS

    def stream_events(
        self, org_id: str, workspace_id: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[Event]:
        """Changes of a workspace as they happen: releases, locks, Freezes (docs/rest.md, "Events"). Ends by an error.

        Args:
            org_id: of the workspace.
            workspace_id: its name.
            last_event_id: `id` of the last event that was seen; nothing is left out after it.

        Raises:
            ApiError: the facade refuses.
            NoAnswerError: the stream was cut; resume from the last `id`.
        """
        return self._events(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/events",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={},
                headers={"Last-Event-ID": last_event_id},
            )
        )

    async def _call(self, sent: Request) -> Any:
        tries, waited = 0, 0.0
        while True:
            tries += 1
            reached = True
            failed: ApiError | NoAnswerError
            try:
                return await self._once(sent)
            except httpx.ConnectError as error:
                reached, failed = False, NoAnswerError(f"{self._http.base_url} cannot be reached: {error}")
            except httpx.HTTPError as error:
                failed = NoAnswerError(f"no answer: {type(error).__name__} {error}")
            except ApiError as error:
                failed = error
            pause = pause_after(sent, failed, tries, waited, reached=reached)
            if pause is None:
                raise failed
            waited += pause
            await self._sleep(pause)

    async def _once(self, sent: Request) -> Any:
        headers = {**self._versions.headers(sent.method), **sent.headers}
        answer = await self._http.request(sent.method, sent.path, params=sent.query, headers=headers, json=sent.body)
        self._versions.note(answer.headers)
        if self._warned is not None:
            for text in warnings_of(answer.headers):
                self._warned(text)
        return decoded(answer.status_code, answer.headers, answer.content)

    async def _pages(self, ask: Callable[[str | None], Awaitable[Any]], items: str) -> AsyncIterator[Any]:
        cursor: str | None = None
        while True:
            page = await ask(cursor)
            for item in page[items]:
                yield item
            cursor = page.get("next_cursor")
            if not cursor:
                return

    async def _events(self, sent: Request) -> AsyncIterator[Event]:
        parser = Parser()
        async for line in self._lines(sent):
            if (event := parser.feed(line)) is not None:
                yield event

    async def _lines(self, sent: Request) -> AsyncIterator[str]:
        headers = {**sent.headers, "Accept": "text/event-stream"}
        # A stream is silent for as long as nothing happens, so it has no timeout.
        stream = self._http.stream(sent.method, sent.path, params=sent.query, headers=headers, timeout=None)
        try:
            async with stream as answer:
                if answer.status_code >= 300:
                    decoded(answer.status_code, answer.headers, await answer.aread())
                async for line in answer.aiter_lines():
                    yield line
        except httpx.HTTPError as error:
            raise NoAnswerError(f"the stream ended: {type(error).__name__} {error}") from error
