"""The active releases of an Environment → the ConfigMap that lists them. Pure; the same state makes the same bytes.

No two apps of an Environment share a variable: names that differ in case, '-' and '_' alone are one binding.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from moorage_crds import names
from moorage_crds.kinds.environment import Environment
from moorage_crds.kinds.target import MANAGER_DELIVERY
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.objects import RawObject, labels, mapping, metadata

#: Lets Flux reconcile at once what reads the ConfigMap.
WATCH_LABEL: Final = {"reconcile.fluxcd.io/watch": "Enabled"}
#: Names of variables, too: Flux refuses to substitute from a ConfigMap in which one key is none.
RELEASES, VALUES = "RELEASES_JSON", "VALUES_YAML"
_PREFIX: Final = "RELEASE_"


@dataclass(frozen=True, slots=True)
class Active:
    """A release that is active, by its recorded change."""

    app: str
    release: str
    sequence: int
    deployment_id: str
    deployed_by: str | None
    deployed_at: str | None


def variable(app: str) -> str:
    """The key of an app: a name that shells and templates take."""
    return _PREFIX + app.upper().replace("-", "_")


def config_map(name: str, environment: Environment, workspace: Workspace | None, active: Iterable[Active]) -> RawObject:
    """The object to apply: what we say of the ConfigMap, and nothing else of it."""
    releases = sorted(active, key=lambda one: one.app)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": environment.namespace,
            "labels": {**WATCH_LABEL, names.LABEL_ENVIRONMENT: environment.name},
        },
        "data": {
            **{variable(one.app): one.release for one in releases},
            RELEASES: _releases(environment, workspace, releases),
            VALUES: _values(environment, releases),
        },
    }


def nothing(name: str, stored: RawObject) -> RawObject:
    """The object to apply to leave this very version of a ConfigMap: what only we said goes, the rest stays."""
    meta = metadata(stored)
    kept = {key: meta[key] for key in ("namespace", "uid", "resourceVersion")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **kept}}


def held_at(body: RawObject, stored: RawObject) -> RawObject:
    """The object to apply to exactly this version of the ConfigMap."""
    meta = metadata(stored)
    held = {key: meta[key] for key in ("uid", "resourceVersion")}
    return {**body, "metadata": {**body["metadata"], **held}}


def doubtful(stored: RawObject | None, body: RawObject, reached: Mapping[str, int]) -> set[str]:
    """The apps of which the ConfigMap would say something else, and perhaps something older, than it says now.

    A later change of the same binding leaves no doubt. What somebody has spoiled says nothing.

    Args:
        stored: the ConfigMap; None: there is none.
        body: what it should say.
        reached: uid of each binding that is known, and the number of its newest recorded change.
    """
    said = _said(mapping(stored.get("data")).get(RELEASES))[1] if stored is not None else {}
    wanted = _said(body["data"][RELEASES])[1]
    return {
        app
        for app in {*said, *wanted}
        if said.get(app) != wanted.get(app) and not _is_forward(mapping(said.get(app)), wanted.get(app), reached)
    }


def agree(body: RawObject, other: RawObject, apps: Set[str]) -> bool:
    """Whether two contents say the same of the Environment and of these apps."""
    (place, releases), (other_place, others) = _said(body["data"][RELEASES]), _said(other["data"][RELEASES])
    return place == other_place and all(releases.get(app) == others.get(app) for app in apps)


def _is_forward(said: Mapping[str, Any], wanted: Mapping[str, Any] | None, reached: Mapping[str, int]) -> bool:
    uid, sequence = _binding_of(said), said.get("sequence")
    is_same = wanted is None or _binding_of(wanted) == uid
    return is_same and isinstance(sequence, int) and reached.get(uid, 0) > sequence


def _binding_of(said: Mapping[str, Any]) -> str:
    return str(said.get("deployment_id", "")).rpartition("-")[0]


def _said(text: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What a text says of the Environment, and of its apps."""
    try:
        said = mapping(json.loads(text))
    except (TypeError, ValueError):
        said = {}
    return {key: value for key, value in said.items() if key != "releases"}, mapping(said.get("releases"))


def manager_of(environment: str) -> str:
    """The field manager for an Environment (its slug).

    One for each: two Environments that name one ConfigMap are a conflict for the second, which must not speak, and
    never clean up, for the first.
    """
    return f"{MANAGER_DELIVERY}-{environment}"


def digest_of(body: RawObject) -> str:
    """Tells two contents apart."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def says(stored: RawObject, body: RawObject, *, manager: str) -> bool:
    """Whether a stored ConfigMap says what it should, and nothing of that manager beyond that."""
    data, wanted = mapping(stored.get("data")), body["data"]
    present = labels(stored)
    return (
        all(data.get(key) == value for key, value in wanted.items())
        and all(present.get(key) == value for key, value in body["metadata"]["labels"].items())
        and owned(stored, manager=manager) == set(wanted)
    )


def owned(stored: RawObject, *, manager: str) -> set[str]:
    """The keys that were applied by that manager."""
    return {
        field.removeprefix("f:")
        for entry in _managers(stored)
        if entry.get("manager") == manager and entry.get("operation") == "Apply"
        for field in mapping(mapping(entry.get("fieldsV1")).get("f:data"))
        if field.startswith("f:")
    }


def is_of(stored: RawObject, *, manager: str) -> bool:
    """Nobody but that manager has ever put anything into it."""
    return all(entry.get("manager") == manager for entry in _managers(stored))


def _managers(stored: RawObject) -> Sequence[Mapping[str, Any]]:
    return [mapping(entry) for entry in metadata(stored).get("managedFields") or ()]


def _releases(environment: Environment, workspace: Workspace | None, releases: Sequence[Active]) -> str:
    said = {
        "org": workspace.org if workspace else "",
        "workspace": workspace.workspace if workspace else "",
        "namespace": environment.namespace,
        "environment": environment.name,
        "environment_id": environment.uid,
        "parameters": dict(environment.parameters),
        "releases": {
            one.app: {
                "release": one.release,
                "sequence": one.sequence,
                "deployment_id": one.deployment_id,
                "deployed_by": one.deployed_by or "",
                "deployed_at": one.deployed_at or "",
            }
            for one in releases
        },
    }
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def _values(environment: Environment, releases: Sequence[Active]) -> str:
    """YAML for Helm; texts are written as JSON, which YAML takes."""
    lines = [f"environment: {_text(environment.name)}"]
    lines += _block("parameters", environment.parameters)
    lines += _block("releases", [(one.app, one.release) for one in releases])
    return "\n".join(lines) + "\n"


def _block(name: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return [f"{name}: {{}}"]
    return [f"{name}:", *(f"  {_text(key)}: {_text(value)}" for key, value in pairs)]


def _text(value: str) -> str:
    return json.dumps(value)
