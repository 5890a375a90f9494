"""Releases that run now, by other tools: Argo CD's Applications, Flux's and Helm's releases, images of workloads."""

import base64
import binascii
import gzip
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from moorage_cli.importing.past import Key
from moorage_crds import names
from moorage_crds.identifiers import AppId, EnvironmentSlug, InvalidIdentifierError, NamespaceName, ReleaseId
from moorage_crds.objects import RawObject, labels, mapping, metadata
from moorage_crds.reading import UNREADABLE
from moorage_crds.store import NotFoundError, ResourceStore

#: What many objects call their app by.
_APP_LABELS: Final = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app")
_HELM: Final = "owner=helm,status=deployed"
#: Tag or digest of an image. A port of a registry is followed by a path.
_TAG: Final = re.compile(r"(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>[^@]+))?$")

Reader = Callable[[RawObject], tuple[str, str | None]]
"""Object → app, and its release; None if it says none."""


class FoundError(Exception):
    """What runs cannot be told. The text is one sentence."""


def of_argocd(raw: RawObject) -> tuple[str, str | None]:
    """An Application: the tag of its one image, else the revision that it is at."""
    status, spec = mapping(raw.get("status")), mapping(raw.get("spec"))
    images: Sequence[Any] = mapping(status.get("summary")).get("images") or ()
    revision = mapping(status.get("sync")).get("revision") or mapping(spec.get("source")).get("targetRevision")
    return str(metadata(raw).get("name")), (tag_of(str(images[0])) if len(images) == 1 else None) or revision


def of_flux(raw: RawObject) -> tuple[str, str | None]:
    """A HelmRelease: the version of the chart that is installed, else the one that is wanted."""
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    done: Any = next(iter(status.get("history") or ()), None)
    wanted = mapping(mapping(mapping(spec.get("chart")).get("spec")))
    name = spec.get("releaseName") or metadata(raw).get("name")
    return str(name), mapping(done).get("chartVersion") or wanted.get("version")


def of_helm(raw: RawObject) -> tuple[str, str | None]:
    """A Secret of Helm: the version of the chart that is installed."""
    packed = base64.b64decode(base64.b64decode(mapping(raw.get("data")).get("release", "")))
    release = mapping(orjson.loads(gzip.decompress(packed)))
    chart = mapping(mapping(release.get("chart")).get("metadata"))
    return str(release.get("name")), chart.get("version")


def of_workload(raw: RawObject) -> tuple[str, str | None]:
    """A workload: the tag of the container that has its name, else of the first."""
    there = labels(raw)
    name = str(next((there[label] for label in _APP_LABELS if label in there), metadata(raw).get("name")))
    template = mapping(mapping(mapping(raw.get("spec")).get("template")).get("spec"))
    containers = [mapping(one) for one in template.get("containers") or ()]
    own = [one for one in containers if one.get("name") in {name, metadata(raw).get("name")}] or containers
    return name, tag_of(str(own[0].get("image", ""))) if own else None


def tag_of(image: str) -> str | None:
    """Its tag, else its digest; None if it has neither."""
    found = _TAG.search(image)
    return (found["tag"] or found["digest"]) if found else None


#: Source → what to list, with which labels, and how to read it.
_SOURCES: Final[Mapping[str, tuple[Sequence[str], str | None, Reader]]] = {
    "argocd": (("applications.argoproj.io",), None, of_argocd),
    "flux": (("helmreleases.helm.toolkit.fluxcd.io",), None, of_flux),
    "helm": ((names.SECRETS,), _HELM, of_helm),
    "kubectl": (("deployments.apps", "statefulsets.apps", "daemonsets.apps"), None, of_workload),
}


async def read(store: ResourceStore, source: str, environment: str | None, origins: Sequence[str]) -> dict[Key, str]:
    """What runs in the Namespaces `origins`, as it belongs to an environment.

    Raises:
        FoundError: it was not said which, or what is there cannot be told.
        StoreError: the cluster refuses, or does not answer.
    """
    if environment is None or not origins:
        message = f"say -e ENVIRONMENT and --from NAMESPACE: which environment the objects of {source} there belong to"
        raise FoundError(message)
    try:
        slug = EnvironmentSlug.parse(environment)
        places = [NamespaceName.parse(one) for one in origins]
    except InvalidIdentifierError as error:
        raise FoundError(str(error)) from None
    plurals, selector, reader = _SOURCES[source]
    objects: list[RawObject] = []
    for plural in plurals:
        for place in places:
            objects += await _listed(store, plural, place, selector)
    return sorted_out(objects, slug, reader)


async def _listed(store: ResourceStore, plural: str, place: NamespaceName, selector: str | None) -> list[RawObject]:
    try:
        return [raw async for page in store.pages(plural, namespace=place, selector=selector) for raw in page.items]
    except NotFoundError as error:
        message = f"this cluster serves no {plural}"
        raise FoundError(message) from error


def sorted_out(objects: Iterable[RawObject], environment: str, reader: Reader) -> dict[Key, str]:
    """App → release of objects. Raises FoundError: one of them says no release, or two say different ones."""
    found: dict[Key, str] = {}
    for raw in objects:
        app, release = _said_by(raw, reader)
        app = own_name(app, environment)
        _check(raw, app, release)
        if found.setdefault((environment, app), str(release)) != release:
            message = f"{app} runs in two releases: {found[environment, app]} and {release}; look at fewer Namespaces"
            raise FoundError(message)
    return found


def own_name(app: str, environment: str) -> str:
    """The name of an app without that of its environment: `web-staging` and `staging-web` are `web`."""
    return app.removesuffix(f"-{environment}").removeprefix(f"{environment}-")


def _said_by(raw: RawObject, reader: Reader) -> tuple[str, Any]:
    try:
        return reader(raw)
    except (*UNREADABLE, binascii.Error, OSError, EOFError, IndexError) as error:
        message = f"{metadata(raw).get('namespace')}/{metadata(raw).get('name')} cannot be read: {error}"
        raise FoundError(message) from error


def _check(raw: RawObject, app: str, release: Any) -> None:
    place = f"{metadata(raw).get('namespace')}/{metadata(raw).get('name')}"
    if not isinstance(release, str) or not release:
        message = f"{place} says no release: its image has no tag, or its tool has not finished yet"
        raise FoundError(message)
    try:
        AppId.parse(app)
        ReleaseId.parse(release)
    except InvalidIdentifierError as error:
        message = f"{place}: {app} {release}: {error}"
        raise FoundError(message) from None
