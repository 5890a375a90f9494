"""What docs/gitops.md says of Argo CD, with Argo CD itself and the Applications of examples/argocd."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster import ADMIN, LiveCluster, Workspaces
from git_server import Repository
from gitops import ENVIRONMENTS, FIRST, DeclaredShop, example
from identities import lock
from services import Facade, Operators
from waiting import eventually
from watching import Watch

from moorage_crds.gates.calendar import DAYS
from moorage_dev.engines import argocd as engine
from moorage_dev.engines.argocd import ArgoCD
from moorage_dev.rest_client import MERGE_PATCH

Object = dict[str, Any]
ARGOCD = f"system:serviceaccount:{engine.NAMESPACE}:{engine.ACCOUNT}"
APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{engine.NAMESPACE}/applications"
#: Seconds until Argo CD has seen a commit and done what follows; it looks every three.
PATIENCE = 60.0


class Applications:
    """Makes Applications from those of examples/argocd, and removes them without their objects."""

    def __init__(self, cluster: LiveCluster, shop: DeclaredShop) -> None:
        self._cluster = cluster
        self._shop = shop
        self._names: list[str] = []
        self._syncs = itertools.count()

    def create(self, environment: str, *, path: str = "", server_side_diff: bool = False) -> str:
        """The Application of an environment; its name. `path` is another folder of the repository."""
        found = example("argocd/applications.yaml", "Application", f"shop-{environment}")
        name = f"{self._shop.here.namespace}-{environment}"
        found["metadata"]["name"] = name
        spec = found["spec"]
        where = path or f"{self._shop.folder}/{environment}"
        spec["source"] |= {"repoURL": self._shop.repository.url, "path": where}
        spec["destination"]["namespace"] = self._shop.here.namespace
        if server_side_diff:
            found["metadata"]["annotations"] = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
        # The example waits up to three minutes between two attempts.
        spec["syncPolicy"]["retry"]["backoff"] = {"duration": "1s", "factor": 2, "maxDuration": "4s"}
        self._names.append(name)
        self._cluster.apply(found)
        return name

    def status(self, name: str) -> Object:
        """What Argo CD says about an Application."""
        answer = self._cluster.raw("GET", f"{APPLICATIONS}/{name}")
        assert answer.status == 200, answer.body
        return dict(answer.json().get("status") or {})

    def health(self, name: str) -> str:
        """Its health, as the scripts of the example find it."""
        return str((self.status(name).get("health") or {}).get("status"))

    def arrived(self, name: str, commit: str) -> bool:
        """Whether everything of a commit is in the cluster and healthy."""
        status = self.status(name)
        sync = status.get("sync") or {}
        return (sync.get("status"), sync.get("revision"), self.health(name)) == ("Synced", commit, "Healthy")

    def complaint(self, name: str) -> str:
        """What it says about its operation and about single objects."""
        operation = self.status(name).get("operationState") or {}
        results = (operation.get("syncResult") or {}).get("resources") or []
        return " | ".join([str(operation.get("message")), *(str(one.get("message")) for one in results)])

    def phase(self, name: str) -> str:
        """How far its operation is; `Running` while one waits to begin."""
        answer = self._cluster.raw("GET", f"{APPLICATIONS}/{name}").json()
        if answer.get("operation"):
            return "Running"
        return str((answer["status"].get("operationState") or {}).get("phase"))

    def by_hand(self, name: str) -> None:
        """No automatic sync any more."""
        self._patch(name, {"spec": {"syncPolicy": {"automated": None}}})

    def sync(self, name: str, *, dry_run: bool = False) -> None:
        """Ask for a sync to the newest commit, as the user command does, and wait until it has ended."""
        options = {"syncOptions": ["ServerSideApply=true"], "dryRun": dry_run, "revision": self._shop.head()}
        # Two of them may begin in one second: the name says which one a state is about.
        who = f"alice-{next(self._syncs)}"
        self._patch(name, {"operation": {"initiatedBy": {"username": who}, "sync": options}})

        def ended() -> bool:
            known = self.status(name)["operationState"]["operation"]
            return known["initiatedBy"].get("username") == who and self.phase(name) not in {"Running", "Terminating"}

        eventually(ended, PATIENCE)

    def _patch(self, name: str, body: Object) -> None:
        answer = self._cluster.raw("PATCH", f"{APPLICATIONS}/{name}", body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body

    def conditions(self, name: str) -> str:
        """Its conditions, such as a ComparisonError."""
        return _conditions(self.status(name))

    @contextmanager
    def remembered(self, name: str, folder: Path) -> Iterator[Callable[[], str]]:
        """Ask for all conditions that it has had meanwhile: some stand until its next look only."""
        query = (f"applications.argoproj.io/{name}", f"--namespace={engine.NAMESPACE}")
        watch = Watch(self._cluster.underlying.admin(), folder / f"{name}.json", *query)
        try:
            eventually(watch.events, PATIENCE)
            yield lambda: " | ".join(_conditions(one["object"].get("status") or {}) for one in watch.events())
        finally:
            watch.stop()

    def refresh(self, name: str) -> None:
        """Ask for a look that believes no cache, as the button and `argocd app get --refresh` do."""
        self._patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})

    def clean(self) -> None:
        """Remove the Applications; what they brought stays."""
        for name in self._names:
            self._cluster.raw("DELETE", f"{APPLICATIONS}/{name}")


def _conditions(status: Object) -> str:
    return " | ".join(f"{one['type']}: {one['message']}" for one in status.get("conditions") or [])


#: What a refusal says while `freeze` holds.
FROZEN = "is frozen by freeze/quiet: inventory"
#: And while the lock of production does.
LOCKED = "environment production is locked by admin: audit"


def freeze(shop: DeclaredShop, environment: str) -> None:
    """Close an environment for as long as the Freeze is there."""
    weekly = [{"days": list(DAYS), "from": "00:00", "until": "24:00"}]
    spec = {"reason": "inventory", "environments": [environment], "weekly": weekly}
    body = {"apiVersion": "moorage.dev/v1", "kind": "Freeze", "metadata": {"name": "quiet"}, "spec": spec}
    answer = shop.here.cluster.raw("POST", shop.here.path("freezes"), body=body)
    assert answer.status == 201, answer.body


@pytest.fixture
def shop(workspace: Workspaces, repository: Repository, operators: Operators) -> DeclaredShop:
    """Two environments with two apps each, in Git and not in the cluster; an operator runs."""
    operators.ensure()
    return DeclaredShop(workspace(), repository)


@pytest.fixture
def applications(argocd: ArgoCD, cluster: LiveCluster, shop: DeclaredShop) -> Iterator[Applications]:
    """Argo CD runs."""
    made = Applications(cluster, shop)
    yield made
    made.clean()


@pytest.fixture
def declared(applications: Applications, shop: DeclaredShop) -> dict[str, str]:
    """Environment → name of its Application; all that Git says is there and healthy."""
    names = {environment: applications.create(environment) for environment in ENVIRONMENTS}
    commit = shop.head()
    for environment, name in names.items():
        eventually(lambda name=name: applications.arrived(name, commit), PATIENCE)
        for app in FIRST:
            assert shop.release(f"{environment}.{app}") == "1"
    return names


def test_commit_becomes_a_change_in_the_name_of_argo_cd(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    commit = shop.declare("production", {**FIRST, "web-shop": "2"})
    eventually(lambda: applications.arrived(declared["production"], commit), PATIENCE)
    # Healthy means recorded.
    assert shop.history("production.web-shop") == [("1", ARGOCD), ("2", ARGOCD)]
    assert shop.history("production.checkout") == [("1", ARGOCD)]


def test_what_is_in_sync_is_not_written_again(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    def versions() -> dict[str, str]:
        found = [*shop.here.list("deployments"), *shop.here.list("environments")]
        return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}

    def quiet() -> dict[str, str]:
        before = versions()
        commit = shop.change("development", f"looked at with {len(before)} objects and {before}")
        eventually(lambda: applications.arrived(declared["development"], commit), PATIENCE)
        return before

    eventually(lambda: quiet() == versions(), PATIENCE)
    before = versions()
    for number in range(3):
        commit = shop.change("development", f"round {number}")
        eventually(lambda commit=commit: applications.arrived(declared["development"], commit), PATIENCE)
    assert versions() == before


def test_lock_holds_up_its_own_application_and_no_other(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    lock(shop.here, "production", user=ADMIN)
    shop.declare("production", {**FIRST, "web-shop": "2"})
    commit = shop.declare("development", {**FIRST, "web-shop": "2"})
    eventually(lambda: applications.arrived(declared["development"], commit), PATIENCE)
    eventually(
        lambda: LOCKED in applications.complaint(declared["production"]),
        PATIENCE,
    )
    assert shop.release("production.web-shop") == "1"
    assert cluster.raw("DELETE", shop.here.path("environmentlocks", "production")).status == 200
    # The limit of -1 and `refresh` of the example: nobody has to push a button.
    eventually(lambda: applications.arrived(declared["production"], commit), PATIENCE)
    assert shop.history("production.web-shop") == [("1", ARGOCD), ("2", ARGOCD)]


def test_freeze_is_named_to_argo_cd_too(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    freeze(shop, "production")
    refused = shop.declare("production", {**FIRST, "checkout": "2"})
    eventually(lambda: FROZEN in applications.complaint(declared["production"]), PATIENCE)
    assert shop.release("production.checkout") == "1"
    assert cluster.raw("DELETE", shop.here.path("freezes", "quiet")).status == 200
    eventually(lambda: applications.arrived(declared["production"], refused), PATIENCE)


def test_dry_run_of_a_sync_is_argo_cds_own_and_the_sync_meets_the_freeze(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    name = declared["production"]
    applications.by_hand(name)
    freeze(shop, "production")
    commit = shop.declare("production", {**FIRST, "checkout": "2"})
    # It looks at manifests only, and never asks the API server.
    applications.sync(name, dry_run=True)
    assert applications.phase(name) == "Succeeded"
    applications.sync(name)
    assert applications.phase(name) == "Failed"
    assert FROZEN in applications.complaint(name)
    assert shop.history("production.checkout") == [("1", ARGOCD)]
    assert cluster.raw("DELETE", shop.here.path("freezes", "quiet")).status == 200
    applications.sync(name)
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    assert shop.history("production.checkout") == [("1", ARGOCD), ("2", ARGOCD)]


def test_comparison_by_the_api_server_meets_the_freeze_and_forgets_it(
    applications: Applications, shop: DeclaredShop, cluster: LiveCluster, tmp_path: Path
) -> None:
    name = applications.create("production", server_side_diff=True)
    commit = shop.head()
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    freeze(shop, "production")
    with applications.remembered(name, tmp_path) as said:
        commit = shop.declare("production", {**FIRST, "checkout": "2"})
        eventually(lambda: "ComparisonError" in said() and FROZEN in said(), PATIENCE)
    # The next look takes an empty comparison from Argo CD's cache (argo-cd#28722), and calls synced what it has not
    # applied; only a look without the cache, another commit or another write to the object ends that.
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    assert shop.history("production.checkout") == [("1", ARGOCD)]
    assert cluster.raw("DELETE", shop.here.path("freezes", "quiet")).status == 200
    applications.refresh(name)
    eventually(lambda: shop.history("production.checkout") == [("1", ARGOCD), ("2", ARGOCD)], PATIENCE)
    eventually(lambda: applications.arrived(name, commit), PATIENCE)


def test_what_nobody_has_recorded_is_in_progress_until_an_operator_comes(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str], operators: Operators
) -> None:
    name = declared["production"]
    operators.stop()
    commit = shop.declare("production", {**FIRST, "web-shop": "2"})
    eventually(lambda: shop.release("production.web-shop") == "2", PATIENCE)
    eventually(lambda: applications.health(name) == "Progressing", PATIENCE)
    assert not applications.arrived(name, commit)
    operators.ensure()
    eventually(lambda: applications.arrived(name, commit), PATIENCE)


def test_change_by_hand_is_put_back_and_both_stand_in_the_history(
    shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    assert declared
    shop.here.set_release("production.web-shop", "by-hand", user="alice")
    alice = cluster.username("alice")
    expected = [("1", ARGOCD), ("by-hand", alice), ("1", ARGOCD)]
    eventually(lambda: shop.history("production.web-shop") == expected, PATIENCE)
    assert shop.release("production.web-shop") == "1"


def test_prune_undeploys_and_a_lock_keeps_what_is_locked(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str], cluster: LiveCluster
) -> None:
    lock(shop.here, "production", user=ADMIN)
    for environment in ENVIRONMENTS:
        shop.declare(environment, {"web-shop": "1"})
    eventually(lambda: shop.here.get("deployments", "development.checkout") is None, PATIENCE)
    # Admission cannot stamp a DELETE: the undeploy has no user.
    eventually(lambda: shop.history("development.checkout") == [("1", ARGOCD), (None, None)], PATIENCE)
    eventually(lambda: "is locked by admin: audit" in applications.complaint(declared["production"]), PATIENCE)
    assert shop.release("production.checkout") == "1"
    assert cluster.raw("DELETE", shop.here.path("environmentlocks", "production")).status == 200
    eventually(lambda: shop.here.get("deployments", "production.checkout") is None, PATIENCE)


def test_exported_stamps_in_a_manifest_do_not_make_it_heal_without_end(
    applications: Applications, shop: DeclaredShop, declared: dict[str, str]
) -> None:
    name = declared["production"]
    extra = "changeLog: {sequence: 1, entries: []}\n"
    for release in ("2", "3"):
        commit = shop.declare("production", {**FIRST, "web-shop": release}, extra=extra)
        eventually(lambda commit=commit: applications.arrived(name, commit), PATIENCE)
    assert [release for release, _ in shop.history("production.web-shop")] == ["1", "2", "3"]


def test_rest_leaves_what_argo_cd_declares_alone(shop: DeclaredShop, declared: dict[str, str], facade: Facade) -> None:
    assert declared
    path = f"{shop.here.rest}/production/deploy"
    answer = facade.call("POST", path, body={"app_id": "web-shop", "release_id": "2"})
    assert (answer.status, answer.json()["details"]["reason"]) == (409, "ManagedDeclaratively")
    forced = facade.call("POST", f"{path}?override_ownership=true", body={"app_id": "web-shop", "release_id": "2"})
    assert forced.status == 200, forced.body
    # Self-healing puts it back.
    alice = shop.here.cluster.username("alice")
    expected = [("1", ARGOCD), ("2", alice), ("1", ARGOCD)]
    eventually(lambda: shop.history("production.web-shop") == expected, PATIENCE)


def test_one_application_for_both_environments_is_held_up_by_either(
    applications: Applications, shop: DeclaredShop, cluster: LiveCluster
) -> None:
    shop.unite()
    name = applications.create("production", path=shop.folder)
    commit = shop.head()
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    lock(shop.here, "production", user=ADMIN)
    commit = shop.declare_everywhere({**FIRST, "web-shop": "2"})
    eventually(lambda: LOCKED in applications.complaint(name), PATIENCE)
    # It syncs what it can until it is refused.
    eventually(lambda: shop.release("development.web-shop") == "2", PATIENCE)
    assert shop.release("production.web-shop") == "1"
    assert not applications.arrived(name, commit)
    assert cluster.raw("DELETE", shop.here.path("environmentlocks", "production")).status == 200
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    assert shop.release("production.web-shop") == "2"


def test_one_application_for_both_that_the_api_server_compares_applies_nothing(
    applications: Applications, shop: DeclaredShop, cluster: LiveCluster, tmp_path: Path
) -> None:
    shop.unite()
    name = applications.create("production", path=shop.folder, server_side_diff=True)
    commit = shop.head()
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    lock(shop.here, "production", user=ADMIN)
    with applications.remembered(name, tmp_path) as said:
        commit = shop.declare_everywhere({**FIRST, "web-shop": "2"})
        eventually(lambda: "ComparisonError" in said() and LOCKED in said(), PATIENCE)
    # As with the Freeze above: synced is what it says from its next look on.
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
    for environment in ENVIRONMENTS:
        assert shop.history(f"{environment}.web-shop") == [("1", ARGOCD)]
    assert cluster.raw("DELETE", shop.here.path("environmentlocks", "production")).status == 200
    applications.refresh(name)
    expected = [("1", ARGOCD), ("2", ARGOCD)]
    for environment in ENVIRONMENTS:
        eventually(lambda at=environment: shop.history(f"{at}.web-shop") == expected, PATIENCE)
    eventually(lambda: applications.arrived(name, commit), PATIENCE)
