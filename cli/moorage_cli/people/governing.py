"""The commands about rules: what the gates say of a change, and Freezes."""

import sys
from functools import partial
from typing import Annotated

import typer

from moorage_cli.people import known, questions
from moorage_cli.people.model import Exit, Explained, Freezing, Opinion, Promoting, Register, TroubleError, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.shell import (
    App,
    Context,
    DryRun,
    Environment,
    Kubeconfig,
    Namespace,
    Output,
    Reason,
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

FreezeName = Annotated[str, typer.Argument(help="name of the Freeze", show_default=False)]


@app.command()
def explain(
    environment: Environment,
    application: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="default: any", show_default=False, autocompletion=known.apps)
    ] = None,
    release: Annotated[str | None, typer.Argument(help="default: one that was never there", show_default=False)] = None,
    moment: Annotated[str, typer.Option("--at", help="now, +2h, 'tomorrow 09:00', 2026-01-31 or RFC 3339")] = "now",
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Say what every gate says of a change, and when it would pass; exit code 5 if it would be refused.

    With --replay FILE it asks no cluster, and counts what a promotion rule would have refused.
    """
    then = moment_of("0s" if moment == "now" else moment)

    async def act(register: Register) -> None:
        found = await register.explain(environment, application, release, then)
        if output in {Form.JSON, Form.YAML}:
            write([to_json(found)], output, name="environment")
        else:
            narrow = ("gate", "allowed", "enforcement", "opens_at", "message")
            write([to_json(one) for one in found.gates], output, narrow=narrow, name="gate")
        for kind in found.unseen:
            sys.stderr.write(f"not looked at, because you may not read them: {kind}\n")
        if not found.allowed:
            raise TroubleError(Exit.REFUSED, _refused(found))

    ask(Where(workspace, namespace, kubeconfig, context), act)


def _refused(found: Explained) -> str:
    what = f"{found.app or 'any app'} {found.release or 'with a new release'} would be refused in {found.environment}"
    opens = (
        f"the same change passes from {found.opens_at}" if found.opens_at else "no moment is known at which it passes"
    )
    return f"{what}; {opens}"


@app.command()
def freeze(
    name: FreezeName,
    reason: Annotated[str, typer.Option("--reason", "-m", help="shown to everybody whose change is refused")],
    until: Annotated[str, typer.Option(help="+2h, 'tomorrow 09:00', 2026-01-31 or RFC 3339")],
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
def promote(
    environment: Environment,
    application: Annotated[
        str | None,
        typer.Argument(
            metavar="[APP]", help="default: every app that differs", show_default=False, autocompletion=known.apps
        ),
    ] = None,
    origin: Annotated[str | None, typer.Option("--from", help="default: the environment of the promotion rule")] = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Let what runs in the environment before go on; one app that is refused stops none of the others."""

    async def act(register: Register) -> None:
        found = await register.promote(Promoting(environment, origin, application, reason, dry_run))
        narrow = ("app", "release", "previous", "promoted", "message")
        write([to_json(one) for one in found], output, narrow=narrow, name="app")
        refused = [one for one in found if not one.promoted]
        if refused:
            message = f"{len(refused)} of {len(found)} apps were refused in {environment}"
            raise TroubleError(Exit(refused[0].code), message, reason=refused[0].reason)

    ask(Where(workspace, namespace, kubeconfig, context), act)


Release = Annotated[str, typer.Argument(help="release", show_default=False)]
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
run_explain, run_freeze, run_unfreeze = (partial(run, verb) for verb in ("explain", "freeze", "unfreeze"))
