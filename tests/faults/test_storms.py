"""Outages of every kind, one after the other: the operator lives, and hears of the first change in fair weather.

The wire resets, closes, stalls and cuts connections, also in the middle of a TLS handshake.
Behind it, over plain HTTP, a proxy refuses credentials, answers with errors, and ends watches with errors, alone and at
once with what the wire does.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from cluster import LiveCluster, Workspaces
from dice import DICE
from oracles import settled
from rough_wire import RoughWire, Weather
from services import Operators
from waiting import eventually

from moorage_dev import children, kubeconfigs
from moorage_dev.installation import NAMESPACE, OPERATOR
from moorage_dev.kubeconfigs import Endpoint

#: Storms by each way; `MOORAGE_STORMS` for a campaign.
STORMS = int(os.environ.get("MOORAGE_STORMS", "2"))
#: Statuses that the API server answers while it starts, ends or is overloaded.
STATUSES = (401, 403, 429, 500, 503, 504)


def status(code: int) -> dict[str, object]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "a storm"}


class Storm:
    """Bad weather on the wire and, where there is one, at the proxy."""

    def __init__(self, wire: RoughWire, proxy: ApiServerProxy | None, dice: random.Random) -> None:
        self._wire = wire
        self._proxy = proxy
        self._dice = dice
        self.kinds: Counter[str] = Counter()

    def rage(self) -> None:
        """Up to four kinds of weather, each until it has met a few connections or requests."""
        for _ in range(self._dice.randint(1, 4)):
            if self._proxy is not None and self._dice.random() < 0.6:
                self._answer_badly(self._proxy)
            else:
                self._blow()
        self.calm()

    def calm(self) -> None:
        """Fair weather everywhere; what has stalled is reset, as by a server that knows nothing of it any more."""
        self._wire.turn(Weather.FAIR, drop=True)
        if self._proxy is not None:
            self._proxy.fault = no_fault

    def _blow(self) -> None:
        weather = self._dice.choice([one for one in Weather if one is not Weather.FAIR])
        self.kinds[weather.name] += 1
        until = self._wire.treated + self._dice.randint(1, 6)
        self._wire.turn(weather, drop=True)
        eventually(lambda: self._wire.treated >= until, timeout=60)

    def _answer_badly(self, proxy: ApiServerProxy) -> None:
        code = self._dice.choice(STATUSES)
        share = self._dice.choice((0.3, 1.0))
        self.kinds[f"{code}"] += 1
        met: list[Seen] = []

        def fault(seen: Seen) -> Fault | None:
            # The first watch always: what nobody refuses asks for minutes nothing more.
            if not seen.is_watch or (met and self._dice.random() >= share):
                return None
            met.append(seen)
            return Fault(status=code, body=json.dumps(status(code)).encode())

        def end_streams() -> list[Seen]:
            # Again with each question: a watch may open just now, let in before the fault was set.
            for plural in set(proxy.streams()):
                ends = self._dice.choice((410, 410, 500, 504))
                proxy.inject(plural, json.dumps({"type": "ERROR", "object": status(ends)}).encode())
            return met

        self._wire.turn(Weather.FAIR, drop=False)
        proxy.fault = fault
        eventually(end_streams, timeout=60, interval=0.5)


@pytest.fixture(params=["over TLS", "over HTTP with bad answers"])
def storm(
    cluster: LiveCluster, no_operator: Operators, request: pytest.FixtureRequest
) -> Iterator[tuple[Storm, dict[str, str]]]:
    """A storm, and the settings of a process that is in it."""
    dice = random.Random(DICE)  # noqa: S311 — weather needs no secrecy
    proxy = ApiServerProxy(cluster.endpoint) if "HTTP" in request.param else None
    wire = RoughWire(proxy.url if proxy is not None else cluster.endpoint.server, dice)
    config = kubeconfigs.with_token(
        cluster.folder / f"storm-{wire.url.rpartition(':')[2]}.kubeconfig",
        Endpoint(wire.url, cluster.endpoint.ca),
        user=OPERATOR,
        token=cluster.service_account_token(NAMESPACE, OPERATOR),
    )
    yield Storm(wire, proxy, dice), {"MOORAGE_KUBECONFIG": str(config)}
    no_operator.stop()
    wire.close()
    if proxy is not None:
        proxy.close()


def test_an_operator_hears_of_changes_after_every_storm(
    storm: tuple[Storm, dict[str, str]],
    no_operator: Operators,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    weather, settings = storm
    shop = workspace("production")
    shop.create_deployment("production", "web", "v0", user="alice")
    operator = no_operator.start(settings)
    eventually(lambda: settled(shop), timeout=60)
    for number in range(1, STORMS + 1):
        weather.rage()
        shop.set_release("production.web", f"v{number}", user="alice")
        # The longest pause of the watches is that between two logins or two tries, some seconds.
        eventually(lambda: settled(shop), timeout=60)
        assert children.is_running(operator.child)
    releases = [spec["release"] for spec in shop.records("production.web")]
    assert releases == [f"v{number}" for number in range(STORMS + 1)]
    figures(f"MOORAGE_DICE={DICE}: {STORMS} storms, {dict(weather.kinds)}: each change recorded once")
