"""Examples of the document: one small world, so that they fit together. A test checks each against its schema."""

from datetime import UTC, datetime
from typing import Any, Final

from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError, ConflictReason, UnavailableReason
from moorage_api.document import approval_examples, overview_examples
from moorage_api.document.overview_examples import HISTORY_LINE
from moorage_api.operation import Operation

_ENVIRONMENT_ID: Final = "5f0c8a52-3f1e-4b6c-9a43-0d2d5b0c7e11"
_LINE: Final = "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27-00000003"
_NOW: Final = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)

PARAMETERS: Final = {
    "org_id": "acme",
    "workspace_id": "shop",
    "environment_id": "staging",
    "app_id": "checkout",
    "freeze_name": "quiet-weekend",
    "approval_name": approval_examples.NAME,
}

_ENVIRONMENT: Final[dict[str, Any]] = {
    "environment_id": _ENVIRONMENT_ID,
    "workspace_id": "shop",
    "org_id": "acme",
    "name": "Staging",
    "slug": "staging",
    "description": "Where a release waits for production.",
    "is_default": False,
    "active_deployments": {"checkout": "checkout-1.4.2"},
    "status": "active",
    "created_by": "alice",
    "created_at": "2026-01-05T08:00:00Z",
    "updated_at": "2026-01-05T08:00:00Z",
    "lock": None,
    "managed_by": None,
    "deleting": False,
    "hidden": [],
    "created_by_known": True,
    "rollouts": {
        "checkout": {
            "phase": "Healthy",
            "since": "2026-01-31T11:59:40Z",
            "healthy_at": "2026-01-31T11:59:40Z",
            "message": None,
        }
    },
    "closed": False,
    "next_open": None,
    "next_close": "2026-02-06T14:00:00Z",
    "last_unlock": {
        "unlocked_by": "alice",
        "unlocked_at": "2026-01-30T16:00:00Z",
        "unlocked_by_known": True,
        "first_locked_by": "bob",
    },
}
_LOCKED: Final = {
    **_ENVIRONMENT,
    "lock": {
        "reason": "Load test until noon",
        "locked_by": "alice",
        "locked_at": "2026-01-31T09:00:00Z",
        "locked_by_known": True,
        "until": None,
        "first_locked_by": "alice",
    },
    "closed": True,
    "next_close": None,
}
_RULE: Final = {
    "reason": "Nobody is on call",
    "environments": ["production"],
    "time_zone": "Europe/Berlin",
    "weekly": [
        {"days": ["Fri"], "from": "15:00", "until": "24:00"},
        {"days": ["Sat", "Sun"], "from": "00:00", "until": "24:00"},
    ],
    "allow_rollback": True,
}
_FREEZE: Final = {
    **_RULE,
    "name": "quiet-weekend",
    "workspace_id": "shop",
    "org_id": "acme",
    "mode": "Closed",
    "apps": None,
    "windows": None,
    "yearly": None,
    "enforcement": "Deny",
    "created_by": "alice",
    "created_at": "2026-01-05T08:00:00Z",
    "updated_by": "alice",
    "updated_at": "2026-01-05T08:00:00Z",
    "managed_by": None,
    "deleting": False,
    "closed": True,
    "next_open": "2026-02-01T23:00:00Z",
    "next_close": None,
}
_FROZEN: Final = {
    "gate": "freeze/quiet-weekend",
    "allowed": False,
    "enforcement": "Deny",
    "code": "EnvironmentFrozen",
    "message": "environment staging is frozen by freeze/quiet-weekend: Nobody is on call",
    "opens_at": "2026-02-01T23:00:00Z",
    "details": {"freeze": "freeze/quiet-weekend", "freeze_reason": "Nobody is on call", "allow_rollback": True},
    "override": True,
    "overridden": False,
}
_LOCK_VERDICT: Final = {
    "gate": "lock",
    "allowed": False,
    "enforcement": "Deny",
    "code": "EnvironmentLocked",
    "message": "environment staging is locked by alice: Load test until noon",
    "opens_at": None,
    "details": {"lock_reason": "Load test until noon", "locked_by": "alice"},
    "override": False,
    "overridden": False,
}

REQUESTS: Final[dict[str, Any]] = {
    "createEnvironment": {"name": "Staging", "slug": "staging"},
    "updateEnvironment": {"name": "Staging", "description": "Where a release waits for production."},
    "deployRelease": {"app_id": "checkout", "release_id": "checkout-1.4.2", "reason": "Fixes the rounding"},
    "rollbackApp": {"reason": "Errors in the payment log"},
    "lockEnvironment": {"reason": "Load test until noon"},
    "promoteReleases": {"from_environment_id": "staging", "reason": "Release 1.4"},
    "giveApproval": approval_examples.REQUEST,
    "putFreeze": _RULE,
    "getParams": {
        "applicationSetName": "moorage",
        "input": {"parameters": {"org": "acme", "workspace": "shop", "environment": ["staging", "production"]}},
    },
}

ANSWERS: Final[dict[str, Any]] = {
    "listEnvironments": {"total": 1, "has_more": False, "next_cursor": None, "environments": [_ENVIRONMENT]},
    "createEnvironment": {"message": "Environment created successfully", "environment": _ENVIRONMENT},
    "getEnvironment": _ENVIRONMENT,
    "updateEnvironment": {"message": "Environment updated successfully", "environment": _ENVIRONMENT},
    "deleteEnvironment": {"message": "Environment deleted successfully"},
    "deployRelease": {
        "message": "Release deployed successfully",
        "deployment_id": _LINE,
        "environment_id": _ENVIRONMENT_ID,
        "app_id": "checkout",
        "release_id": "checkout-1.4.2",
    },
    "getApp": {
        "environment_id": _ENVIRONMENT_ID,
        "app_id": "checkout",
        "release_id": "checkout-1.4.2",
        "line": None,
        "rollout": {
            "phase": "Healthy",
            "since": "2026-01-31T11:59:40Z",
            "healthy_at": "2026-01-31T11:59:40Z",
            "message": None,
        },
    },
    "undeployApp": {"message": "App undeployed from environment", "deployment_id": _LINE},
    "rollbackApp": {
        "message": "Release rolled back successfully",
        "deployment_id": _LINE,
        "environment_id": _ENVIRONMENT_ID,
        "app_id": "checkout",
        "release_id": "checkout-1.4.1",
        "hidden": [],
    },
    "listDeployments": {
        "deployments": [HISTORY_LINE],
        "total": 1,
        "matching": 1,
        "has_more": False,
        "next_cursor": None,
    },
    "lockEnvironment": {"message": "Environment locked", "environment": _LOCKED},
    "unlockEnvironment": {"message": "Environment unlocked", "environment": _ENVIRONMENT},
    "getParams": {
        "output": {
            "parameters": [
                {
                    "org": "acme",
                    "workspace": "shop",
                    "namespace": "acme-shop",
                    "environment": "staging",
                    "environment_id": _ENVIRONMENT_ID,
                    "app": "checkout",
                    "release": "checkout-1.4.2",
                    "previous_release": "checkout-1.4.1",
                    "deployment_id": _LINE,
                    "sequence": "3",
                    "deployed_by": "alice",
                    "deployed_at": "2026-01-31T11:59:00Z",
                    "parameters": {"cluster": "eu-1"},
                }
            ]
        }
    },
    "listInputs": {
        "inputs": [
            {
                "id": "acme-shop.staging.checkout",
                "org": "acme",
                "workspace": "shop",
                "namespace": "acme-shop",
                "environment": "staging",
                "environment_id": _ENVIRONMENT_ID,
                "app": "checkout",
                "release": "checkout-1.4.2",
                "previous_release": "checkout-1.4.1",
                "deployment_id": _LINE,
                "sequence": "3",
                "deployed_by": "alice",
                "deployed_at": "2026-01-31T11:59:00Z",
                "parameters": {"cluster": "eu-1"},
            }
        ]
    },
    **overview_examples.ANSWERS,
    "explainGates": {
        "environment_id": _ENVIRONMENT_ID,
        "app_id": "checkout",
        "release_id": "checkout-1.4.2",
        "at": "2026-01-31T12:00:00Z",
        "may_override": False,
        "allowed": False,
        "opens_at": "2026-02-01T23:00:00Z",
        "gates": [_FROZEN],
    },
    "promoteReleases": {
        "message": "Promotion finished",
        "environment_id": "5f0c7a52-3f1d-4f0a-9c1e-1b0b8c0c2d11",
        "from_environment_id": _ENVIRONMENT_ID,
        "promoted": 1,
        "refused": 0,
        "lines": [
            {
                "app_id": "checkout",
                "release_id": "checkout-1.4.2",
                "previous_release_id": "checkout-1.4.1",
                "promoted": True,
                "deployment_id": _LINE,
                "status_code": 200,
                "message": "",
                "details": {},
            }
        ],
    },
    **approval_examples.ANSWERS,
    "listFreezes": {"total": 1, "freezes": [_FREEZE]},
    "getFreeze": _FREEZE,
    "putFreeze": {"message": "Freeze saved successfully", "freeze": _FREEZE},
    "deleteFreeze": {"message": "Freeze deleted successfully"},
    "health": {"status": "ok"},
    "readiness": {"status": "ok"},
    "version": {"name": "moorage", "version": "0.1.0", "api": "v1"},
}


def error(operation: Operation, status: int) -> dict[str, Any]:
    """The body of an error of an operation, made by the functions that make the real ones."""
    return _error(operation, status).body(_NOW)


def _error(operation: Operation, status: int) -> ApiError:
    made = {
        403: _forbidden,
        404: lambda _operation: errors.not_found("environment", "staging"),
        405: lambda one: errors.method_not_allowed([one.method]),
        409: _conflict,
        412: lambda _operation: errors.precondition_failed(f'"{_ENVIRONMENT_ID}.2.9f2c61d0a7b3e845"'),
        422: _invalid,
    }.get(status)
    return made(operation) if made is not None else _PLAIN[status]


def _forbidden(operation: Operation) -> ApiError:
    permission = operation.permission
    verb, resource = permission.rights[0] if permission is not None else ("", "")
    return errors.forbidden(permission.name if permission is not None else "", verb, resource)


_PLAIN: Final = {
    400: errors.bad_request("The request is not valid HTTP"),
    401: errors.unauthenticated(),
    408: errors.body_timeout(),
    413: errors.payload_too_large(65_536),
    415: errors.unsupported_media_type("The body must be application/json"),
    429: errors.rate_limited(1),
    431: errors.headers_too_large(),
    500: errors.internal(),
    503: errors.unavailable(UnavailableReason.CLUSTER_UNAVAILABLE, "The cluster does not answer; try again"),
}


def _conflict(operation: Operation) -> ApiError:
    match operation.name:
        case "createEnvironment":
            return errors.already_exists("environment", "staging")
        case "giveApproval" | "deleteApproval":
            return errors.being_deleted(f"The Approval {approval_examples.NAME}", ["example.com/hold"])
        case "deployRelease" | "undeployApp" | "rollbackApp" | "deleteEnvironment":
            return errors.conflict(
                ConflictReason.ENVIRONMENT_LOCKED,
                "environment staging is locked by alice: Load test until noon",
                lock_reason="Load test until noon",
                locked_by="alice",
                gates=[_LOCK_VERDICT],
                opens_at=None,
            )
        case _:
            return errors.conflict(
                ConflictReason.MANAGED_DECLARATIVELY,
                "argocd-controller declares this and would put it back; change it there, or repeat with "
                "override_ownership=true",
                managed_by="argocd-controller",
                fields=["spec.displayName"],
            )


def _invalid(operation: Operation) -> ApiError:
    if operation.body is not None:
        return errors.invalid(["body", "reason"], "String should have at most 512 characters", kind="string_too_long")
    return errors.invalid(["query", "limit"], "Input should be less than or equal to 200", kind="less_than_equal")
