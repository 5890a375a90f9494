"""The client that waits: every operation as a method. `moorage_client.asynchronous` has the same for asyncio."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from moorage_client import models
from moorage_client.errors import ApiError, NoAnswerError
from moorage_client.events import Event, Parser
from moorage_client.operations import Operations
from moorage_client.requests import Request, Versions, decoded, pause_after, request, warnings_of
from moorage_client.waiting import LOOK_SECONDS, is_healthy, too_long


class Moorage(Operations):
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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        warned: Callable[[str], None] | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._versions = Versions()
        self._sleep = sleep
        self._warned = warned

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def wait_healthy(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        app_id: str,
        *,
        deployment_id: str | None = None,
        timeout: float = 600.0,
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
            state = self.get_app(org_id, workspace_id, environment_id, app_id)
            if is_healthy(state, deployment_id, waited):
                return state
            if waited >= timeout:
                raise too_long(state, timeout)
            self._sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS

    def stream_events(self, org_id: str, workspace_id: str, *, last_event_id: str | None = None) -> Iterator[Event]:
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

    def _call(self, sent: Request) -> Any:
        tries, waited = 0, 0.0
        while True:
            tries += 1
            reached = True
            failed: ApiError | NoAnswerError
            try:
                return self._once(sent)
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
            self._sleep(pause)

    def _once(self, sent: Request) -> Any:
        headers = {**self._versions.headers(sent.method), **sent.headers}
        answer = self._http.request(sent.method, sent.path, params=sent.query, headers=headers, json=sent.body)
        self._versions.note(answer.headers)
        if self._warned is not None:
            for text in warnings_of(answer.headers):
                self._warned(text)
        return decoded(answer.status_code, answer.headers, answer.content)

    def _pages(self, ask: Callable[[str | None], Any], items: str) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = ask(cursor)
            yield from page[items]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def _events(self, sent: Request) -> Iterator[Event]:
        parser = Parser()
        found = map(parser.feed, self._lines(sent))
        return (event for event in found if event is not None)

    def _lines(self, sent: Request) -> Iterator[str]:
        headers = {**sent.headers, "Accept": "text/event-stream"}
        # A stream is silent for as long as nothing happens, so it has no timeout.
        stream = self._http.stream(sent.method, sent.path, params=sent.query, headers=headers, timeout=None)
        try:
            with stream as answer:
                if answer.status_code >= 300:
                    decoded(answer.status_code, answer.headers, answer.read())
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise NoAnswerError(f"the stream ended: {type(error).__name__} {error}") from error
