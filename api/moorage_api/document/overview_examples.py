"""Examples of the answers about the caller and about whole workspaces, of the same small world."""

from typing import Any, Final

_ENVIRONMENT_ID: Final = "5f0c8a52-3f1e-4b6c-9a43-0d2d5b0c7e11"
_LINE: Final = "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27-00000003"

HISTORY_LINE: Final[dict[str, Any]] = {
    "deployment_id": _LINE,
    "environment_id": _ENVIRONMENT_ID,
    "app_id": "checkout",
    "release_id": "checkout-1.4.2",
    "previous_release_id": "checkout-1.4.1",
    "action": "deploy",
    "deployed_by": "alice",
    "deployed_at": "2026-01-31T11:59:00Z",
    "reason": "Fixes the rounding",
    "sequence": 3,
    "recorded": True,
    "deployed_by_known": True,
    "outcome": "healthy",
    "healthy_at": "2026-01-31T11:59:40Z",
    "override": [],
    "hash": "6c0e2f4b8a1d3f5e7092b4c6d8eaf0135792468ace13579bdf02468ace13579b",
    "removed": False,
    "imported": False,
    "imported_from": None,
}

_NUMBERS: Final[dict[str, Any]] = {
    "deployments": 42,
    "rollbacks": 2,
    "undeploys": 0,
    "failures": 3,
    "deployments_per_day": 1.4,
    "days_with_deployments": 17,
    "lead_time": {"median_seconds": 5400, "p90_seconds": 93600, "count": 40},
    "time_to_healthy": None,
    "change_failure_rate": 0.0714,
    "time_to_restore": {"median_seconds": 900, "p90_seconds": 2700, "count": 3},
    "rework_rate": 0.0714,
    "unknown": {"time_to_healthy": "no outcome of these deployments is known"},
}

ANSWERS: Final[dict[str, Any]] = {
    "me": {
        "username": "alice",
        "groups": ["system:authenticated"],
        "token_expires_at": "2026-01-31T13:00:00Z",
        "workspace": "acme/shop",
        "permissions": {"environments:read": True, "deployments:deploy": True, "environments:delete": False},
        "operations": {"listEnvironments": True, "deployRelease": True, "deleteEnvironment": False},
    },
    "listWorkspaces": {
        "workspaces": [
            {
                "org_id": "acme",
                "workspace_id": "shop",
                "environments": 3,
                "created_at": "2026-01-05T08:00:00Z",
                "deleting": False,
            }
        ],
        "has_more": False,
        "next_cursor": None,
    },
    "getMatrix": {
        "org_id": "acme",
        "workspace_id": "shop",
        "apps": ["checkout"],
        "hidden": [],
        "environments": [
            {
                "environment_id": _ENVIRONMENT_ID,
                "slug": "staging",
                "name": "Staging",
                "is_default": False,
                "deleting": False,
                "before": "development",
                "lock": None,
                "protection": {
                    "from": "development",
                    "soak": "2h",
                    "require": "Deployed",
                    "required_approvals": 1,
                    "valid_for": None,
                    "enforcement": "Deny",
                },
                "closed": [],
                "cells": {
                    "checkout": {
                        "release_id": "checkout-1.4.2",
                        "since": "2026-01-31T11:59:00Z",
                        "by": "alice",
                        "deployment_id": _LINE,
                        "action": "deploy",
                        "recorded": True,
                        "phase": "Healthy",
                        "distance": {"relation": "behind", "changes": 2, "since": "2026-01-31T11:00:00Z"},
                    }
                },
            }
        ],
    },
    "listWorkspaceDeployments": {
        "deployments": [{**HISTORY_LINE, "environment": "staging"}],
        "has_more": False,
        "next_cursor": None,
    },
    "compareEnvironments": {
        "from": {"environment_id": _ENVIRONMENT_ID, "slug": "staging", "name": "Staging", "at": None},
        "to": {
            "environment_id": "0b2f7a55-90a4-4f3e-8a6f-7f5b5c2f1d02",
            "slug": "production",
            "name": "Production",
            "at": None,
        },
        "apps": [
            {
                "app_id": "checkout",
                "from": {
                    "release_id": "checkout-1.4.2",
                    "since": "2026-01-31T11:59:00Z",
                    "by": "alice",
                    "deployment_id": _LINE,
                },
                "to": None,
                "distance": {"relation": "missing", "changes": None, "since": None},
            }
        ],
        "same": 0,
        "different": 1,
    },
    "getDeliveryNumbers": {
        "since": "2026-01-01T12:00:00Z",
        "until": "2026-01-31T12:00:00Z",
        "environments": [
            {
                "environment": "staging",
                "environment_id": _ENVIRONMENT_ID,
                "total": _NUMBERS,
                "apps": None,
                "steps": None,
            },
        ],
    },
}
