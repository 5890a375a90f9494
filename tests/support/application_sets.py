"""The ApplicationSets of examples/delivery/argocd for one workspace, and what Argo CD makes of them."""

from collections.abc import Callable
from typing import Any

from cluster import Workspace
from git_server import Repository
from gitops import example
from services import Facade

from moorage_crds.kinds.refresh import ANNOTATION_FOLLOWS
from moorage_dev.engines import argocd as engine
from moorage_dev.rest_client import MERGE_PATCH

Object = dict[str, Any]
EXAMPLE = "delivery/argocd/applicationset.yaml"
SHORTEST = "delivery/argocd/shortest.yaml"
APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{engine.NAMESPACE}/applications"
SETS = f"/apis/argoproj.io/v1alpha1/namespaces/{engine.NAMESPACE}/applicationsets"
ENVIRONMENTS = ("staging", "production")
#: Type and status of the condition of a set that could not be made.
_WRONG = ("ErrorOccurred", "True")
#: What an Application brings: a workload that runs its release.
CHART = {
    "Chart.yaml": "{apiVersion: v2, name: app, version: 0.1.0}",
    "templates/app.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Chart.Name }}}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: "registry.example.com/app:{{ .Values.image.tag }}"}]}
""",
}


class ReleaseSet:
    """The ApplicationSet of the example, for one workspace, asked for every two seconds by the account `viewer`.

    Args:
        here: the workspace.
        facade: is asked.
        repository: has the charts.
        every: seconds between two questions.
        shortest: the one of fifteen lines, with ConfigMap and Secret of the other.
        server_side_diff: the API server compares its Applications.
    """

    def __init__(
        self,
        here: Workspace,
        facade: Facade,
        repository: Repository,
        *,
        every: int = 2,
        shortest: bool = False,
        server_side_diff: bool = False,
    ) -> None:
        self._here, self._cluster = here, here.cluster
        self.name = here.namespace
        config = example(EXAMPLE, "ConfigMap", "moorage-plugin")
        config["metadata"]["name"] = self.name
        config["data"] |= {"baseUrl": facade.service.url, "token": f"${self.name}:token"}
        secret = example(EXAMPLE, "Secret", "moorage-token")
        secret["metadata"]["name"] = self.name
        secret["stringData"]["token"] = self._cluster.token("viewer")
        wanted = (
            example(SHORTEST, "ApplicationSet", "moorage-shop")
            if shortest
            else example(EXAMPLE, "ApplicationSet", "moorage")
        )
        wanted["metadata"]["name"] = self.name
        wanted["metadata"].setdefault("annotations", {})[ANNOTATION_FOLLOWS] = here.namespace
        [generator] = wanted["spec"]["generators"]
        generator["plugin"] |= {"configMapRef": {"name": self.name}, "requeueAfterSeconds": every}
        generator["plugin"]["input"]["parameters"] |= {"org": here.org, "workspace": [here.name]}
        template = wanted["spec"]["template"]["spec"]
        template["source"]["repoURL"] = repository.url
        if server_side_diff:
            options = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
            wanted["spec"]["template"]["metadata"]["annotations"] |= options
        self._cluster.apply(_project(template["project"]), config, secret, wanted)

    def releases(self) -> dict[str, str]:
        """Application without the Namespace's name → release in its values."""
        return {name: one["spec"]["source"]["helm"]["valuesObject"]["image"]["tag"] for name, one in self._all()}

    def synced(self, name: str, release: str) -> bool:
        """Whether Argo CD says that an Application is synced, after a look at this release."""
        [sync] = [one["status"]["sync"] for found, one in self._all() if found == name]
        compared = sync["comparedTo"]["source"]["helm"]["valuesObject"]["image"]["tag"]
        return (sync["status"], compared) == ("Synced", release)

    def uids(self) -> dict[str, str]:
        """Application without the Namespace's name → its uid."""
        return {name: one["metadata"]["uid"] for name, one in self._all()}

    def arrived(self, expected: dict[str, str]) -> bool:
        """Whether these are its releases; has it asked if not."""
        if self.releases() == expected:
            return True
        self.refresh()
        return False

    def _all(self) -> list[tuple[str, Object]]:
        answer = self._cluster.raw("GET", APPLICATIONS)
        assert answer.status == 200, answer.body
        mine = [one for one in answer.json()["items"] if one["metadata"]["name"].startswith(f"{self.name}-")]
        return [(one["metadata"]["name"].removeprefix(f"{self.name}-"), one) for one in mine]

    def complaint(self) -> str:
        """What Argo CD says is wrong with the set; empty while nothing is."""
        answer = self._cluster.raw("GET", f"{SETS}/{self.name}")
        conditions = (answer.json().get("status") or {}).get("conditions") or []
        return " | ".join(one["message"] for one in conditions if (one["type"], one["status"]) == _WRONG)

    def refresh(self) -> None:
        """Have it asked for now: after an error Argo CD waits three minutes."""
        # After an error the annotation stays, and only a new one counts.
        for value in (None, "true"):
            body = {"metadata": {"annotations": {"argocd.argoproj.io/application-set-refresh": value}}}
            answer = self._cluster.raw("PATCH", f"{SETS}/{self.name}", body=body, content_type=MERGE_PATCH)
            assert answer.status == 200, answer.body

    def clean(self) -> None:
        """Remove the set; its Applications go with it, what they brought goes here."""
        self._cluster.raw("DELETE", f"{SETS}/{self.name}")
        for environment in ENVIRONMENTS:
            self._cluster.raw("DELETE", f"/api/v1/namespaces/{self._here.namespace}-{environment}")


def chart(app: str) -> dict[str, str | None]:
    """Its files in a repository."""
    return {f"apps/{app}/{name}": text for name, text in CHART.items()}


def _project(name: str) -> Object:
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        # For CreateNamespace.
        "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
    }
    metadata = {"name": name, "namespace": engine.NAMESPACE}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": spec}


class Workload:
    """What Argo CD makes of the chart of web; the test does what the deployment controller and its pods would."""

    def __init__(self, here: Workspace, environment: str) -> None:
        self._cluster = here.cluster
        self._path = f"/apis/apps/v1/namespaces/{here.namespace}-{environment}/deployments/app"

    def image(self) -> str:
        """Of its container; empty while it is not there."""
        answer = self._cluster.raw("GET", self._path)
        return str(answer.json()["spec"]["template"]["spec"]["containers"][0]["image"]) if answer.status == 200 else ""

    def report(self, status: Callable[[Object], Object]) -> None:
        """Write a status that is made of the present object."""
        body = {"status": status(dict(self._cluster.raw("GET", self._path).json()))}
        answer = self._cluster.raw("PATCH", f"{self._path}/status", body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body
