"""What docs/gitops.md says of Flux, with its controllers and the Kustomizations of examples/flux."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import ADMIN, LiveCluster, Workspaces
from flux_objects import Objects
from git_server import Repository
from gitops import ENVIRONMENTS, FIRST, DeclaredShop, example
from identities import lock
from services import Facade, Operators
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_dev.engines import flux as engine
from moorage_dev.engines.flux import Flux

EXAMPLE = "flux/environments.yaml"
FLUX = f"system:serviceaccount:{engine.NAMESPACE}:{engine.ACCOUNT}"
#: Seconds until Flux has seen a commit and done what follows; it looks every second.
PATIENCE = 60.0
LOCKED = "environment production is locked by admin: audit"
FROZEN = "environment production is frozen by freeze/quiet: inventory"


class Kustomizations(Objects):
    """Those of examples/flux for one shop; what they brought stays when they go."""

    def __init__(self, cluster: LiveCluster, shop: DeclaredShop) -> None:
        super().__init__(cluster, "kustomizations", engine.NAMESPACE)
        self._cluster, self._shop = cluster, shop
        self._source = shop.here.namespace
        source = example(EXAMPLE, "GitRepository", "shop")
        source["metadata"]["name"] = self._source
        source["spec"] |= {"url": shop.repository.url, "interval": "1s"}
        cluster.apply(source)
        self._names: list[str] = []

    def create(self, environment: str, *, path: str = "", **spec: Any) -> str:
        """The Kustomization of an environment; its name. `path` is another folder of the repository."""
        found = example(EXAMPLE, "Kustomization", f"shop-{environment}")
        name = self._name(environment)
        found["metadata"]["name"] = name
        where = path or f"{self._shop.folder}/{environment}"
        # The example waits a minute between two attempts.
        wanted = {"path": f"./{where}", "retryInterval": "1s", "deletionPolicy": "Orphan", **spec}
        found["spec"] |= wanted
        found["spec"]["sourceRef"]["name"] = self._source
        if "dependsOn" in found["spec"]:
            found["spec"]["dependsOn"] = [] if path else [{"name": self._name("development")}]
        self._names.append(name)
        self._cluster.apply(found)
        return name

    def arrived(self, name: str, commit: str) -> bool:
        """Whether everything of a commit is in the cluster, and ready."""
        status = (self.get(name) or {}).get("status") or {}
        return str(status.get("lastAppliedRevision")).endswith(f":{commit}") and self.is_ready(name)

    def clean(self) -> None:
        """Remove them."""
        for name in self._names:
            self.delete(name)
        Objects(self._cluster, "gitrepositories", engine.NAMESPACE).delete(self._source)

    def _name(self, environment: str) -> str:
        return f"{self._source}-{environment}"


@pytest.fixture
def shop(workspace: Workspaces, repository: Repository, operators: Operators) -> DeclaredShop:
    """Two environments with two apps each, in Git and not in the cluster; an operator runs."""
    operators.ensure()
    return DeclaredShop(workspace(), repository)


@pytest.fixture
def kustomizations(flux: Flux, cluster: LiveCluster, shop: DeclaredShop) -> Iterator[Kustomizations]:
    """Flux runs."""
    assert flux.logs()
    made = Kustomizations(cluster, shop)
    yield made
    made.clean()


@pytest.fixture
def declared(kustomizations: Kustomizations, shop: DeclaredShop) -> dict[str, str]:
    """Environment → name of its Kustomization; all that Git says is there and ready."""
    names = {environment: kustomizations.create(environment) for environment in ENVIRONMENTS}
    commit = shop.head()
    for environment, name in names.items():
        eventually(lambda name=name: kustomizations.arrived(name, commit), PATIENCE)
        for app in FIRST:
            assert shop.release(f"{environment}.{app}") == "1"
    return names


def close(shop: DeclaredShop) -> None:
    """Close production for a day."""
    now = datetime.now(UTC).replace(microsecond=0)
    window = {"from": to_text(now - timedelta(hours=1)), "until": to_text(now + timedelta(days=1))}
    spec = {"reason": "inventory", "environments": ["production"], "windows": [window]}
    body = {"apiVersion": "moorage.dev/v1", "kind": "Freeze", "metadata": {"name": "quiet"}, "spec": spec}
    answer = shop.here.cluster.raw("POST", shop.here.path("freezes"), body=body)
    assert answer.status == 201, answer.body


def remove(shop: DeclaredShop, plural: str, name: str) -> None:
    assert shop.here.cluster.raw("DELETE", shop.here.path(plural, name)).status == 200


def test_commit_becomes_a_change_in_the_name_of_flux(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    commit = shop.declare("production", {**FIRST, "web-shop": "2"})
    eventually(lambda: kustomizations.arrived(declared["production"], commit), PATIENCE)
    # Ready means recorded.
    assert shop.history("production.web-shop") == [("1", FLUX), ("2", FLUX)]
    assert shop.history("production.checkout") == [("1", FLUX)]


def test_what_is_in_sync_is_not_written_again(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    name = declared["development"]

    def versions() -> dict[str, str]:
        found = [*shop.here.list("deployments"), *shop.here.list("environments")]
        return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}

    def look() -> dict[str, str]:
        before = versions()
        mark = kustomizations.look_again(name)
        eventually(lambda: kustomizations.has_looked(name, mark), PATIENCE)
        return before

    eventually(lambda: look() == versions(), PATIENCE)
    before = versions()
    for _ in range(3):
        look()
    assert versions() == before


def test_lock_holds_up_its_own_kustomization_and_no_other(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    lock(shop.here, "production", user=ADMIN)
    shop.declare("production", {**FIRST, "web-shop": "2"})
    commit = shop.declare("development", {**FIRST, "web-shop": "2"})
    eventually(lambda: kustomizations.arrived(declared["development"], commit), PATIENCE)
    eventually(lambda: LOCKED in kustomizations.complaint(declared["production"]), PATIENCE)
    assert shop.release("production.web-shop") == "1"
    remove(shop, "environmentlocks", "production")
    # It tries again by itself.
    eventually(lambda: kustomizations.arrived(declared["production"], commit), PATIENCE)
    assert shop.history("production.web-shop") == [("1", FLUX), ("2", FLUX)]


@pytest.mark.parametrize("force", [False, True], ids=["plain", "force"])
def test_dry_run_meets_the_freeze_and_nothing_of_the_unit_is_applied(
    kustomizations: Kustomizations, shop: DeclaredShop, force: bool
) -> None:
    shop.unite()
    name = kustomizations.create("production", path=shop.folder, force=force)
    commit = shop.head()
    eventually(lambda: kustomizations.arrived(name, commit), PATIENCE)
    uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in shop.here.list("deployments")}
    close(shop)
    commit = shop.declare_everywhere({**FIRST, "web-shop": "2"})
    said = f"(?s)production.web-shop dry-run failed .*Forbidden.*{FROZEN}"
    eventually(lambda: re.search(said, kustomizations.complaint(name)), PATIENCE)
    # One unit for both: development waits, too, as docs/gitops.md says. Nothing that is there suffers.
    for environment in ENVIRONMENTS:
        assert shop.history(f"{environment}.web-shop") == [("1", FLUX)]
    remove(shop, "freezes", "quiet")
    eventually(lambda: kustomizations.arrived(name, commit), PATIENCE)
    assert shop.history("production.web-shop") == [("1", FLUX), ("2", FLUX)]
    # A refusal is `Forbidden`: `force` deletes only what says `Invalid`.
    assert {one["metadata"]["name"]: one["metadata"]["uid"] for one in shop.here.list("deployments")} == uids


def test_what_nobody_has_recorded_is_in_progress_until_an_operator_comes(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str], operators: Operators
) -> None:
    name = declared["production"]
    operators.stop()
    commit = shop.declare("production", {**FIRST, "web-shop": "2"})
    eventually(lambda: shop.release("production.web-shop") == "2", PATIENCE)
    eventually(lambda: kustomizations.condition(name, "Healthy")[1].startswith("Running health checks"), PATIENCE)
    assert not kustomizations.arrived(name, commit)
    operators.ensure()
    eventually(lambda: kustomizations.arrived(name, commit), PATIENCE)


def test_change_by_hand_is_put_back_and_both_stand_in_the_history(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    shop.here.set_release("production.web-shop", "by-hand", user="alice")
    kustomizations.look_again(declared["production"])
    expected = [("1", FLUX), ("by-hand", cluster.username("alice")), ("1", FLUX)]
    eventually(lambda: shop.history("production.web-shop") == expected, PATIENCE)
    assert shop.release("production.web-shop") == "1"


def test_prune_undeploys_exactly_that_one_and_a_lock_keeps_what_is_locked(
    kustomizations: Kustomizations, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    lock(shop.here, "production", user=ADMIN)
    uid = shop.here.list("deployments")[-1]["metadata"]["uid"]
    for environment in ENVIRONMENTS:
        shop.declare(environment, {"web-shop": "1"})
    eventually(lambda: shop.here.get("deployments", "development.checkout") is None, PATIENCE)
    # Admission cannot stamp a DELETE: the undeploy has no user.
    eventually(lambda: shop.history("development.checkout") == [("1", FLUX), (None, None)], PATIENCE)
    eventually(lambda: "is locked by admin: audit" in kustomizations.complaint(declared["production"]), PATIENCE)
    assert shop.release("production.checkout") == "1"
    remove(shop, "environmentlocks", "production")
    eventually(lambda: shop.here.get("deployments", "production.checkout") is None, PATIENCE)
    left = shop.here.list("deployments")
    assert [one["metadata"]["name"] for one in left] == ["development.web-shop", "production.web-shop"]
    assert left[-1]["metadata"]["uid"] == uid


def test_rest_leaves_what_flux_declares_alone(shop: DeclaredShop, declared: dict[str, str], facade: Facade) -> None:
    assert declared
    path = f"{shop.here.rest}/production/deploy"
    answer = facade.call("POST", path, body={"app_id": "web-shop", "release_id": "2"})
    assert (answer.status, answer.json()["details"]["reason"]) == (409, "ManagedDeclaratively")
    assert answer.json()["details"]["managed_by"] == engine.ACCOUNT
    assert shop.history("production.web-shop") == [("1", FLUX)]
