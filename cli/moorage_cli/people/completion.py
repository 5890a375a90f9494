"""Completion in the shell, with the names that are really there: bash, zsh, fish, and kubectl for its plugin.

A shell calls the command again with `_MOORAGE_COMPLETE` set, kubectl calls `kubectl_complete-moorage`; both are
answered by the library of the command line. What the cluster or the facade does not answer soon is left out.
"""

import contextlib
import os
import shlex
import sys
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Annotated, Final

import typer

from moorage_cli.people import commands, explain, governing, importing, shell
from moorage_cli.people.model import Exit
from moorage_crds.process.start import end_quickly, start_quickly

VARIABLE: Final = "_MOORAGE_COMPLETE"
#: Tells kubectl that no file completes the word.
_NO_FILES: Final = ":4\n"
_GROUP: Final = "moorage.commands"
#: What gives `shell` its commands.
MODULES: Final = (commands, explain, governing, importing)


class Shell(StrEnum):
    """Shells that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def main() -> int:
    """Answer what the shell asks by its variables."""
    whole = typer.Typer(add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False)
    whole.registered_commands = list(shell.app.registered_commands)
    for point in sorted(entry_points(group=_GROUP), key=lambda one: one.name):
        if point.name not in shell.verbs():
            whole.command(point.name)(_of_administrators)
    try:
        whole(prog_name="moorage")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    return Exit.DONE


def _of_administrators() -> None:
    """Has options of its own: `--help`."""


def kubectl() -> None:
    """`kubectl_complete-moorage WORD…`: one candidate a line, then what kubectl shall do with them."""
    start_quickly()
    words = ["moorage", *sys.argv[1:]]
    os.environ |= {"COMP_WORDS": shlex.join(words), "COMP_CWORD": str(len(words) - 1), VARIABLE: "complete_bash"}
    with contextlib.suppress(SystemExit):
        main()
    sys.stdout.write(_NO_FILES)
    end_quickly()


@shell.app.command()
def completion(which: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish")]) -> None:
    """Print what the shell has to run to complete words of this command."""
    os.environ[VARIABLE] = f"source_{which}"
    main()


def run_completion(argv: list[str]) -> int:
    """`moorage completion bash|zsh|fish`; no arguments: the shell asks."""
    return main() if VARIABLE in os.environ else shell.run("completion", argv)
