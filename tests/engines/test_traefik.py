"""The facade behind Traefik: through an Ingress and through an HTTPRoute of the chart, in plain HTTP and in TLS.

Pods run on a real node, and Traefik reaches them as it does in a cluster: by the addresses behind the Service.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any

import pytest
from cluster import ADMIN
from edges import HOST, PAST, SECURE, WAYS, Edge
from pods import NAMESPACE, Installation, assert_every_answer_is_recorded, flowing
from waiting import eventually

from moorage_client.events import Parser
from moorage_dev import pki
from moorage_dev.engines.traefik import CLASS, PORTS, Traefik
from moorage_dev.rest_client import Answer

SPACE = "/v1/orgs/acme/workspaces/shop"
ENVIRONMENTS = f"{SPACE}/environments"
DEPLOY = f"{ENVIRONMENTS}/development/deploy"
ALICE = "system:serviceaccount:shop:alice"
#: Of the host, of the pods, and the one that seals logins.
SECRET, SERVED, SESSIONS = "moorage-host", "moorage-served", "moorage-sessions"
#: The ConfigMap that says who signed the certificate of the pods, and the name in it.
AUTHORITY, SERVICE = "moorage-authority", f"moorage-api.{NAMESPACE}.svc"
#: How Traefik, in the network of the node, is seen by pods.
BRIDGE = "10.244.0.1/32"
#: What one address may fail until it is refused, at each replica; nothing is given back while a test runs.
FAILURES = 5


def _gateway() -> dict[str, Any]:
    https = {"mode": "Terminate", "certificateRefs": [{"name": SECRET}]}
    listeners = [
        {"name": "http", "protocol": "HTTP", "port": PORTS["gateway"]},
        {"name": "https", "protocol": "HTTPS", "port": PORTS["gatewaysecure"], "tls": https},
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": NAMESPACE},
        "spec": {"gatewayClassName": CLASS, "listeners": listeners},
    }


def _values(
    *, tls: dict[str, Any] | None = None, trust: dict[str, Any] | None = None, transport: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Values of the chart as docs/install.md says for a proxy."""
    return {
        "ingress": {"enabled": True, "className": CLASS, "host": HOST, "tlsSecretName": SECRET},
        # The programs that send load inside of the node's network know the node by this name alone.
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "edge"}],
            "hostnames": [HOST, "localhost"],
            "backendTLS": trust or {},
        },
        "api": {
            "trustedProxies": [BRIDGE],
            "sessionKeySecretName": SESSIONS,
            "rateLimit": {"failedPerSecond": 0.001, "failedBurst": FAILURES},
            "service": {"annotations": transport or {}},
        },
        "tls": tls or {},
    }


def _object(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **content}


def _tls_secret(authority: pki.Authority, name: str, host: str) -> dict[str, Any]:
    certificate, key = authority.issue_server(name, names=(host,))
    data = {"tls.crt": certificate, "tls.key": key}
    encoded = {entry: b64encode(path.read_bytes()).decode() for entry, path in data.items()}
    return _object("Secret", name, type="kubernetes.io/tls", data=encoded)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> pki.Authority:
    """Who signs the certificates of the proxy and of the pods."""
    return pki.new_authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def edge(traefik: Traefik, chart: Installation, authority: pki.Authority) -> Iterator[Edge]:
    """The chart with Ingress and HTTPRoute; all ways lead to the facade."""
    assert traefik.logs()
    ca = authority.certificate.read_bytes()
    kubectl = chart.cluster.admin()
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl.apply(
        _tls_secret(authority, SECRET, HOST),
        _tls_secret(authority, SERVED, SERVICE),
        _object("ConfigMap", AUTHORITY, data={"ca.crt": ca.decode()}),
        _object("Secret", SESSIONS, stringData={"key": "k" * 64}),
        _gateway(),
    )
    chart.install(**_values())
    chart.prepare_workspace()
    made = Edge(chart, ca)
    try:
        for way in WAYS:
            eventually(lambda way=way: made.answers(way), 60, interval=0.5)
        yield made
    finally:
        made.close()
        chart.uninstall()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """One of the ways through Traefik."""
    return str(request.param)


def _deploy(
    edge: Edge, way: str, app: str, release: str, *, headers: dict[str, str] | None = None, **more: str
) -> Answer:
    body = {"app_id": app, "release_id": release, **more}
    return edge.ask(way, "POST", DEPLOY, token=edge.release.token(), body=body, headers=headers)


def _everywhere(ask: Callable[[], Answer], status: int) -> Answer:
    """Wait until both replicas answer with a status; each gets every second request."""
    answers: list[Answer] = []

    def answered() -> bool:
        answers[:] = [ask() for _ in range(4)]
        return {answer.status for answer in answers} == {status}

    eventually(answered, 60)
    return answers[-1]


def test_writes_are_answered_and_recorded_with_who_made_them(edge: Edge, way: str) -> None:
    deployed = _deploy(edge, way, way, "1.0.0", headers={"X-Request-Id": f"deploy-{way}"}, reason="through a proxy")
    assert deployed.status == 200
    assert deployed.headers["x-request-id"] == f"deploy-{way}"
    # The same key and the same body: the answer of the first one, whichever replica is asked.
    key = {"Idempotency-Key": f"key-{way}"}
    first, second = (_deploy(edge, way, way, "1.0.1", headers=key) for _ in range(2))
    assert first.json()["deployment_id"] == second.json()["deployment_id"] != deployed.json()["deployment_id"]
    record = eventually(lambda: edge.release.records().get(deployed.json()["deployment_id"]), 60)
    assert (record["by"], record["release"], record["reason"]) == (ALICE, "1.0.0", "through a proxy")


def test_refusals_arrive_whole(edge: Edge, way: str) -> None:
    assert _deploy(edge, way, f"refused-{way}", "1.0.0").status == 200
    refused = _deploy(edge, way, f"refused-{way}", "2.0.0", expected_release_id="0.9.0")
    body = refused.json()
    assert (refused.status, body["error"], body["status_code"]) == (409, "CONFLICT", 409)
    assert (body["details"]["reason"], body["details"]["active_release_id"]) == ("ReleaseMismatch", "1.0.0")
    unknown = edge.ask(way, "POST", DEPLOY, token="nonsense", body={"app_id": "web", "release_id": "1"})
    assert (unknown.status, unknown.json()["error"]) == (401, "AUTHENTICATION_FAILED")
    invalid = edge.ask(way, "POST", DEPLOY, token=edge.release.token(), body={"app_id": "web"})
    assert (invalid.status, invalid.json()["detail"][0]["loc"]) == (422, ["body", "release_id"])


def test_conditions_hold(edge: Edge, way: str) -> None:
    admin = edge.release.cluster.token(ADMIN)
    made = edge.ask(way, "POST", ENVIRONMENTS, token=admin, body={"name": way, "slug": f"edge-{way}"})
    assert made.status == 201
    path = made.headers["location"]
    tag = _everywhere(lambda: edge.ask(way, "GET", path, token=admin), 200).headers["etag"]

    def unchanged() -> Answer:
        return edge.ask(way, "GET", path, token=admin, headers={"If-None-Match": tag})

    assert _everywhere(unchanged, 304).body == b""
    edited = edge.ask(way, "PUT", path, token=admin, body={"description": "first"}, headers={"If-Match": tag})
    assert edited.status == 200
    late = edge.ask(way, "PUT", path, token=admin, body={"description": "late"}, headers={"If-Match": tag})
    assert (late.status, late.json()["details"]["etag"]) == (412, edited.headers["etag"])


def _shown(answer: Answer) -> dict[str, Any]:
    """All of an answer that does not differ from one request to the next."""
    names = ("content-type", "content-encoding", "etag", "vary", "cache-control", "content-security-policy")
    return {"status": answer.status, "body": answer.body, **{name: answer.headers.get(name) for name in names}}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_page_and_its_files_are_those_of_the_facade(edge: Edge, way: str, encoding: str) -> None:
    page = edge.ask(PAST, "GET", "/").body.decode()
    for path in ("/", "/docs", "/openapi.json", *re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)):
        through, past = (edge.ask(one, "GET", path, headers={"Accept-Encoding": encoding}) for one in (way, PAST))
        assert _shown(through) == _shown(past), path
        assert past.status == 200


def test_login_of_the_page_holds_at_every_replica(edge: Edge, way: str) -> None:
    scheme = "https" if way in SECURE else "http"
    own = {"Origin": f"{scheme}://{HOST}", "Sec-Fetch-Site": "same-origin"}
    # An old browser says its origin and nothing else.
    for headers in (own, {"Origin": own["Origin"]}):
        entered = edge.ask(way, "POST", "/session", body={"token": edge.release.token()}, headers=headers)
        assert (entered.status, entered.json()["username"]) == (200, ALICE)
    cookie, _, attributes = entered.headers["set-cookie"].partition(";")
    assert cookie.startswith("__Host-")
    assert {"HttpOnly", "Secure", "SameSite=Strict"} <= {part.strip() for part in attributes.split(";")}
    for _ in range(4):
        shown = edge.ask(way, "GET", "/session", headers={**own, "Cookie": cookie})
        assert (shown.status, shown.json()["username"]) == (200, ALICE)
    elsewhere = edge.ask(way, "POST", "/session", body={"token": "x"}, headers={"Origin": "https://example.com"})
    assert (elsewhere.status, elsewhere.json()["details"]["reason"]) == (403, "CrossOrigin")


#: Parts of a path that a proxy may read otherwise than the facade.
ODD = ("%64evelopment", "a%2Fb", "a%20b", "a%25b", "a%3Fb", "%C3%BC", "a;b=c", "a+b", "a%00b")


@pytest.mark.parametrize("odd", ODD)
def test_odd_paths_are_answered_as_by_the_facade_itself(edge: Edge, way: str, odd: str) -> None:
    through, past = (edge.ask(one, "GET", f"{ENVIRONMENTS}/{odd}", token=edge.release.token()) for one in (way, PAST))
    assert through.status == past.status
    names = ("error", "message", "details", "slug", "detail")
    assert [through.json().get(name) for name in names] == [past.json().get(name) for name in names]


def test_ids_with_signs_of_paths_and_queries_come_through(edge: Edge, way: str) -> None:
    release, app = "team/shop:1.0+build.7@sha256", f"odd-{way}"
    made = _deploy(edge, way, app, release)
    assert made.json()["release_id"] == release
    asked = f"app_id={app}&user=system%3Aserviceaccount%3Ashop%3Aalice&limit=1"

    def found() -> list[str]:
        answer = edge.ask(way, "GET", f"{SPACE}/deployments?{asked}", token=edge.release.token())
        return [line["release_id"] for line in answer.json()["deployments"]]

    # The other replica may hear of it a moment later.
    eventually(lambda: found() == [release], 60)
    gates = f"{ENVIRONMENTS}/development/gates?app_id={app}&release_id=team%2Fshop%3A1.0%2Bbuild.7%40sha256"
    assert edge.ask(way, "GET", gates, token=edge.release.token()).json()["release_id"] == release


def _recorded(stream: HTTPResponse, parser: Parser, deployment: str) -> bool:
    """Read until that change is told as recorded; false: the stream ended before."""
    while line := stream.readline():
        event = parser.feed(line.decode().rstrip("\r\n"))
        if event is not None and event.name == "change":
            change = json.loads(event.data)
            if change["deployment_id"] == deployment and change["recorded"]:
                return True
    return False


def test_events_come_while_the_stream_is_open(edge: Edge, way: str) -> None:
    """Each change is read before the next one is made: a proxy that collects would show the first one too late."""
    with edge.stream(way, f"{SPACE}/events", edge.release.token()) as stream:
        assert (stream.status, stream.getheader("Content-Type")) == (200, "text/event-stream; charset=utf-8")
        parser = Parser()
        for number in range(3):
            made = _deploy(edge, way, f"stream-{way}", f"3.0.{number}")
            assert _recorded(stream, parser, made.json()["deployment_id"])


def _guess(edge: Edge, source: str, headers: dict[str, str] | None = None) -> int:
    return edge.ask("web", "GET", ENVIRONMENTS, source=source, headers=headers).status


def test_each_client_behind_the_proxy_has_failures_of_its_own(edge: Edge) -> None:
    guesses = [_guess(edge, "127.0.0.2") for _ in range(6 * FAILURES)]
    # Two replicas, and each lets some fail.
    assert (guesses.count(401), guesses.count(429)) == (2 * FAILURES, 4 * FAILURES)
    # Who calls itself otherwise is the same: Traefik believes nobody, and the facade believes Traefik.
    assert {_guess(edge, "127.0.0.2", {"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(4)} == {429}
    assert _guess(edge, "127.0.0.3") == 401
    known = edge.ask("web", "GET", ENVIRONMENTS, token=edge.release.token(), source="127.0.0.2")
    assert known.status == 200


def test_pods_are_replaced_behind_the_proxy_and_no_request_fails(edge: Edge, figures: Callable[[str], None]) -> None:
    release = edge.release
    before = {pod["metadata"]["uid"] for pod in release.pods("moorage-api")}
    with release.load("rolled", url=f"http://localhost:{PORTS['gateway']}") as load:
        flowing(release, "rolled")
        release.kubectl("rollout", "restart", "deployment/moorage-api")
        release.settled()
        flowing(release, "rolled")
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in release.pods("moorage-api"))
    assert load.lost() == []
    assert_every_answer_is_recorded(release, load, prefix="rolled")
    figures(f"{load.requests()} requests through Traefik, 0 failed, each answer has its record")


#: What docs/install.md shows for Traefik: whom it trusts when it speaks TLS to the pods of an Ingress.
TRANSPORT = {
    "apiVersion": "traefik.io/v1alpha1",
    "kind": "ServersTransport",
    "metadata": {"name": "moorage", "namespace": NAMESPACE},
    "spec": {"serverName": SERVICE, "rootCAs": [{"configMap": AUTHORITY}]},
}
ANNOTATION = {"traefik.ingress.kubernetes.io/service.serverstransport": f"{NAMESPACE}-moorage@kubernetescrd"}


def test_pods_that_serve_tls_are_reached_once_the_proxy_knows_whom_to_trust(edge: Edge) -> None:
    tls = {"enabled": True, "secretName": SERVED}
    edge.release.upgrade(**_values(tls=tls))
    for way in WAYS:
        # Traefik asks by address for a certificate that it cannot check, and says 500 by itself.
        eventually(lambda way=way: edge.answers(way, 500), 60, interval=0.5)
    edge.release.cluster.admin().apply(TRANSPORT)
    trust = {"caCertificateRefs": [{"name": AUTHORITY}]}
    edge.release.upgrade(**_values(tls=tls, trust=trust, transport=ANNOTATION))
    for way in WAYS:
        eventually(lambda way=way: edge.answers(way), 60, interval=0.5)
        made = _deploy(edge, way, f"tls-{way}", "1.0.0")
        record = eventually(lambda made=made: edge.release.records().get(made.json()["deployment_id"]), 60)
        assert (made.status, record["by"]) == (200, ALICE)
    assert edge.release.total_restarts() == 0
