"""A world of a given size, exactly as API server, policies and operator would have left it: stored JSON per key.

Every workspace has 20 Environments, every Environment 10 apps where nothing else is said, every Deployment 10 recorded
changes. Nothing is random, so two runs measure the same world.
"""

import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from moorage_crds import names
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds import record
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Binding
from moorage_crds.kinds.registry import kind_of
from moorage_crds.moments import to_text
from moorage_operator.facts import ActiveApp, DeploymentFacts, EnvironmentFacts, Progress
from moorage_operator.history import decisions as history
from moorage_operator.statuses.decisions import wanted_deployment_status, wanted_environment_status

ENVIRONMENTS_PER_WORKSPACE = 20
APPS_PER_ENVIRONMENT = 10
CHANGES_PER_DEPLOYMENT = 10

_USERS = ("alice", "bob", "carol", "ci-bot")
_REASONS = (None, "release train", None, "fix for the checkout", None)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One of the workspaces of the world."""

    number: int

    @property
    def namespace(self) -> str:
        return f"bench-{self.number:03}"

    @property
    def org(self) -> str:
        return f"org-{self.number % 10}"

    @property
    def name(self) -> str:
        return f"space-{self.number:03}"


@dataclass(frozen=True, slots=True)
class World:
    """`size` Deployments, with everything that belongs to them.

    Attributes:
        size: number of Deployments; rounded up to whole Environments.
        now: the newest change is a minute older.
        apps: how many stand in each Environment.
    """

    size: int
    now: datetime
    apps: int = APPS_PER_ENVIRONMENT

    @property
    def workspaces(self) -> list[Workspace]:
        return [Workspace(number) for number in range(math.ceil(self.size / (ENVIRONMENTS_PER_WORKSPACE * self.apps)))]

    @property
    def environments(self) -> list[tuple[Workspace, str]]:
        """All Environments: workspace and slug."""
        count = math.ceil(self.size / self.apps)
        everything = (
            (one, f"env-{index:02}") for one in self.workspaces for index in range(ENVIRONMENTS_PER_WORKSPACE)
        )
        return [place for _, place in zip(range(count), everything, strict=False)]

    def stored(self, *, beyond: int = 0) -> Iterator[tuple[str, bytes]]:
        """Key and JSON of every object in etcd; of a world that holds `beyond` Deployments already, what it lacks."""
        for workspace, slug in self.environments[beyond // self.apps :]:
            yield from _environment(workspace, slug, self.now, self.apps)


def status_of(raw: dict[str, Any], environment_uid: str, now: datetime) -> dict[str, Any]:
    """The status that the operator gives a Deployment whose changes, all in its log, it has recorded."""
    view = deployments.from_object(raw)
    binding = Binding(view.namespace, view.name, view.uid, view.environment, view.app)
    tip = _records(binding, list(view.log))[1]
    return _status(raw, history.advanced(Progress(), view.log[-1], tip), environment_uid, now)


def uid(*parts: object) -> str:
    """The same uid for the same object in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def app_name(index: int) -> str:
    return f"app-{index:02}"


def _environment(workspace: Workspace, slug: str, now: datetime, apps: int) -> Iterator[tuple[str, bytes]]:
    born = now - timedelta(days=60)
    body = {
        **_head(names.ENVIRONMENTS, workspace.namespace, slug, born, manager="kubectl"),
        "provenance": {"createdBy": "alice", "updatedAt": to_text(born), "updatedBy": "alice"},
        "spec": {"displayName": slug.title(), "description": "A place of the benchmark", "isDefault": False},
    }
    own_uid = body["metadata"]["uid"]
    active: list[ActiveApp] = []
    for index in range(apps):
        stored, last = _deployment(workspace, slug, app_name(index), environment_uid=own_uid, now=now)
        active.append(ActiveApp(app_name(index), last.release or "", last.at))
        yield from stored
    view = environments.from_object(_versioned(body))
    facts = EnvironmentFacts(environment=view, stored={}, active=tuple(active), now=to_text(now))
    yield _stored(names.ENVIRONMENTS, {**body, "status": wanted_environment_status(facts)}, now)


def _deployment(
    workspace: Workspace, slug: str, app: str, *, environment_uid: str, now: datetime
) -> tuple[list[tuple[str, bytes]], Change]:
    name = names.binding_name(slug, app)
    body = _head(names.DEPLOYMENTS, workspace.namespace, name, now - timedelta(days=50), manager="kubectl")
    own_uid = body["metadata"]["uid"]
    changes = _changes(own_uid, now)
    last = changes[-1]
    body["metadata"]["generation"] = len(changes)
    body |= {
        "spec": {"environment": slug, "app": app, "release": last.release},
        "changeLog": {"sequence": last.sequence, "entries": [_entry(change) for change in changes]},
    }
    binding = Binding(workspace.namespace, name, own_uid, slug, app)
    stored, tip = _records(binding, changes)
    progress = replace(history.advanced(Progress(), last, tip), floor_hash=record.genesis_hash(binding))
    status = _status(_versioned(body), progress, environment_uid, now)
    return [*stored, _stored(names.DEPLOYMENTS, {**body, "status": status}, now)], last


def _status(raw: dict[str, Any], progress: Progress, environment_uid: str, now: datetime) -> dict[str, Any]:
    facts = DeploymentFacts(
        deployment=deployments.from_object(raw),
        stored={},
        progress=progress,
        environment_uid=environment_uid,
        up_to_date=True,
        trouble=None,
        now=to_text(now),
    )
    return wanted_deployment_status(facts)


def _changes(own_uid: str, now: datetime) -> list[Change]:
    """Ten changes over the last weeks, each at a second of its own so that the order of a history is not a draw."""
    spread = int(own_uid[:6], 16) % 3000
    found: list[Change] = []
    for sequence in range(1, CHANGES_PER_DEPLOYMENT + 1):
        age = timedelta(minutes=1 + (CHANGES_PER_DEPLOYMENT - sequence) * 4000 + spread, seconds=spread % 60)
        found.append(
            Change(
                sequence=sequence,
                action=Action.DEPLOY,
                previous=f"1.{sequence - 1}.0" if sequence > 1 else None,
                release=f"1.{sequence}.0",
                by=_USERS[(sequence + spread) % len(_USERS)],
                at=to_text(now - age),
                reason=_REASONS[(sequence + spread) % len(_REASONS)],
            )
        )
    return found


def _records(binding: Binding, changes: list[Change]) -> tuple[list[tuple[str, bytes]], str]:
    """The stored records of a chain, and the hash of the newest."""
    tip = record.genesis_hash(binding)
    stored: list[tuple[str, bytes]] = []
    for change in changes:
        body = record.to_object(binding, change, previous_hash=tip)
        tip = body["spec"]["hash"]
        moment = datetime.fromisoformat(change.at or "")
        labels = body["metadata"]["labels"]
        head = _head(names.RECORDS, binding.namespace, body["metadata"]["name"], moment, manager=names.MANAGER_OPERATOR)
        head["metadata"]["labels"] = labels
        stored.append(_stored(names.RECORDS, {**head, "spec": body["spec"]}, moment))
    return stored, tip


def _entry(change: Change) -> dict[str, Any]:
    fields = {
        "sequence": change.sequence,
        "action": str(change.action),
        "from": change.previous,
        "to": change.release,
        "by": change.by,
        "at": change.at,
        "reason": change.reason,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _head(plural: str, namespace: str, name: str, born: datetime, *, manager: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid(plural, namespace, name),
        "creationTimestamp": to_text(born),
        "generation": 1,
        "managedFields": [{"manager": manager, "operation": "Update", "time": to_text(born)}],
    }
    return {**kind_of(plural).header, "metadata": metadata}


def _stored(plural: str, body: dict[str, Any], now: datetime) -> tuple[str, bytes]:
    """Key and value; the fields' managers are filled in as the API server tracks them."""
    meta = body["metadata"]
    (owner,) = meta["managedFields"]
    spec: dict[str, Any] = {"f:spec": _owned(body["spec"])}
    if "labels" in meta:
        spec["f:metadata"] = {"f:labels": _owned(meta["labels"])}
    managed = [{**owner, "apiVersion": names.API_VERSION, "fieldsType": "FieldsV1", "fieldsV1": spec}]
    if "status" in body:
        managed.append(
            {
                "manager": names.MANAGER_OPERATOR,
                "operation": "Update",
                "subresource": "status",
                "time": to_text(now),
                "apiVersion": names.API_VERSION,
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:status": _owned(body["status"])},
            }
        )
    key = f"/registry/{names.GROUP}/{plural}/{meta['namespace']}/{meta['name']}"
    return key, orjson.dumps({**body, "metadata": {**meta, "managedFields": managed}}) + b"\n"


_LIST_KEYS = ("type", "app")


def _owned(value: Any) -> dict[str, Any]:
    """The field set of a value, as in `managedFields`; lists with keys are taken apart, others are atoms."""
    if isinstance(value, Mapping):
        return {".": {}, **{f"f:{key}": _owned(item) for key, item in value.items()}}
    if isinstance(value, list) and value:
        key = next(key for key in _LIST_KEYS if key in value[0])
        selectors = (orjson.dumps({key: item[key]}).decode() for item in value)
        return {".": {}, **{f"k:{one}": _owned(item) for one, item in zip(selectors, value, strict=True)}}
    return {}


def _versioned(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body with the one thing that etcd adds: views need it."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}


def whole_second(moment: datetime | None = None) -> datetime:
    """The present second, or that of `moment`, in UTC."""
    return (moment or datetime.now(UTC)).replace(microsecond=0)
