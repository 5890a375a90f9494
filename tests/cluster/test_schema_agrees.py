"""CRDs and models accept the same objects, nothing is pruned silently, and the documented examples are good."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import LiveCluster, Workspace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from moorage_crds.kinds import approval, deployment, environment, lock
from moorage_crds.kinds.kind import Kind, Scope
from moorage_crds.kinds.registry import KINDS

ROOT = Path(__file__).resolve().parents[2]

VALID: dict[Kind[Any], dict[str, Any]] = {
    environment.KIND: {"displayName": "Production", "description": "line one\nline two", "isDefault": False},
    lock.KIND: {"reason": "audit"},
    deployment.KIND: {
        "environment": "production",
        "app": "web_shop",
        "release": "registry/web@sha256:ab+c",
        "change": {"reason": "why", "requestId": "r-1", "action": "deploy"},
    },
    approval.KIND: {
        "environment": "production",
        "app": "web_shop",
        "release": "registry/web@sha256:ab+c",
        "decision": "Approve",
        "comment": "tested",
    },
}
NAMES = {
    environment.KIND: "production",
    lock.KIND: "production",
    deployment.KIND: "production.web-shop",
    approval.KIND: "approve-1",
}

#: Values that are near to good ones; each is tried in every field of every spec.
NEAR: list[Any] = [
    "", "x" * 63, "x" * 64, "x" * 128, "x" * 129, "x" * 512, "x" * 513, "x" * 1024, "x" * 1025,
    "a b", "a\nb", "a\tb", "a\x00b", "a\u202eb", "a\u2028b", "a\x85b", "-a", "a-", "A", "ä", "a/b", "a..b", "a:b@c",
    "rollback", "undeploy", True, 0, 1.5, [], {}, ["a"],
]  # fmt: skip

near_values = st.sampled_from(NEAR) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def fields(spec: dict[str, Any]) -> list[tuple[str, ...]]:
    top = [(name,) for name in spec]
    return top + [(name, inner) for name, value in spec.items() if isinstance(value, dict) for inner in value]


@st.composite
def near_valid(draw: st.DrawFn) -> tuple[Kind[Any], dict[str, Any]]:
    kind = draw(st.sampled_from(list(VALID)))
    spec = copy.deepcopy(VALID[kind])
    path = draw(st.sampled_from(fields(spec)))
    place = spec
    for step in path[:-1]:
        place = place[step]
    if draw(st.integers(0, 5)) == 0:
        del place[path[-1]]
    else:
        place[path[-1]] = draw(near_values)
    return kind, spec


def model_accepts(kind: Kind[Any], spec: dict[str, Any]) -> bool:
    try:
        kind.model.model_validate({"spec": spec}, strict=True)
    except ValidationError:
        return False
    return True


def dry_run(cluster: LiveCluster, place: Workspace, kind: Kind[Any], name: str, spec: dict[str, Any]) -> Any:
    everywhere = kind.scope is Scope.CLUSTER
    metadata = {"name": name} if everywhere else {"name": name, "namespace": place.namespace}
    body = {"apiVersion": "moorage.dev/v1", "kind": kind.kind, "metadata": metadata, "spec": spec}
    path = f"{kind.prefix}/{kind.plural}" if everywhere else place.path(kind.plural)
    return cluster.raw("POST", f"{path}?dryRun=All&fieldValidation=Strict", body=body)


def name_for(kind: Kind[Any], spec: dict[str, Any]) -> str:
    """A Deployment must be named after its fields, so that only the field itself is on trial."""
    environment, app = spec.get("environment"), spec.get("app")
    if kind is deployment.KIND and isinstance(environment, str) and isinstance(app, str):
        return f"{environment}.{app.lower().replace('_', '-')}"
    return NAMES[kind]


def test_models_and_crds_accept_the_same_objects(cluster: LiveCluster, workspace: Any) -> None:
    place = workspace()
    tried = 0

    @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(near_valid())
    def compare(candidate: tuple[Kind[Any], dict[str, Any]]) -> None:
        nonlocal tried
        kind, spec = candidate
        if not re.fullmatch(r"[-.a-z0-9]{1,200}", name_for(kind, spec)):
            return  # the name itself is refused before the schema is asked
        tried += 1
        answer = dry_run(cluster, place, kind, name_for(kind, spec), spec)
        assert answer.status in {201, 400, 422}, answer.body
        assert (answer.status == 201) is model_accepts(kind, spec), (kind.kind, spec, answer.body)

    compare()
    assert tried > 300


@pytest.mark.parametrize("kind", list(VALID), ids=lambda kind: kind.kind)
def test_nothing_of_a_full_spec_is_pruned(kind: Kind[Any], cluster: LiveCluster, workspace: Any) -> None:
    answer = dry_run(cluster, workspace(), kind, NAMES[kind], VALID[kind])
    assert answer.status == 201, answer.body
    assert answer.json()["spec"] == VALID[kind]


PAGES = ["docs/governance.md", *sorted(f"docs/spec/{path.name}" for path in (ROOT / "docs/spec").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_the_pages_are_accepted(page: str, cluster: LiveCluster, workspace: Any) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    kinds = {kind.kind: kind for kind in KINDS}
    place = workspace()
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        document = yaml.safe_load(block)
        kind = kinds[document["kind"]]
        answer = dry_run(cluster, place, kind, document["metadata"]["name"], document["spec"])
        assert answer.status == 201, answer.body
        assert model_accepts(kind, document["spec"])
