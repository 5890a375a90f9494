"""The operations of governance: the gates before environments, with routes, rights, models and errors."""

from moorage_api.contract import replies, schemas
from moorage_api.contract.approvals import (
    ApprovalDeleted,
    ApprovalGiven,
    ApprovalList,
    ApprovalRequest,
    ApprovalsQuery,
)
from moorage_api.contract.freezes import FreezeDeleted, FreezeList, FreezeReply, FreezeRequest, FreezeSaved
from moorage_api.contract.promotions import Promoted, PromoteRequest
from moorage_api.handlers import approvals, freezes, gates, promotions
from moorage_api.operation import InWorkspace, Operation, Permission
from moorage_crds.names import APPROVALS, DEPLOYMENTS, ENVIRONMENTS, FREEZES, LOCKS

WORKSPACE = "/v1/orgs/{org_id}/workspaces/{workspace_id}"
ONE = f"{WORKSPACE}/environments/{{environment_id}}"
APPROVALS_OF = f"{ONE}/approvals"
FREEZES_OF = f"{WORKSPACE}/freezes"
ONE_FREEZE = f"{FREEZES_OF}/{{freeze_name}}"

GATES = Permission("gates:read", (("get", ENVIRONMENTS), ("list", DEPLOYMENTS), ("get", LOCKS), ("list", FREEZES)))
# What runs in the environment before is part of the answer.
PROMOTE = Permission("deployments:deploy", (("list", DEPLOYMENTS), ("create", DEPLOYMENTS), ("patch", DEPLOYMENTS)))
LIST_APPROVALS = Permission("approvals:read", (("get", ENVIRONMENTS), ("list", APPROVALS)))
# The verb `approve` on the very environment is asked for as well.
APPROVE = Permission("approvals:create", (("get", ENVIRONMENTS), ("create", APPROVALS)))
DELETE_APPROVAL = Permission("approvals:delete", (("get", ENVIRONMENTS), ("delete", APPROVALS)))
LIST_FREEZES = Permission("freezes:read", (("list", FREEZES),))
READ_FREEZE = Permission("freezes:read", (("get", FREEZES),))
PUT_FREEZE = Permission("freezes:update", (("create", FREEZES), ("patch", FREEZES)))
DELETE_FREEZE = Permission("freezes:delete", (("delete", FREEZES),))


def governance_operations() -> list[Operation]:
    """What the gates say, Approvals, and the Freezes of a workspace."""
    return [*_approval_operations(), *_gate_operations()]


def _approval_operations() -> list[Operation]:
    return [
        Operation(
            name="listApprovals",
            method="GET",
            path=APPROVALS_OF,
            summary="List Approvals, and what may come next",
            description="What runs in the environment before and differs here stands among the candidates, with what "
            "it lacks when you deploy it.",
            scope=InWorkspace(approvals.listed, LIST_APPROVALS),
            query=ApprovalsQuery,
            success=(200, ApprovalList),
        ),
        Operation(
            name="giveApproval",
            method="POST",
            path=APPROVALS_OF,
            summary="Say yes or no to a release",
            description="In your name. Needs the right to the verb `approve` on the environment, too. Saying again "
            "what still counts changes nothing.",
            scope=InWorkspace(approvals.give, APPROVE),
            query=schemas.CreateQuery,
            body=ApprovalRequest,
            success=(201, ApprovalGiven),
            errors=(409,),
        ),
        Operation(
            name="deleteApproval",
            method="DELETE",
            path=f"{APPROVALS_OF}/{{approval_name}}",
            summary="Take an Approval back",
            description="A no is taken back by its author, or with the right to the verb `protect`.",
            scope=InWorkspace(approvals.take_back, DELETE_APPROVAL),
            query=schemas.CreateQuery,
            success=(200, ApprovalDeleted),
            errors=(409,),
        ),
    ]


def _gate_operations() -> list[Operation]:
    return [
        Operation(
            name="explainGates",
            method="GET",
            path=f"{ONE}/gates",
            summary="What every gate says of a change",
            description="With `at` in the future: would it pass then?",
            scope=InWorkspace(gates.verdicts, GATES),
            query=schemas.GatesQuery,
            success=(200, replies.GatesReply),
        ),
        Operation(
            name="promoteReleases",
            method="POST",
            path=f"{ONE}/promote",
            summary="Take releases on from the environment before",
            description="Each app by an ordinary deploy, with a line of its own; a dry run is the prognosis.",
            scope=InWorkspace(promotions.promote, PROMOTE),
            query=schemas.ReleaseQuery,
            body=PromoteRequest,
            success=(200, Promoted),
        ),
        Operation(
            name="listFreezes",
            method="GET",
            path=FREEZES_OF,
            summary="List the Freezes of a workspace",
            scope=InWorkspace(freezes.listed, LIST_FREEZES),
            query=schemas.NoQuery,
            success=(200, FreezeList),
        ),
        Operation(
            name="getFreeze",
            method="GET",
            path=ONE_FREEZE,
            summary="Get a Freeze",
            scope=InWorkspace(freezes.get, READ_FREEZE),
            query=schemas.NoQuery,
            success=(200, FreezeReply),
        ),
        Operation(
            name="putFreeze",
            method="PUT",
            path=ONE_FREEZE,
            summary="Create a Freeze, or replace what it says",
            scope=InWorkspace(freezes.put, PUT_FREEZE),
            query=schemas.WriteQuery,
            body=FreezeRequest,
            success=(200, FreezeSaved),
            errors=(409,),
        ),
        Operation(
            name="deleteFreeze",
            method="DELETE",
            path=ONE_FREEZE,
            summary="Delete a Freeze",
            scope=InWorkspace(freezes.delete, DELETE_FREEZE),
            query=schemas.WriteQuery,
            success=(200, FreezeDeleted),
            errors=(409,),
        ),
    ]
