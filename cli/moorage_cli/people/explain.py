"""`moorage explain`: why a change is refused, and what a promotion rule would have refused before anybody sets it."""

import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from moorage_cli.people import known
from moorage_cli.people.model import Exit, Explained, TroubleError, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.register import Register
from moorage_cli.people.shell import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    Workspace,
    app,
    ask,
    moment_of,
    run,
    write,
)
from moorage_cli.people.ways import Where
from moorage_cli.replay import ReplayError, Rule, lines_of, replay
from moorage_crds.kinds.protection import to_duration

_KEYS: Final = ("changes", "back", "refused", "early", "unproven")


@app.command()
def explain(
    environment: Annotated[
        str | None,
        typer.Argument(metavar="ENVIRONMENT", help="where", show_default=False, autocompletion=known.environments),
    ] = None,
    application: Annotated[
        str | None, typer.Argument(metavar="APP", help="default: any", show_default=False, autocompletion=known.apps)
    ] = None,
    release: Annotated[
        str | None, typer.Argument(metavar="RELEASE", help="default: one that was never there", show_default=False)
    ] = None,
    moment: Annotated[str, typer.Option("--at", help="now, +2h, 'tomorrow 09:00', 2026-01-31 or RFC 3339")] = "now",
    replayed: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="FILE",
            help="ask no cluster: count what a promotion rule would have refused of the changes in this CSV "
            "(also .xz), oldest first, with the columns time, app, environment, release",
        ),
    ] = None,
    protected: Annotated[
        str | None, typer.Option("--environment", help="of --replay: the environment that the rule protects")
    ] = None,
    origin: Annotated[str, typer.Option("--from", help="of --replay: the one that comes before")] = "staging",
    soak: Annotated[
        str, typer.Option(help="of --replay: how long a release has to be active there, such as 2h")
    ] = "0s",
    workspace: Workspace = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Say what every gate says of a change, and when it would pass; exit code 5 if it would be refused."""
    if replayed is not None:
        counted = _counts(replayed, protected or environment or "production", origin, soak)
        write([counted], output, name="refused")
        return
    if environment is None:
        raise TroubleError(Exit.USAGE, "which environment? Say ENVIRONMENT, or --replay FILE")
    asked = (environment, application, release)
    then = moment_of("0s" if moment == "now" else moment)
    ask(Where(workspace, namespace, kubeconfig, context), partial(_explain, asked, then, output))


async def _explain(asked: tuple[str, str | None, str | None], then: datetime, output: Form, register: Register) -> None:
    found = await register.explain(*asked, then)
    if output in {Form.JSON, Form.YAML}:
        write([to_json(found)], output, name="environment")
    else:
        narrow = ("gate", "allowed", "enforcement", "opens_at", "message")
        if found.gates or output is not Form.TABLE:
            write([to_json(one) for one in found.gates], output, narrow=narrow, name="gate")
        else:
            sys.stdout.write(f"no gate stands before {found.environment}: the change passes\n")
    for kind in found.unseen:
        sys.stderr.write(f"not looked at, because you may not read them: {kind}\n")
    if not found.allowed:
        raise TroubleError(Exit.REFUSED, _refused(found))


def _refused(found: Explained) -> str:
    what = f"{found.app or 'any app'} {found.release or 'with a new release'} would be refused in {found.environment}"
    opens = (
        f"the same change passes from {found.opens_at}" if found.opens_at else "no moment is known at which it passes"
    )
    return f"{what}; {opens}"


def _counts(path: Path, environment: str, origin: str, soak: str) -> dict[str, Any]:
    """Replay changes of the past and count what the rule would have refused.

    Args:
        path: CSV (also .xz), oldest first: time, app, environment, release.
        environment: the one that the rule protects.
        origin: the one that comes before.
        soak: how long a release has to be active there, such as `2h`.

    Raises:
        TroubleError: the file cannot be replayed, or `soak` is not a time.
    """
    rule = Rule(environment, origin, _soak(soak), soak)
    try:
        report = replay(lines_of(path), rule)
    except ReplayError as error:
        raise TroubleError(Exit.TROUBLE, str(error)) from None
    return {"environment": environment, "from": origin, "soak": soak, **{key: getattr(report, key) for key in _KEYS}}


def _soak(text: str) -> timedelta:
    try:
        return to_duration(text)
    except ValueError as error:
        raise TroubleError(Exit.USAGE, f"--soak: {error}") from None


run_explain = partial(run, "explain")
