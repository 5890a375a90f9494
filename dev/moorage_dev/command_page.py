"""The list of commands in docs/cli.md, made from the commands themselves. `make generate` puts it there."""

import importlib
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from moorage_cli.people import shell
from moorage_crds.process import entry
from moorage_dev.layout import ROOT

BEGIN: Final = "<!-- made from the commands by `make generate` -->"
END: Final = "<!-- end -->"
#: Where the answer comes from and what it looks like: every command that asks has them.
_EVERYWHERE: Final = ("workspace", "namespace", "kubeconfig", "context", "output")


def text(page: str) -> str:
    """The page with the list of commands as they are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def table() -> str:
    """One row for each command, in the order of the help."""
    _load()
    commands = {one.name or _name(one.callback): one.callback for one in shell.app.registered_commands}
    order = [verb for verb in entry._SUMMARIES if verb in commands]
    rows = [
        f"| `{_usage(verb, commands[verb])}` | {_summary(commands[verb])} | {_options(commands[verb])} |"
        for verb in order
    ]
    return "\n".join(["| command | what it does | its own options |", "|---|---|---|", *rows, ""])


def _load() -> None:
    """Import the modules that give `shell` its commands, as the entry points name them."""
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for place in project["entry-points"]["moorage.commands"].values():
        if ".people." in place:
            importlib.import_module(place.partition(":")[0])


def _name(callback: Any) -> str:
    return str(callback.__name__)


def _summary(callback: Any) -> str:
    return " ".join((inspect.getdoc(callback) or "").partition("\n\n")[0].split()).rstrip(".")


def _parameters(callback: Any) -> Iterator[tuple[inspect.Parameter, Any]]:
    for one in inspect.signature(callback).parameters.values():
        if get_origin(one.annotation) is Annotated:
            yield one, get_args(one.annotation)[1]


def _usage(verb: str, callback: Any) -> str:
    words = [verb]
    for one, info in _parameters(callback):
        if isinstance(info, ArgumentInfo):
            name = info.metavar or one.name.upper().replace("APPLICATION", "APP")
            words.append(name if one.default is inspect.Parameter.empty else f"[{name}]")
    # A bare | would end the cell of the table, even within code.
    return " ".join(words).replace("|", r"\|")


def _options(callback: Any) -> str:
    found = [
        (one, info)
        for one, info in _parameters(callback)
        if isinstance(info, OptionInfo) and one.name not in _EVERYWHERE
    ]
    return "; ".join(
        f"`{_flag(one, info)}` {info.help}" if info.help else f"`{_flag(one, info)}`" for one, info in found
    )


def _flag(one: inspect.Parameter, info: OptionInfo) -> str:
    # The library keeps the first name of an annotated option where a default would stand.
    named = [*([info.default] if isinstance(info.default, str) else []), *(info.param_decls or ())]
    return ", ".join(named or [f"--{one.name.replace('_', '-')}"])
