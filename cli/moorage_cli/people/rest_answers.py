"""Answers of the facade in the words of the commands. Pure."""

from moorage_cli.people.model import (
    GateSays,
    Line,
    ListedFreeze,
    Lock,
    Newest,
    Place,
    Promotion,
    Rollout,
    State,
)
from moorage_client.models import (
    AppState,
    Cell,
    EnvironmentReply,
    FreezeReply,
    GateVerdict,
    HistoryLine,
    PromotionLine,
    WorkspaceHistoryLine,
)
from moorage_crds.names import UNKNOWN_USER


def newest_of(environment: str, app: str, raw: Cell) -> Newest:
    """A cell of the matrix."""
    return Newest(
        environment=environment,
        app=app,
        release=raw["release_id"],
        action=raw["action"] or "",
        at=raw["since"],
        by=raw["by"] if raw["by"] != UNKNOWN_USER else None,
        recorded=bool(raw["recorded"]),
        rollout=raw["phase"],
    )


def said_by_gate(raw: GateVerdict) -> GateSays:
    """What one gate says."""
    return GateSays(
        gate=raw["gate"],
        allowed=raw["allowed"],
        enforcement=raw["enforcement"],
        code=raw["code"],
        message=raw["message"],
        opens_at=raw["opens_at"],
        override=raw["override"],
    )


def place_as_said(raw: EnvironmentReply) -> Place:
    """An environment with what is active in it."""
    lock = raw["lock"]
    return Place(
        environment=raw["slug"],
        name=raw["name"],
        is_default=raw["is_default"],
        active=dict(sorted((raw["active_deployments"] or {}).items())),
        lock=Lock(lock["locked_by"], lock["reason"], lock["until"]) if lock else None,
    )


def line_of(environment: str, raw: HistoryLine | WorkspaceHistoryLine) -> Line:
    """A line of history of that environment."""
    return Line(
        deployment_id=raw["deployment_id"],
        environment=environment,
        app=raw["app_id"],
        action=raw["action"],
        previous=raw["previous_release_id"],
        release=None if raw["removed"] else raw["release_id"],
        by=raw["deployed_by"] if raw["deployed_by_known"] else None,
        at=raw["deployed_at"],
        reason=raw["reason"],
        sequence=raw["sequence"],
        recorded=raw["recorded"],
        imported=raw["imported"],
        claimed_by=raw["deployed_by"] if raw["imported"] and raw["deployed_by"] != UNKNOWN_USER else None,
        override=tuple(raw["override"]),
        outcome=raw["outcome"],
        healthy_at=raw["healthy_at"],
    )


def promotion_of(raw: PromotionLine) -> Promotion:
    """What became of one app, without why it was refused."""
    return Promotion(
        app=raw["app_id"],
        release=raw["release_id"],
        previous=raw["previous_release_id"],
        promoted=raw["promoted"],
        deployment_id=raw["deployment_id"],
    )


def state_of(environment: str, raw: AppState) -> State:
    """One app in that environment now."""
    line, rollout = raw["line"], raw["rollout"]
    return State(
        environment=environment,
        app=raw["app_id"],
        release=raw["release_id"],
        deployment_id=line["deployment_id"] if line is not None else None,
        recorded=line is not None and line["recorded"],
        rollout=Rollout(rollout["phase"], rollout["since"], rollout["healthy_at"], rollout["message"])
        if rollout is not None
        else None,
    )


def listed_freeze(raw: FreezeReply) -> ListedFreeze:
    """A Freeze as it stands."""
    return ListedFreeze(
        freeze=raw["name"],
        reason=raw["reason"],
        mode=raw["mode"],
        environments=raw["environments"],
        apps=raw["apps"],
        windows=raw["windows"],
        weekly=raw["weekly"],
        yearly=raw["yearly"],
        time_zone=raw["time_zone"],
        allow_rollback=raw["allow_rollback"],
        enforcement=raw["enforcement"],
        closed=raw["closed"],
        next_open=raw["next_open"],
        next_close=raw["next_close"],
        created_by=raw["created_by"],
        updated_by=raw["updated_by"],
    )
