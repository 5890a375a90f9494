"""Facts → the whole status of a Deployment or an Environment, every time. Called by the status writers. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moorage_crds import names
from moorage_crds.conditions import Condition, ConditionType, Reason, find, with_conditions
from moorage_crds.kinds.deployment import Change
from moorage_crds.kinds.record import genesis_hash
from moorage_crds.objects import mapping
from moorage_operator.facts import (
    ActiveApp,
    DeploymentFacts,
    EnvironmentFacts,
    Trouble,
)
from moorage_operator.history.decisions import binding_of
from moorage_operator.statuses import delivery, publishing

_TROUBLES: Final[Mapping[Trouble, str]] = {
    Trouble.CONFLICT: "a record of that name with other content exists; it is not overwritten (see the operator's log)",
    Trouble.REFUSED: "the API server refuses the record (see the operator's log); it is tried again",
}


def wanted_deployment_status(facts: DeploymentFacts) -> dict[str, Any]:
    """The complete status that a Deployment should have.

    While changes are waiting to be recorded, `observedGeneration` stays where it was: readers see work in progress.
    """
    progress = facts.progress
    observed = facts.deployment.generation
    if not facts.up_to_date and facts.trouble is None:
        observed = min(observed, int(facts.stored.get("observedGeneration") or 0))
    optional: dict[str, Any] = {
        "release": progress.release,
        "previousRelease": progress.last.previous if progress.last else None,
        "environmentUid": facts.environment_uid or facts.stored.get("environmentUid"),
        "lastChange": _last_change(progress.last),
        "history": _history(facts),
        **delivery.parts(facts),
        "evidence": dict(facts.evidence) if facts.evidence is not None else None,
    }
    return {
        "observedGeneration": observed,
        "recordedSequence": progress.sequence,
        **{key: value for key, value in optional.items() if value is not None},
        "conditions": with_conditions(
            facts.stored.get("conditions") or (),
            _deployment_conditions(facts),
            observed_generation=observed,
            now=facts.now,
        ),
    }


def went_astray(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a release is, since this status or the change in it, in an environment that is not there."""
    return _is_astray(after) and not (_is_astray(before) and _sequence(before) == _sequence(after))


def _is_astray(status: Mapping[str, Any]) -> bool:
    ready = find(status.get("conditions") or (), ConditionType.READY) or {}
    return "release" in status and ready.get("reason") == Reason.ENVIRONMENT_NOT_FOUND


def _sequence(status: Mapping[str, Any]) -> object:
    return mapping(status.get("lastChange")).get("sequence")


def _last_change(last: Change | None) -> dict[str, Any] | None:
    if last is None:
        return None
    fields = {
        "sequence": last.sequence,
        "action": str(last.action),
        "release": last.release,
        "previousRelease": last.previous,
        "by": last.by,
        "at": last.at,
        "reason": last.reason,
        "override": list(last.override) or None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _history(facts: DeploymentFacts) -> dict[str, Any] | None:
    progress = facts.progress
    if progress.tip_hash is None:
        return None
    history = {
        "floorSequence": progress.floor_sequence,
        "floorHash": progress.floor_hash or genesis_hash(binding_of(facts.deployment)),
        "tipHash": progress.tip_hash,
    }
    return history | ({"lastAdopted": progress.last_adopted} if progress.last_adopted else {})


def _deployment_conditions(facts: DeploymentFacts) -> Sequence[Condition]:
    conditions = [_ready(facts), _history_complete(facts), *delivery.conditions(facts)]
    if facts.trouble is not None:
        conditions.append(Condition(ConditionType.STALLED, True, Reason(facts.trouble.value), _TROUBLES[facts.trouble]))
    return conditions


def _ready(facts: DeploymentFacts) -> Condition:
    if facts.trouble is not None:
        return Condition(ConditionType.READY, False, Reason(facts.trouble.value), _TROUBLES[facts.trouble])
    if facts.environment_uid is None:
        return Condition(
            ConditionType.READY,
            False,
            Reason.ENVIRONMENT_NOT_FOUND,
            f"there is no Environment {facts.deployment.environment} in this Namespace; the history is written",
        )
    return Condition(ConditionType.READY, True, Reason.RECORDED, "every change of the release is in the history")


def _history_complete(facts: DeploymentFacts) -> Condition:
    if facts.progress.degraded:
        return Condition(
            ConditionType.HISTORY_COMPLETE,
            False,
            Reason.CHANGED_WITHOUT_POLICY,
            "the release was changed while no admission policy watched; by whom is not known",
        )
    return Condition(
        ConditionType.HISTORY_COMPLETE, True, Reason.STAMPED, "the API server stamped every change that is kept"
    )


def wanted_environment_status(facts: EnvironmentFacts) -> dict[str, Any]:
    """The complete status that an Environment should have."""
    active = sorted(facts.active, key=lambda one: one.app)
    ready = Condition(ConditionType.READY, True, Reason.ENVIRONMENT_READY, _takes(facts))
    if facts.environment.deleting:
        message = "the environment is being deleted; it goes when its finalizers are gone"
        ready = Condition(ConditionType.READY, False, Reason.DELETING, message)
    return {
        "observedGeneration": facts.environment.generation,
        "activeDeploymentCount": len(active),
        "activeDeployments": [_active(one) for one in active[: names.MAX_ACTIVE_DEPLOYMENTS]],
        **({"gates": dict(facts.gates)} if facts.gates is not None else {}),
        **publishing.parts(facts),
        **_last_unlock(facts),
        "conditions": with_conditions(
            facts.stored.get("conditions") or (),
            [ready, *publishing.conditions(facts)],
            observed_generation=facts.environment.generation,
            now=facts.now,
        ),
    }


def _last_unlock(facts: EnvironmentFacts) -> dict[str, Any]:
    """The latest that is known: what this process has seen, or what is written already.

    A lock of an Environment of the same name that was there before says nothing of this one.
    """
    stored, seen = mapping(facts.stored.get("lastUnlock")), facts.unlock
    if seen is None or seen.at < str(stored.get("at", facts.environment.created_at)):
        return {"lastUnlock": stored} if stored else {}
    said = {"by": seen.by, "at": seen.at, "lockedBy": seen.locked_by}
    return {"lastUnlock": {key: value for key, value in said.items() if value is not None}}


def _takes(facts: EnvironmentFacts) -> str:
    """Whether it takes deployments. No times: a message must not change while nothing else does."""
    gates = facts.gates or {}
    if gates.get("closed"):
        return f"the environment takes no deployments now: {gates.get('reason', 'it is closed')}"
    if facts.environment.protection.is_set:
        return "the environment takes deployments that its promotion and approvals let pass"
    return "the environment takes deployments"


def _active(one: ActiveApp) -> dict[str, str]:
    return {"app": one.app, "release": one.release} | ({"since": one.since} if one.since else {})
