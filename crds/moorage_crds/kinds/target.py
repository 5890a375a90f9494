"""Targets of releases: objects of other tools that opted in, and the labels and annotations by which they do. Pure.

A target names the binding that it follows; the consent is its owner's, because the writer of the target writes these.
"""

from typing import Final

from moorage_crds import names
from moorage_crds.kinds.kind import Resource

#: Label of an object that follows a binding: `"true"`.
LABEL_TARGET: Final = f"{names.GROUP}/target"
SELECTOR: Final = f"{LABEL_TARGET}=true"
#: Which binding: `<environment>.<app>`, or `<namespace>/<environment>.<app>`.
ANNOTATION_BINDING: Final = f"{names.GROUP}/binding"
#: The `deployment_id` that the present spec carries.
ANNOTATION_DEPLOYMENT: Final = f"{names.GROUP}/deployment"
#: Followed by the name of a container: its image, with `{release}` in it.
ANNOTATION_IMAGE: Final = f"{names.GROUP}/image."
#: A field and its value, with `{release}` in it: `spec.chart.spec.version={release}`; one a line.
ANNOTATION_SET: Final = f"{names.GROUP}/set"
#: Maximum number of fields of one target that follow the release. Without it, the author of a workload would decide how
#: long the operator, which serves all workspaces, works on it.
MAX_DECLARED: Final = 64
#: Field manager of what the operator writes into targets.
MANAGER_DELIVERY: Final = "moorage-delivery"
#: Stands for the release in both.
PLACEHOLDER: Final = "{release}"

#: What their objects are called. Items of a list do not say it themselves.
TARGET_KINDS: Final = {
    "deployments.apps": "Deployment",
    "statefulsets.apps": "StatefulSet",
    "daemonsets.apps": "DaemonSet",
    "applications.argoproj.io": "Application",
    "rollouts.argoproj.io": "Rollout",
    "kustomizations.kustomize.toolkit.fluxcd.io": "Kustomization",
    "helmreleases.helm.toolkit.fluxcd.io": "HelmRelease",
}

#: The kinds that can be targets, as `<plural>.<group>` names them.
TARGET_RESOURCES: Final[dict[str, Resource]] = {
    f"{one.plural}.{one.group}": one
    for one in (
        Resource(plural="deployments", group="apps"),
        Resource(plural="statefulsets", group="apps"),
        Resource(plural="daemonsets", group="apps"),
        Resource(plural="applications", group="argoproj.io", version="v1alpha1"),
        Resource(plural="rollouts", group="argoproj.io", version="v1alpha1"),
        Resource(plural="kustomizations", group="kustomize.toolkit.fluxcd.io"),
        Resource(plural="helmreleases", group="helm.toolkit.fluxcd.io", version="v2"),
    )
}
