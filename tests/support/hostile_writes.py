"""Random writes of one Deployment, legal and hostile, as a deployer may send them: the same seed, the same writes."""

import time
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from identities import owner

from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH

Object = dict[str, Any]

MANAGERS: Final = ("ancient-changes", "before-first-apply", "kubectl", "kubectl-patch", "argocd-controller", "forger")
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_FIELDS: Final[tuple[Object, ...]] = (
    {},
    {"f:spec": {"f:release": {}}},
    {"f:spec": {"f:release": {"f:below": {}}}},
    {"f:spec": {"f:release": {".": {}, "f:below": {}}}},
    {"f:spec": {"f:change": {}}},
    {"f:spec": {"f:change": {"f:reason": {}}}},
    {"f:spec": {"f:app": {}}},
    {"f:changeLog": {}},
    {"f:metadata": {"f:annotations": {f"f:{APPLIED}": {}}}},
    {"f:metadata": {"f:labels": {"f:phantom": {}}}},
)
_FAR: Final = ("0001-01-01T00:00:00Z", "2020-01-02T03:04:05Z", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


@dataclass(frozen=True, slots=True)
class Write:
    """One request.

    Attributes:
        title: what it tries, for people.
        tail: what follows the path of the Deployments: name, subresource, query.
        reason: the note that it sends, which no other write has; None: none.
        dry: whether it must change nothing.
    """

    title: str
    method: str
    tail: str
    body: object
    content_type: str
    reason: str | None
    dry: bool


class Writer:
    """Makes writes of one Deployment.

    Args:
        dice: where chance comes from.
        environment: of the Deployment.
        app: of the Deployment.
    """

    def __init__(self, dice: Random, environment: str, app: str) -> None:
        self._dice = dice
        self._spec: Object = {"environment": environment, "app": app}
        self._numbers = 0
        self._ways = {
            "post": self._post,
            "apply": self._apply,
            "merge": self._merge,
            "json": self._json,
            "put": self._put,
            "status": self._status,
            "scale": self._scale,
        }
        self.name = f"{environment}.{app}"

    def write(self, stored: Object | None) -> Write:
        """The next write of what is stored (None: a new object). A release that it sets was never set before."""
        self._numbers += 1
        release = self._dice.choice([f"r{self._numbers}"] * 6 + [None, None, ""])
        reason = f"because {self._numbers}" if self._dice.random() < 0.4 else None
        title, metadata, beside = self._hostility(stored)
        spec: Object = {"release": release, **({"change": {"reason": reason}} if reason else {})}
        way = self._dice.choice(["merge", "json", "put", "apply", "status", "scale"] if stored else ["post", "apply"])
        method, tail, body, content_type = self._ways[way](stored or {}, spec, metadata, beside)
        dry = self._dice.random() < 0.1
        if dry:
            tail += ("&" if "?" in tail else "?") + "dryRun=All"
        return Write(f"{way}: {title}", method, tail, body, content_type, reason, dry)

    def _post(self, _stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        manager = self._dice.choice(MANAGERS)
        return "POST", f"?fieldManager={manager}", self._manifest(spec, metadata, beside), JSON

    def _apply(self, _stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        # Most would be refused for the mere presence of managedFields.
        kept = {key: value for key, value in metadata.items() if key != "managedFields" or self._dice.random() < 0.1}
        force = self._dice.choice(["true", "true", "true", "false"])
        tail = f"/{self.name}?fieldManager={self._dice.choice(MANAGERS)}&force={force}"
        return "PATCH", tail, self._manifest(spec, kept, beside), APPLY_PATCH

    def _merge(self, _stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        tail = f"/{self.name}?fieldManager={self._dice.choice(MANAGERS)}"
        return "PATCH", tail, {"spec": spec, "metadata": metadata, **beside}, MERGE_PATCH

    def _json(self, stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        parts = {"spec": spec, "metadata": metadata}
        operations = [
            {"op": "remove", "path": f"/{part}/{key}"}
            if value is None
            else {"op": "add", "path": f"/{part}/{key}", "value": value}
            for part, fields in parts.items()
            for key, value in fields.items()
            if value is not None or key in stored[part]
        ]
        operations += [{"op": "add", "path": f"/{key}", "value": value} for key, value in beside.items()]
        return "PATCH", f"/{self.name}", operations, JSON_PATCH

    def _put(self, stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        body = deepcopy(stored) | beside
        body["spec"] = {key: value for key, value in (body["spec"] | spec).items() if value is not None}
        body["metadata"] |= metadata
        for part in ("resourceVersion", "uid", "managedFields"):
            if part not in metadata and self._dice.random() < 0.5:
                body["metadata"].pop(part, None)
        return "PUT", f"/{self.name}?fieldManager={self._dice.choice(MANAGERS)}", body, JSON

    def _status(self, _stored: Object, spec: Object, metadata: Object, beside: Object) -> tuple[str, str, object, str]:
        return "PATCH", f"/{self.name}/status", {"spec": spec, "metadata": metadata, **beside}, MERGE_PATCH

    def _scale(self, *_: Object) -> tuple[str, str, object, str]:
        return "PATCH", f"/{self.name}/scale", {"spec": {"replicas": 0}}, MERGE_PATCH

    def _manifest(self, spec: Object, metadata: Object, beside: Object) -> Object:
        wanted = {key: value for key, value in (self._spec | spec).items() if value is not None}
        header = {"apiVersion": "moorage.dev/v1", "kind": "Deployment"}
        return {**header, "metadata": {"name": self.name, **metadata}, "spec": wanted, **beside}

    def _hostility(self, stored: Object | None) -> tuple[str, Object, Object]:
        """What it tries beside the release: its name, parts of the metadata, parts beside metadata and spec."""
        dice, fields = self._dice, (stored or {}).get("metadata", {}).get("managedFields", [])
        log = {"sequence": 7, "entries": [{"sequence": 7, "action": "deploy", "by": "alice", "to": "forged"}]}
        hostilities: tuple[tuple[str, Object, Object], ...] = (
            ("an owner", {"ownerReferences": [owner(blockOwnerDeletion=dice.random() < 0.5)]}, {}),
            ("a finalizer", {"finalizers": [dice.choice(["example.com/hold", "foregroundDeletion", "orphan"])]}, {}),
            ("no owner, no finalizer", {"ownerReferences": None, "finalizers": None}, {}),
            ("a deletion", {"deletionTimestamp": _near(dice), "deletionGracePeriodSeconds": 0}, {}),
            ("an age", {"creationTimestamp": dice.choice(_FAR), "generation": 99, "selfLink": "/x"}, {}),
            ("annotations", {"annotations": {f"moorage.dev/{key}": "x" for key in ("by", "at", "release")}}, {}),
            ("an applied state", {"annotations": {APPLIED: f"{self._numbers}"}}, {}),
            ("many annotations", {"annotations": {f"a{n}": "x" for n in range(dice.choice([9, 60, 300]))}}, {}),
            ("big annotations", {"annotations": {"big": "x" * dice.choice([16_000, 260_000])}}, {}),
            ("labels", {"labels": {f"l{n}": "x" for n in range(dice.choice([1, 9, 90]))}}, {}),
            ("a log", {}, {"changeLog": log}),
            ("a status", {}, {"status": {"recordedSequence": 99, "release": "forged"}}),
        )
        chance = dice.random()
        if chance < 0.3:
            return "nothing else", {}, {}
        if chance < 0.6:
            return "managed fields", {"managedFields": self._managed_fields(fields)}, {}
        return dice.choice(hostilities)

    def _managed_fields(self, stored: list[Object]) -> object:
        dice = self._dice
        made = [self._entry(number) for number in range(dice.choice([1, 1, 2, 12, 40]))]
        shifted = [entry | {"time": _near(dice)} for entry in stored]
        return dice.choice([made, [*stored, *made], [*made, *stored], shifted, [*shifted, *made], [{}], [], None])

    def _entry(self, number: int) -> Object:
        made: Object = {
            "manager": self._dice.choice([*MANAGERS, f"m{number}", f"m{number}"]),
            "operation": self._dice.choice(["Update", "Update", "Apply"]),
            "apiVersion": "moorage.dev/v1",
            "time": self._dice.choice([*_FAR, _near(self._dice), _near(self._dice)]),
            "fieldsType": "FieldsV1",
            "fieldsV1": self._dice.choice(_FIELDS),
        }
        return made | ({"subresource": "status"} if self._dice.random() < 0.1 else {})


def _near(dice: Random) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + dice.randint(-9, 9)))
