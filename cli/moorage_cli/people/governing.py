"""The commands about rules: Freezes, promotion, approvals; and whether all of it works."""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from moorage_cli.people import known, passing, questions
from moorage_cli.people.model import Exit, Freezing, Opinion, Promoting, TroubleError, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.passing import Override, Waiting
from moorage_cli.people.register import Register
from moorage_cli.people.shell import (
    AHEAD,
    App,
    Context,
    DryRun,
    Environment,
    Gates,
    Kubeconfig,
    Namespace,
    Output,
    Overriding,
    Reason,
    Release,
    RuleReason,
    Timeout,
    WaitFor,
    Workspace,
    Yes,
    app,
    ask,
    confirm,
    moment_of,
    run,
    unless_stored,
    write,
)
from moorage_cli.people.ways import Where
from moorage_crds.clock import SystemClock
from moorage_crds.moments import to_text

FreezeName = Annotated[str, typer.Argument(metavar="NAME", help="name of the Freeze", show_default=False)]


@app.command()
def freeze(
    name: FreezeName,
    reason: RuleReason,
    until: Annotated[str, typer.Option(help=AHEAD)],
    begins: Annotated[str, typer.Option("--from", help="the same; default: now")] = "now",
    environments: Annotated[list[str] | None, typer.Option("--environment", "-e", help="default: all")] = None,
    apps: Annotated[list[str] | None, typer.Option("--app", help="default: all")] = None,
    allow_rollback: Annotated[bool, typer.Option("--allow-rollback", help="what was there may come back")] = False,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Refuse release changes for a time; replaces the Freeze of that name."""
    first, end = (to_text(moment_of("0s" if one == "now" else one)) for one in (begins, until))
    wanted = Freezing(name, reason, first, end, environments or (), apps or (), allow_rollback)

    async def act(register: Register) -> None:
        await register.freeze(wanted, dry_run=dry_run)
        where = ", ".join(wanted.environments) or "every environment"
        sys.stdout.write(f"{where} is frozen from {first} until {end}: {reason}{unless_stored(dry_run)}\n")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def unfreeze(
    name: FreezeName,
    dry_run: DryRun = False,
    yes: Yes = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Delete a Freeze, whatever its windows are; asks unless --yes."""
    confirm(f"delete the Freeze {name}", is_sure=yes or dry_run)

    async def act(register: Register) -> None:
        await register.unfreeze(name, dry_run=dry_run)
        sys.stdout.write(f"the Freeze {name} is deleted{unless_stored(dry_run)}\n")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def freezes(
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """List the Freezes of the workspace, whether they are closed now, and when that changes."""

    async def act(register: Register) -> None:
        narrow = ("freeze", "closed", "next_open", "next_close", "environments", "apps", "reason")
        write([to_json(one) for one in await register.freezes()], output, narrow=narrow, name="freeze")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def promote(
    environment: Environment,
    application: Annotated[
        str | None,
        typer.Argument(
            metavar="APP", help="default: every app that differs", show_default=False, autocompletion=known.apps
        ),
    ] = None,
    origin: Annotated[str | None, typer.Option("--from", help="default: the environment of the promotion rule")] = None,
    reason: Reason = None,
    override: Overriding = None,
    gates: Gates = None,
    until: WaitFor = None,
    timeout: Timeout = 600.0,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Promote the releases of the environment before; one app that is refused stops none of the others."""
    wanted = Promoting(environment, origin, application, reason, dry_run=dry_run)
    passed, waiting = passing.override_of(override, reason, gates), Waiting(until, timeout)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_promote, wanted, passed, waiting, output))


async def _promote(
    wanted: Promoting, override: Override | None, waiting: Waiting, output: Form, register: Register
) -> None:
    found = await passing.promoted(register, wanted, override)
    rows = [to_json(one) | {"override": gates, **passing.became(None)} for one, gates in found]
    narrow = ["app", "release", "previous", "promoted", *(["rollout"] if waiting.until else []), "message"]
    troubles = []
    for row in rows:
        try:
            row.update(await _became(row, wanted, waiting, register))
        except TroubleError as trouble:
            row["message"] = str(trouble)
            troubles.append(trouble)
    write(rows, output, narrow=narrow, name="app")
    refused = [one for one, _ in found if not one.promoted]
    if refused:
        message = f"{len(refused)} of {len(found)} apps were refused in {wanted.environment}"
        raise TroubleError(Exit(refused[0].code), message, reason=refused[0].reason)
    if troubles:
        raise troubles[0]


async def _became(
    row: Mapping[str, Any], wanted: Promoting, waiting: Waiting, register: Register
) -> dict[str, str | None]:
    """The result for a promoted app. Raises TroubleError."""
    if wanted.dry_run or not row["promoted"]:
        return {}
    return passing.became(await waiting.after(register, wanted.environment, row["app"], row["deployment_id"]))


Comment = Annotated[str | None, typer.Option("--comment", "-m", help="shown to everybody who asks why")]


@app.command()
def approve(
    environment: Environment,
    application: App,
    release: Release,
    comment: Comment = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Say yes to a release, for its next deploy by somebody else."""
    said = Opinion(environment, application, release, approve=True, comment=comment, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_decide, said, output))


@app.command()
def reject(
    environment: Environment,
    application: App,
    release: Release,
    comment: Comment = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Say no to a release: nobody deploys it there until this no is deleted."""
    said = Opinion(environment, application, release, approve=False, comment=comment, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_decide, said, output))


async def _decide(said: Opinion, output: Form, register: Register) -> None:
    row = {
        "approval": await register.decide(said),
        "environment": said.environment,
        "app": said.app,
        "release": said.release,
        "decision": "approved" if said.approve else "rejected",
        "dry_run": said.dry_run,
    }
    write([row], output, name="approval")


@app.command()
def status(
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Say whether changes are stamped and recorded; exit code 1 if not."""

    async def act(register: Register) -> None:
        rows = questions.health(await register.newest(), len(await register.places()), SystemClock().now())
        write(rows, output, name="check")
        wrong = [str(row["check"]) for row in rows if not row["ok"]]
        if wrong:
            raise TroubleError(Exit.TROUBLE, f"not as it should be: {', '.join(wrong)}")

    ask(Where(workspace, namespace, kubeconfig, context), act)


run_promote, run_approve, run_reject, run_status = (
    partial(run, verb) for verb in ("promote", "approve", "reject", "status")
)
run_freeze, run_unfreeze, run_freezes = (partial(run, verb) for verb in ("freeze", "unfreeze", "freezes"))
