"""The commands that change releases and locks, and the one that waits for what becomes of a change."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import typer

from moorage_cli.people import passing, questions
from moorage_cli.people.model import Change, Exit, Line, Locking, TroubleError
from moorage_cli.people.output import Form
from moorage_cli.people.passing import Override, Until, Waiting
from moorage_cli.people.register import Register
from moorage_cli.people.shell import (
    AHEAD,
    App,
    Context,
    DryRun,
    Environment,
    Expected,
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
    moment_ahead,
    run,
    unless_stored,
    write,
)
from moorage_cli.people.ways import Where

#: How many earlier releases `undo` offers.
CHOICES: Final = 5


@app.command()
def deploy(
    environment: Environment,
    application: App,
    release: Release,
    reason: Reason = None,
    expected: Expected = None,
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
    """Make a release the active one."""
    how = _How(passing.override_of(override, reason, gates), Waiting(until, timeout), output)
    wanted = Change(environment, application, release, reason, expected, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_change, wanted, how))


@app.command()
def undeploy(
    environment: Environment,
    application: App,
    reason: Reason = None,
    expected: Expected = None,
    override: Overriding = None,
    gates: Gates = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Take an app out of an environment."""
    how = _How(passing.override_of(override, reason, gates), Waiting(None, 0), output)
    confirm(f"take {application} out of {environment}", is_sure=yes or dry_run)
    wanted = Change(environment, application, None, reason, expected, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_change, wanted, how))


@app.command()
def undo(
    environment: Environment,
    application: App,
    to: Annotated[str | None, typer.Option(help="an earlier release; without it the choices are shown")] = None,
    reason: Reason = None,
    override: Overriding = None,
    gates: Gates = None,
    until: WaitFor = None,
    timeout: Timeout = 600.0,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="take the release before, without asking")] = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Go back to an earlier release."""
    how = _How(passing.override_of(override, reason, gates), Waiting(until, timeout), output)

    async def act(register: Register) -> None:
        lines = await register.history(environment, app=application)
        if to is not None:
            questions.must_have_been(lines, to)
        release = to or _chosen(questions.earlier_releases(lines), is_sure=yes)
        active = next((one.release for one in questions.standing(lines)), None)
        # What was chosen from is what is gone back from: a change in between is a conflict.
        wanted = Change(environment, application, release, reason, active, is_rollback=True, dry_run=dry_run)
        await _change(wanted, how, register)

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def lock(
    environment: Environment,
    reason: RuleReason,
    until: Annotated[str | None, typer.Option(help=f"it ends by itself: {AHEAD}")] = None,
    take_over: Annotated[bool, typer.Option("--take-over", help="change it although somebody else has set it")] = False,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Refuse every release change in an environment, for everybody."""
    end = moment_ahead(until, what="a lock") if until is not None else None

    async def act(register: Register) -> None:
        await register.lock(Locking(environment, reason, end, take_over, dry_run))
        ends = f" until {end}" if end is not None else ""
        sys.stdout.write(f"{environment} is locked{ends}: {reason}{unless_stored(dry_run)}\n")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def unlock(
    environment: Environment,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take the lock of an environment away."""

    async def act(register: Register) -> None:
        await register.unlock(environment, dry_run=dry_run)
        sys.stdout.write(f"{environment} is unlocked{unless_stored(dry_run)}\n")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def wait(
    environment: Environment,
    application: App,
    release: Annotated[str | None, typer.Option(help="wait for this release; without it for the present one")] = None,
    until: Annotated[
        Until, typer.Option("--for", help="that its change is in the history, or that it was healthy once")
    ] = Until.RECORDED,
    timeout: Annotated[float, typer.Option(help="seconds", min=0)] = 60.0,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Wait until the newest change of an app is in the history, or healthy; exit code 124 if it takes too long."""

    async def act(register: Register) -> None:
        await passing.arrival(register, (environment, application), Waiting(until, timeout), release=release)

    ask(Where(workspace, namespace, kubeconfig, context), act)


# --- what they share


@dataclass(frozen=True, slots=True)
class _How:
    """How a change is made, waited for and told."""

    override: Override | None
    waiting: Waiting
    output: Form


async def _change(wanted: Change, how: _How, register: Register) -> None:
    line, wanted = await passing.changed(register, wanted, how.override)
    row: dict[str, Any] = {
        "environment": wanted.environment,
        "app": wanted.app,
        "release": wanted.release,
        "deployment_id": line,
        "dry_run": wanted.dry_run,
        "override": list(wanted.override),
        **passing.became(None),
    }
    narrow = ["environment", "app", "release", "dry_run", *(["override"] if wanted.override else [])]
    try:
        if how.waiting.until is not None and not wanted.dry_run:
            narrow.append("rollout")
            row |= passing.became(await how.waiting.after(register, wanted.environment, wanted.app, line))
    finally:
        # The change was made, whatever becomes of it.
        write([row], how.output, narrow=narrow, name="deployment_id")


def _chosen(lines: Sequence[Line], *, is_sure: bool) -> str:
    """The release to go back to: the newest earlier one, or the one that the user picks."""
    offered = lines[:CHOICES]
    if is_sure:
        return str(offered[0].release)
    if not sys.stdin.isatty():
        raise TroubleError(Exit.USAGE, "say --to <release>, or --yes for the release before")
    for number, line in enumerate(offered, 1):
        typer.echo(f"  {number}  {line.release}  {line.at or ''}  {line.by or ''}  {line.reason or ''}", err=True)
    picked = int(typer.prompt("go back to", type=int, default=1, err=True))
    if not 1 <= picked <= len(offered):
        raise TroubleError(Exit.USAGE, f"there is no choice {picked}: say a number from 1 to {len(offered)}")
    return str(offered[picked - 1].release)


run_deploy, run_undeploy, run_undo = (partial(run, verb) for verb in ("deploy", "undeploy", "undo"))
run_lock, run_unlock, run_wait = (partial(run, verb) for verb in ("lock", "unlock", "wait"))
