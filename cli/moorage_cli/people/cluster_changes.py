"""Changes of several apps, and opinions on releases, by kubeconfig: what else the facade does at its side."""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

from moorage_cli.people import cluster_reads
from moorage_cli.people.model import Change, Newest, Opinion, Promoting, Promotion, TroubleError
from moorage_cli.people.refusals import no_deployment
from moorage_crds import names
from moorage_crds.kinds import deployment
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.evidence import Turn
from moorage_crds.kinds.registry import kind_of
from moorage_crds.objects import RawObject

_OUTSIDE: Final = re.compile(r"[^a-z0-9]+")
#: Of a name of an Approval, before its random end; together at most 63.
_STEM: Final = 56


def newest(bindings: Sequence[Deployment], environments: Collection[str]) -> list[Newest]:
    """The newest change of each binding of an environment that is there."""
    found = [_newest(one) for one in bindings if one.environment in environments]
    return sorted((one for one in found if one is not None), key=lambda one: (one.environment, one.app))


def _newest(binding: Deployment) -> Newest | None:
    due = deployment.due_changes(binding)
    change = next(reversed((*binding.log, *due)), None)
    if change is None:
        return None
    return Newest(
        environment=binding.environment,
        app=binding.app,
        release=change.release,
        action=str(change.action),
        at=change.at,
        by=change.by,
        recorded=not due,
        rollout=cluster_reads.phase(binding, change.sequence),
    )


async def promoted(
    wanted: Promoting, origin: str, bindings: Sequence[Deployment], change: Callable[[Change], Awaitable[str]]
) -> list[Promotion]:
    """What became of each app, by name. Raises TroubleError: the app that was asked for is not active there."""
    running = {one.app: one.release for one in bindings if one.environment == origin and one.release is not None}
    present = {one.app: one.release for one in bindings if one.environment == wanted.environment}
    if wanted.app is not None and wanted.app not in running:
        raise no_deployment(wanted.app)
    apps = [app for app in sorted(running) if wanted.app in {None, app} and running[app] != present.get(app)]
    return [await _promoted(wanted, app, str(running[app]), present.get(app), change) for app in apps]


async def _promoted(
    wanted: Promoting, app: str, release: str, previous: str | None, change: Callable[[Change], Awaitable[str]]
) -> Promotion:
    one = Change(wanted.environment, app, release, wanted.reason, override=wanted.override, dry_run=wanted.dry_run)
    try:
        made = await change(one)
    except TroubleError as trouble:
        return Promotion(app, release, previous, False, None, trouble.code, trouble.reason, str(trouble))
    return Promotion(app, release, previous, True, made)


def said_before(opinion: Opinion, known: Sequence[Approval], user: str) -> list[Approval]:
    """What the user has said of the release before, and says again."""
    decision = Decision.APPROVE if opinion.approve else Decision.REJECT
    wanted = (opinion.environment, opinion.app, opinion.release, decision, user)
    return [one for one in known if (one.environment, one.app, one.release, one.decision, one.by) == wanted]


def turn_of(binding: Deployment | None) -> Turn:
    """Which change of the binding comes next; None: its first."""
    if binding is None:
        return Turn()
    last = next(reversed((*binding.log, *deployment.due_changes(binding))), None)
    sequence = max(binding.logged, binding.recorded)
    if last is None:
        return Turn(sequence)
    return Turn(sequence, last.at, frozenset(one for one in (last.release, last.previous) if one is not None))


def approval_of(opinion: Opinion, end: str) -> RawObject:
    """The Approval that says it; `end` tells its name apart from those of others."""
    stem = _OUTSIDE.sub("-", f"{opinion.app}-{opinion.release}".lower()).strip("-")[:_STEM].strip("-")
    spec: dict[str, Any] = {
        "environment": opinion.environment,
        "app": opinion.app,
        "release": opinion.release,
        "decision": str(Decision.APPROVE if opinion.approve else Decision.REJECT),
    }
    spec |= {"comment": opinion.comment} if opinion.comment else {}
    return {**kind_of(names.APPROVALS).header, "metadata": {"name": f"{stem}-{end}"}, "spec": spec}
