"""Everyday stories and odd ones: the history says exactly what happened, line by line."""

import json
from typing import Any

from cluster import LiveCluster, Workspace, Workspaces
from ledger import DELETED
from oracles import chains_are_whole, records_of, settled
from policy_switch import without_change_log
from services import Operators
from waiting import eventually

from moorage_dev.processes import Service

Row = tuple[str, str | None, str | None, str | None]


def history(shop: Workspace, name: str) -> list[list[Row]]:
    """(action, previous release, release, by) of each chain of a name; chains that ended come first."""
    chains: dict[str, list[Row]] = {}
    specs = shop.records(name)
    ends = {spec["deployment"]["uid"]: (spec["at"], "release" in spec) for spec in specs}
    for spec in sorted(specs, key=lambda spec: (ends[spec["deployment"]["uid"]][1], spec["sequence"])):
        row = (spec["action"], spec.get("previousRelease"), spec.get("release"), spec.get("by"))
        chains.setdefault(spec["deployment"]["uid"], []).append(row)
    return list(chains.values())


def manifest(shop: Workspace, app: str, release: str | None) -> str:
    spec = {"environment": "production", "app": app, **({"release": release} if release else {})}
    meta = {"name": f"production.{app}", "namespace": shop.namespace}
    return json.dumps({"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


def apply(shop: Workspace, app: str, release: str | None, *, user: str, verb: tuple[str, ...] = ("apply",)) -> None:
    done = shop.cluster.kubectl(*verb, "-f", "-", user=user, stdin=manifest(shop, app, release))
    assert done.returncode == 0, done.stderr


def test_forth_and_back(operator: Service, workspace: Workspaces) -> None:
    shop = workspace("production")
    for release, user in (("v1", "alice"), ("v2", "bob"), ("v1", "alice"), ("v2", "bob"), ("v3", "bob"), ("v1", "bob")):
        apply(shop, "web", release, user=user)
    apply(shop, "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    assert history(shop, "production.web") == [
        [
            ("deploy", None, "v1", "alice"),
            ("deploy", "v1", "v2", "bob"),
            ("rollback", "v2", "v1", "alice"),
            ("deploy", "v1", "v2", "bob"),
            ("deploy", "v2", "v3", "bob"),
            ("rollback", "v3", "v1", "bob"),
        ]
    ]
    chains_are_whole(records_of([shop]))


def test_undeployed_and_deployed_again_is_one_chain(operator: Service, workspace: Workspaces) -> None:
    shop = workspace("production")
    apply(shop, "web", "v1", user="alice")
    apply(shop, "web", None, user="bob")
    shop.set_release("production.web", "", user="bob")
    apply(shop, "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    assert history(shop, "production.web") == [
        [("deploy", None, "v1", "alice"), ("undeploy", "v1", None, "bob"), ("deploy", None, "v1", "alice")]
    ]


def _delete(shop: Workspace, name: str, user: str) -> None:
    path = shop.path("deployments", name)
    eventually(lambda: shop.cluster.raw("DELETE", path, user=user).status == 200)


def test_deleted_and_made_again_is_two_chains(operator: Service, workspace: Workspaces) -> None:
    shop = workspace("production")
    apply(shop, "web", "v1", user="alice")
    _delete(shop, "production.web", "alice")
    apply(shop, "web", "v2", user="alice")
    eventually(lambda: settled(shop) and len(shop.records()) == 3)
    assert history(shop, "production.web") == [
        [("deploy", None, "v1", "alice"), ("undeploy", "v1", None, None)],
        [("deploy", None, "v2", "alice")],
    ]
    assert [spec.get("reason") for spec in shop.records() if spec["action"] == "undeploy"] == [DELETED]
    chains_are_whole(records_of([shop]))


def test_undeployed_first_the_delete_adds_nothing(operator: Service, workspace: Workspaces) -> None:
    shop = workspace("production", labels={"moorage.dev/attributed-deletes": "true"})
    apply(shop, "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    assert shop.cluster.raw("DELETE", shop.path("deployments", "production.web"), user="alice").status == 403
    apply(shop, "web", None, user="bob")
    _delete(shop, "production.web", "alice")
    apply(shop, "canary", "v1", user="alice")
    eventually(lambda: settled(shop))
    assert history(shop, "production.web") == [[("deploy", None, "v1", "alice"), ("undeploy", "v1", None, "bob")]]


def test_replace_by_force_is_a_new_chain(operator: Service, workspace: Workspaces) -> None:
    shop = workspace("production")
    apply(shop, "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    apply(shop, "web", "v2", user="alice", verb=("replace", "--force"))
    eventually(lambda: settled(shop) and len(shop.records()) == 3)
    assert history(shop, "production.web") == [
        [("deploy", None, "v1", "alice"), ("undeploy", "v1", None, None)],
        [("deploy", None, "v2", "alice")],
    ]


def test_a_rename_ends_one_chain_and_begins_another(operator: Service, workspace: Workspaces) -> None:
    """A manifest whose app changed is another object; and what has a name cannot get another app in place."""
    shop = workspace("production")
    apply(shop, "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    renamed = manifest(shop, "web", "v1").replace('"app": "web"', '"app": "shop"')
    done = shop.cluster.kubectl("replace", "-f", "-", user="alice", stdin=renamed)
    assert done.returncode != 0
    assert "app is immutable" in done.stderr
    apply(shop, "shop", "v1", user="alice")
    _delete(shop, "production.web", "alice")
    eventually(lambda: settled(shop) and len(shop.records()) == 3)
    assert history(shop, "production.web") == [[("deploy", None, "v1", "alice"), ("undeploy", "v1", None, None)]]
    assert history(shop, "production.shop") == [[("deploy", None, "v1", "alice")]]


def _complete(shop: Workspace, name: str) -> tuple[str, str]:
    conditions: list[dict[str, Any]] = (shop.get("deployments", name) or {})["status"]["conditions"]
    return next((one["status"], one["reason"]) for one in conditions if one["type"] == "HistoryComplete")


def test_objects_older_than_the_policies_are_adopted(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    """With the operator down as well: nobody saw what happened, so the next stamped write, or the sweep, says so."""
    operators.ensure()
    shop = workspace("production")
    apply(shop, "web", "v1", user="alice")
    apply(shop, "gone", "v1", user="alice")
    eventually(lambda: settled(shop))
    operators.stop()
    with without_change_log(cluster, shop):
        for release in ("v2", "v3"):
            apply(shop, "web", release, user="bob")
        apply(shop, "gone", None, user="bob")
        apply(shop, "old", "v1", user="bob")
        apply(shop, "older", "v1", user="bob")
    apply(shop, "web", "v4", user="alice")
    apply(shop, "older", "v2", user="alice")
    operators.ensure()
    eventually(lambda: settled(shop))
    apply(shop, "old", None, user="alice")
    apply(shop, "gone", "v1", user="alice")
    eventually(lambda: settled(shop))
    assert {name: history(shop, f"production.{name}") for name in ("web", "gone", "old", "older")} == {
        "web": [[("deploy", None, "v1", "alice"), ("adopt", "v1", "v3", None), ("deploy", "v3", "v4", "alice")]],
        "gone": [[("deploy", None, "v1", "alice"), ("adopt", "v1", None, None), ("deploy", None, "v1", "alice")]],
        "old": [[("adopt", None, "v1", None), ("undeploy", "v1", None, "alice")]],
        "older": [[("adopt", None, "v1", None), ("deploy", "v1", "v2", "alice")]],
    }
    assert {_complete(shop, f"production.{name}") for name in ("web", "gone", "old", "older")} == {
        ("False", "ChangedWithoutPolicy")
    }
    chains_are_whole(records_of([shop]))
