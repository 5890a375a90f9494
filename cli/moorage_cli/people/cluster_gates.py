"""Verdicts of the gates, by kubeconfig: the objects that a user may read, and the engine that the facade asks, too."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from moorage_cli.people.model import Explained, GateSays
from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.lock import Lock
from moorage_crds.gates.verdict import NEW_RELEASE, AskedChange, Gate, Verdict
from moorage_crds.kinds import approval, cluster_freeze, deployment, environment, evidence, freeze, lock, workspace
from moorage_crds.moments import to_moment, to_text
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError, ResourceStore

Listing = Callable[[str], Awaitable[Sequence[RawObject]]]

_WHO_AM_I: Final = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


async def explained(
    store: ResourceStore, listing: Listing, place: RawObject, asked: tuple[str | None, str | None], at: datetime
) -> Explained:
    """What every gate before an environment says of a change. Raises StoreError.

    Args:
        store: acts as the user.
        listing: lists a kind of ours in the Namespace.
        place: the Environment.
        asked: app and release; None: any.
        at: the moment of the change.
    """
    view = environment.from_object(place)
    app, release = asked
    user = await user_of(store)
    change = AskedChange(view.name, app or "", release or NEW_RELEASE, user=user)
    bindings = [deployment.from_object(raw) for raw in await listing(names.DEPLOYMENTS)]
    binding = next((one for one in bindings if app and _is_about(one, change)), None)
    change = _known(change, binding) if binding is not None else change
    own = binding.status.get("evidence") if binding is not None else None
    shared = await _cluster_freezes(store, view.namespace)
    approvals = [approval.from_object(raw) for raw in await listing(names.APPROVALS)]
    gates: list[Gate] = [
        *_locks(await listing(names.LOCKS), view.name),
        *(freeze.from_object(raw).gate for raw in await listing(names.FREEZES)),
        *(shared or ()),
        *evidence.gates_of(view.name, view.protection, view.status.get("gates") or {}, change.app, own),
        *evidence.rejections_of(approvals),
    ]
    opens_at = engine.opens_at(gates, change, at)
    found = engine.verdicts(gates, change, at)
    return Explained(
        environment=view.name,
        app=app,
        release=release,
        at=to_text(at),
        allowed=not any(one.refuses for one in found),
        opens_at=to_text(opens_at) if opens_at is not None and opens_at > at else None,
        gates=[_said(one) for one in found],
        unseen=["clusterfreezes"] if shared is None else [],
    )


async def user_of(store: ResourceStore) -> str:
    """Whom the API server takes the user for. Raises StoreError."""
    return str((await store.create(names.OWN_REVIEWS, None, _WHO_AM_I))["status"]["userInfo"]["username"])


def _is_about(binding: deployment.Deployment, change: AskedChange) -> bool:
    return (binding.environment, binding.app) == (change.environment, change.app)


def _known(change: AskedChange, binding: deployment.Deployment) -> AskedChange:
    logged = {one for entry in binding.log for one in (entry.previous, entry.release) if one is not None}
    sequence = max(binding.logged, binding.recorded)
    return replace(change, present=binding.release, sequence=sequence, logged=frozenset(logged))


def _locks(raws: Sequence[RawObject], slug: str) -> Iterator[Lock]:
    for one in map(lock.from_object, raws):
        if one.name == slug:
            yield Lock(one.name, one.reason, one.locked_by, to_moment(one.until))


async def _cluster_freezes(store: ResourceStore, namespace: str) -> list[Freeze] | None:
    """Those about the workspace, by name; None: the user may not read them, or not the labels of the Namespace."""
    try:
        raws = [raw async for page in store.pages(names.CLUSTER_FREEZES) for raw in page.items]
        stored = [cluster_freeze.from_object(raw) for raw in raws]
        if any(one.workspaces is not None for one in stored):
            labels = await _labels(store, namespace)
            org, name = labels.get(names.LABEL_ORG, ""), labels.get(names.LABEL_WORKSPACE, "")
            stored = [one for one in stored if one.is_about(org, name)]
    except ForbiddenError:
        return None
    return sorted((one.gate for one in stored), key=lambda one: one.gate)


async def _labels(store: ResourceStore, namespace: str) -> Mapping[str, str]:
    pages = store.pages(names.NAMESPACES, fields=f"metadata.name={namespace}")
    found = [workspace.from_object(raw) async for page in pages for raw in page.items]
    return next(({names.LABEL_ORG: one.org, names.LABEL_WORKSPACE: one.workspace} for one in found if one), {})


def _said(verdict: Verdict) -> GateSays:
    details: dict[str, Any] = {
        "code": str(verdict.code) if verdict.code is not None else None,
        "opens_at": to_text(verdict.opens_at) if verdict.opens_at is not None else None,
    }
    return GateSays(
        gate=verdict.gate,
        allowed=verdict.allowed,
        enforcement=str(verdict.enforcement),
        message=verdict.message,
        override=verdict.override,
        **details,
    )
