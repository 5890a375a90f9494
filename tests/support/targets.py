"""Objects that follow bindings, and what their controllers do to them."""

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
