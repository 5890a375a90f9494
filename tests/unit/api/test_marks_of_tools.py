"""A tracking mark counts only if its tool has set it: a label of anybody makes REST refuse nothing."""

from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_api.cache import ownership
from moorage_api.config import GITOPS_MANAGERS
from moorage_crds import names

MARKS = [
    ("labels", "app.kubernetes.io/managed-by", "Helm", "helm"),
    ("annotations", "meta.helm.sh/release-name", "shop", "helm"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "shop", "kustomize-controller"),
    ("labels", "helm.toolkit.fluxcd.io/name", "shop", "helm-controller"),
    ("labels", "kapp.k14s.io/app", "1", "kapp"),
    ("annotations", "argocd.argoproj.io/tracking-id", "shop:x", "argocd-controller"),
]


def marked(place: str, key: str, value: str, manager: str | None, *, subresource: str | None = None) -> dict[str, Any]:
    entry = {"manager": manager, "operation": "Update", "fieldsV1": {"f:metadata": {f"f:{place}": {f"f:{key}": {}}}}}
    if subresource:
        entry["subresource"] = subresource
    other = {"manager": "kubectl-create", "fieldsV1": {"f:spec": {"f:release": {}}}}
    return {"metadata": {place: {key: value}, "managedFields": [other, *([entry] if manager else [])]}, "spec": {}}


@pytest.mark.parametrize(("place", "key", "value", "manager"), MARKS)
def test_mark_that_its_tool_owns_counts(place: str, key: str, value: str, manager: str) -> None:
    found = ownership.read(marked(place, key, value, manager), GITOPS_MANAGERS)

    assert (found.tracked_by, found.of("release")) == (manager, manager)


@pytest.mark.parametrize(("place", "key", "value", "manager"), MARKS)
@pytest.mark.parametrize("setter", ["kubectl-label", "kubectl-patch", "curl", "moorage-api", "unknown", None])
def test_mark_that_somebody_else_set_does_not(
    place: str, key: str, value: str, manager: str, setter: str | None
) -> None:
    assert ownership.read(marked(place, key, value, setter), GITOPS_MANAGERS) == ownership.UNOWNED


@pytest.mark.parametrize("setter", ["argocd-application-controller", "argocd-controller"])
def test_argo_cd_writes_under_two_names(setter: str) -> None:
    place, key, value, manager = MARKS[-1]

    assert ownership.read(marked(place, key, value, setter), GITOPS_MANAGERS).tracked_by == manager


def test_mark_counts_where_no_book_is_kept() -> None:
    raw = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "spec": {}}

    assert ownership.read(raw, GITOPS_MANAGERS).tracked_by == "helm"


def test_mark_set_by_a_status_write_does_not_count() -> None:
    raw = marked("labels", "kapp.k14s.io/app", "1", "kapp", subresource="status")

    assert ownership.read(raw, GITOPS_MANAGERS) == ownership.UNOWNED


async def test_label_of_a_deployer_refuses_neither_changes_nor_the_removal() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    world.record()
    raw = world.raw(names.DEPLOYMENTS, "staging.checkout")
    meta = {**raw["metadata"], **marked("labels", "app.kubernetes.io/managed-by", "Helm", "kubectl-label")["metadata"]}
    world.cluster.put({**raw, "metadata": meta}, names.DEPLOYMENTS)

    deployed = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})
    removed = await world.call("DELETE", f"{BASE}/staging?dry_run=true")

    assert (deployed.status, removed.status) == (200, 200)
    assert (names.DEPLOYMENTS, NAMESPACE, "staging.checkout") in world.cluster.objects
