"""The outcome of a release: targets and their health → the rollout in a status. Pure.

Identity first: a status counts for a release only if it provably speaks of the spec that carries it. A target carries
a release if the fields that it declares have the release's values, or else if it names the change itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moorage_crds.conditions import bounded
from moorage_crds.kinds.rollout import MAX_OUTCOMES
from moorage_crds.kinds.target import ANNOTATION_DEPLOYMENT, PLACEHOLDER, TARGET_RESOURCES
from moorage_crds.objects import RawObject
from moorage_operator.facts import Phase, RolloutFacts, Target

#: What of several targets decides, the worst first.
_ORDER: Final = (Phase.FAILED, Phase.WAITING, Phase.DEGRADED, Phase.PROGRESSING, Phase.HEALTHY)


def carries(target: Target, *, release: str, deployment_id: str) -> bool:
    """Whether the spec of the target is that of the release."""
    if target.problem:
        return False
    if not target.declared:
        return target.carried == deployment_id
    if target.carried not in {"", deployment_id}:
        # The values alone do not tell a release from the same one earlier, before another one came between.
        return False
    return all(one.value == one.template.replace(PLACEHOLDER, release) for one in target.declared)


def phase_of(target: Target, facts: RolloutFacts) -> tuple[Phase, str]:
    """How far one target is with the release, and why not further."""
    if target.problem:
        return Phase.WAITING, target.problem
    if not carries(target, release=facts.release, deployment_id=facts.deployment_id):
        if target.refused_for == facts.deployment_id:
            return Phase.WAITING, target.refusal
        known = target.declared or target.carried
        why = "it does not carry this release yet" if known else "it does not say which release it carries"
        return Phase.WAITING, why
    phase = target.health.phase
    if target.health.lost and _was_healthy(facts):
        phase = Phase.DEGRADED
    return phase, target.health.message


def _was_healthy(facts: RolloutFacts) -> bool:
    return facts.stored.get("sequence") == facts.sequence and bool(facts.stored.get("healthySince"))


def rollout(facts: RolloutFacts) -> dict[str, Any] | None:
    """The rollout of the present release; None if nothing is deployed or nothing follows the binding."""
    if not facts.targets or not facts.release:
        return None
    stored = facts.stored if facts.stored.get("sequence") == facts.sequence else {}
    found = sorted(facts.targets, key=lambda one: (one.namespace, one.resource, one.name))
    phases = [phase_of(target, facts) for target in found]
    phase, message = _worst(found, phases)
    healthy_since = stored.get("healthySince") or (facts.now if phase is Phase.HEALTHY else None)
    if stored.get("healthySince"):
        phase, message = _after_healthy(phase, message)
    optional = {"healthySince": healthy_since, "message": message or None}
    return {
        "sequence": facts.sequence,
        "phase": str(phase),
        "since": stored["since"] if stored.get("phase") == phase and stored.get("since") else facts.now,
        "targets": len(found),
        "ready": sum(one is Phase.HEALTHY for one, _ in phases),
        **{field: value for field, value in optional.items() if value is not None},
    }


def _worst(targets: Sequence[Target], phases: Sequence[tuple[Phase, str]]) -> tuple[Phase, str]:
    index = min(range(len(phases)), key=lambda number: _ORDER.index(phases[number][0]))
    phase, message = phases[index]
    if phase is Phase.HEALTHY:
        return phase, ""
    return phase, bounded(f"{targets[index].kind} {targets[index].name}: {message}")


def _after_healthy(phase: Phase, message: str) -> tuple[Phase, str]:
    """A release that was healthy once is either still so or degraded.

    A target that scales or restarts a pod is in progress for a moment; that says nothing about the release.
    """
    if phase in {Phase.HEALTHY, Phase.PROGRESSING}:
        return Phase.HEALTHY, ""
    return Phase.DEGRADED, message


def outcomes(facts: RolloutFacts) -> list[dict[str, Any]]:
    """How earlier changes ended, the newest last: what is stored, and the rollout that another change has replaced."""
    kept = [dict(one) for one in facts.outcomes]
    stored = facts.stored
    if not stored or stored.get("sequence") == facts.sequence:
        return kept
    ended = outcome_of(stored)
    if all(one.get("sequence") != ended["sequence"] for one in kept):
        kept.append(ended)
    return kept[-MAX_OUTCOMES:]


def outcome_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """How a rollout ended that another change replaced."""
    if stored.get("healthySince"):
        return {"sequence": stored["sequence"], "outcome": "healthy", "healthyAt": stored["healthySince"]}
    # Degraded without ever having been healthy: for Argo CD that is how a release fails.
    bad = stored.get("phase") in {Phase.FAILED, Phase.DEGRADED}
    return {"sequence": stored["sequence"], "outcome": "failed" if bad else "superseded"}


# --- bringing a release in


def lacks(target: Target, *, release: str, deployment_id: str) -> bool:
    """Whether the release has to be brought into the target: it declares fields, and one of them or the change differs.

    What was refused for this change is not tried again until the target changes.
    """
    if not release or not target.declared or target.problem or target.refused_for == deployment_id:
        return False
    return target.carried != deployment_id or not carries(target, release=release, deployment_id=deployment_id)


def applied(target: Target, *, release: str, deployment_id: str) -> RawObject:
    """The object to apply: the declared fields with the release, the change, and this very version of the target."""
    values = {one.path: one.template.replace(PLACEHOLDER, release) for one in target.declared}
    body = _body(target, values)
    body["metadata"]["annotations"] = {ANNOTATION_DEPLOYMENT: deployment_id}
    return body


def present(target: Target) -> RawObject:
    """The object to apply to own the declared fields with their present values, together with their other owners."""
    return _body(target, {one.path: one.value for one in target.declared})


def _body(target: Target, values: Mapping[str, str]) -> RawObject:
    resource = TARGET_RESOURCES[target.resource]
    body: RawObject = {
        "apiVersion": f"{resource.group}/{resource.version}",
        "kind": target.kind,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "uid": target.uid,
            "resourceVersion": target.resource_version,
        },
    }
    for path, value in values.items():
        _put(body, path.split("."), value)
    return body


def _put(body: RawObject, way: Sequence[str], value: str) -> None:
    """Set a field; `containers[web]` is the item of that name in a list."""
    *above, last = way
    found = body
    for part in above:
        name, bracket, item = part.partition("[")
        if not bracket:
            found = found.setdefault(part, {})
            continue
        items: list[RawObject] = found.setdefault(name, [])
        items.append({"name": item.rstrip("]")})
        found = items[-1]
    found[last] = value
