"""Labels, annotations and managedFields of our kinds are bounded: what is stored once would cost every later write."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from forged_fields import APPLIED
from identities import DEPLOYER, EDITOR, MEMBERS, WAYS, Object, change, lock, refused_by
from services import Operators

from moorage_crds import names
from moorage_dev.rest_client import MERGE_PATCH, Answer

NAME = "production.web"
OBJECTS = {"deployments": NAME, "environments": "production", "environmentlocks": "staging"}


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """A workspace with one object of each kind."""
    made = Workspaces(cluster)
    _operators.stop()
    shop = made("production", "staging", members=MEMBERS)
    shop.create_deployment("production", "web", "v1")
    lock(shop, "staging")
    yield shop
    made.clean()


def _many(count: int) -> dict[str, str]:
    return {f"k{number}": "v" for number in range(count)}


@pytest.mark.parametrize("plural", OBJECTS)
@pytest.mark.parametrize("part", ["labels", "annotations"])
@pytest.mark.parametrize("count", [65, 5_000])
def test_labels_and_annotations_are_bounded(shop: Workspace, plural: str, part: str, count: int) -> None:
    for way in WAYS:
        answer = change(shop, plural, OBJECTS[plural], way, {"metadata": {part: _many(count)}}, user=EDITOR)
        assert refused_by(answer, names.POLICY_METADATA), (way, answer.status, answer.body[:300])
    stored = (shop.get(plural, OBJECTS[plural]) or {})["metadata"]
    assert not stored.get(part, {}).keys() & _many(count).keys()


def test_a_long_annotation_is_refused(shop: Workspace) -> None:
    answer = change(
        shop, "deployments", NAME, "merge patch", {"metadata": {"annotations": {"a": "x" * 16_385}}}, user=DEPLOYER
    )
    assert refused_by(answer, names.POLICY_METADATA), answer.body[:300]


def test_a_full_object_still_takes_a_release_by_every_door(workspace: Workspaces, cluster: LiveCluster) -> None:
    """Who fills the bounds locks nobody out: tools have annotations and labels of their own beside them."""
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web", "v1")
    full = {"metadata": {"labels": _many(64), "annotations": _many(64)}}
    assert change(shop, "deployments", NAME, "merge patch", full, user=DEPLOYER).status == 200
    for number, way in enumerate(WAYS):
        answer = change(shop, "deployments", NAME, way, {"spec": {"release": f"v{number + 2}"}}, user=EDITOR)
        assert answer.status == 200, (way, answer.body[:300])
    manifest = (
        f"apiVersion: moorage.dev/v1\nkind: Deployment\nmetadata: {{name: {NAME}, namespace: {shop.namespace}, "
        "labels: {app.kubernetes.io/managed-by: Helm}}\nspec: {environment: production, app: web, release: v9}\n"
    )
    done = cluster.kubectl("apply", "-f", "-", user=EDITOR, stdin=manifest)
    assert done.returncode == 0, done.stderr
    stored = shop.get("deployments", NAME) or {}
    assert stored["spec"]["release"] == "v9"
    assert APPLIED in stored["metadata"]["annotations"]


FLOODS: dict[str, list[Object]] = {
    "many entries": [{"f:metadata": {"f:labels": {f"f:p{number}": {}}}} for number in range(40)],
    "many fields": [{"f:metadata": {"f:labels": {f"f:p{number}": {} for number in range(5_000)}}}],
    "many parts": [{"f:metadata": {f"f:p{number}": {} for number in range(5_000)}}],
    "many roots": [{f"f:p{number}": {} for number in range(5_000)}],
    "deep fields": [{"f:spec": {"f:a": {"f:b": {"f:c": {"f:d": {"f:e": {}}}}}}}],
    "wide leaves": [{"f:spec": {"f:release": {f"f:p{number}": {f"f:q{number}": {}} for number in range(700)}}}],
    "a long name": [{"f:spec": {f"f:{'x' * 5_000}": {}}}],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_managed_fields_are_bounded(shop: Workspace, flood: str) -> None:
    stored = (shop.get("deployments", NAME) or {})["metadata"]["managedFields"]
    entries = [
        {
            "manager": f"m{number}",
            "operation": "Apply",
            "apiVersion": names.API_VERSION,
            "time": "2020-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        for number, fields in enumerate(FLOODS[flood])
    ]
    for way in WAYS[:3]:
        wanted = {"metadata": {"managedFields": [*stored, *entries]}}
        answer = change(shop, "deployments", NAME, way, wanted, user=DEPLOYER)
        assert refused_by(answer, names.POLICY_METADATA), (way, answer.status, answer.body[:300])


def test_thirty_two_field_managers_are_enough(shop: Workspace) -> None:
    """One after the other, by honest applies; the owners of an object can make room again."""
    answers = [_applied(shop, number) for number in range(40)]
    assert refused_by(answers[-1], names.POLICY_METADATA), answers[-1].body
    entries = (shop.get("environments", "production") or {})["metadata"]["managedFields"]
    assert len(entries) == 32
    fewer = {"metadata": {"managedFields": [one for one in entries if not one["manager"].startswith("applier-")]}}
    path = shop.path("environments", "production")
    assert shop.cluster.raw("PATCH", path, user=EDITOR, body=fewer, content_type=MERGE_PATCH).status == 200
    assert _applied(shop, 41).status == 200


def _applied(shop: Workspace, number: int) -> Answer:
    path = shop.path("environments", "production") + f"?fieldManager=applier-{number}&force=true"
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Environment",
        "metadata": {"name": "production"},
        "spec": {"displayName": "Production"},
    }
    return shop.cluster.raw("PATCH", path, user=EDITOR, body=body, content_type="application/apply-patch+yaml")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("release", [None, ""], ids=["null", "empty"])
def test_null_means_none_by_every_door(workspace: Workspaces, way: str, release: str | None) -> None:
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web", "v1")
    path, base = shop.path("deployments", NAME), {"environment": "production", "app": "web"}
    stored = shop.get("deployments", NAME) or {}
    whole: Object = {"apiVersion": names.API_VERSION, "kind": "Deployment", "metadata": {"name": NAME}}
    spec = {**base, "release": release, "change": None}
    bodies: dict[str, tuple[str, object, str, str]] = {
        "merge patch": ("PATCH", {"spec": {"release": release}}, MERGE_PATCH, ""),
        "JSON patch": (
            "PATCH",
            [{"op": "add", "path": "/spec/release", "value": release}],
            "application/json-patch+json",
            "",
        ),
        "PUT": ("PUT", stored | {"spec": spec}, "application/json", ""),
        "apply": ("PATCH", whole | {"spec": spec}, "application/apply-patch+yaml", "?fieldManager=flux&force=true"),
    }
    method, body, content_type, query = bodies[way]
    answer = shop.cluster.raw(method, path + query, user=DEPLOYER, body=body, content_type=content_type)
    assert answer.status == 200, answer.body
    assert not answer.json()["spec"].get("release")
    assert answer.json()["changeLog"]["entries"][-1]["action"] == "undeploy"
