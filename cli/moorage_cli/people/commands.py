"""The commands of every day that only ask. Each is a thin shell: ask the `Register`, let `questions` answer, write it.

`moorage_crds.process.entry` calls one function for each verb, with what stands behind it; the number is the exit code.
Those of the commands that change something are here, too, under the names that were published first.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from moorage_cli.people import changing, known, questions
from moorage_cli.people.model import Asked, Place, place_of, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.register import Register
from moorage_cli.people.shell import (
    Context,
    Environment,
    Everywhere,
    Kubeconfig,
    Moment,
    Namespace,
    Output,
    Row,
    Workspace,
    app,
    ask,
    ask_rows,
    moment_of,
    run,
    write,
)
from moorage_cli.people.ways import Where


@app.command()
def get(
    environment: Annotated[
        str | None,
        typer.Argument(
            metavar="ENVIRONMENT|APP",
            help="one environment, or one app everywhere",
            show_default=False,
            autocompletion=known.environments,
        ),
    ] = None,
    application: Annotated[
        str | None,
        typer.Argument(metavar="APP", help="one app in it", show_default=False, autocompletion=known.apps),
    ] = None,
    in_all: Everywhere = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show what is deployed where, since when, by whom, and whether it is healthy."""

    async def rows_of(register: Register) -> list[Row]:
        places = await register.places()
        chosen, wanted = _chosen(places, environment, application)
        rows = questions.standing_now(chosen, await register.newest())
        return [row for row in rows if wanted in {None, row["app"]}]

    rows = ask_rows(Where(workspace, namespace, kubeconfig, context), rows_of, in_all=in_all)
    narrow = ("environment", "app", "release", "since", "by", "rollout", "locked_by")
    write(rows, output, narrow=_with_workspace(narrow, in_all=in_all), name="app")


def _with_workspace(columns: Sequence[str], *, in_all: bool) -> list[str]:
    return [*(["workspace"] if in_all else []), *columns]


def _chosen(places: Sequence[Place], first: str | None, app: str | None) -> tuple[Sequence[Place], str | None]:
    """The environments and the app that were meant. Raises TroubleError: there is neither of that name."""
    if first is None:
        return places, None
    known_apps = {name for place in places for name in place.active}
    if app is None and first in known_apps and first not in {place.environment for place in places}:
        return places, first
    return [place_of(first, places)], app


@app.command()
def environments(
    in_all: Everywhere = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """List environments and their locks."""

    async def rows_of(register: Register) -> list[Row]:
        return [
            {
                "environment": one.environment,
                "name": one.name,
                "default": one.is_default,
                "apps": len(one.active),
                "locked_by": one.lock and one.lock.by,
                "lock_reason": one.lock and one.lock.reason,
                "locked_until": one.lock and one.lock.until,
            }
            for one in await register.places()
        ]

    rows = ask_rows(Where(workspace, namespace, kubeconfig, context), rows_of, in_all=in_all)
    write(rows, output, name="environment")


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
        typer.Argument(
            metavar="ENVIRONMENT",
            help="default: all environments",
            show_default=False,
            autocompletion=known.environments,
        ),
    ] = None,
    application: Annotated[
        str | None, typer.Argument(metavar="APP", help="one app only", show_default=False, autocompletion=known.apps)
    ] = None,
    since: Moment = None,
    until: Moment = None,
    by: Annotated[str | None, typer.Option(help="one user only")] = None,
    limit: Annotated[int, typer.Option(help="how many, the newest first", min=1)] = 50,
    in_all: Everywhere = False,
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Show who changed what, when and why; the newest first. Without an environment: all, also those that are gone."""
    begin, end = (moment_of(one) if one else None for one in (since, until))
    asked = Asked(environment, application, begin, end, by, limit)

    async def rows_of(register: Register) -> list[Row]:
        return [to_json(line) for line in await register.changes(asked)]

    rows = ask_rows(Where(workspace, namespace, kubeconfig, context), rows_of, in_all=in_all)
    if in_all:
        rows = sorted(rows, key=lambda row: (row["at"] is None, row["at"] or ""), reverse=True)[:limit]
    # A column with one asked-for value is left out: a terminal has 80 characters.
    said = {"environment": environment, "app": application}
    columns = ("at", "environment", "app", "action", "release", "previous", "by", "outcome", "reason")
    narrow = _with_workspace([one for one in columns if said.get(one) is None], in_all=in_all)
    write(rows, output, narrow=narrow, name="deployment_id")


@app.command()
def at(
    environment: Environment,
    moment: Annotated[
        str, typer.Argument(metavar="MOMENT", help="2h, 'yesterday 15:00', 2026-01-31 or RFC 3339", show_default=False)
    ],
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
    first: Annotated[str, typer.Argument(metavar="FIRST", help="an environment", autocompletion=known.environments)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="another one", autocompletion=known.environments)],
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


run_get, run_environments, run_matrix, run_history = (
    partial(run, verb) for verb in ("get", "environments", "matrix", "history")
)
run_at, run_diff = (partial(run, verb) for verb in ("at", "diff"))
run_deploy, run_undeploy, run_undo = changing.run_deploy, changing.run_undeploy, changing.run_undo
run_lock, run_unlock, run_wait = changing.run_lock, changing.run_unlock, changing.run_wait
