"""Each guard of a deletion where no other one applies: it refuses every user, the garbage collector too."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import EDITOR, MEMBERS, OWNER, change, garbage_collector, lock, refused_by
from oracles import settled
from services import Operators
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import MERGE_PATCH

NAME = "production.web"


def _nothing(_shop: Workspace) -> None:
    pass


def _locked(shop: Workspace) -> None:
    lock(shop, "production")


def _closed(shop: Workspace) -> None:
    """As the operator has seen it by the calendar."""
    path = f"{shop.path('environments', 'production')}/status"
    body = {"status": {"gates": {"closed": True}}}
    assert shop.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH).status == 200


def _idle(shop: Workspace) -> None:
    answer = change(shop, "deployments", NAME, "merge patch", {"spec": {"release": None}}, user=EDITOR)
    assert answer.status == 200, answer.body


#: Policy → what is deleted, labels of the Namespace, and what happens once nobody records any more.
GUARDS: dict[str, tuple[str, str, dict[str, str], Callable[[Workspace], None]]] = {
    names.POLICY_DEPLOYMENT_LOCKS: ("deployments", NAME, {}, _locked),
    names.POLICY_DEPLOYMENT_DELETES: ("deployments", NAME, {}, _idle),
    names.POLICY_ATTRIBUTED_DELETES: ("deployments", NAME, {names.LABEL_ATTRIBUTED_DELETES: "true"}, _nothing),
    names.POLICY_ENVIRONMENT_LOCKS: ("environments", "production", {}, _locked),
    names.POLICY_ENVIRONMENT_DELETES: ("environments", "default", {}, _nothing),
    "environments-gates.moorage.dev": ("environments", "production", {}, _closed),
}


@pytest.fixture(scope="module")
def guarded(cluster: LiveCluster, _operators: Operators) -> Iterator[dict[str, Workspace]]:
    """A workspace for each guard, in which everything else was recorded and no other guard applies."""
    made, shops = Workspaces(cluster), {}
    _operators.ensure()
    for policy, (_, _, labels, _) in GUARDS.items():
        shop = shops[policy] = made("production", members=MEMBERS, labels=labels)
        shop.create_environment("default", isDefault=True)
        shop.create_deployment("production", "web", "v1")
    for shop in shops.values():
        eventually(partial(settled, shop))
    _operators.stop()
    for policy, shop in shops.items():
        GUARDS[policy][3](shop)
    yield shops
    made.clean()


@pytest.mark.parametrize("who", ["the collector", EDITOR, OWNER])
@pytest.mark.parametrize("policy", GUARDS)
def test_a_guard_refuses_by_itself(cluster: LiveCluster, guarded: dict[str, Workspace], policy: str, who: str) -> None:
    shop, (plural, name, _, _) = guarded[policy], GUARDS[policy]
    token = garbage_collector(cluster) if who == "the collector" else cluster.token(who)
    answer = cluster.raw("DELETE", shop.path(plural, name), token=token)
    assert refused_by(answer, policy), answer.body
    assert shop.get(plural, name) is not None
