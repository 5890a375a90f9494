"""What all commands of people share: the options, the way to the `Register`, the writing of answers, exit codes."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from moorage_cli.people import questions
from moorage_cli.people.known import apps, environments
from moorage_cli.people.model import Exit, Register, TroubleError
from moorage_cli.people.output import Form, written
from moorage_cli.people.ways import Where, opened
from moorage_crds.clock import SystemClock
from moorage_crds.identifiers import InvalidIdentifierError, NamespaceName

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Environment = Annotated[
    str, typer.Argument(help="slug of an environment", show_default=False, autocompletion=environments)
]
App = Annotated[str, typer.Argument(help="app", show_default=False, autocompletion=apps)]
Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="<org>/<workspace>, with MOORAGE_URL")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the workspace, by kubeconfig")]
Kubeconfig = Annotated[Path | None, typer.Option(help="default: KUBECONFIG, then ~/.kube/config")]
Context = Annotated[str | None, typer.Option(help="context of the kubeconfig")]
Output = Annotated[Form, typer.Option("--output", "-o", help="form of the answer")]
Reason = Annotated[str | None, typer.Option("--reason", "-m", help="why; shown in the history")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="ask only, change nothing")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask back")]
Expected = Annotated[str | None, typer.Option(help="refuse if another release is active")]
Moment = Annotated[str | None, typer.Option(help="90m, 2h, 'yesterday 15:00', 2026-01-31 or RFC 3339")]


@app.callback()
def moorage() -> None:
    """Which release runs where, who put it there, and how to change it."""
    # Without a callback the library takes a single command for the whole program.


def run(verb: str, argv: list[str]) -> int:
    """One verb with its arguments; the exit code."""
    try:
        app(args=[verb, *argv], prog_name="moorage")
    except TroubleError as trouble:
        sys.stderr.write(f"moorage {verb}: {trouble}\n")
        return trouble.code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    return Exit.DONE


def verbs() -> list[str]:
    """All of them, in the order of the help."""
    return [command.name or str(getattr(command.callback, "__name__", "")) for command in app.registered_commands]


def ask(where: Where, act: Callable[[Register], Coroutine[Any, Any, None]]) -> None:
    """Open the way to the workspace and act there. Raises TroubleError."""

    async def asked() -> None:
        async with opened(where) as register:
            await act(register)

    complete(asked())


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


def unless_stored(dry_run: bool) -> str:
    """The end of a sentence about a change."""
    return " (dry run: nothing is stored)" if dry_run else ""


def write(rows: Sequence[Mapping[str, Any]], form: Form, *, narrow: Sequence[str] = (), name: str) -> None:
    """Write rows in the form that was asked for."""
    sys.stdout.write(written(rows, form, narrow=narrow, name=name))
