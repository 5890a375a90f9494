"""The commands of every day. Each is a thin shell: ask the `Register`, let `questions` answer, write the answer.

`moorage_crds.process.entry` calls one function for each verb, with what stands behind it; the number is the exit code.
"""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from moorage_cli.people import known, questions
from moorage_cli.people.model import Change, Exit, Line, Register, TroubleError, place_of, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.shell import (
    App,
    Context,
    DryRun,
    Environment,
    Expected,
    Kubeconfig,
    Moment,
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

#: How long `wait` sleeps between two looks. Seconds.
LOOK_SECONDS = 0.5
#: How many earlier releases `undo` offers.
CHOICES = 5


@app.command()
def get(
    environment: Annotated[
        str | None, typer.Argument(help="one environment only", show_default=False, autocompletion=known.environments)
    ] = None,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show what is deployed where."""

    async def act(register: Register) -> None:
        places = await register.places()
        chosen = [place_of(environment, places)] if environment else places
        rows = [
            {"environment": one.environment, "app": name, "release": release, "locked_by": one.lock and one.lock.by}
            for one in chosen
            for name, release in one.active.items()
        ]
        write(rows, output, name="app")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def environments(
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """List environments and their locks."""

    async def act(register: Register) -> None:
        rows = [
            {
                "environment": one.environment,
                "name": one.name,
                "default": one.is_default,
                "apps": len(one.active),
                "locked_by": one.lock and one.lock.by,
                "lock_reason": one.lock and one.lock.reason,
            }
            for one in await register.places()
        ]
        write(rows, output, name="environment")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def matrix(
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show all apps in all environments."""

    async def act(register: Register) -> None:
        write(questions.matrix(await register.places()), output, name="app")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def history(
    environment: Annotated[
        str | None,
        typer.Argument(help="default: all environments", show_default=False, autocompletion=known.environments),
    ] = None,
    application: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="one app only", show_default=False, autocompletion=known.apps)
    ] = None,
    since: Moment = None,
    until: Moment = None,
    by: Annotated[str | None, typer.Option(help="one user only")] = None,
    limit: Annotated[int, typer.Option(help="the newest so many", min=1)] = 50,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show who changed what, when and why; the newest first."""
    bounds = [moment_of(one) if one else None for one in (since, until)]

    async def act(register: Register) -> None:
        lines = questions.between(await _lines(register, environment, application), *bounds)
        chosen = [line for line in questions.newest_first(lines) if by is None or line.by == by]
        narrow = ("at", "environment", "app", "action", "release", "previous", "by", "reason", "imported")
        write([to_json(line) for line in chosen[:limit]], output, narrow=narrow, name="deployment_id")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def at(
    environment: Environment,
    moment: Annotated[str, typer.Argument(help="2h, 'yesterday 15:00', 2026-01-31 or RFC 3339", show_default=False)],
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show what was deployed at a moment, since when, and by whom."""
    then = moment_of(moment)

    async def act(register: Register) -> None:
        found = questions.standing(await register.history(environment), then)
        narrow = ("app", "release", "since", "by", "reason")
        write([to_json(one) for one in found], output, narrow=narrow, name="app")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def diff(
    first: Environment,
    second: Environment,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show the apps whose releases differ between two environments."""

    async def act(register: Register) -> None:
        places = await register.places()
        found = questions.differences(place_of(first, places).active, place_of(second, places).active)
        rows = [{"app": one.app, first: one.first, second: one.second} for one in found]
        write(rows, output, name="app")

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def deploy(
    environment: Environment,
    application: App,
    release: Annotated[str, typer.Argument(help="release", show_default=False)],
    reason: Reason = None,
    expected: Expected = None,
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Make a release the active one."""
    wanted = Change(environment, application, release, reason, expected, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_change, wanted, output))


@app.command()
def undeploy(
    environment: Environment,
    application: App,
    reason: Reason = None,
    expected: Expected = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Take an app out of an environment."""
    confirm(f"take {application} out of {environment}", is_sure=yes or dry_run)
    wanted = Change(environment, application, None, reason, expected, dry_run=dry_run)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_change, wanted, output))


@app.command()
def undo(
    environment: Environment,
    application: App,
    to: Annotated[str | None, typer.Option(help="an earlier release; without it the choices are shown")] = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="take the release before, without asking")] = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Go back to an earlier release."""

    async def act(register: Register) -> None:
        lines = await register.history(environment, app=application)
        if to is not None:
            questions.must_have_been(lines, to)
        release = to or _chosen(questions.earlier_releases(lines), is_sure=yes)
        active = next((one.release for one in questions.standing(lines)), None)
        # What was chosen from is what is gone back from: a change in between is a conflict.
        wanted = Change(environment, application, release, reason, active, is_rollback=True, dry_run=dry_run)
        await _change(wanted, output, register)

    ask(Where(workspace, namespace, kubeconfig, context), act)


@app.command()
def lock(
    environment: Environment,
    reason: Annotated[str, typer.Option("--reason", "-m", help="shown to everybody whose change is refused")],
    dry_run: DryRun = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Refuse every release change in an environment, for everybody."""

    async def act(register: Register) -> None:
        await register.lock(environment, reason, dry_run=dry_run)
        sys.stdout.write(f"{environment} is locked: {reason}{unless_stored(dry_run)}\n")

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
    timeout: Annotated[float, typer.Option(help="seconds", min=0)] = 60.0,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Wait until the newest change of an app is in the history; exit code 124 if it takes too long."""

    async def act(register: Register) -> None:
        async def arrived() -> bool:
            return _arrived(await register.history(environment, app=application), release)

        try:
            async with asyncio.timeout(timeout):
                while not await arrived():  # noqa: ASYNC110 — both ways are asked; nobody tells by itself
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            message = f"{release or 'the newest change'} of {application} is not in the history of {environment} yet"
            raise TroubleError(Exit.TIMEOUT, message) from None

    ask(Where(workspace, namespace, kubeconfig, context), act)


def _arrived(lines: Sequence[Line], release: str | None) -> bool:
    newest = next(iter(questions.newest_first(questions.stamped(lines))), None)
    return newest is not None and newest.recorded and release in {None, newest.release}


# --- what they share


async def _lines(register: Register, environment: str | None, application: str | None) -> list[Line]:
    places = [environment] if environment else [one.environment for one in await register.places()]
    return [line for one in places for line in await register.history(one, app=application)]


async def _change(wanted: Change, output: Form, register: Register) -> None:
    line = await register.change(wanted)
    row = {
        "environment": wanted.environment,
        "app": wanted.app,
        "release": wanted.release,
        "deployment_id": line,
        "dry_run": wanted.dry_run,
    }
    write([row], output, narrow=("environment", "app", "release", "dry_run"), name="deployment_id")


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


run_get, run_environments, run_matrix, run_history = (
    partial(run, verb) for verb in ("get", "environments", "matrix", "history")
)
run_at, run_diff, run_deploy, run_undeploy = (partial(run, verb) for verb in ("at", "diff", "deploy", "undeploy"))
run_undo, run_lock, run_unlock, run_wait = (partial(run, verb) for verb in ("undo", "lock", "unlock", "wait"))
