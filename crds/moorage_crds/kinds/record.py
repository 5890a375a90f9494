"""DeploymentRecords: one immutable line of history each, chained by hashes. Pure.

The hash of a record is the SHA-256 of the canonical JSON (RFC 8785) of its spec without the field `hash`; its
`previousHash` is the hash of the record before it in the chain of the same Deployment, or `genesis_hash` for the first.
A spec holds strings, lists of strings and small integers only, for which sorted keys without white space in UTF-8 *are*
RFC 8785.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from pydantic import ConfigDict, Field

from moorage_crds import names, patterns
from moorage_crds.admission import Policy
from moorage_crds.identifiers import RecordId
from moorage_crds.kinds.deployment import Action, Change, Claim
from moorage_crds.kinds.kind import AccountRights, Kind
from moorage_crds.kinds.parts import (
    App,
    ClaimedUser,
    HashText,
    Moment,
    Override,
    Part,
    ReasonText,
    RecordActionText,
    Release,
    RequestId,
    Sequence,
    Slug,
    SourceText,
    UidText,
    UserName,
)
from moorage_crds.objects import RawObject, labels, metadata, version_of
from moorage_crds.patterns import whole


class RecordedDeployment(Part):
    """The Deployment that was changed."""

    name: Annotated[str, Field(max_length=127, pattern=r"^[-.a-z0-9]+$")]
    uid: UidText


class DeploymentRecordSpec(Part):
    """What happened.

    A record says either what the API server stamped (`at`, `by`) or what an import claims (`claimedAt`, `claimedBy`).
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.at) != has(self.claimedAt)",
                    "message": "must have either at, which the API server stamped, or claimedAt, which an import says",
                    "fieldPath": ".at",
                },
                {
                    "rule": "(self.action == 'import') == has(self.claimedAt) && has(self.claimedAt) == "
                    "has(self.source) && (self.action == 'import' ? !has(self.by) : !has(self.claimedBy))",
                    "message": "import is the action of what an import claims: with claimedAt and source, without by",
                    "fieldPath": ".action",
                },
            ]
        }
    )

    deployment: RecordedDeployment
    environment: Slug = Field(description="The name of the Environment.")
    app: App = Field(description="The app, as the Deployment names it.")
    action: RecordActionText = Field(
        description="deploy, undeploy, rollback; adopt: the release was changed while no policy watched, so nobody "
        "knows by whom; import: an import claims it of the time before."
    )
    sequence: Sequence = Field(description="Its number in the chain of the Deployment, from 1, without gaps.")
    release: Release | None = Field(default=None, description="The release that is active after it; absent: none.")
    previous_release: Release | None = Field(
        default=None, description="The release that was active before; absent: none."
    )
    by: UserName | None = Field(
        default=None, description="The user whom the API server authenticated; absent: unknown."
    )
    at: Moment | None = Field(default=None, description="When the API server accepted the change, to the second.")
    reason: ReasonText | None = Field(default=None, description="Why, as its writer said.")
    request_id: RequestId | None = Field(
        default=None, description="The request that made it, as its writer said: REST finds a repeated one by it."
    )
    override: Override | None = Field(
        default=None, description="The gates that the writer overrode; absent: none, as in every older record."
    )
    claimed_at: Moment | None = Field(
        default=None, description="Of an imported change: when it was made, as the source says, to the second."
    )
    claimed_by: ClaimedUser | None = Field(
        default=None, description="Of an imported change: who made it, as the source says; absent: it does not."
    )
    source: SourceText | None = Field(default=None, description="Of an imported change: where that was read.")
    previous_hash: HashText = Field(description="The hash of the record before it in the chain.")
    hash: HashText = Field(description="SHA-256 of the canonical JSON of this spec without this field.")


class DeploymentRecordModel(Part):
    """One line of the history: a change of one Deployment. Immutable; written by the operator alone."""

    spec: DeploymentRecordSpec


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
    """View of a stored DeploymentRecord.

    Attributes:
        imported: an import brought it along; no API server of this cluster saw what it says.
    """

    name: str
    binding: Binding
    change: Change
    previous_hash: str
    hash: str
    resource_version: str
    imported: bool = False


#: The source of a record that came by an export.
OF_EXPORT: Final = "export"
#: For uids of imported chains: those of objects are random (version 4), these are made from names (version 5).
_IMPORTS: Final = uuid.UUID("6f1d3c4e-3b0f-5a52-9d0e-7a3f0c1b8e21")


def imported_uid(namespace: str, name: str) -> str:
    """The chain in which an import puts the past of a binding: the same wherever and whenever it is imported."""
    return str(uuid.uuid5(_IMPORTS, f"{namespace}/{name}"))


def is_imported(raw: RawObject) -> bool:
    """Whether an import brought the record along; its metadata alone says it."""
    return labels(raw).get(names.LABEL_IMPORTED) == "true"


def genesis_hash(binding: Binding) -> str:
    """What the first record of a chain names as its predecessor: binds the chain to its place and its Deployment."""
    return hashlib.sha256(f"{binding.namespace}/{binding.name}/{binding.uid}".encode()).hexdigest()


def spec_hash(spec: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of a record's spec, the field `hash` left out."""
    content = {key: value for key, value in spec.items() if key != "hash"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def to_object(binding: Binding, change: Change, *, previous_hash: str) -> RawObject:
    """The record of a change, the same bytes for every writer. `change.at` or its claim must be set.

    Raises:
        ValueError: the change has no time yet.
    """
    claim = change.claim
    if change.at is None and claim is None:
        message = "a record needs the time of its change"
        raise ValueError(message)
    spec: dict[str, Any] = {
        "deployment": {"name": binding.name, "uid": binding.uid},
        "environment": binding.environment,
        "app": binding.app,
        "action": str(change.action),
        "sequence": change.sequence,
        "previousHash": previous_hash,
    }
    optional = {
        "release": change.release,
        "previousRelease": change.previous,
        "by": change.by,
        "at": change.at if claim is None else None,
        "claimedAt": claim.at if claim is not None else None,
        "claimedBy": claim.by if claim is not None else None,
        "source": claim.source if claim is not None else None,
        "reason": change.reason,
        "requestId": change.request_id,
    }
    spec |= {key: value for key, value in optional.items() if value is not None}
    # Absent where nothing was overridden, so that the hashes of older records stay what they are.
    spec |= {"override": list(change.override)} if change.override else {}
    spec["hash"] = spec_hash(spec)
    return {
        **KIND.header,
        "metadata": {
            "name": names.record_name(binding.uid, change.sequence),
            "namespace": binding.namespace,
            "labels": {
                names.LABEL_ENVIRONMENT: binding.environment,
                names.LABEL_APP: binding.app,
                names.LABEL_DEPLOYMENT_UID: binding.uid,
                names.LABEL_ACTION: str(change.action),
                **({names.LABEL_IMPORTED: "true"} if claim is not None else {}),
            },
        },
        "spec": spec,
    }


def from_object(raw: RawObject) -> Record:
    """Read a record as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw["spec"]
    claim = claim_of(spec)
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
            at=spec["at"] if claim is None else None,
            reason=spec.get("reason"),
            request_id=spec.get("requestId"),
            override=tuple(spec.get("override") or ()),
            claim=claim,
        ),
        previous_hash=spec["previousHash"],
        hash=spec["hash"],
        resource_version=version_of(raw),
        imported=is_imported(raw),
    )


def claim_of(spec: Mapping[str, Any]) -> Claim | None:
    """What an import claims; None in the record of a stamped change."""
    if spec["action"] != Action.IMPORT:
        return None
    return Claim(at=spec["claimedAt"], source=spec["source"], by=spec.get("claimedBy"))


def imported_claim(raw: RawObject) -> Claim | None:
    """What an imported record says, in whichever way it came; None of one that was made here.

    A record of an export still says what its own API server stamped. Here that is a claim like any other.
    """
    spec: Mapping[str, Any] = raw["spec"]
    if not is_imported(raw):
        return None
    return claim_of(spec) or Claim(at=spec["at"], source=OF_EXPORT, by=spec.get("by"))


KIND: Final = Kind(
    plural=names.RECORDS,
    kind="DeploymentRecord",
    short_names=("drec",),
    # A workspace has thousands: among them nobody would find what is there now.
    in_category=False,
    identifier=RecordId,
    model=DeploymentRecordModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 45},
    rules=[
        {"rule": "self.spec == oldSelf.spec", "message": "a record is immutable"},
        {
            "rule": f"self.metadata.name.matches('{whole(patterns.RECORD)}')",
            "message": "must be <uid of the Deployment>-<sequence, 8 digits>",
            "fieldPath": ".metadata.name",
        },
    ],
    columns=[
        {"name": "Environment", "type": "string", "jsonPath": ".spec.environment"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Action", "type": "string", "jsonPath": ".spec.action"},
        {"name": "Release", "type": "string", "jsonPath": ".spec.release"},
        {"name": "Previous", "type": "string", "jsonPath": ".spec.previousRelease"},
        {"name": "By", "type": "string", "jsonPath": ".spec.by"},
        {"name": "When", "type": "date", "jsonPath": ".spec.at"},
        {"name": "Sequence", "type": "integer", "jsonPath": ".spec.sequence", "priority": 1},
        {"name": "Reason", "type": "string", "jsonPath": ".spec.reason", "priority": 1},
        {"name": "Claimed At", "type": "string", "jsonPath": ".spec.claimedAt", "priority": 1},
        {"name": "Claimed By", "type": "string", "jsonPath": ".spec.claimedBy", "priority": 1},
        {"name": "Override", "type": "string", "jsonPath": ".spec.override", "priority": 1},
    ],
    selectable=[".spec.environment", ".spec.app", ".spec.action", ".spec.by", ".spec.release"],
    rest_word="deployment",
    operator=AccountRights(
        ("get", "list", "create", "delete", names.RECORD_VERB),
        why="record: asked for by the admission policies that guard history and statuses",
    ),
    facade=AccountRights(("list", "watch")),
    policies=(Policy(names.POLICY_RECORDS, "everybody who may write DeploymentRecords can forge and remove history"),),
)
