"""Objects that follow bindings, and what their controllers do to them."""

import copy
from typing import Any

from moorage_crds.kinds.target import ANNOTATION_BINDING, ANNOTATION_DEPLOYMENT, ANNOTATION_IMAGE, LABEL_TARGET

IMAGE = "registry.example.com/web:{release}"


def workload(
    name: str = "web",
    *,
    namespace: str = "shop",
    binding: str = "production.web",
    release: str | None = None,
    deployment_id: str | None = None,
    declared: bool = True,
    replicas: int = 2,
) -> dict[str, Any]:
    """A Deployment of apps/v1, as somebody applies it: it declares its image, names a change, or both."""
    annotations = {ANNOTATION_BINDING: binding}
    if declared:
        annotations[f"{ANNOTATION_IMAGE}web"] = IMAGE
    if deployment_id is not None:
        annotations[ANNOTATION_DEPLOYMENT] = deployment_id
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL_TARGET: "true"},
            "annotations": annotations,
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image(release or "none")}]},
            },
        },
    }


def image(release: str) -> str:
    """The image of a release."""
    return IMAGE.replace("{release}", release)


def rolled_out(raw: dict[str, Any]) -> dict[str, Any]:
    """The status that the deployment controller writes when everything of the present spec is there."""
    replicas = raw["spec"]["replicas"]
    return {
        "observedGeneration": raw["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }


def given_up(raw: dict[str, Any]) -> dict[str, Any]:
    """The status after the progress deadline, with the old pods still there."""
    status = rolled_out(raw) | {"updatedReplicas": 1, "unavailableReplicas": 1}
    status["conditions"] = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": 'ReplicaSet "web-7c9" has timed out progressing.',
        },
    ]
    return status


class Controller:
    """A workload and its deployment controller, one step at a time: what a cluster does with the objects of a test.

    `pods` are the images that really run; `seen` says what they were when the last status of a version was written.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = copy.deepcopy(raw)
        self.raw["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "1"}
        self.pods = [self._wanted()] * raw["spec"]["replicas"]
        self.raw["status"] = rolled_out(self.raw)
        self._last = tuple(self.pods)
        self.seen: dict[str, tuple[str, ...]] = {"1": self._last}

    def _wanted(self) -> str:
        return str(self.raw["spec"]["template"]["spec"]["containers"][0]["image"])

    def write(self, release: str, deployment_id: str | None) -> None:
        """Somebody brings a release into the spec, and says which change that is, in one write."""
        if deployment_id is not None:
            self.raw["metadata"]["annotations"][ANNOTATION_DEPLOYMENT] = deployment_id
        if self._wanted() != image(release):
            self.raw["spec"]["template"]["spec"]["containers"][0]["image"] = image(release)
            self.raw["metadata"]["generation"] += 1
        self._changed()

    def replace_a_pod(self) -> None:
        """One pod of an older image goes, one of the present image comes."""
        old = next((number for number, pod in enumerate(self.pods) if pod != self._wanted()), None)
        if old is not None:
            self.pods[old] = self._wanted()

    def observe(self) -> None:
        """The controller writes what it sees."""
        updated = self.pods.count(self._wanted())
        self._last = tuple(self.pods)
        self.raw["status"] = rolled_out(self.raw) | {"updatedReplicas": updated}
        self._changed()

    def snapshot(self) -> dict[str, Any]:
        """What a watch delivers of it now."""
        return copy.deepcopy(self.raw)

    def _changed(self) -> None:
        meta = self.raw["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
        self.seen[meta["resourceVersion"]] = self._last
