"""Names that are used again, seen through REST: right at once, and equal to the records when the operator is back."""

import json
import time
from datetime import datetime
from typing import Any

from cluster import LiveCluster, Workspace, Workspaces
from oracles import settled
from services import Facade, Facades, Operators
from waiting import eventually, eventually_passes

from moorage_dev.processes import Service

#: action, previous release, release, by; as REST has it: an undeploy names what it took out, nobody is "unknown".
Row = tuple[str, str | None, str, str]
History = dict[str, list[list[Row]]]

FIRST: Row = ("deploy", None, "v1", "alice")
DELETED: Row = ("undeploy", "v1", "v1", "unknown")


def lines_of(facade: Facade, shop: Workspace, environment: str) -> list[dict[str, Any]]:
    answer = facade.call("GET", f"{shop.rest}/{environment}/deployments?limit=200")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["deployments"]
    assert answer.json()["total"] == len(found)
    return found


def by_rest(facade: Facade, shop: Workspace, environment: str) -> History:
    """App → its chains; chains in the order in which they began."""
    chains: dict[str, dict[str, list[Row]]] = {}
    for line in sorted(lines_of(facade, shop, environment), key=lambda line: (line["sequence"], line["deployed_at"])):
        row = (line["action"], line["previous_release_id"], line["release_id"], line["deployed_by"])
        chains.setdefault(line["app_id"], {}).setdefault(line["deployment_id"][:36], []).append(row)
    return {app: sorted(found.values()) for app, found in chains.items()}


def by_records(shop: Workspace, environment: str) -> History:
    """The same out of the DeploymentRecords."""
    chains: dict[str, dict[str, list[Row]]] = {}
    for spec in sorted(shop.records(), key=lambda spec: int(spec["sequence"])):
        if spec["environment"] == environment:
            before = spec.get("previousRelease")
            row = (spec["action"], before, spec.get("release") or before, spec.get("by", "unknown"))
            chains.setdefault(spec["app"], {}).setdefault(spec["deployment"]["uid"], []).append(row)
    return {app: sorted(found.values()) for app, found in chains.items()}


def is_recorded(facade: Facade, shop: Workspace, environment: str) -> bool:
    return all(line["recorded"] for line in lines_of(facade, shop, environment))


def says(facade: Facade, shop: Workspace, environment: str, wanted: History) -> None:
    """The facade comes to this history; its watch may be a moment behind."""

    def check() -> None:
        assert by_rest(facade, shop, environment) == wanted

    eventually_passes(check)


def delete(shop: Workspace, plural: str, name: str) -> None:
    answer = shop.cluster.raw("DELETE", shop.path(plural, name), user="alice")
    assert answer.status == 200, answer.body


def deployed(shop: Workspace, environment: str, *apps: str) -> None:
    """Each app with its first release, recorded."""
    for app in apps:
        shop.create_deployment(environment, app, "v1", user="alice")
    eventually(lambda: settled(shop))


def test_bindings_that_were_deleted_and_made_again(
    operators: Operators, facades: Facades, workspace: Workspaces
) -> None:
    facade = facades.ensure()
    operators.ensure()
    shop = workspace("production")
    # What ended within the second in which its environment was created could as well be of an older one.
    born = (shop.get("environments", "production") or {})["metadata"]["creationTimestamp"]
    eventually(lambda: time.time() >= datetime.fromisoformat(born).timestamp() + 1)
    deployed(shop, "production", "again", "changed", "gone")
    operators.stop()
    delete(shop, "deployments", "production.again")
    delete(shop, "deployments", "production.gone")
    shop.create_deployment("production", "again", "v2", user="bob")
    shop.set_release("production.changed", "v2", user="bob")
    wanted: History = {
        "again": [[FIRST, DELETED], [("deploy", None, "v2", "bob")]],
        "changed": [[FIRST, ("deploy", "v1", "v2", "bob")]],
        "gone": [[FIRST, DELETED]],
    }
    says(facade, shop, "production", wanted)
    assert not is_recorded(facade, shop, "production")
    # A facade that was not there cannot know of a delete before the operator says so.
    other = facades.start()
    says(other, shop, "production", wanted | {"again": [[FIRST], [("deploy", None, "v2", "bob")]], "gone": [[FIRST]]})
    operators.ensure()
    for one in (facade, other):
        eventually(lambda one=one: is_recorded(one, shop, "production"))
        says(one, shop, "production", wanted)
    assert by_records(shop, "production") == wanted
    shown = facade.call("GET", f"{shop.rest}/production").json()["active_deployments"]
    assert shown == {"again": "v2", "changed": "v2"}


def test_an_environment_that_was_deleted_and_made_again(
    operators: Operators, facade: Facade, workspace: Workspaces
) -> None:
    """It keeps its bindings with their whole history; what had ended before stays with the records."""
    operators.ensure()
    shop = workspace("preview")
    deployed(shop, "preview", "web", "ended")
    delete(shop, "deployments", "preview.ended")
    eventually(lambda: len(shop.records("preview.ended")) == 2)
    first = facade.call("GET", f"{shop.rest}/preview").json()["environment_id"]
    operators.stop()
    delete(shop, "environments", "preview")
    second = shop.create_environment("preview")["metadata"]["uid"]
    shop.set_release("preview.web", "v2", user="bob")
    shop.create_deployment("preview", "new", "v1", user="alice")
    wanted: History = {"web": [[FIRST, ("deploy", "v1", "v2", "bob")]], "new": [[FIRST]]}
    says(facade, shop, "preview", wanted)
    operators.ensure()
    eventually(lambda: settled(shop))
    eventually(lambda: is_recorded(facade, shop, "preview"))
    says(facade, shop, "preview", wanted)
    assert by_records(shop, "preview") == wanted | {"ended": [[FIRST, DELETED]]}
    assert facade.call("GET", f"{shop.rest}/{first}").status == 404
    shown = facade.call("GET", f"{shop.rest}/{second}").json()
    assert (shown["slug"], shown["active_deployments"]) == ("preview", {"web": "v2", "new": "v1"})


def test_a_namespace_that_was_deleted_and_made_again(
    operators: Operators, facade: Facade, workspace: Workspaces, cluster: LiveCluster
) -> None:
    """History goes with its Namespace, and nothing of it comes back with the name."""
    operators.ensure()
    shop = workspace("production", "staging")
    deployed(shop, "production", "web", "api")
    says(facade, shop, "production", {"web": [[FIRST]], "api": [[FIRST]]})
    operators.stop()
    path = f"/api/v1/namespaces/{shop.namespace}"
    labels = cluster.raw("GET", path).json()["metadata"]["labels"]
    assert cluster.raw("DELETE", path).status == 200
    eventually(lambda: cluster.raw("GET", path).status == 404, timeout=30)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.namespace, "labels": labels}}
    assert cluster.raw("POST", "/api/v1/namespaces", body=body).status == 201
    for user in ("alice", "bob"):
        cluster.grant(shop.namespace, user, "moorage-edit")
    made = shop.create_environment("production")
    shop.create_deployment("production", "web", "v7", user="bob")
    wanted: History = {"web": [[("deploy", None, "v7", "bob")]]}
    eventually(lambda: _ids(facade, shop) == [made["metadata"]["uid"]])
    says(facade, shop, "production", wanted)
    operators.ensure()
    eventually(lambda: settled(shop))
    eventually(lambda: is_recorded(facade, shop, "production"))
    says(facade, shop, "production", wanted)
    assert by_records(shop, "production") == wanted
    assert _ids(facade, shop) == [made["metadata"]["uid"]]


def _ids(facade: Facade, shop: Workspace) -> list[str]:
    answer = facade.call("GET", shop.rest)
    return [one["environment_id"] for one in answer.json()["environments"]] if answer.status == 200 else []


def test_replacing_an_environment_by_force_keeps_what_is_deployed(
    operator: Service, facade: Facade, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    deployed(shop, "production", "web", "api")
    manifest = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Environment",
        "metadata": {"name": "production", "namespace": shop.namespace},
        "spec": {"displayName": "Production, replaced"},
    }
    done = cluster.kubectl("replace", "--force", "-f", "-", user="alice", stdin=json.dumps(manifest))
    assert done.returncode == 0, done.stderr
    successor = (shop.get("environments", "production") or {})["metadata"]["uid"]

    def follow() -> None:
        owners = [item["status"]["environmentUid"] for item in shop.list("deployments")]
        assert owners == [successor, successor]

    eventually_passes(follow)
    assert by_records(shop, "production") == {"web": [[FIRST]], "api": [[FIRST]]}
    says(facade, shop, "production", {"web": [[FIRST]], "api": [[FIRST]]})
    assert facade.call("GET", f"{shop.rest}/production").json()["active_deployments"] == {"web": "v1", "api": "v1"}
