"""`moorage explain`: what a promotion rule would have refused, before anybody sets it. It asks no cluster."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from moorage_cli.people import governing
from moorage_cli.people.model import Exit
from moorage_cli.people.output import Form, written
from moorage_cli.replay import ReplayError, Report, Rule, lines_of, replay
from moorage_crds.kinds.protection import to_duration

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_KEYS: Final = ("changes", "back", "refused", "early", "unproven")


@app.command()
def explain(
    replayed: Annotated[
        Path, typer.Option("--replay", help="CSV (also .xz), oldest first: time, app, environment, release")
    ],
    environment: Annotated[str, typer.Option(help="the environment that the rule protects")] = "production",
    origin: Annotated[str, typer.Option("--from", help="the one that comes before")] = "staging",
    soak: Annotated[str, typer.Option(help="how long a release has to be active there, such as 2h")] = "0s",
    output: Annotated[Form, typer.Option("--output", "-o", help="form of the answer")] = Form.TABLE,
) -> None:
    """Replay changes of the past and count what a promotion rule would have refused."""
    report = replay(lines_of(replayed), Rule(environment, origin, _soak(soak), soak))
    row = {"environment": environment, "from": origin, "soak": soak} | _counts(report)
    sys.stdout.write(written([row], output, name="refused"))


def _counts(report: Report) -> dict[str, int]:
    return {key: int(getattr(report, key)) for key in _KEYS}


def _soak(text: str) -> timedelta:
    try:
        return to_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--soak") from error


def run_explain(argv: list[str]) -> int:
    """`moorage explain`: 0 if the file was replayed, 1 if it cannot be, 2 if the arguments are wrong.

    Without `--replay` it is the question to the gates of a cluster, with the exit codes of all commands.
    """
    if not any(one == "--replay" or one.startswith("--replay=") for one in argv):
        return governing.run_explain(argv)
    try:
        app(args=argv, prog_name="moorage explain")
    except ReplayError as error:
        sys.stderr.write(f"moorage explain: {error}\n")
        return Exit.TROUBLE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    return Exit.DONE
