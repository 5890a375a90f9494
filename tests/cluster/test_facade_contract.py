"""The documented API against a real API server: every call, every error, the bodies byte for byte."""

import json
import re

import pytest
from cluster import LiveCluster, Workspaces
from error_bodies import error_of
from services import Facade, Facades, Operators
from waiting import eventually

UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
MICROSECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}")


def shape(body: bytes, **known: str) -> str:
    """The body with what differs from run to run replaced, so that the rest can be compared byte for byte."""
    text = body.decode()
    for name, value in known.items():
        text = text.replace(value, f"<{name}>")
    for pattern, name in ((UID, "uid"), (SECOND, "second"), (MICROSECOND, "time")):
        text = pattern.sub(f"<{name}>", text)
    return text


def test_eight_documented_calls(  # noqa: PLR0915 — one story
    facade: Facade, workspace: Workspaces
) -> None:
    space = workspace()
    names = {"org": space.org, "space": space.name}
    base = space.rest

    created = facade.call("POST", base, body={"name": "Staging", "slug": "staging"})
    uid = created.json()["environment"]["environment_id"]
    known = {**names, "id": uid}
    shown = facade.call("GET", f"{base}/{uid}")
    deployed = facade.call("POST", f"{base}/{uid}/deploy", body={"app_id": "Check_Out", "release_id": "v1"})
    listed = facade.call("GET", base)
    updated = facade.call("PUT", f"{base}/{uid}", body={"name": "Stage"})
    lines = facade.call("GET", f"{base}/{uid}/deployments?limit=200")
    undeployed = facade.call("DELETE", f"{base}/{uid}/deploy/Check_Out")

    environment = (
        '{"environment_id":"<id>","workspace_id":"<space>","org_id":"<org>","name":"NAME","slug":"staging",'
        '"description":"","is_default":false,"active_deployments":ACTIVE,"status":"active","created_by":"alice",'
        '"created_at":"<second>","updated_at":"<second>","lock":null,"managed_by":null,"deleting":false,"hidden":[],'
        '"created_by_known":true,"rollouts":{},"closed":false,"next_open":null,"next_close":null,"last_unlock":null}'
    )

    def one(name: str, active: str = "{}") -> str:
        return environment.replace("NAME", name).replace("ACTIVE", active)

    active = '{"Check_Out":"v1"}'
    assert created.status == 201
    assert shape(created.body, **known) == (
        '{"message":"Environment created successfully","environment":' + one("Staging") + "}"
    )
    assert created.headers["location"] == f"{base}/{uid}"
    assert (shown.status, shape(shown.body, **known)) == (200, one("Staging"))
    assert (deployed.status, shape(deployed.body, **known)) == (
        200,
        '{"message":"Release deployed successfully","deployment_id":"<uid>-00000001","environment_id":"<id>",'
        '"app_id":"Check_Out","release_id":"v1"}',
    )
    assert (listed.status, shape(listed.body, **known)) == (
        200,
        '{"total":1,"has_more":false,"next_cursor":null,"environments":[' + one("Staging", active) + "]}",
    )
    assert (updated.status, shape(updated.body, **known)) == (
        200,
        '{"message":"Environment updated successfully","environment":' + one("Stage", active) + "}",
    )
    line = lines.json()["deployments"][0]
    assert lines.status == 200
    assert list(line)[:8] == [
        "deployment_id",
        "environment_id",
        "app_id",
        "release_id",
        "previous_release_id",
        "action",
        "deployed_by",
        "deployed_at",
    ]
    assert line["deployment_id"] == deployed.json()["deployment_id"]
    assert (line["release_id"], line["previous_release_id"], line["action"]) == ("v1", None, "deploy")
    assert (line["deployed_by"], lines.json()["total"]) == ("alice", 1)
    assert SECOND.fullmatch(line["deployed_at"])
    assert (undeployed.status, shape(undeployed.body)) == (
        200,
        '{"message":"App undeployed from environment","deployment_id":"<uid>-00000002"}',
    )


@pytest.mark.usefixtures("operator")
def test_environment_is_deleted_with_all_that_is_in_it(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    for app in ("checkout", "payments", "search"):
        facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": app, "release_id": "v1"})

    deleted = facade.insist("DELETE", f"{space.rest}/staging")

    assert (deleted.status, deleted.body) == (200, b'{"message":"Environment deleted successfully"}')
    assert facade.call("GET", f"{space.rest}/staging").status == 404
    assert space.list("environments") == []
    assert space.list("deployments") == []
    undeploys = [spec for spec in space.records() if spec["action"] == "undeploy"]
    assert sorted(spec["app"] for spec in undeploys) == ["checkout", "payments", "search"]
    assert {(spec["by"], spec["reason"]) for spec in undeploys} == {("alice", "environment deleted")}


def test_environment_of_the_same_name_has_a_history_of_its_own(
    facade: Facade, workspace: Workspaces, operators: Operators
) -> None:
    operators.ensure()
    space = workspace("staging")
    facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v1"})
    assert facade.insist("DELETE", f"{space.rest}/staging").status == 200
    # At once, so that the end of the first and the beginning of the second fall into one second.
    facade.call("POST", space.rest, body={"name": "Again", "slug": "staging"})
    empty = facade.call("GET", f"{space.rest}/staging/deployments").json()
    facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v9"})

    lines = facade.call("GET", f"{space.rest}/staging/deployments").json()

    assert empty["total"] == 0
    assert [(line["release_id"], line["previous_release_id"]) for line in lines["deployments"]] == [("v9", None)]


@pytest.mark.parametrize("token", [None, "", "wrong", "a b", "é"])
def test_unauthenticated(facade: Facade, token: str | None) -> None:
    value = None if token is None else f"Bearer {token}".encode().decode("latin-1")
    answer = facade.call(
        "GET",
        "/v1/orgs/a/workspaces/b/environments",
        user=None,
        headers={"Authorization": value} if value else {},
    )

    body = error_of(answer)
    assert (body["error"], body["message"], body["details"]) == (
        "AUTHENTICATION_FAILED",
        "Authentication required",
        {},
    )
    assert answer.status == 401


def test_forbidden_says_the_same_of_what_is_there_and_what_is_not(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    paths = [f"{space.rest}/staging", f"{space.rest}/nowhere", "/v1/orgs/none/workspaces/none/environments/staging"]

    bodies = []
    for path in paths:
        answer = facade.call("GET", path, user="mallory")
        body = error_of(answer)
        assert answer.status == 403
        bodies.append({key: value for key, value in body.items() if key != "timestamp"})

    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["message"] == "You don't have permission to perform this action"
    assert bodies[0]["details"]["required_permission"] == "environments:read"


@pytest.mark.parametrize(
    ("user", "method", "suffix", "body", "permission"),
    [
        ("viewer", "POST", "", {"name": "a", "slug": "a"}, "environments:create"),
        ("viewer", "PUT", "/staging", {}, "environments:update"),
        ("bob", "DELETE", "/staging", None, "environments:delete"),
        ("viewer", "POST", "/staging/deploy", {"app_id": "a", "release_id": "b"}, "deployments:deploy"),
        ("viewer", "DELETE", "/staging/deploy/a", None, "deployments:undeploy"),
        ("viewer", "POST", "/staging/deploy/a/rollback", {}, "deployments:deploy"),
        ("bob", "PUT", "/staging/lock", {"reason": "x"}, "environments:lock"),
        ("bob", "DELETE", "/staging/lock", None, "environments:lock"),
        ("mallory", "GET", "", None, "environments:read"),
        ("mallory", "GET", "/staging/deployments", None, "deployments:read"),
    ],
)
def test_required_permissions(  # noqa: PLR0917 — a table
    facade: Facade,
    workspace: Workspaces,
    user: str,
    method: str,
    suffix: str,
    body: dict[str, str] | None,
    permission: str,
) -> None:
    space = workspace("staging")

    answer = facade.call(method, space.rest + suffix, user=user, body=body)

    assert answer.status == 403
    assert error_of(answer)["details"]["required_permission"] == permission


def test_not_found(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    cases = {
        f"{space.rest}/nowhere": {"resource_type": "environment", "resource_id": "nowhere"},
        f"{space.rest}/staging/deploy/app": {"resource_type": "deployment", "resource_id": "app"},
        f"{space.rest}/staging/lock": {"resource_type": "lock", "resource_id": "staging"},
    }

    for path, details in cases.items():
        answer = facade.call("DELETE" if "nowhere" not in path else "GET", path)
        body = error_of(answer)
        assert (answer.status, body["error"], body["message"], body["details"]) == (
            404,
            "RESOURCE_NOT_FOUND",
            "The requested resource was not found",
            details,
        )
    other = facade.call("GET", "/v1/orgs/no/workspaces/such/environments", user="admin")
    assert error_of(other)["details"] == {"resource_type": "workspace", "resource_id": "such"}


def test_refusals_of_the_policies(facade: Facade, workspace: Workspaces, cluster: LiveCluster) -> None:
    space = workspace("staging", labels={"moorage.dev/attributed-deletes": "true"})
    space.create_environment("production", isDefault=True)
    deploy = {"app_id": "checkout", "release_id": "v1"}
    facade.call("POST", f"{space.rest}/staging/deploy", body=deploy)
    taken = facade.call("POST", space.rest, body={"name": "S", "slug": "staging"})
    locked = facade.call("PUT", f"{space.rest}/staging/lock", body={"reason": "audit"})
    refused = facade.call("POST", f"{space.rest}/staging/deploy", user="bob", body={**deploy, "release_id": "v2"})
    kept = facade.call("POST", f"{space.rest}/staging/deploy", user="bob", body=deploy)
    kubectl = cluster.kubectl(
        "patch", "mdep", "staging.checkout", f"-n={space.namespace}", "--type=merge",
        '-p={"spec":{"release":"v3"}}', user="bob",
    )  # fmt: skip
    undeleted = facade.call("DELETE", f"{space.rest}/staging")
    default = facade.call("DELETE", f"{space.rest}/production")
    unlocked = facade.call("DELETE", f"{space.rest}/staging/lock")
    collision = facade.call("POST", f"{space.rest}/staging/deploy", body={**deploy, "app_id": "CheckOut"})

    assert error_of(taken)["details"] == {"reason": "AlreadyExists", "environment": "staging"}
    assert error_of(taken)["message"] == "Resource already exists"
    lock = locked.json()["environment"]["lock"]
    assert (locked.json()["message"], lock["reason"], lock["locked_by"]) == ("Environment locked", "audit", "alice")
    for answer in (refused, undeleted):
        assert answer.status == 409
        told = {"reason": "EnvironmentLocked", "lock_reason": "audit", "locked_by": "alice", "opens_at": None}
        assert error_of(answer)["details"].items() >= told.items()
    assert kept.status == 200
    assert kubectl.returncode != 0
    assert error_of(default)["details"] == {"reason": "DefaultEnvironment"}
    assert (unlocked.json()["message"], unlocked.json()["environment"]["lock"]) == ("Environment unlocked", None)
    assert error_of(collision)["details"] == {"reason": "AppNameCollision", "app_id": "checkout"}


def test_back_pressure_is_history_full(facade: Facade, workspace: Workspaces, no_operator: Operators) -> None:
    space = workspace("staging")
    for number in range(16):
        body = {"app_id": "checkout", "release_id": f"v{number}"}
        assert facade.call("POST", f"{space.rest}/staging/deploy", body=body).status == 200

    answer = facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v17"})
    lines = facade.call("GET", f"{space.rest}/staging/deployments").json()

    assert (answer.status, error_of(answer)["details"]) == (503, {"reason": "HistoryFull"})
    assert "retry-after" in answer.headers
    assert [line["sequence"] for line in lines["deployments"]] == list(range(16, 0, -1))
    assert {line["recorded"] for line in lines["deployments"]} == {False}


def test_removal_without_operator_is_busy_and_can_be_finished(
    facade: Facade, workspace: Workspaces, no_operator: Operators
) -> None:
    space = workspace("staging")
    facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v1"})

    answer = facade.call("DELETE", f"{space.rest}/staging")
    no_operator.ensure()
    finished = eventually(lambda: facade.call("DELETE", f"{space.rest}/staging").status == 200)

    assert (answer.status, error_of(answer)["details"]) == (503, {"reason": "Busy", "remaining": ["checkout"]})
    assert finished


def test_slug_that_looks_like_a_uid_is_refused_by_the_cluster_with_a_field(
    facade: Facade, workspace: Workspaces
) -> None:
    space = workspace()

    answer = facade.call("POST", space.rest, body={"name": "x", "slug": "00000000-0000-4000-8000-000000000000"})

    assert answer.status == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "slug"]


def test_preconditions_and_dry_runs(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    path = f"{space.rest}/staging"
    eventually(lambda: facade.call("GET", path).status == 200)
    tag = facade.call("GET", path).headers["etag"]
    same = facade.call("GET", path, headers={"If-None-Match": tag})
    dry = facade.call("POST", f"{path}/deploy?dry_run=true", body={"app_id": "a", "release_id": "v1"})
    dry_create = facade.call("POST", f"{space.rest}?dry_run=true", body={"name": "B", "slug": "b"})
    facade.call("POST", f"{path}/deploy", body={"app_id": "a", "release_id": "v1"})
    edited = facade.call("PUT", path, body={"name": "A"}, headers={"If-Match": tag})
    stale = facade.call("PUT", path, body={"name": "B"}, headers={"If-Match": tag})
    stale_delete = facade.call("DELETE", path, headers={"If-Match": tag})
    dry_delete = facade.call("DELETE", f"{path}?dry_run=true")

    assert (same.status, same.body) == (304, b"")
    assert (dry.status, dry.json()["release_id"]) == (200, "v1")
    assert dry_create.status == 201
    assert edited.status == 200
    assert (stale.status, stale_delete.status) == (412, 412)
    assert error_of(stale)["details"] == {"etag": edited.headers["etag"]}
    assert dry_delete.status == 200
    assert [item["metadata"]["name"] for item in space.list("environments")] == ["staging"]
    assert facade.call("GET", f"{path}/deployments").json()["total"] == 1


def test_what_a_gitops_tool_declares_is_left_to_it(facade: Facade, workspace: Workspaces, cluster: LiveCluster) -> None:
    space = workspace("staging")
    manifest = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "staging.checkout", "namespace": space.namespace},
        "spec": {"environment": "staging", "app": "checkout", "release": "v1"},
    }
    done = cluster.kubectl(
        "apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=json.dumps(manifest)
    )
    assert done.returncode == 0, done.stderr
    path = f"{space.rest}/staging/deploy"
    eventually(lambda: facade.call("GET", f"{space.rest}/staging").json()["active_deployments"])

    refused = facade.call("POST", path, body={"app_id": "checkout", "release_id": "v2"})
    undeploy = facade.call("DELETE", f"{path}/checkout")
    overridden = facade.call("POST", f"{path}?override_ownership=true", body={"app_id": "checkout", "release_id": "v2"})

    for answer in (refused, undeploy):
        assert error_of(answer)["details"] == {
            "reason": "ManagedDeclaratively",
            "managed_by": "argocd-controller",
            "fields": ["spec.release"],
        }
    assert overridden.status == 200


def test_limits_of_requests(facade: Facade, facades: Facades, workspace: Workspaces) -> None:
    space = workspace("staging")
    large = facade.call("POST", space.rest, body=b'{"name":"' + b"x" * 70_000 + b'"}')
    text = facade.call("POST", space.rest, body=b"{}", content_type="text/plain")
    method = facade.call("PATCH", space.rest)
    # One in half a minute: however slow the machine is, no third one flows in meanwhile.
    limited = facades.start({"MOORAGE_RATE_LIMIT": str(1 / 32), "MOORAGE_RATE_BURST": "2"})
    statuses = [limited.call("GET", space.rest).status for _ in range(3)]
    last = limited.call("GET", space.rest)

    assert (large.status, error_of(large)["error"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (text.status, error_of(text)["error"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (method.status, method.headers["allow"]) == (405, "GET, POST")
    assert statuses == [200, 200, 429]
    assert error_of(last)["details"] == {"retry_after": int(last.headers["retry-after"])}
    assert 1 <= int(last.headers["retry-after"]) <= 32


def test_self_description(facade: Facade) -> None:
    document = facade.call("GET", "/openapi.json", user=None)
    page = facade.call("GET", "/docs", user=None)
    ready = facade.call("GET", "/readyz", user=None)

    assert document.json()["openapi"] == "3.1.0"
    assert page.headers["content-type"].startswith("text/html")
    assert (ready.status, ready.json()) == (200, {"status": "ok"})
    assert facade.call("GET", "/version", user=None).json()["name"] == "moorage"
