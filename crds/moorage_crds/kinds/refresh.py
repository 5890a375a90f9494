"""Objects that ask to be told of a new release: their tool looks again at once instead of at its next round. Pure.

The consent is the owner's, as with targets: who writes an object gives it the label and says what it follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage_crds import names
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName
from moorage_crds.kinds.kind import Resource
from moorage_crds.kinds.target import ANNOTATION_BINDING, TARGET_RESOURCES

#: Label of an object whose tool looks again when what it follows has changed: `"true"`.
LABEL_REFRESH: Final = f"{names.GROUP}/refresh"
REFRESH_SELECTOR: Final = f"{LABEL_REFRESH}=true"
#: Maximum number of things that one object may follow; the rest are ignored.
MAX_FOLLOWED: Final = 64
#: What it follows, by commas: `<namespace>`, `<namespace>/<environment>` or `<namespace>/<environment>.<app>`.
ANNOTATION_FOLLOWS: Final = f"{names.GROUP}/follows"

_FLUX: Final = "reconcile.fluxcd.io/requestedAt"
_OF_TARGETS: Final = (
    "applications.argoproj.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "helmreleases.helm.toolkit.fluxcd.io",
)

#: The kinds that can be told, as `<plural>.<group>` names them.
REFRESH_RESOURCES: Final[dict[str, Resource]] = {
    "applicationsets.argoproj.io": Resource(plural="applicationsets", group="argoproj.io", version="v1alpha1"),
    "resourcesetinputproviders.fluxcd.controlplane.io": Resource(
        plural="resourcesetinputproviders", group="fluxcd.controlplane.io"
    ),
    **{name: TARGET_RESOURCES[name] for name in _OF_TARGETS},
}
#: The annotation by which each kind's own tool is asked, and its value; None: the time, so that each is a new one.
REFRESH_ANNOTATIONS: Final[dict[str, tuple[str, str | None]]] = {
    "applicationsets.argoproj.io": ("argocd.argoproj.io/application-set-refresh", None),
    "applications.argoproj.io": ("argocd.argoproj.io/refresh", "normal"),
    "resourcesetinputproviders.fluxcd.controlplane.io": (_FLUX, None),
    "kustomizations.kustomize.toolkit.fluxcd.io": (_FLUX, None),
    "helmreleases.helm.toolkit.fluxcd.io": (_FLUX, None),
}


@dataclass(frozen=True, slots=True)
class Followed:
    """What an object follows: a Namespace, one environment of it, or one binding.

    Attributes:
        namespace: of the workspace.
        environment: slug; empty: all of them.
        name: of the Deployment; empty: all of the environment.
    """

    namespace: str
    environment: str = ""
    name: str = ""


def followed(namespace: str, annotations: Mapping[str, Any]) -> tuple[frozenset[Followed], str]:
    """What an object follows, and a sentence about the first part that cannot be understood.

    Args:
        namespace: of the object.
        annotations: of the object; without `moorage.dev/follows` what it has as a target counts.
    """
    text = str(annotations.get(ANNOTATION_FOLLOWS) or "")
    binding = str(annotations.get(ANNOTATION_BINDING) or "")
    if not text and binding:
        text = binding if "/" in binding else f"{namespace}/{binding}"
    found: set[Followed] = set()
    problem = "" if text else f"the annotation {ANNOTATION_FOLLOWS} is missing"
    parts = text.split(",", MAX_FOLLOWED)
    if any(one.strip() for one in parts[MAX_FOLLOWED:]):
        problem = f"the annotation {ANNOTATION_FOLLOWS} names more than {MAX_FOLLOWED} things"
    for part in filter(None, (one.strip() for one in parts[:MAX_FOLLOWED])):
        try:
            found.add(_part(part))
        except InvalidIdentifierError:
            rule = "<namespace>, <namespace>/<environment> or <namespace>/<environment>.<app>"
            problem = problem or f"{part[:100]!r} in the annotation {ANNOTATION_FOLLOWS} is not {rule}"
    return frozenset(found), problem


def _part(text: str) -> Followed:
    before, slash, after = text.partition("/")
    namespace = str(NamespaceName.parse(before))
    if not slash:
        return Followed(namespace)
    environment, dot, _ = after.partition(".")
    name = str(BindingName.parse(after)) if dot else ""
    return Followed(namespace, str(EnvironmentSlug.parse(environment)), name)
