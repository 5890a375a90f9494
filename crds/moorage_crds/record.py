"""DeploymentRecords: one immutable line of history each, chained by hashes. Pure.

The hash of a record is the SHA-256 of the canonical JSON (RFC 8785) of its spec without the field `hash`; its
`previousHash` is the hash of the record before it in the chain of the same Deployment, or `genesis_hash` for the first.
A spec holds strings and small integers only, for which sorted keys without white space in UTF-8 *are* RFC 8785.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from moorage_crds import names
from moorage_crds.deployment import Action, Change
from moorage_crds.objects import RawObject, metadata, version_of


@dataclass(frozen=True, slots=True)
class Binding:
    """Which binding a record is about; the part of a Deployment that never changes."""

    namespace: str
    name: str
    uid: str
    environment: str
    app: str


@dataclass(frozen=True, slots=True)
class Record:
    """View of a stored DeploymentRecord."""

    name: str
    binding: Binding
    change: Change
    previous_hash: str
    hash: str
    resource_version: str


def genesis_hash(binding: Binding) -> str:
    """What the first record of a chain names as its predecessor: binds the chain to its place and its Deployment."""
    return hashlib.sha256(f"{binding.namespace}/{binding.name}/{binding.uid}".encode()).hexdigest()


def spec_hash(spec: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of a record's spec, the field `hash` left out."""
    content = {key: value for key, value in spec.items() if key != "hash"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def to_object(binding: Binding, change: Change, *, previous_hash: str) -> RawObject:
    """The record of a change, the same bytes whoever makes it. `change.at` must be set.

    Raises:
        ValueError: the change has no time yet.
    """
    if change.at is None:
        message = "a record needs the time of its change"
        raise ValueError(message)
    spec: dict[str, Any] = {
        "deployment": {"name": binding.name, "uid": binding.uid},
        "environment": binding.environment,
        "app": binding.app,
        "action": str(change.action),
        "sequence": change.sequence,
        "at": change.at,
        "previousHash": previous_hash,
    }
    optional = {
        "release": change.release,
        "previousRelease": change.previous,
        "by": change.by,
        "reason": change.reason,
        "requestId": change.request_id,
    }
    spec |= {key: value for key, value in optional.items() if value is not None}
    spec["hash"] = spec_hash(spec)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KINDS[names.RECORDS],
        "metadata": {
            "name": names.record_name(binding.uid, change.sequence),
            "namespace": binding.namespace,
            "labels": {
                names.LABEL_ENVIRONMENT: binding.environment,
                names.LABEL_APP: binding.app,
                names.LABEL_DEPLOYMENT_UID: binding.uid,
                names.LABEL_ACTION: str(change.action),
            },
        },
        "spec": spec,
    }


def from_object(raw: RawObject) -> Record:
    """Read a record as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw["spec"]
    return Record(
        name=meta["name"],
        binding=Binding(
            namespace=meta["namespace"],
            name=spec["deployment"]["name"],
            uid=spec["deployment"]["uid"],
            environment=spec["environment"],
            app=spec["app"],
        ),
        change=Change(
            sequence=spec["sequence"],
            action=Action(spec["action"]),
            previous=spec.get("previousRelease"),
            release=spec.get("release"),
            by=spec.get("by"),
            at=spec["at"],
            reason=spec.get("reason"),
            request_id=spec.get("requestId"),
        ),
        previous_hash=spec["previousHash"],
        hash=spec["hash"],
        resource_version=version_of(raw),
    )
