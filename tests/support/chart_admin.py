"""The administrator of a cluster with the chart: what is installed, and one workspace."""

from typing import Any

from helm import CHART, Helm
from waiting import eventually

from moorage_crds.kinds.registry import KINDS
from moorage_dev import users
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.rest_client import MERGE_PATCH, Answer, RestClient

Object = dict[str, Any]


NAMESPACE = "moorage-system"


CRDS = {kind.crd for kind in KINDS}


GROUP = "/apis/moorage.dev/v1"


class Admin:
    """The administrator's view of the objects in question, and of one workspace."""

    def __init__(self, cluster: BuiltCluster, api: RestClient, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.path = f"{GROUP}/namespaces/{namespace}"
        self._api = api
        self._token = cluster.token(users.ADMIN)

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """One request; again while the API server prepares the storage of a CRD that has just changed."""

        def ask() -> Answer | None:
            content_type = MERGE_PATCH if method == "PATCH" else None
            answer = self._api.request(method, path, token=self._token, body=body, content_type=content_type)
            return None if answer.status == 429 else answer

        answer = eventually(lambda: ask() or False)
        assert answer
        return answer

    def listed(self, path: str) -> dict[str, Object]:
        """Name → object of a collection."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        return {one["metadata"]["name"]: one for one in answer.json()["items"]}

    def bind(self, environment: str, app: str, release: str, *, dry_run: bool = False) -> Answer:
        """Create a Deployment."""
        spec = {"environment": environment, "app": app, "release": release}
        metadata = {"name": f"{environment}.{app}"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        return self.call("POST", f"{self.path}/deployments" + ("?dryRun=All" if dry_run else ""), body)

    def set_release(self, name: str, release: str) -> Answer:
        """Change a release."""
        return self.call("PATCH", f"{self.path}/deployments/{name}", {"spec": {"release": release}})

    def create(self, kind: str, name: str, spec: Object) -> Answer:
        """Create an Environment or a lock."""
        body = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        return self.call("POST", f"{self.path}/{kind.lower()}s", body)

    def our_policies(self) -> set[str]:
        """Names of our admission policies and bindings that are there."""
        base = "/apis/admissionregistration.k8s.io/v1"
        kinds = [
            f"{family}admission{what}"
            for family in ("mutating", "validating")
            for what in ("policies", "policybindings")
        ]
        return {name for kind in kinds for name in self.listed(f"{base}/{kind}") if name.endswith(".moorage.dev")}

    def our_crds(self) -> set[str]:
        """Names of our CRDs that are there."""
        every = self.listed("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return {name for name in every if name.endswith(".moorage.dev")}

    def policies_are_in_force(self) -> bool:
        """Whether changes are stamped, and refused in the locked environment `locked`, which nothing else uses."""
        free = self.bind("probe", "probe", "1", dry_run=True)
        locked = self.bind("locked", "probe", "1", dry_run=True)
        return free.status == 201 and "changeLog" in free.json() and locked.status == 403


def install(helm: Helm, admin: Admin, *flags: str) -> None:
    """`helm install`, and wait until the policies are in force."""
    helm.ok("install", "moorage", CHART, f"--namespace={NAMESPACE}", *flags)
    wait_for_policies(admin)


def wait_for_policies(admin: Admin) -> None:
    """Return when changes are stamped and locks hold."""
    eventually(lambda: admin.create("EnvironmentLock", "locked", {"reason": "probe"}).status in {201, 409})
    # Half a minute if the API server had just looked up parameter kinds and did not know ours yet.
    eventually(admin.policies_are_in_force, 60)
