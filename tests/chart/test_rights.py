"""Rights granted = rights used: the audit log of the whole test run against the roles of the chart.

Runs after everything else (see conftest.py). Operator and facade work in all cluster tests with nothing but the
accounts that these roles are bound to, so whatever they were never seen to use is too much.
"""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
import yaml
from cluster import Facade, LiveCluster, Workspace, Workspaces, account, eventually
from helm import CHART

from moorage_dev.rest_client import MERGE_PATCH

pytestmark = pytest.mark.cluster

#: Asked for by admission policies through the authorizer, which writes no audit line.
ASKED_BY_POLICIES = {("moorage.dev", "deploymentrecords", "record")}
ROLES = {"moorage-operator": ("operator-cluster", "operator-namespace"), "moorage-api": ("api-cluster",)}

Right = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Use:
    """What an account was seen to do."""

    used: set[Right]
    refused: set[Right]


def granted(name: str) -> set[Right]:
    """(group, resource, verb) of the roles of an account."""
    rules: list[dict[str, Any]] = []
    for file in ROLES[name]:
        rules += yaml.safe_load((CHART / f"files/rules/{file}.yaml").read_text(encoding="utf-8"))
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
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
def uses(cluster: LiveCluster) -> dict[str, Use]:
    """Account → what the audit log of this run says of it."""
    found = {name: Use(set(), set()) for name in ROLES}
    for name, right, code in _events(cluster):
        (found[name].refused if code == 403 else found[name].used).add(right)
    return found


def _events(cluster: LiveCluster) -> Iterator[tuple[str, Right, int]]:
    names = {account(name): name for name in ROLES}
    for line in _lines(cluster):
        event = json.loads(line)
        target = event.get("objectRef") or {}
        if event["user"]["username"] in names and target.get("resource"):
            code = (event.get("responseStatus") or {}).get("code", 0)
            yield names[event["user"]["username"]], _right(target, event["verb"]), code


def _lines(cluster: LiveCluster) -> Iterator[bytes]:
    log = cluster.underlying.audit_log
    if log is None:
        pytest.skip("NOT RUN: the audit log of this cluster cannot be read from here")
    with log.open("rb") as lines:
        # Most lines are about others; looking before parsing saves most of the time.
        yield from (line for line in lines if b"moorage-system:moorage-" in line and line.endswith(b"\n"))


def _right(target: dict[str, str], verb: str) -> Right:
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    return target.get("apiGroup", ""), target["resource"] + subresource, verb


def _is_whole_run(config: pytest.Config) -> bool:
    return config.args == config.getini("testpaths") and not config.option.keyword and not config.option.markexpr


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_used_that_is_not_granted(uses: dict[str, Use], name: str) -> None:
    # Every account may ask for its own rights; `moorage preflight` does.
    own = ("authorization.k8s.io", "selfsubjectaccessreviews", "create")
    assert uses[name].used - {own} <= granted(name)


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_granted_that_is_not_used(uses: dict[str, Use], name: str, pytestconfig: pytest.Config) -> None:
    if not _is_whole_run(pytestconfig):
        pytest.skip("looks at the whole test run, and this is a part of it")
    assert granted(name) - uses[name].used - ASKED_BY_POLICIES == set()
