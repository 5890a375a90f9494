"""The Approvals of an environment, and the releases that wait for them."""

from moorage_api.changes.approvals import ApprovalChanges, WantedApproval
from moorage_api.contract import errors
from moorage_api.contract.approvals import ApprovalRequest, ApprovalsQuery
from moorage_api.handlers.environments import environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import approvals, rights
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug, InvalidIdentifierError


async def listed(facade: Facade, call: Call) -> Answer:
    """All of them, and what may come next."""
    query: ApprovalsQuery = call.query
    catalog, now = facade.catalog, facade.clock.now()
    view = environment_of(facade, call)

    def wanted(app: str, release: str) -> bool:
        return query.app_id in {None, app} and query.release_id in {None, release}

    found = [
        approvals.shown(catalog, view, one, now)
        for one in approvals.of_environment(catalog, view)
        if wanted(one.app, one.release)
    ]
    sees = await rights.may(facade, call, "list", names.DEPLOYMENTS)
    user = call.caller.username
    due, many = approvals.candidates(catalog, view, user, now, wanted=wanted) if sees else (None, None)
    asked = view.protection.approvals
    return Answer(
        {
            "total": len(found),
            "required": asked.required if asked is not None else 0,
            "may_approve": await rights.may_approve(facade, call, view.name),
            "approvals": found,
            "candidates": due,
            "candidates_total": many,
            "hidden": [] if sees else ["candidates"],
        }
    )


async def give(facade: Facade, call: Call) -> Answer:
    """Say yes or no to a release."""
    body: ApprovalRequest = call.body
    view = environment_of(facade, call)
    await rights.require_approve(facade, call, view.name)
    wanted = WantedApproval(body.app_id, body.release_id, body.decision, body.comment)
    changes = ApprovalChanges(facade, call, dry_run=call.query.dry_run)
    given = await changes.give(view, wanted)
    shown = approvals.shown(facade.catalog, view, given, facade.clock.now())
    answer = Answer({"message": "Approval saved successfully", "approval": shown}, status=201)
    answer.headers["Location"] = f"{call.operation.path.format(**call.params)}/{given.name}"
    return answer.at_version(names.APPROVALS, "" if call.query.dry_run else given.resource_version)


async def take_back(facade: Facade, call: Call) -> Answer:
    """Delete one."""
    view = environment_of(facade, call)
    changes = ApprovalChanges(facade, call, dry_run=call.query.dry_run)
    version = await changes.take_back(view, _name_of(call))
    return Answer({"message": "Approval deleted successfully"}).at_version(names.APPROVALS, version)


def _name_of(call: Call) -> EnvironmentSlug:
    """The name in the path. What can be no name is an Approval that is not there. Raises ApiError 404."""
    text = call.params["approval_name"]
    try:
        return EnvironmentSlug.parse(text)
    except InvalidIdentifierError:
        raise errors.not_found("approval", text) from None
