"""Rights granted = rights used: the audit logs of the whole test run against the roles of the chart.

`make test` runs this by itself after everything else, and gives it the logs of all lanes (`--audit-logs`).
Operator and facade work in all cluster tests with nothing but the accounts that these roles are bound to, so whatever
they were never seen to use is too much.
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from cluster import LiveCluster, Workspace, Workspaces, account
from helm import CHART
from lanes import kept
from services import Facade
from waiting import eventually

from moorage_crds.kinds.refresh import REFRESH_RESOURCES
from moorage_crds.kinds.target import TARGET_RESOURCES
from moorage_dev.rest_client import MERGE_PATCH

pytestmark = pytest.mark.cluster

#: Asked for by admission policies through the authorizer, which writes no audit line.
ASKED_BY_POLICIES = {("moorage.dev", "deploymentrecords", "record", "*")}
#: In the User-Agent of everything that our processes send; the tests' own client says something else.
PROCESSES = "aiohttp"
ROLES = {f"moorage-{part}": (f"{part}-cluster", f"{part}-namespace") for part in ("operator", "api")}

#: (group, resource, verb, name); the name is `ANY` where a role does not say one.
Right = tuple[str, str, str, str]
ANY = "*"

_ADMISSION = "admissionregistration.k8s.io"
#: What tests make our processes ask for without a right, on purpose: `moorage preflight` for the operator, run with the
#: facade's account (tests/cluster, tests/image), which looks for CRDs and policies, and at objects of every kind.
PROVOKED: dict[str, set[tuple[str, str, str]]] = {
    # The witness below.
    "moorage-operator": {("", "secrets", "list")},
    "moorage-api": {
        ("apiextensions.k8s.io", "customresourcedefinitions", "get"),
        ("moorage.dev", "eventsinks", "list"),
        *(
            (_ADMISSION, f"{family}admission{what}", "get")
            for family in ("mutating", "validating")
            for what in ("policies", "policybindings")
        ),
    },
}
#: What the operator may do, and is refused by something else than RBAC, in tests that are about that.
REFUSED_BY_ADMISSION: dict[str, set[tuple[str, str, str]]] = {
    "moorage-operator": {
        # A quota for records; a Namespace that is being deleted.
        ("moorage.dev", "deploymentrecords", "create"),
        # A default environment in a seeded Namespace that is being deleted.
        ("moorage.dev", "environments", "create"),
        # A lock holds up what becomes of the bindings of a deleted Environment.
        ("moorage.dev", "deployments", "patch"),
        ("moorage.dev", "deployments", "delete"),
        # What is told of a binding whose Namespace goes.
        ("events.k8s.io", "events", "create"),
        # A ConfigMap that went before its Environment, in a Namespace that goes: an apply would make it again.
        ("", "configmaps", "patch"),
    },
    "moorage-api": set(),
}


#: What the chart grants for the kinds of its values below `delivery` (tests/cluster/test_delivery_*.py), and the
#: Secrets that workspaces let it read by name (tests/cluster/test_events.py).
#: ConfigMaps are kept where the value `delivery.configMaps` says so (tests/cluster/test_delivery_config_maps.py).
FOLLOWING: dict[str, set[Right]] = {
    "moorage-operator": {
        *(
            (one.group, one.plural, verb, ANY)
            for one in (TARGET_RESOURCES | REFRESH_RESOURCES).values()
            for verb in ("list", "watch", "patch")
        ),
        ("", "secrets", "get", ANY),
        *(("", "configmaps", verb, ANY) for verb in ("get", "patch", "delete")),
    },
    "moorage-api": set(),
}


@dataclass(frozen=True, slots=True)
class Use:
    """What an account was seen to do.

    Attributes:
        used: what was done.
        unauthorized: what RBAC refused to our processes (tests that try an account's token themselves are left out).
        unadmitted: what was allowed, and refused by a policy, a quota or the end of a Namespace.
    """

    used: set[Right]
    unauthorized: set[Right]
    unadmitted: set[Right]


def granted(name: str) -> set[Right]:
    """The roles of an account."""
    rules: list[dict[str, Any]] = []
    for file in ROLES[name]:
        rules += yaml.safe_load((CHART / f"files/rules/{file}.yaml").read_text(encoding="utf-8"))
    return {
        (group, resource, verb, one)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for one in rule.get("resourceNames", [ANY])
    }


def as_granted(rights: set[Right], roles: set[Right]) -> set[Right]:
    """Without the names where a role does not ask for one."""
    return {
        (*right[:3], ANY) if (*right[:3], ANY) in roles else right  # type: ignore[misc]
        for right in rights
    }


def test_facade_reads_again_what_changed_under_its_hands(
    cluster: LiveCluster, workspace: Workspaces, facade: Facade
) -> None:
    """Its rights to `get` are for this alone, and a test run need not meet it by chance."""
    here = workspace("production")
    mark = cluster.audit_mark()
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(_keep_editing, here, stop)
        try:
            eventually(lambda: _renamed(facade, here) and _was_read_again(cluster, mark), 60)
        finally:
            stop.set()
            busy.result()


def _keep_editing(here: Workspace, stop: Event) -> None:
    count = 0
    while not stop.is_set():
        count += 1
        body = {"metadata": {"labels": {"count": str(count)}}}
        here.cluster.raw("PATCH", here.path("environments", "production"), body=body, content_type=MERGE_PATCH)


def _renamed(facade: Facade, here: Workspace) -> bool:
    answer = facade.call("PUT", f"{here.rest}/production", body={"name": secrets.token_hex(4)})
    # Several lost races in a row end in 503 Busy, and that is as documented.
    assert answer.status in {200, 503}, answer.body
    return True


def _was_read_again(cluster: LiveCluster, mark: int) -> bool:
    return bool(cluster.audit_since(mark, user=account("moorage-api"), verbs={"get"}, resource="environments"))


@pytest.fixture(scope="module")
def uses(cluster: LiveCluster, pytestconfig: pytest.Config) -> dict[str, Use]:
    """Account → what the audit logs of this run say of it."""
    found = {name: Use(set(), set(), set()) for name in ROLES}
    names = {account(name): found[name] for name in ROLES}
    own = cluster.underlying.audit_log
    if own is None:
        pytest.skip("NOT RUN: the audit log of this cluster cannot be read from here")
    for event in map(json.loads, _lines([own, *kept(pytestconfig.getoption("audit_logs"))])):
        use, target = names.get(event["user"]["username"]), event.get("objectRef") or {}
        if use is not None and target.get("resource"):
            _note(use, _right(target, event["verb"]), event)
    return found


def _note(use: Use, right: Right, event: dict[str, Any]) -> None:
    decision = (event.get("annotations") or {}).get("authorization.k8s.io/decision")
    if decision == "forbid":
        if PROCESSES in event.get("userAgent", ""):
            use.unauthorized.add(right)
        return
    use.used.add(right)
    if (event.get("responseStatus") or {}).get("code") == 403:
        use.unadmitted.add(right)


def _lines(logs: Iterable[Path]) -> Iterator[bytes]:
    for log in logs:
        with log.open("rb") as lines:
            # Most lines are about others; looking before parsing saves most of the time.
            yield from (line for line in lines if b"moorage-system:moorage-" in line and line.endswith(b"\n"))


def _right(target: dict[str, str], verb: str) -> Right:
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    return target.get("apiGroup", ""), target["resource"] + subresource, verb, target.get("name", "")


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_used_that_is_not_granted(uses: dict[str, Use], name: str) -> None:
    # Every account may ask for its own rights; `moorage preflight` does.
    own = ("authorization.k8s.io", "selfsubjectaccessreviews", "create")
    used = {right for right in uses[name].used if right[:3] != own}
    roles = granted(name) | FOLLOWING[name]
    assert as_granted(used, roles) - roles == set()


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_refused_but_what_tests_provoke(uses: dict[str, Use], name: str) -> None:
    # An API server that has just started refuses for a moment what its roles grant: it has not read them yet.
    roles = granted(name) | FOLLOWING[name]
    unauthorized = as_granted(uses[name].unauthorized, roles) - roles
    assert {right[:3] for right in unauthorized} - PROVOKED[name] == set()
    assert {right[:3] for right in uses[name].unadmitted} - REFUSED_BY_ADMISSION[name] == set()


def test_a_request_without_a_right_would_be_seen(cluster: LiveCluster) -> None:
    """The witness of the test before: an operator's account that asks for more than it may leaves a line."""
    mark = cluster.audit_mark()
    token = cluster.service_account_token("moorage-system", "moorage-operator")
    assert cluster.raw("GET", "/api/v1/secrets", token=token, headers={"User-Agent": PROCESSES}).status == 403
    log = cluster.underlying.audit_log
    assert log is not None
    with log.open("rb") as lines:
        lines.seek(mark)
        events = [json.loads(line) for line in lines if line.endswith(b"\n")]
    use = Use(set(), set(), set())
    for event in events:
        if event["user"]["username"] == account("moorage-operator"):
            _note(use, _right(event["objectRef"], event["verb"]), event)
    assert ("", "secrets", "list", "") in use.unauthorized


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_granted_that_is_not_used(uses: dict[str, Use], name: str, pytestconfig: pytest.Config) -> None:
    if not kept(pytestconfig.getoption("audit_logs")):
        pytest.skip("looks at the whole test run, and nothing of it is here: `make test` gives it the audit logs")

    assert granted(name) - as_granted(uses[name].used, granted(name)) - ASKED_BY_POLICIES == set()
