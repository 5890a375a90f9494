"""Forged times: a target, and every way of writing managed fields into it."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from cluster import Workspace
from forged_fields import APPLIED, Forger
from identities import Object
from oracles import time_is_true

from moorage_crds import names
from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Answer

NAME = "production.web"


@dataclass(slots=True)
class Target:
    """One object that is attacked, and what was seen of its stamps.

    Attributes:
        shop: where it is.
        plural: its kind.
        name: its name.
        accepted: how many hostile writes were answered 2xx.
        timed: how many changes had a time.
        changes: how many changes there were.
        stored: the object as it is; nobody else writes it.
    """

    shop: Workspace
    plural: str
    name: str
    accepted: int = 0
    timed: int = 0
    changes: int = 0
    stored: Object = field(default_factory=dict)

    def send(
        self, method: str, body: object, content_type: str, *, user: str, query: str = "", sub: str = ""
    ) -> Answer:
        """One write, whose stamp is checked."""
        before = self._stamp(self.stored)
        path = self.shop.path(self.plural, self.name) + sub
        if method == "POST":
            path = self.shop.path(self.plural)
        started = time.time()
        answer = self.shop.cluster.raw(method, path + query, user=user, body=body, content_type=content_type)
        ended = time.time()
        assert answer.status < 500, answer.body
        if answer.status < 300:
            self.stored = answer.json()
            stamp = self._stamp(self.stored)
            if stamp != before and stamp is not None:
                self.changes += 1
                self._check(stamp, user, started, ended)
        return answer

    def _stamp(self, raw: Object) -> tuple[int, str, str | None] | None:
        """What tells one change from the next: a number, by whom, when."""
        if self.plural == "deployments":
            log = raw.get("changeLog")
            return (log["sequence"], log["entries"][-1]["by"], log["entries"][-1].get("at")) if log else None
        stamp = raw.get("provenance")
        return (raw["metadata"].get("generation", 0), stamp["updatedBy"], stamp.get("updatedAt")) if stamp else None

    def _check(self, stamp: tuple[int, str, str | None], user: str, started: float, ended: float) -> None:
        _, by, at = stamp
        assert by == self.shop.cluster.username(user), stamp
        if at is not None:
            self.timed += 1
            time_is_true(at, started=started, ended=ended)


def target_spec(target: Target) -> Object:
    """A change of the spec that is stamped."""
    value = f"v{time.time_ns()}"
    if target.plural == "deployments":
        return {"release": value}
    return {"reason": value} if target.plural == "environmentlocks" else {"description": value}


def _whole_spec(target: Target) -> Object:
    if target.plural == "deployments":
        return {"environment": "production", "app": target.name.partition(".")[2], **target_spec(target)}
    return target_spec(target)


def target_body(target: Target, fields: object = None) -> Object:
    metadata: Object = {"name": target.name}
    if fields is not None:
        metadata["managedFields"] = fields
    kind = {"deployments": "Deployment", "environments": "Environment", "environmentlocks": "EnvironmentLock"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind[target.plural],
        "metadata": metadata,
        "spec": _whole_spec(target),
    }


def attack(target: Target, forger: Forger, *, user: str) -> None:
    """One hostile write of a random kind, with a payload that fits what is stored."""
    choose = forger.random
    fields = forger.payload(target.stored["metadata"].get("managedFields", []))
    spec = choose.choice([{}, {}, target_spec(target)])
    if target.plural == "deployments":
        noted = {"release": None, "change": {"reason": str(time.time_ns())}}
        spec = choose.choice([spec, {"release": None}, {"release": ""}, noted])
    query = choose.choice(["", "", f"?fieldManager={choose.choice(MANAGERS_OF_CLIENTS)}"])
    hostile = choose.choice([_by_merge, _by_merge, _by_json_patch, _by_put, _by_apply, _by_status])
    method, body, content_type, sub = hostile(target, choose, fields, spec)
    if hostile is _by_apply:
        query = "?force=true&fieldManager=" + choose.choice(["argocd-controller", "forger", "ancient-changes"])
    answer = target.send(method, body, content_type, user=user, query=query, sub=sub)
    target.accepted += answer.status < 300


Write = tuple[str, object, str, str]


def _by_merge(_: Target, choose: Random, fields: object, spec: Object) -> Write:
    notes = choose.choice([{}, {}, {"annotations": {APPLIED: str(time.time_ns())}}, {"labels": {"x": None}}])
    return "PATCH", {"metadata": {"managedFields": fields, **notes}, "spec": spec}, MERGE_PATCH, ""


def _by_json_patch(_: Target, _choose: Random, fields: object, spec: Object) -> Write:
    values = [{"op": "add", "path": f"/spec/{key}", "value": value} for key, value in spec.items()]
    return "PATCH", [{"op": "add", "path": "/metadata/managedFields", "value": fields}, *values], JSON_PATCH, ""


def _by_put(target: Target, _: Random, fields: object, spec: Object) -> Write:
    stored = target.stored
    wanted = {key: value for key, value in (stored["spec"] | spec).items() if value is not None}
    return "PUT", stored | {"metadata": stored["metadata"] | {"managedFields": fields}, "spec": wanted}, JSON, ""


def _by_apply(target: Target, _: Random, _fields: object, spec: Object) -> Write:
    return "PATCH", target_body(target) | {"spec": target.stored["spec"] | spec}, APPLY_PATCH, ""


def _by_status(_: Target, _choose: Random, fields: object, spec: Object) -> Write:
    return "PATCH", {"metadata": {"managedFields": fields}, "status": {"release": "x"}}, MERGE_PATCH, "/status"


MANAGERS_OF_CLIENTS = ("ancient-changes", "before-first-apply", "kubectl-patch", "moorage-api", "forger", "forger-1")


def honest(target: Target, *, user: str) -> None:
    """The next writers, by three doors: each is accepted, and its time is true or absent."""
    doors: list[tuple[str, Callable[[], Object], str]] = [
        ("?fieldManager=kubectl-patch", lambda: {"spec": target_spec(target)}, MERGE_PATCH),
        ("?fieldManager=moorage-api", lambda: {"spec": _noted(target)}, MERGE_PATCH),
        ("?force=true&fieldManager=kustomize-controller", lambda: target_body(target), APPLY_PATCH),
    ]
    for query, body, content_type in doors:
        answer = target.send("PATCH", body(), content_type, user=user, query=query)
        assert answer.status == 200, answer.body


def _noted(target: Target) -> Object:
    if target.plural != "deployments":
        return target_spec(target)
    return target_spec(target) | {"change": {"reason": "again", "requestId": secrets.token_hex(4), "action": None}}
