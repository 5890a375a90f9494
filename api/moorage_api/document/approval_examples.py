"""Examples of the answers about Approvals, of the same small world."""

from typing import Any, Final

_ENVIRONMENT_ID: Final = "5f0c7a52-3f1d-4f0a-9c1e-1b0b8c0c2d11"
_RELEASE: Final = "checkout-1.4.2"
NAME: Final = "approve-7d1f0c2b9a3e4d5f60718293"

_APPROVAL: Final = {
    "name": NAME,
    "environment_id": _ENVIRONMENT_ID,
    "app_id": "checkout",
    "release_id": _RELEASE,
    "decision": "Approve",
    "comment": "Tested on staging",
    "decided_by": "carol",
    "decided_by_known": True,
    "decided_at": "2026-01-31T11:58:00Z",
    "counts": True,
    "until": "2026-02-01T11:58:00Z",
    "deleting": False,
}
_LACKS_ONE: Final = {
    "gate": "approvals",
    "allowed": False,
    "enforcement": "Deny",
    "code": "ApprovalRequired",
    "message": "environment production takes a release only with 2 approvals of others than the one who deploys "
    f"(gate approvals): checkout {_RELEASE} has 1",
    "opens_at": None,
    "details": {"required": 2, "approved_by": ["carol"], "missing": 1},
    "override": True,
    "overridden": False,
}

REQUEST: Final = {"app_id": "checkout", "release_id": _RELEASE, "comment": "Tested on staging"}
ANSWERS: Final[dict[str, Any]] = {
    "listApprovals": {
        "total": 1,
        "required": 2,
        "may_approve": False,
        "approvals": [_APPROVAL],
        "candidates": [
            {
                "app_id": "checkout",
                "release_id": _RELEASE,
                "present_release_id": "checkout-1.4.1",
                "approved_by": ["carol"],
                "rejected_by": [],
                "missing": 1,
                "allowed": False,
                "opens_at": None,
                "gates": [_LACKS_ONE],
            }
        ],
        "candidates_total": 1,
        "hidden": [],
    },
    "giveApproval": {"message": "Approval saved successfully", "approval": _APPROVAL},
    "deleteApproval": {"message": "Approval deleted successfully"},
}
