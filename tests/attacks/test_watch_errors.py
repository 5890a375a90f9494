"""For every error and silence of a watch the facade keeps answering, tells the age of its cache, and catches up."""

import json
import secrets
import time
from collections.abc import Callable

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from cluster import LiveCluster, Workspace, Workspaces
from services import Facade, Facades
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH, Answer

KINDS = ("namespaces", "environments", "environmentlocks", "deployments", "deploymentrecords")
MEBIBYTE = 1024 * 1024


def error(code: int, reason: str) -> bytes:
    """An ERROR event."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "x"}
    return json.dumps({"type": "ERROR", "object": status}).encode()


#: Lines that a watch may bring.
LINES = {
    "410": error(410, "Expired"),
    "500": error(500, "InternalError"),
    "503": error(503, "ServiceUnavailable"),
    "401": error(401, "Unauthorized"),
    "an error without a code": b'{"type":"ERROR","object":{}}',
    "broken JSON": b'{"type":"MODIFIED","object":{"metadata":',
    "no JSON": b"<html>502 Bad Gateway</html>",
    "a list": b"[]",
    "an object without metadata": b'{"type":"MODIFIED","object":{}}',
    "an unknown type": b'{"type":"SURPRISE","object":{"metadata":{"name":"x"}}}',
    "a line of 1 MiB": b'{"type":"BOOKMARK","object":{"metadata":{"annotations":{"a":"' + b"a" * MEBIBYTE + b'"}}}}',
    "broken UTF-8": b'{"type":"MODIFIED","object":{"metadata":{"name":"\xff"}}}',
}


def rename(cluster: LiveCluster, space: Workspace) -> str:
    """Change the environment behind the facade's back; its new name."""
    name = f"Name {secrets.token_hex(4)}"
    answer = cluster.raw(
        "PATCH", space.path("environments", "prod"), body={"spec": {"displayName": name}}, content_type=MERGE_PATCH
    )
    assert answer.status == 200, answer.body
    return name


def read(facade: Facade, space: Workspace) -> Answer:
    return facade.call("GET", f"{space.rest}/prod")


def shows(facade: Facade, space: Workspace, name: str) -> bool:
    answer = read(facade, space)
    assert answer.status == 200, answer.body
    return bool(answer.json()["name"] == name)


def only_reviews(seen: Seen) -> Fault | None:
    """The way of lists and watches is cut; reviews and writes continue."""
    return Fault(0) if seen.method == "GET" else None


def test_no_line_of_a_watch_stops_the_facade(
    cluster: LiveCluster,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    space = workspace("prod")
    facade = facades.start(proxy.settings(cluster))
    slowest = 0.0
    for name, line in LINES.items():
        for kind in KINDS:
            eventually(lambda kind=kind, line=line: proxy.inject(kind, line))
        assert read(facade, space).status == 200, name
        wanted, begun = rename(cluster, space), time.monotonic()
        eventually(lambda wanted=wanted: shows(facade, space, wanted), 10)
        slowest = max(slowest, time.monotonic() - begun)
    assert facade.call("GET", "/readyz", user=None).status == 200
    figures(
        f"{len(LINES)} bad lines into {len(KINDS)} watches: served all the time, behind for at most {slowest:.1f} s"
    )


def test_answers_say_how_old_they_are_and_end_when_they_are_too_old(
    cluster: LiveCluster, facades: Facades, proxy: ApiServerProxy, workspace: Workspaces
) -> None:
    space = workspace("prod")
    facade = facades.start({**proxy.settings(cluster), "MOORAGE_MAX_STALENESS_SECONDS": "6"})
    fresh = read(facade, space)
    assert "warning" not in fresh.headers
    assert "age" not in fresh.headers
    proxy.fault = only_reviews
    proxy.cut()
    proxy.mend()
    old = fresh.json()["name"]
    wanted = rename(cluster, space)
    stale = eventually(lambda: (answer := read(facade, space)).headers.get("warning") and answer)
    assert (stale.status, stale.json()["name"]) == (200, old)
    assert stale.headers["warning"].startswith("110 ")
    assert int(stale.headers["age"]) >= 1
    refused = eventually(lambda: (answer := read(facade, space)).status == 503 and answer)
    assert refused.json()["details"] == {"reason": "NotSynced"}
    assert int(refused.headers["retry-after"]) >= 1
    assert facade.call("GET", "/readyz", user=None).status == 503
    assert facade.call("GET", "/healthz", user=None).status == 200
    proxy.fault = no_fault
    eventually(lambda: read(facade, space).status == 200)
    eventually(lambda: shows(facade, space, wanted))
    eventually(lambda: "warning" not in read(facade, space).headers)


def test_facade_is_not_ready_before_every_kind_is_listed(
    cluster: LiveCluster, facades: Facades, proxy: ApiServerProxy, workspace: Workspaces
) -> None:
    space = workspace("prod")
    proxy.fault = lambda seen: Fault(503) if seen.path.endswith("/deploymentrecords") else None
    facade = facades.start(proxy.settings(cluster), wait=False)
    eventually(lambda: facade.client.ready("/healthz"), 30)
    eventually(lambda: set(proxy.streams()) >= set(KINDS) - {"deploymentrecords"})
    assert facade.call("GET", "/readyz", user=None).status == 503
    assert read(facade, space).json()["details"] == {"reason": "NotSynced"}
    proxy.fault = no_fault
    eventually(facade.client.ready)
    assert read(facade, space).status == 200


def test_expired_versions_and_refusals_as_http_statuses_are_survived(
    cluster: LiveCluster, facades: Facades, proxy: ApiServerProxy, workspace: Workspaces
) -> None:
    space = workspace("prod")
    facade = facades.start(proxy.settings(cluster))
    answers = [Fault(410), Fault(429, headers=(("Retry-After", "1"),)), Fault(401), Fault(200, b"junk"), Fault(504)]

    def refuse(seen: Seen) -> Fault | None:
        return answers.pop(0) if answers and seen.is_watch and seen.path.endswith("/environments") else None

    proxy.fault = refuse
    proxy.cut()
    proxy.mend()
    eventually(lambda: not answers and read(facade, space).status == 200, 30)
    wanted = rename(cluster, space)
    eventually(lambda: shows(facade, space, wanted), 30)


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_silent_watches_are_given_up(
    cluster: LiveCluster,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    space = workspace("prod")
    facade = facades.start(proxy.settings(cluster))
    proxy.freeze()
    wanted, begun = rename(cluster, space), time.monotonic()
    eventually(lambda: shows(facade, space, wanted), 120)
    assert time.monotonic() - begun > 60, "the streams were not silent"
    figures(f"streams that stay open and silent: caught up after {time.monotonic() - begun:.0f} s")
