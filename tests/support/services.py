"""Operators and facades as processes, shared by all tests or owned by one."""

import asyncio
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import preloaded
from cluster import ADMIN, LiveCluster, Workspace
from waiting import eventually

from moorage_dev import children, patience, processes
from moorage_dev.processes import Service
from moorage_dev.rest_client import Answer, RestClient


@dataclass(slots=True)
class Facade:
    """A running facade and a client for it."""

    service: Service
    cluster: LiveCluster
    client: RestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = RestClient(self.service.url, None)

    def call(
        self,
        method: str,
        path: str,
        *,
        user: str | None = "alice",
        token: str | None = None,
        body: object = None,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request as `user` (None: without a token), or with any `token`."""
        bearer = token if token is not None else self.cluster.token(user) if user else None
        return self.client.request(method, path, token=bearer, body=body, content_type=content_type, headers=headers)

    def insist(self, method: str, path: str, **options: Any) -> Answer:
        """`call`, repeated while it is answered 503 Busy, as its message says; the last answer.

        So it is answered while the operator, for which some calls wait a few seconds, is slower than that.
        """

        def done() -> Answer | None:
            answer = self.call(method, path, **options)
            return None if answer.status == 503 and answer.json()["details"]["reason"] == "Busy" else answer

        answer = eventually(done, 30)
        assert answer is not None
        return answer

    async def call_async(self, method: str, path: str, **options: Any) -> Answer:
        """`call` for async tests."""
        return await asyncio.to_thread(self.call, method, path, **options)


#: Tests meet 429 only where they mean to.
FACADE_SETTINGS = {
    "MOORAGE_RATE_LIMIT": "100000",
    "MOORAGE_RATE_BURST": "100000",
    "MOORAGE_FAILED_RATE_LIMIT": "100000",
    "MOORAGE_FAILED_RATE_BURST": "100000",
    "MOORAGE_STOP_DELAY_SECONDS": "0",
}


class Operators:
    """Operators under the chart's service account: shared ones that live from test to test, and own ones of a test."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self.shared: list[Service] = []
        self.own: list[Service] = []
        self._numbers: Iterator[int] = iter(range(1, 10_000))

    def ensure(self, count: int = 1) -> list[Service]:
        """Exactly `count` shared operators that run and are ready; when some were started, one of all acts."""
        self.shared = [service for service in self.shared if children.is_running(service.child)]
        while len(self.shared) > count:
            children.stop(self.shared.pop().child)
        missing = count - len(self.shared)
        self.shared += [self._start(None, wait=True) for _ in range(missing)]
        if missing > 0:
            # The Lease may be that of an operator that an earlier test killed.
            eventually(self._one_acts, 30)
        return list(self.shared)

    def _one_acts(self) -> bool:
        """Whether one of those that still run does; a test may have killed or stopped others."""
        for service in (*self.shared, *self.own):
            with suppress(OSError):
                if children.is_running(service.child) and is_acting(service):
                    return True
        return False

    def start(self, settings: Mapping[str, str] | None = None, *, wait: bool = True) -> Service:
        """Start one more for this test, with settings of its own."""
        service = self._start(settings, wait=wait)
        self.own.append(service)
        return service

    def stop(self) -> None:
        """Stop all of them: nothing is recorded until `ensure` or `start`."""
        for service in (*self.shared, *self.own):
            children.stop(service.child)
        self.shared.clear()
        self.own.clear()

    def clean(self) -> None:
        """Stop those of this test."""
        for service in self.own:
            children.stop(service.child)
        self.own.clear()

    def _start(self, settings: Mapping[str, str] | None, *, wait: bool) -> Service:
        name = f"operator-{next(self._numbers)}"
        return processes.start_operator(
            self._cluster.underlying,
            self._cluster.folder,
            name=name,
            settings=settings,
            wait=wait,
            spawn=preloaded.spawn,
        )


class Facades:
    """Facades under the chart's service account: a shared one, and own ones of a test."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self.shared: Facade | None = None
        self.own: list[Facade] = []
        self._numbers: Iterator[int] = iter(range(1, 10_000))

    def ensure(self) -> Facade:
        """The shared facade; it runs and is ready."""
        if self.shared is not None and not children.is_running(self.shared.service.child):
            self.shared.client.close()
            self.shared = None
        if self.shared is None:
            self.shared = self._start({})
        return self.shared

    def start(self, settings: Mapping[str, str] | None = None, *, wait: bool = True) -> Facade:
        """Start one more for this test; `settings` win over `FACADE_SETTINGS`."""
        facade = self._start(settings or {}, wait=wait)
        self.own.append(facade)
        return facade

    def hear(self, space: Workspace, environments: Sequence[str]) -> None:
        """Return when the shared facade has heard of a workspace and of these Environments; at once if none runs.

        It answers from its cache, which its watches fill a moment after the API server has answered a write.
        """
        facade = self.shared
        if facade is None or not children.is_running(facade.service.child):
            return
        for path in [space.rest, *(f"{space.rest}/{name}" for name in environments)]:
            eventually(lambda path=path: facade.call("GET", path, user=ADMIN).status == 200, 60)

    def stop(self) -> None:
        """Stop all of them."""
        self.clean()
        if self.shared is not None:
            self.shared.client.close()
            children.stop(self.shared.service.child)
            self.shared = None

    def clean(self) -> None:
        """Stop those of this test."""
        for facade in self.own:
            facade.client.close()
            children.stop(facade.service.child)
        self.own.clear()

    def _start(self, settings: Mapping[str, str], *, wait: bool = True) -> Facade:
        service = processes.start_facade(
            self._cluster.underlying,
            self._cluster.folder,
            name=f"api-{next(self._numbers)}",
            settings={**FACADE_SETTINGS, **settings},
            wait=wait,
            spawn=preloaded.spawn,
        )
        return Facade(service, self._cluster)


def is_acting(operator: Service) -> bool:
    """Whether an operator holds the Lease: it may wait for that of one that was killed."""
    with urllib.request.urlopen(operator.metrics_url, timeout=patience.scaled(5)) as answer:  # noqa: S310 — a loopback address of our own
        return b"moorage_lease_held 1.0" in answer.read()
