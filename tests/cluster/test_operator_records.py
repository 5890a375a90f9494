"""One operator: what happens to a Deployment becomes history and status."""

from cluster import WRITES, LiveCluster, Workspace, Workspaces, account
from services import Operators
from waiting import eventually, eventually_passes

from moorage_dev import children
from moorage_dev.processes import Service

OPERATOR = account("moorage-operator")


def rows(workspace: Workspace, deployment: str) -> list[tuple[str, str | None, str | None, str | None]]:
    """(action, previous, release, by) of each record of one name, in order."""
    return [
        (spec["action"], spec.get("previousRelease"), spec.get("release"), spec.get("by"))
        for spec in workspace.records(deployment)
    ]


def recorded(workspace: Workspace, name: str) -> int:
    """What the status of a Deployment counts as recorded."""
    found = workspace.get("deployments", name)
    return int(((found or {}).get("status") or {}).get("recordedSequence", 0))


def test_an_applied_deployment_gets_its_record_and_status(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    manifest = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "production.web", "namespace": shop.namespace},
        "spec": {"environment": "production", "app": "web", "release": "web-1", "change": {"reason": "first"}},
    }
    cluster.apply(manifest, user="alice")
    eventually(lambda: recorded(shop, "production.web") == 1)
    assert rows(shop, "production.web") == [("deploy", None, "web-1", cluster.username("alice"))]
    record = shop.records("production.web")[0]
    assert record["reason"] == "first"

    def told() -> None:
        # The watch of Environments may be behind that of Deployments.
        status = (shop.get("deployments", "production.web") or {})["status"]
        environment = shop.get("environments", "production") or {}
        assert status["environmentUid"] == environment["metadata"]["uid"]
        assert status["history"]["tipHash"] == record["hash"]
        said = {one["type"]: one["status"] for one in status["conditions"]}
        assert said == {"Ready": "True", "HistoryComplete": "True"}

    eventually_passes(told)

    def shown() -> None:
        found = (shop.get("environments", "production") or {}).get("status") or {}
        assert [(one["app"], one["release"]) for one in found["activeDeployments"]] == [("web", "web-1")]

    eventually_passes(shown)


def test_what_happened_while_the_operator_was_down_is_recorded_at_its_return(
    no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v0", user="alice")
    for number in range(1, 12):
        shop.set_release("production.web", f"v{number}", user="alice" if number % 2 else "bob")
    log = (shop.get("deployments", "production.web") or {})["changeLog"]["entries"]
    no_operator.ensure()
    eventually(lambda: recorded(shop, "production.web") == 12)
    records = shop.records("production.web")
    assert [spec["sequence"] for spec in records] == list(range(1, 13))
    assert [spec["by"] for spec in records] == [entry["by"] for entry in log]
    # A second change within a second has no time of its own.
    stamped = [(spec["at"], entry["at"]) for spec, entry in zip(records, log, strict=True) if "at" in entry]
    assert stamped
    assert all(at == said for at, said in stamped)
    assert [spec.get("previousRelease") for spec in records] == [None, *(f"v{number}" for number in range(11))]


def test_a_restart_with_nothing_to_do_writes_nothing_but_the_lease(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    operators.ensure()
    shop, other = workspace("production"), workspace("production")
    for app in ("web", "api", "worker"):
        shop.create_deployment("production", app, "v1", user="alice")
    shop.set_release("production.web", None, user="bob")
    counts = {"web": 2, "api": 1, "worker": 1}
    eventually(lambda: all(recorded(shop, f"production.{app}") == count for app, count in counts.items()))
    eventually_passes(lambda: _shows(shop, "production", 2))
    operators.stop()
    mark = cluster.audit_mark()
    operators.ensure()
    # When something new has been recorded, the watches have delivered everything old.
    other.create_deployment("production", "canary", "v1", user="alice")
    eventually(lambda: recorded(other, "production.canary") == 1)
    eventually_passes(lambda: _shows(other, "production", 1))
    written = [
        event
        for event in cluster.audit_since(mark, user=OPERATOR, verbs=WRITES)
        if event.resource != "leases" and event.namespace == shop.namespace
    ]
    assert written == []


def test_label_edits_cost_no_write(operator: Service, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: recorded(shop, "production.web") == 1)
    eventually_passes(lambda: _shows(shop, "production", 1))
    mark = cluster.audit_mark()
    for number in range(5):
        body = {"metadata": {"labels": {"edited": str(number)}}}
        path = shop.path("deployments", "production.web")
        assert cluster.raw("PATCH", path, body=body, content_type="application/merge-patch+json").status == 200
    shop.create_deployment("production", "canary", "v1", user="alice")
    eventually(lambda: recorded(shop, "production.canary") == 1)
    written = cluster.audit_since(mark, user=OPERATOR, verbs=WRITES, resource="deployments/status")
    assert [event.name for event in written if event.namespace == shop.namespace] == ["production.canary"]


def _shows(workspace: Workspace, environment: str, count: int) -> None:
    found = (workspace.get("environments", environment) or {}).get("status") or {}
    assert found.get("activeDeploymentCount") == count


def test_a_bare_delete_is_an_undeploy_by_nobody(operator: Service, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: recorded(shop, "production.web") == 1)
    assert cluster.raw("DELETE", shop.path("deployments", "production.web"), user="alice").status == 200
    eventually(lambda: len(shop.records("production.web")) == 2)
    assert rows(shop, "production.web")[1] == ("undeploy", "v1", None, None)


def test_deletes_and_successors_while_the_operator_was_down_are_told_apart(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    operators.ensure()
    shop = workspace("production")
    for app in ("gone", "again"):
        shop.create_deployment("production", app, "v1", user="alice")
        eventually(lambda app=app: recorded(shop, f"production.{app}") == 1)
    operators.stop()
    for app in ("gone", "again"):
        assert cluster.raw("DELETE", shop.path("deployments", f"production.{app}"), user="alice").status == 200
    successor = shop.create_deployment("production", "again", "v2", user="bob")["metadata"]["uid"]
    operators.ensure()
    eventually(lambda: len(shop.records()) == 5)
    assert [row[0] for row in rows(shop, "production.gone")] == ["deploy", "undeploy"]
    chains: dict[str, list[str]] = {}
    for spec in shop.records("production.again"):
        chains.setdefault(spec["deployment"]["uid"], []).append(spec["action"])
    assert chains.pop(successor) == ["deploy"]
    assert list(chains.values()) == [["deploy", "undeploy"]]


def test_a_stopped_operator_has_written_what_it_saw(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    service = operators.ensure()[0]
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: recorded(shop, "production.web") == 1)
    for number in range(2, 6):
        shop.set_release("production.web", f"v{number}", user="alice")
    eventually(lambda: len(shop.records("production.web")) == 5)
    children.stop(service.child)
    assert recorded(shop, "production.web") == 5
