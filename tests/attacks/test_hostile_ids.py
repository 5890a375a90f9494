"""Ids that nobody should send are answered like ids of things that do not exist, and never leave the facade."""

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import hostile
import pytest
from api_server_proxy import ApiServerProxy, Seen
from cluster import LiveCluster, Workspace, Workspaces
from services import Facade, Facades

from moorage_dev.rest_client import Answer

SLUG = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
APP = r"[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?"
LABEL = r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?"
RELEASE = r"[A-Za-z0-9][-+_.:@/A-Za-z0-9]{0,127}"
#: A raw path segment that stays one segment of the path on its way.
SENDABLE = re.compile(r"[!$-.0-9:;=@-~]+")

ABSENT = "no-such-thing"
REVIEWS = {
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
}
LEASE = "/apis/coordination.k8s.io/v1/namespaces/moorage-system/leases/moorage-operator"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an id can be put.

    Attributes:
        name: for messages.
        valid: pattern of ids that would be all right here.
        send: makes the request.
        in_path: the answer must be that for an absent id; elsewhere it is a 422.
    """

    name: str
    valid: str
    send: Callable[[Facade, str], Answer]
    in_path: bool


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    path: str
    body: Any = None


OPERATIONS = (
    _Operation("GET", "{base}"),
    _Operation("POST", "{base}", {"name": "New", "slug": "new-one"}),
    _Operation("GET", "{base}/{environment}"),
    _Operation("PUT", "{base}/{environment}", {"name": "Changed"}),
    _Operation("DELETE", "{base}/{environment}"),
    _Operation("POST", "{base}/{environment}/deploy", {"app_id": "web", "release_id": "r2"}),
    _Operation("DELETE", "{base}/{environment}/deploy/{app}"),
    _Operation("POST", "{base}/{environment}/deploy/{app}/rollback", {}),
    _Operation("GET", "{base}/{environment}/deployments"),
    _Operation("PUT", "{base}/{environment}/lock", {"reason": "freeze"}),
    _Operation("DELETE", "{base}/{environment}/lock"),
    _Operation("GET", "{base}/{environment}/gates"),
    _Operation("POST", "{base}/{environment}/promote", {"from_environment_id": "prod"}),
    _Operation("GET", "{base}/{environment}/approvals"),
    _Operation("POST", "{base}/{environment}/approvals", {"app_id": "web", "release_id": "r2"}),
    _Operation("DELETE", "{base}/{environment}/approvals/{approval}"),
    _Operation("GET", "{freezes}/{freeze}"),
    _Operation("PUT", "{freezes}/{freeze}", {"reason": "audit", "yearly": [{"from": "12-24", "until": "12-26"}]}),
    _Operation("DELETE", "{freezes}/{freeze}"),
)
BASE = "/v1/orgs/{org}/workspaces/{workspace}/environments"
FREEZES = "/v1/orgs/{org}/workspaces/{workspace}/freezes"


def places(workspace: Workspace) -> list[Place]:
    """Every path parameter of every operation, and every name in queries, headers and bodies."""
    usual = {"org": workspace.org, "workspace": workspace.name, "environment": "prod", "app": "web", "freeze": "yule"}
    usual["approval"] = "approve-1"
    patterns = {"org": LABEL, "workspace": LABEL, "environment": SLUG, "app": APP, "freeze": SLUG, "approval": SLUG}
    found = []
    for operation in OPERATIONS:
        template = operation.path.replace("{base}", BASE).replace("{freezes}", FREEZES)
        for parameter in re.findall(r"\{(\w+)\}", template):
            send = _by_path(operation, template, usual, parameter)
            # What a PUT names need not be there: it makes it, so a bad name is a bad request.
            is_made = (operation.method, parameter) == ("PUT", "freeze")
            name = f"{operation.method} {template} {parameter}"
            found.append(Place(name, patterns[parameter], send, in_path=not is_made))
    return [*found, *_names_elsewhere(workspace)]


def _by_path(
    operation: _Operation, template: str, usual: dict[str, str], parameter: str
) -> Callable[[Facade, str], Answer]:
    def send(facade: Facade, text: str) -> Answer:
        # As it is where that is possible, so that double encoding stays double and single stays single.
        segment = text if SENDABLE.fullmatch(text) else quote(text, safe="")
        path = template.format(**{**usual, parameter: segment})
        return facade.call(operation.method, path, body=operation.body)

    return send


def _names_elsewhere(workspace: Workspace) -> Iterator[Place]:
    deploy, rollback = f"{workspace.rest}/prod/deploy", f"{workspace.rest}/prod/deploy/web/rollback"
    usual = {"app_id": "web", "release_id": "r2"}
    yield Place("body slug", SLUG, _by_body("POST", workspace.rest, {"name": "New"}, "slug"), in_path=False)
    yield Place("body app_id", APP, _by_body("POST", deploy, usual, "app_id"), in_path=False)
    for field in ("release_id", "expected_release_id"):
        yield Place(f"body {field}", RELEASE, _by_body("POST", deploy, usual, field), in_path=False)
        yield Place(f"body {field} of rollback", RELEASE, _by_body("POST", rollback, {}, field), in_path=False)
    yield Place("body to_deployment_id", "(?!)", _by_body("POST", rollback, {}, "to_deployment_id"), in_path=False)
    history = f"{workspace.rest}/prod/deployments"
    yield Place("query app_id", APP, _by_query("GET", history, "app_id"), in_path=False)
    yield Place("query cursor", "(?!)", _by_query("GET", history, "cursor"), in_path=False)
    yield Place("query cursor of environments", "(?!)", _by_query("GET", workspace.rest, "cursor"), in_path=False)
    yield Place("query release", RELEASE, _by_query("DELETE", f"{deploy}/web", "expected_release_id"), in_path=False)


def _by_body(method: str, path: str, usual: dict[str, Any], field: str) -> Callable[[Facade, str], Answer]:
    return lambda facade, text: facade.call(method, path, body={**usual, field: text})


def _by_query(method: str, path: str, name: str) -> Callable[[Facade, str], Answer]:
    return lambda facade, text: facade.call(method, f"{path}?{name}={quote(text, safe='')}")


def shape(answer: Answer) -> Any:
    """An answer without what differs from one to the next: the time, and the id that is echoed."""
    body = answer.json()
    body.pop("timestamp", None)
    if "resource_id" in body.get("details", {}):
        body["details"]["resource_id"] = "…"
    return answer.status, body


def is_expected_upstream(seen: Seen, namespace: str) -> bool:
    """Reviews about rights in the workspace or the whole cluster, and the facade's own watches; nothing else.

    While a change waits to be recorded for long, the facade asks for the Lease by itself, too.
    """
    if seen.method == "POST" and seen.path in REVIEWS:
        spec = json.loads(seen.body)["spec"]
        right = spec.get("resourceAttributes")
        return right is None or (right.get("namespace", "") in {"", namespace} and not right.get("name"))
    return seen.method == "GET" and (seen.is_watch or seen.path == LEASE)


def attack(facade: Facade, everywhere: list[Place], absent: dict[str, Any], count: int) -> Counter[int]:
    """Send `count` hostile ids over all places; returns how often each status was answered.

    `absent`: what each place answers of something that could be there and is not.
    """
    statuses: Counter[int] = Counter()
    pairs = zip(itertools.cycle(everywhere), hostile.ids(seed=20), strict=False)
    chosen = ((place, text) for place, text in pairs if not re.fullmatch(place.valid, text))
    for place, text in itertools.islice(chosen, count):
        answer = place.send(facade, text)
        statuses[answer.status] += 1
        if answer.status == 431:
            assert len(text) > 3_000, (place.name, text, answer)
        elif not place.in_path:
            assert answer.status == 422, (place.name, text, answer)
        else:
            assert shape(answer) == absent[place.name], (place.name, text, answer)
    return statuses


def _said(workspace: Workspace) -> list[tuple[str, str, Any]]:
    """What stands in the workspace, without what an operator writes beside it."""
    plurals = ("environments", "environmentlocks", "freezes", "approvals")
    return [(plural, raw["metadata"]["name"], raw["spec"]) for plural in plurals for raw in workspace.list(plural)]


def run(cluster: LiveCluster, facades: Facades, proxy: ApiServerProxy, workspace: Workspace, count: int) -> str:
    """The whole attack on a fresh facade; its figures."""
    facade = facades.start(proxy.settings(cluster))
    answer = facade.call("POST", f"{workspace.rest}/prod/deploy", body={"app_id": "web", "release_id": "r1"})
    assert answer.status == 200, answer.body
    before = _said(workspace)
    everywhere = places(workspace)
    # Before anything is counted: whether an app that could be there is really absent, the API server may be asked.
    absent = {place.name: shape(place.send(facade, ABSENT)) for place in everywhere if place.in_path}
    mark, first = cluster.audit_mark(), len(proxy.seen)
    statuses = attack(facade, everywhere, absent, count)
    sent = proxy.seen[first:]
    unexpected = [seen for seen in sent if not is_expected_upstream(seen, workspace.namespace)]
    assert unexpected == []
    # The API server's own witness: nothing was asked in the attacker's name.
    assert cluster.audit_since(mark, user=cluster.username("alice")) == []
    assert max(statuses) < 500
    assert before == _said(workspace)
    return (
        f"{statuses.total()} hostile ids over {len(everywhere)} places; answers "
        f"{dict(sorted(statuses.items()))}; requests to the API server with one of them: {len(unexpected)}"
    )


def test_hostile_ids_are_answered_like_absent_ones_and_never_reach_the_api_server(
    cluster: LiveCluster,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    figures(run(cluster, facades, proxy, workspace("prod"), 1_000))


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_campaign_of_hostile_ids(
    cluster: LiveCluster,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    figures(run(cluster, facades, proxy, workspace("prod"), int(os.environ.get("MOORAGE_HOSTILE_IDS", "10000"))))
