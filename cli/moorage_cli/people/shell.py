"""Shared by all commands of people: the options, the way to the `Register`, the writing of answers, exit codes."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.models import CommandInfo

from moorage_cli.people import questions
from moorage_cli.people.known import apps, environments
from moorage_cli.people.model import Exit, TroubleError
from moorage_cli.people.output import Form, written
from moorage_cli.people.passing import Until
from moorage_cli.people.register import Register
from moorage_cli.people.ways import Where, everywhere, opened
from moorage_crds.clock import SystemClock
from moorage_crds.identifiers import InvalidIdentifierError, NamespaceName
from moorage_crds.moments import to_text

Row = dict[str, Any]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Environment = Annotated[
    str,
    typer.Argument(
        metavar="ENVIRONMENT", help="slug of an environment", show_default=False, autocompletion=environments
    ),
]
App = Annotated[str, typer.Argument(metavar="APP", help="app", show_default=False, autocompletion=apps)]
Release = Annotated[str, typer.Argument(metavar="RELEASE", help="release", show_default=False)]
Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="<org>/<workspace>, with MOORAGE_URL")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the workspace, by kubeconfig")]
Kubeconfig = Annotated[Path | None, typer.Option(help="default: KUBECONFIG, then ~/.kube/config")]
Context = Annotated[str | None, typer.Option(help="context of the kubeconfig")]
Everywhere = Annotated[bool, typer.Option("--all-workspaces", "-A", help="all that you may look into")]
Output = Annotated[Form, typer.Option("--output", "-o", help="form of the answer")]
Reason = Annotated[str | None, typer.Option("--reason", "-m", help="why; shown in the history")]
#: Of a rule: without a reason nobody sets one.
RuleReason = Annotated[str, typer.Option("--reason", "-m", help="shown to everybody whose change is refused")]
#: How a moment may be said at which something ends.
AHEAD: Final = "+2h, 'tomorrow 09:00', 2026-01-31 or RFC 3339"
DryRun = Annotated[bool, typer.Option("--dry-run", help="ask only, change nothing")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask back")]
Expected = Annotated[str | None, typer.Option(help="refuse if another release is active")]
Overriding = Annotated[
    str | None,
    typer.Option("--override", metavar="REASON", help="pass gates that refuse; needs the right to, and this reason"),
]
Gates = Annotated[
    list[str] | None,
    typer.Option("--gate", metavar="GATE", help="of --override: only this gate, as explain names it; repeat it"),
]
WaitFor = Annotated[
    Until | None,
    typer.Option("--wait", help="until the change is in the history, or the release was healthy once"),
]
Timeout = Annotated[float, typer.Option(help="of --wait, in seconds", min=0)]
Moment = Annotated[str | None, typer.Option(help="90m, 2h, 'yesterday 15:00', 2026-01-31 or RFC 3339")]


@app.callback()
def moorage() -> None:
    """Which release runs where, who put it there, and how to change it."""
    # Without a callback the library takes a single command for the whole program.


def run(verb: str, argv: list[str]) -> int:
    """One verb with its arguments; the exit code."""
    try:
        _only(verb)(args=[verb, *argv], prog_name="moorage")
    except TroubleError as trouble:
        sys.stderr.write(f"moorage {verb}: {trouble}\n")
        return trouble.code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    return Exit.DONE


def verbs() -> list[str]:
    """All of them, in the order of the help."""
    return [_name(command) for command in app.registered_commands]


def _only(verb: str) -> typer.Typer:
    """The program with this one verb: the library reads the options of every verb that it is given."""
    program = copy(app)
    program.registered_commands = [command for command in app.registered_commands if _name(command) == verb]
    return program


def _name(command: CommandInfo) -> str:
    return command.name or str(getattr(command.callback, "__name__", ""))


def ask(where: Where, act: Callable[[Register], Coroutine[Any, Any, None]]) -> None:
    """Open the way to the workspace and act there. Raises TroubleError."""

    async def asked() -> None:
        async with opened(where) as register:
            await act(register)

    complete(asked())


def ask_rows(where: Where, rows_of: Callable[[Register], Coroutine[Any, Any, list[Row]]], *, in_all: bool) -> list[Row]:
    """The rows of the workspace, or of all that the user may look into, each with its name. Raises TroubleError."""
    found: list[Row] = []

    async def asked() -> None:
        if not in_all:
            async with opened(where) as register:
                found.extend(await rows_of(register))
            return
        async with everywhere(where) as workspaces:
            for name, register in workspaces:
                found.extend({"workspace": name, **row} for row in await _unless_missing(rows_of(register)))

    complete(asked())
    return found


async def _unless_missing(asked: Coroutine[Any, Any, list[Row]]) -> list[Row]:
    """An environment that is asked for need not be in every workspace."""
    try:
        return await asked
    except TroubleError as trouble:
        if trouble.code is Exit.NOT_FOUND:
            return []
        raise


def complete(asked: Coroutine[Any, Any, None]) -> None:
    """Run it to its end. Raises TroubleError."""
    asyncio.run(asked)


def namespace_name(text: str) -> NamespaceName:
    """The Namespace. Raises TroubleError."""
    try:
        return NamespaceName.parse(text)
    except InvalidIdentifierError as error:
        raise TroubleError(Exit.USAGE, str(error)) from None


def confirm(what: str, *, is_sure: bool) -> None:
    """Ask back before something is destroyed. Raises TroubleError: there is nobody to ask."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise TroubleError(Exit.USAGE, f"say --yes to {what}")
    typer.confirm(f"{what}?", abort=True, err=True)


def moment_of(text: str) -> datetime:
    """The moment that the user means, by the clock of this machine. Raises TroubleError."""
    return questions.moment_of(text, SystemClock().now().astimezone())


def moment_ahead(text: str, *, what: str) -> str:
    """A moment at which something shall end, RFC 3339. Raises TroubleError: it has passed."""
    end = moment_of(text)
    if end <= SystemClock().now():
        raise TroubleError(Exit.USAGE, f"{what} ends in the future: {to_text(end)} has passed; +2h is in two hours")
    return to_text(end)


def unless_stored(dry_run: bool) -> str:
    """The end of a sentence about a change."""
    return " (dry run: nothing is stored)" if dry_run else ""


def write(rows: Sequence[Mapping[str, Any]], form: Form, *, narrow: Sequence[str] = (), name: str) -> None:
    """Write rows in the form that was asked for; where a person would see none, say so beside the answer."""
    if not rows and form in {Form.TABLE, Form.WIDE}:
        sys.stderr.write("nothing found\n")
    sys.stdout.write(written(rows, form, narrow=narrow, name=name))
