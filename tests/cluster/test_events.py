"""Events on the real API server, to a real endpoint on loopback that fails in every way: nothing is lost.

The operator runs with the account of the chart; each workspace gives it the right to one Secret, by name.
"""

import base64
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from event_receiver import SECRET, Receiver, first_times, hangs, receiver, takes
from ledger import Ledger
from oracles import in_parallel, settled
from services import Operators
from waiting import eventually

from moorage_dev.layout import ROOT
from moorage_dev.processes import Service
from moorage_dev.rest_client import MERGE_PATCH

pytestmark = pytest.mark.cluster

SETTINGS = {"MOORAGE_EVENTS_ENABLED": "true", "MOORAGE_EVENTS_ALLOWED_CIDRS": "127.0.0.0/8"}
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def sending(no_operator: Operators) -> Operators:
    """An operator that sends events, also to loopback."""
    no_operator.start(SETTINGS)
    return no_operator


def give_secret(space: Workspace, *, right: bool = True, value: str = SECRET) -> None:
    """The Secret of the sinks, and the right to read it."""
    meta = {"name": "signing", "namespace": space.namespace}
    data = {"secret": base64.b64encode(value.encode()).decode()}
    space.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
    if right:
        give_right(space)


def give_right(space: Workspace) -> None:
    meta = {"name": "read-signing", "namespace": space.namespace}
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["signing"], "verbs": ["get"]}]
    namespace, name = account("moorage-operator").split(":")[2:]
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    role_ref = {"apiGroup": RBAC, "kind": "Role", "name": "read-signing"}
    space.cluster.apply(
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": role_ref,
            "subjects": subjects,
        },
    )


def make_sink(space: Workspace, url: str, name: str = "audit", user: str = "alice", **spec: Any) -> None:
    spec = {"url": url, "secretRef": {"name": "signing", "key": "secret"}} | spec
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "EventSink",
        "metadata": {"name": name, "namespace": space.namespace},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    answer = space.cluster.raw("POST", space.path("eventsinks"), user=user, body=body)
    assert answer.status == 201, answer.body


def status(space: Workspace, name: str = "audit") -> dict[str, Any]:
    return dict((space.get("eventsinks", name) or {}).get("status") or {})


def reason(space: Workspace, name: str = "audit") -> str:
    conditions = status(space, name).get("conditions") or ()
    return next((str(one["reason"]) for one in conditions if one["type"] == "Ready"), "")


def annotate(space: Workspace, since: str) -> None:
    body = {"metadata": {"annotations": {"moorage.dev/replay-since": since}}}
    path = space.path("eventsinks", "audit")
    assert space.cluster.raw("PATCH", path, user="alice", body=body, content_type=MERGE_PATCH).status == 200


def records_of(space: Workspace) -> set[str]:
    return {str(one["metadata"]["name"]) for one in space.list("deploymentrecords")}


def services(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in events if one["data"]["subject"]["type"] == "service"]


def has_all(endpoint: Receiver, space: Workspace) -> bool:
    return records_of(space) == {one["id"] for one in services(endpoint.taken())}


def troubled(number: int) -> tuple[int, Mapping[str, str]]:
    """Most events are taken; some fail, some are told to wait, one hangs."""
    if number == 40:
        return hangs(number)
    if number % 31 == 7:
        return 429, {"retry-after": "1"}
    return (500, {}) if number % 23 == 5 else takes(number)


class Chaos:
    """What happens to endpoint and operator while changes are made."""

    def __init__(self, endpoint: Receiver, operators: Operators, ledger: Ledger) -> None:
        self._endpoint = endpoint
        self._operators = operators
        self._ledger = ledger

    def run(self, *, until: Callable[[], bool], kills: int) -> None:
        """Restart the endpoint and kill the operator, in turns, at numbers of events and not at times."""
        for number in range(1, kills + 1):
            seen = len(self._endpoint.requests) + 25
            eventually(lambda seen=seen: len(self._endpoint.requests) >= seen or until(), 120)
            if number % 2:
                # Changes continue while it is away.
                made = self._ledger.count + 10
                self._endpoint.stop()
                eventually(lambda made=made: self._ledger.count >= made or until(), 60)
                self._endpoint.start()
            else:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, and another operator."""
        for service in list(self._operators.own):
            os.kill(service.child.pid, signal.SIGKILL)
        self._operators.clean()
        self._operators.start(SETTINGS, wait=False)


def change_all(space: Workspace, ledger: Ledger, apps: int, changes: int) -> None:
    """Deploy, upgrade, roll back and undeploy `apps` bindings, all at once, each in its order."""

    def work(app: int) -> None:
        ledger.create(space, "production", f"app-{app}", "v1")
        for number in range(2, changes + 1):
            release = None if number % 10 == 0 else f"v{number}"
            ledger.insist(space, f"production.app-{app}", release, user="alice", reason=f"change {number}")

    in_parallel(6, [lambda app=app: work(app) for app in range(apps)])


def story(
    space: Workspace, cluster: LiveCluster, sending: Operators, *, apps: int, changes: int, kills: int
) -> tuple[Receiver, Ledger]:
    """Make changes while everything fails, and wait until all of them have arrived."""
    give_secret(space)
    ledger = Ledger(cluster)
    with receiver(troubled) as endpoint:
        make_sink(space, endpoint.url())
        done = threading.Event()
        chaos = Chaos(endpoint, sending, ledger)
        thread = threading.Thread(target=chaos.run, kwargs={"until": done.is_set, "kills": kills})
        thread.start()
        change_all(space, ledger, apps, changes)
        done.set()
        thread.join()
        endpoint.behaviour = takes
        endpoint.release()
        eventually(lambda: settled(space), 60)
        eventually(lambda: has_all(endpoint, space), 120)
        eventually(lambda: status(space).get("pending") == 0 and reason(space) == "Delivering", 60)
        return endpoint, ledger


def check(endpoint: Receiver, space: Workspace, ledger: Ledger) -> None:
    """Nothing is lost, the order of each binding held, repeats are the same, every signature is right."""
    assert endpoint.broken == []
    assert len(records_of(space)) == ledger.count
    for subject, numbers in first_times(services(endpoint.taken())).items():
        assert numbers == sorted(numbers), subject
    assert {len(bodies) for bodies in endpoint.bodies().values()} == {1}
    assert status(space)["deadLetters"] == 0


def test_no_event_is_lost_whatever_endpoint_and_operator_do(
    sending: Operators, workspace: Workspaces, cluster: LiveCluster, figures: Callable[[str], None]
) -> None:
    space = workspace("production")
    endpoint, ledger = story(space, cluster, sending, apps=8, changes=30, kills=3)
    check(endpoint, space, ledger)
    figures(_figure(endpoint, ledger))


@pytest.mark.campaign
def test_campaign_of_a_thousand_changes(
    sending: Operators, workspace: Workspaces, cluster: LiveCluster, figures: Callable[[str], None]
) -> None:
    space, mark = workspace("production"), cluster.audit_mark()
    endpoint, ledger = story(space, cluster, sending, apps=20, changes=50, kills=12)
    check(endpoint, space, ledger)
    writes = cluster.audit_since(mark, user=account("moorage-operator"), verbs={"patch"}, resource="eventsinks/status")
    figures(f"{_figure(endpoint, ledger)}, {len(writes)} status writes of the sink")


def _figure(endpoint: Receiver, ledger: Ledger) -> str:
    events = services(endpoint.taken())
    repeated = len(events) - len({one["id"] for one in events})
    return (
        f"{ledger.count} changes, {len(endpoint.requests)} requests, {len(events)} taken, "
        f"{repeated} of them repeats with the same id, 0 lost"
    )


@pytest.mark.usefixtures("sending")
def test_a_sink_that_hangs_costs_nothing_else_and_410_stops_until_a_replay(
    workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production", "staging")
    give_secret(space)
    with receiver() as endpoint, receiver(hangs) as dead:
        for number in range(5):
            make_sink(space, dead.url(), f"dead-{number}")
        make_sink(space, endpoint.url())
        ledger = Ledger(cluster)
        ledger.create(space, "production", "web", "v1")
        for number in range(2, 20):
            ledger.insist(space, "production.web", f"v{number}", user="alice", reason=f"change {number}")
        eventually(lambda: settled(space) and has_all(endpoint, space), 30)
        assert {one["type"].split(".")[3] for one in services(endpoint.taken())} == {"deployed", "upgraded"}

        endpoint.behaviour = lambda _number: (410, {})
        ledger.insist(space, "production.web", None, user="alice", reason="the end")
        eventually(lambda: reason(space) == "EndpointGone", 30)
        columns = cluster.kubectl("get", "msink", "audit", "-n", space.namespace).stdout
        # Environments that were made in the second of the sink are told of, too.
        assert columns.split("\n")[1].split()[1:6] == ["False", "EndpointGone", str(len(endpoint.taken())), "1", "0"]
        asked = len(endpoint.requests)
        ledger.insist(space, "production.web", "v21", user="alice", reason="nobody hears")
        eventually(lambda: settled(space), 30)
        assert len(endpoint.requests) == asked

        endpoint.behaviour = takes
        annotate(space, "2000-01-01T00:00:00Z")
        eventually(lambda: has_all(endpoint, space) and status(space).get("pending") == 0, 30)
        # The second time is like the first: the same ids, the same bytes.
        assert len(services(endpoint.taken())) == 19 + ledger.count
        assert {len(bodies) for bodies in endpoint.bodies().values()} == {1}
        eventually(lambda: reason(space) == "Delivering", 30)


def test_filters_environments_and_a_sentence_for_slack(sending: Operators, workspace: Workspaces) -> None:
    space = workspace("production")
    with receiver() as endpoint:
        give_secret(space)
        filters = {
            "environments": ["staging"],
            "types": ["environment.created", "environment.deleted", "service.removed"],
        }
        make_sink(space, endpoint.url(), filters=filters)
        make_sink(space, endpoint.url("/slack"), "chat", secretRef=None, format="slack", filters={"apps": ["web"]})
        eventually(lambda: reason(space) == reason(space, "chat") == "Delivering", 30)
        space.create_environment("staging")
        for environment in ("staging", "production"):
            space.create_deployment(environment, "web", "v1", user="alice")
            space.set_release(f"{environment}.web", None, user="alice")
        eventually(lambda: settled(space), 30)
        space.cluster.raw("DELETE", space.path("environments", "staging"), user="alice")

        eventually(lambda: sorted({_kind(one) for one in endpoint.taken()}) == filters["types"], 30)
        assert {one["subject"] for one in endpoint.taken()} == {"staging", "staging.web"}
        eventually(lambda: len(_sentences(endpoint)) >= 6, 30)
        assert "*web* in *production*: now v1, by alice" in _sentences(endpoint)
        assert "Environment *staging* created" in _sentences(endpoint)
        # The URL of a chat is a secret.
        assert "/slack" not in sending.own[0].child.log.read_text(encoding="utf-8")


def _kind(event: dict[str, Any]) -> str:
    return ".".join(event["type"].split(".")[2:4])


def _sentences(endpoint: Receiver) -> list[str]:
    return [one["text"] for one in endpoint.taken("/slack")]


@pytest.mark.usefixtures("sending")
def test_addresses_redirects_and_secrets_that_were_not_allowed(workspace: Workspaces, cluster: LiveCluster) -> None:
    space = workspace("production")
    give_secret(space, right=False)
    with receiver() as endpoint:
        make_sink(space, endpoint.url())
        # Loopback is allowed here, this is not, however it is written.
        for name, url in (("private", "https://10.0.0.1/x"), ("odd", "https://0xa9fea9fe/latest")):
            make_sink(space, url, name, secretRef=None, format="slack")
        eventually(lambda: reason(space) == "SecretUnusable", 30)
        for name in ("private", "odd"):
            eventually(lambda name=name: reason(space, name) == "AddressRefused", 30)
        give_right(space)
        endpoint.behaviour = lambda _number: (307, {"location": endpoint.url("/elsewhere")})
        # An edit of the sink is acted on at once, not at the next look.
        body = {"spec": {"filters": {"environments": ["production"]}}}
        cluster.raw("PATCH", space.path("eventsinks", "audit"), user="alice", body=body, content_type=MERGE_PATCH)
        space.create_deployment("production", "web", "v1", user="alice")
        eventually(lambda: len(endpoint.requests) >= 2, 60)
        endpoint.behaviour = takes
        eventually(lambda: has_all(endpoint, space), 60)
        assert {one.path for one in endpoint.requests} == {"/in"}
        assert endpoint.broken == []


def test_without_the_switch_nothing_is_sent_and_the_sink_says_so(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    with receiver() as endpoint:
        make_sink(space, endpoint.url())
        space.create_deployment("production", "web", "v1")
        eventually(lambda: reason(space) == "EventsDisabled" and settled(space), 30)
        assert endpoint.requests == []


def test_who_may_write_a_sink_and_its_status(workspace: Workspaces, cluster: LiveCluster) -> None:
    space = workspace("production")
    assert cluster.may("alice", "create", "eventsinks", space.namespace)
    assert not cluster.may("bob", "create", "eventsinks", space.namespace)
    make_sink(space, "https://events.example.com/in")
    patch = {"status": {"delivered": {}}}
    path = space.path("eventsinks", "audit") + "/status"
    # What was sent is for the operator to say.
    assert cluster.raw("PATCH", path, user="alice", body=patch, content_type=MERGE_PATCH).status == 403
    wrong = [
        {"url": "https://user:secret@example.com/"},
        {"url": "ftp://example.com/"},
        {"url": "https://example.com/#part"},
        {"url": None},
        {"secretRef": None},
        {"format": "slack"},
        {"format": "smoke"},
    ]
    for number, spec in enumerate(wrong):
        with pytest.raises(AssertionError, match="422 == 201"):
            make_sink(space, **({"url": "https://example.com/"} | spec), name=f"wrong-{number}")


def test_the_example_applies(workspace: Workspaces, cluster: LiveCluster) -> None:
    space = workspace("production")
    example = str(ROOT / "examples/events/sink.yaml")
    done = cluster.kubectl("apply", "-n", space.namespace, "--validate=strict", "-f", example)
    assert done.returncode == 0, done.stderr
    assert json.loads(cluster.kubectl("get", "msink", "audit", "-n", space.namespace, "-o", "json").stdout)["spec"]
