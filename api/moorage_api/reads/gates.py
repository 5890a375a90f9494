"""The gates of an environment, and the verdicts of the engine on a change, by what the cache knows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import EnvironmentView, LockView
from moorage_api.contract.errors import ApiError
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.lock import Lock
from moorage_crds.gates.verdict import AskedChange, Code, Gate
from moorage_crds.kinds import cluster_freeze, evidence
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_text

#: `details.reason` of the refusals that a gate explains.
REASONS: Final = frozenset(str(code) for code in Code)


def gates_of(catalog: Catalog, workspace: Workspace, change: AskedChange) -> tuple[Gate, ...]:
    """All gates before the environment of a change, in the order in which people should read them."""
    slug = change.environment
    clocks = clocks_of(catalog, workspace, catalog.locks.get(workspace.namespace, slug))
    view = catalog.environments.get(workspace.namespace, slug)
    own = asked_by(catalog, view, change.app) if view is not None else ()
    place = names.app_place(change.app)
    approvals = (one for one in catalog.approvals_of(workspace.namespace, slug) if names.app_place(one.app) == place)
    return (*clocks, *own, *evidence.rejections_of(approvals))


def asked_by(catalog: Catalog, environment: EnvironmentView, app: str) -> Iterator[Gate]:
    """The gates that an environment itself is: promotion and approvals, with what is known of an app."""
    place = names.binding_name(environment.name, app) if app else ""
    binding = catalog.bindings.get(environment.namespace, place)
    own = binding.evidence if binding is not None and binding.app == app else None
    return evidence.gates_of(environment.name, environment.protection, environment.evidence, app, own)


def clocks_of(catalog: Catalog, workspace: Workspace, lock: LockView | None) -> tuple[Gate, ...]:
    """Those gates that go by the clock alone: that lock and the Freezes."""
    locks = (Lock(lock.name, lock.reason, lock.locked_by, lock.until),) if lock is not None else ()
    return (*locks, *freezes_of(catalog, workspace))


def freezes_of(catalog: Catalog, workspace: Workspace) -> Iterator[Freeze]:
    """The Freezes of a workspace, then the ClusterFreezes that are about it, each by name."""
    yield from (view.stored.gate for view in catalog.freezes_of(workspace.namespace))
    every = [one.view for one in catalog.plain(cluster_freeze.KIND)]
    shared = [one.gate for one in every if one.is_about(workspace.org, workspace.workspace)]
    yield from sorted(shared, key=lambda one: one.gate)


def change_of(catalog: Catalog, namespace: str, asked: AskedChange) -> AskedChange:
    """What is asked for, with what is known of the binding: its release, its number, and what its log names."""
    binding = catalog.bindings.get(namespace, names.binding_name(asked.environment, asked.app)) if asked.app else None
    if binding is None:
        return asked
    chain = catalog.history.chain(binding.uid)
    oldest = binding.last_sequence - names.MAX_UNRECORDED
    newest = range(oldest + 1, max(binding.last_sequence, chain.top) + 1) if chain is not None else ()
    lines = [line for number in newest if chain is not None and (line := chain.get(number)) is not None]
    logged = {release for line in lines for release in (line.previous, line.release) if release is not None}
    return replace(asked, present=binding.release, sequence=binding.last_sequence, logged=frozenset(logged))


def explain(refused: ApiError, gates: Sequence[Gate], change: AskedChange, *, now: datetime) -> None:
    """Put into a refusal what the gates in the way are, why, and when the same write passes.

    Who asks may know: a policy tells its reason to everybody whose change it refuses.

    Args:
        refused: a 409 that a gate is the reason of.
        gates: those before the environment.
        change: what was refused.
        now: the present moment.
    """
    refusing = [one for one in engine.verdicts(gates, change, now) if one.refuses]
    opens_at = engine.opens_at(gates, change, now) if refusing else None
    refused.details |= {
        "gates": [translate.verdict(one) for one in refusing],
        "opens_at": to_text(opens_at) if opens_at is not None else None,
    }
    if refused.details.get("reason") == Code.FROZEN:
        freezes = [one.gate for one in refusing if one.code is Code.FROZEN]
        refused.details |= {"freeze": freezes[0] if freezes else None, "freezes": freezes}


def explains(refused: ApiError, gates: Sequence[Gate], change: AskedChange, *, now: datetime) -> bool:
    """Whether one of those gates is the reason of that refusal."""
    found = engine.verdicts(gates, change, now)
    return any(one.refuses and one.code == refused.details.get("reason") for one in found)


def answer(gates: Sequence[Gate], change: AskedChange, moment: datetime) -> dict[str, Any]:
    """What all gates say of a change at a moment, as REST shows it."""
    found = engine.verdicts(gates, change, moment)
    opens_at = engine.opens_at(gates, change, moment)
    return {
        "allowed": not any(one.refuses for one in found),
        "opens_at": to_text(opens_at) if opens_at is not None and opens_at > moment else None,
        "gates": [translate.verdict(one) for one in found],
    }
