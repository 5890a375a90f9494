"""Models → CustomResourceDefinitions, and the command `moorage crds` that prints them with the policies.

pydantic writes JSON Schema; Kubernetes wants *structural* schemas: no references, no `anyOf` for "may be absent", no
titles. `structural` turns the one into the other, and refuses what has no meaning there instead of dropping it.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from moorage_crds import names
from moorage_crds.kinds.kind import Kind
from moorage_crds.kinds.registry import KINDS
from moorage_crds.objects import RawObject

_KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "maxItems",
    "minItems",
    "maxProperties",
    "default",
    "required",
)


_ADMISSION_PLURALS: Final = {
    "MutatingAdmissionPolicy": names.MUTATING_ADMISSION_POLICIES,
    "MutatingAdmissionPolicyBinding": names.MUTATING_ADMISSION_POLICY_BINDINGS,
    "ValidatingAdmissionPolicy": names.VALIDATING_ADMISSION_POLICIES,
    "ValidatingAdmissionPolicyBinding": names.VALIDATING_ADMISSION_POLICY_BINDINGS,
}


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The structural form of one JSON Schema of pydantic's.

    Raises:
        ValueError: the schema uses something that a structural schema cannot say.
    """
    schema = _resolved(schema, definitions)
    wanted: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    wanted |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    if wanted.get("default", ...) is None:
        del wanted["default"]
    if "properties" in schema:
        wanted["properties"] = {name: structural(value, definitions) for name, value in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), Mapping):
        wanted["additionalProperties"] = structural(schema["additionalProperties"], definitions)
    if "items" in schema:
        wanted["items"] = structural(schema["items"], definitions)
    if "description" in wanted:
        wanted["description"] = " ".join(wanted["description"].split())
    if "type" not in wanted:
        message = f"no type in {dict(schema)}"
        raise ValueError(message)
    return wanted


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference and unwrap `X | None`; what stands beside it (a description) wins."""
    merged = dict(schema)
    alternatives = merged.pop("anyOf", None)
    if alternatives is not None:
        real = [one for one in alternatives if one.get("type") != "null"]
        if len(real) != 1:
            message = f"a structural schema has no choice between {real}"
            raise ValueError(message)
        return _resolved({**real[0], **merged}, definitions)
    reference = merged.pop("$ref", None)
    if reference is not None:
        return _resolved({**definitions[reference.rsplit("/", 1)[-1]], **merged}, definitions)
    if "const" in merged:
        merged["enum"] = [merged.pop("const")]
    return merged


def open_api_schema(kind: Kind[Any]) -> dict[str, Any]:
    """The `openAPIV3Schema` of a kind."""
    source = kind.model.model_json_schema(by_alias=True)
    schema = structural(source, source.get("$defs", {}))
    schema["description"] = kind.description
    properties = schema.pop("properties")
    schema["required"] = ["spec"]
    if kind.rules:
        schema["x-kubernetes-validations"] = list(kind.rules)
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": dict(kind.name_schema)}},
        **properties,
    }
    return schema


def crd(kind: Kind[Any]) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    version: dict[str, Any] = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": open_api_schema(kind)},
    }
    if kind.has_status:
        version["subresources"] = {"status": {}}
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd},
        "spec": {
            "group": kind.group,
            "scope": str(kind.scope),
            "names": {
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "shortNames": list(kind.short_names),
                # Said where there is none, too: server-side apply takes nothing away that is not mentioned.
                "categories": [names.CATEGORY] if kind.in_category else [],
            },
            "versions": [version],
        },
    }


class _Dumper(yaml.SafeDumper):
    """Indents lists like people do and never writes anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(document: Mapping[str, Any]) -> str:
    """One YAML document, keys in the order they were built in."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def crd_files() -> dict[str, str]:
    """File name → content of the generated CRDs."""
    note = "# Generated from the models by `make generate`. Do not edit.\n"
    return {f"{kind.crd}.yaml": note + to_yaml(crd(kind)) for kind in KINDS}


def policy_files() -> dict[str, str]:
    """File name → content of the admission policies, which are written by hand and shipped with the package.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "policies", here.parent / "policies"):
        if folder.is_dir():
            return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    message = "the admission policies are missing from this installation"
    raise FileNotFoundError(message)


def wanted_crds() -> dict[str, RawObject]:
    """Name → CRD, as this version installs it."""
    crds = (crd(kind) for kind in KINDS)
    return {one["metadata"]["name"]: one for one in crds}


def wanted_policies() -> dict[tuple[str, str], RawObject]:
    """(plural, name) → policy or binding, as this version installs it.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    documents = (one for text in policy_files().values() for one in yaml.safe_load_all(text) if one)
    return {(_ADMISSION_PLURALS[one["kind"]], one["metadata"]["name"]): one for one in documents}


def main(argv: list[str]) -> int:
    """`moorage crds`: print CRDs and policies, ready for `kubectl apply --server-side --force-conflicts -f -`."""
    parser = argparse.ArgumentParser(
        prog="moorage crds",
        description="Print CRDs and admission policies (no roles: the chart has them), for `kubectl apply "
        "--server-side --force-conflicts -f -`. For some seconds after the first time the API server refuses what it "
        "cannot judge yet.",
    )
    parser.add_argument("--only", choices=["crds", "policies"], help="print only one of the two")
    only = parser.parse_args(argv).only
    documents: list[str] = []
    if only != "policies":
        documents += crd_files().values()
    if only != "crds":
        documents += policy_files().values()
    sys.stdout.write("---\n".join(document if document.endswith("\n") else document + "\n" for document in documents))
    return 0
