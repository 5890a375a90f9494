"""Builders of objects as the API server would hold them; tests name only what matters to them."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from fixed_clock import START

from moorage_crds import names
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject

NAMESPACE = "shop"


def uid_of(text: str) -> str:
    """A uid that is always the same for a text."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def at(seconds: float = 0) -> str:
    """The moment that number of seconds after `START`, RFC 3339."""
    return to_text(START + timedelta(seconds=seconds))


def namespace(name: str = NAMESPACE, *, seeded: bool = False, deleting: bool = False, **labels: str) -> RawObject:
    """A Namespace that is a workspace."""
    wanted = {names.LABEL_ORG: "acme", names.LABEL_WORKSPACE: name} | labels
    if seeded:
        wanted[names.LABEL_SEED] = "true"
    meta: dict[str, Any] = {"name": name, "uid": uid_of(f"namespace {name}"), "labels": wanted}
    if deleting:
        meta["deletionTimestamp"] = at()
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def environment(name: str = "production", *, uid: str | None = None, **spec: Any) -> RawObject:
    """An Environment without a status."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Environment",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid or uid_of(f"environment {name}")},
        "spec": spec,
    }


def entry(
    sequence: int,
    to: str | None,
    *,
    previous: str | None = None,
    by: str | None = "alice",
    when: float | None = 0.0,
    action: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An entry of a change log; `when` is in seconds after `START`, None leaves the time out."""
    fields = {
        "sequence": sequence,
        "action": action or ("deploy" if to else "undeploy"),
        "from": previous,
        "to": to,
        "by": by,
        "at": None if when is None else at(when),
        **more,
    }
    return {key: value for key, value in fields.items() if value is not None}


def chain_log(*releases: str | None, first: int = 1) -> list[dict[str, Any]]:
    """Entries that deploy one release after the other, a second apart; None undeploys."""
    before: str | None = None
    entries: list[dict[str, Any]] = []
    for number, release in enumerate(releases):
        entries.append(entry(first + number, release, previous=before, when=number))
        before = release
    return entries


def deployment(
    *,
    app: str = "web",
    environment: str = "production",
    release: str | None = None,
    log: Iterable[dict[str, Any]] = (),
    status: dict[str, Any] | None = None,
    uid: str | None = None,
    generation: int = 1,
    namespace: str = NAMESPACE,
) -> RawObject:
    """A Deployment; its release is the one of the last log entry unless said otherwise."""
    entries = list(log)
    if release is None and entries:
        release = entries[-1].get("to")
    name = names.binding_name(environment, app)
    spec = {"environment": environment, "app": app} | ({"release": release} if release else {})
    raw: RawObject = {
        "apiVersion": names.API_VERSION,
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or uid_of(f"deployment {namespace} {name}"),
            "generation": generation,
            "creationTimestamp": at(),
            "resourceVersion": "1",
        },
        "spec": spec,
    }
    if entries:
        raw["changeLog"] = {"sequence": entries[-1]["sequence"], "entries": entries}
    if status:
        raw["status"] = status
    return raw
