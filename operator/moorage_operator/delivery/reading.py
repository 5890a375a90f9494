"""Raw object → target: which binding it follows, what of its spec the release decides, and how it does. Pure."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from moorage_crds.identifiers import BindingName, InvalidIdentifierError, NamespaceName
from moorage_crds.kinds.target import (
    ANNOTATION_BINDING,
    ANNOTATION_DEPLOYMENT,
    ANNOTATION_IMAGE,
    ANNOTATION_SET,
    MAX_DECLARED,
    PLACEHOLDER,
    TARGET_KINDS,
    TARGET_RESOURCES,
)
from moorage_crds.objects import RawObject, mapping, metadata, version_of
from moorage_operator.delivery.health import health_of
from moorage_operator.facts import Declared, Target


def target_of(resource: str, raw: RawObject) -> Target:
    """Read an object that carries the label of a target.

    Args:
        resource: `<plural>.<group>`.
        raw: as the API server sent it.

    Raises:
        KeyError, TypeError: it is not an object of Kubernetes.
    """
    group, version = TARGET_RESOURCES[resource].group, TARGET_RESOURCES[resource].version
    kind = TARGET_KINDS[resource]
    meta = metadata(raw)
    annotations = mapping(meta.get("annotations"))
    binding, problem = _binding(str(annotations.get(ANNOTATION_BINDING, "")), meta["namespace"])
    declared = tuple(islice(_declared(raw, annotations), MAX_DECLARED + 1))
    wrong = next((one.problem for one in declared if one.problem), "")
    if len(declared) > MAX_DECLARED:
        declared, wrong = (), f"more than {MAX_DECLARED} fields are declared to follow the release"
    return Target(
        resource=resource,
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        binding=binding,
        carried=str(annotations.get(ANNOTATION_DEPLOYMENT) or ""),
        declared=declared,
        problem=problem or wrong,
        health=health_of({**raw, "apiVersion": f"{group}/{version}", "kind": kind}),
    )


def _binding(text: str, namespace: str) -> tuple[tuple[str, str], str]:
    """Place of the binding; empty, with a sentence, if the annotation names none."""
    before, slash, after = text.partition("/")
    place, name = (before, after) if slash else (namespace, text)
    try:
        return (NamespaceName.parse(place), BindingName.parse(name)), ""
    except InvalidIdentifierError:
        rule = f"the annotation {ANNOTATION_BINDING} must be <environment>.<app> or <namespace>/<environment>.<app>"
        return ("", ""), rule


def _declared(raw: RawObject, annotations: Mapping[str, Any]) -> Iterator[Declared]:
    images = {name: template for name, template in annotations.items() if name.startswith(ANNOTATION_IMAGE)}
    containers = _images(raw) if images else {}
    for name, template in sorted(images.items()):
        container = name.removeprefix(ANNOTATION_IMAGE)
        path, image = containers.get(container, ("", None))
        yield _field(f"image of container {container}", str(template), image, path)
    for line in str(annotations.get(ANNOTATION_SET) or "").splitlines():
        path, sign, template = line.strip().partition("=")
        if path or sign:
            yield _field(path, template, _value(raw, path), path)


def _field(what: str, template: str, value: str | None, path: str) -> Declared:
    problem = ""
    if PLACEHOLDER not in template:
        problem = f"the value declared for {what} has no {PLACEHOLDER} in it"
    elif value is None:
        problem = f"there is no {what}, or it is not text"
    return Declared(what, template, value or "", path, problem)


def _images(raw: RawObject) -> dict[str, tuple[str, str | None]]:
    """Container → where its image stands, and which it is."""
    pod = mapping(mapping(mapping(raw.get("spec")).get("template")).get("spec"))
    found: dict[str, tuple[str, str | None]] = {}
    for field in ("containers", "initContainers"):
        for one in map(mapping, pod.get(field) or ()):
            name, image = str(one.get("name")), one.get("image")
            path = f"spec.template.spec.{field}[{name}].image"
            found.setdefault(name, (path, image if isinstance(image, str) else None))
    return found


def _value(raw: RawObject, path: str) -> str | None:
    """The text at a path of plain names; None if there is none. Brackets, for list items, are written by us alone."""
    found: Any = {} if "[" in path else raw
    for part in path.split("."):
        found = mapping(found).get(part)
    return found if isinstance(found, str) and path.startswith("spec.") else None
