"""The command `moorage`: finds its subcommands by entry point and imports only the one that was asked for.

An entry point of the group `moorage.commands` is a function `(argv: list[str]) -> int`, the exit code.
"""

import io
import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as distribution_version

from moorage_crds.process.start import end_quickly, start_quickly

GROUP = "moorage.commands"
#: Set by the script that `moorage completion` prints.
COMPLETING = "_MOORAGE_COMPLETE"

_SUMMARIES = {
    "status": "say whether changes are stamped and recorded",
    "get": "show what is deployed where, since when and by whom",
    "environments": "list environments and their locks",
    "matrix": "show all apps in all environments",
    "history": "show who changed what, when and why",
    "at": "show what was deployed at a moment",
    "diff": "compare two environments",
    "deploy": "make a release the active one",
    "promote": "deploy the releases of the environment before",
    "undo": "go back to an earlier release",
    "undeploy": "take an app out of an environment",
    "lock": "refuse every release change in an environment",
    "unlock": "take the lock away",
    "wait": "wait until a change is in the history, or healthy",
    "explain": "say why a change is refused, and when it passes",
    "approve": "say yes to a release",
    "reject": "say no to a release",
    "freeze": "refuse release changes for a time",
    "unfreeze": "delete a Freeze",
    "freezes": "list Freezes, and whether they are closed now",
    "import": "bring what runs elsewhere, and its past, into a workspace",
    "completion": "print what a shell needs to complete words",
    "operator": "record history, compute status, sweep (long-running)",
    "api": "serve the REST API (long-running)",
    "verify": "check the hash chains of the history",
    "export": "write the history as JSON Lines or CSV",
    "preflight": "check whether this cluster has all that Moorage needs",
    "crds": "print CRDs and admission policies",
    "version": "print the version",
}


def main() -> None:
    """Run `moorage <subcommand> …` and exit with its code."""
    start_quickly()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A reason may have letters that this terminal does not have.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed its end, as `head` does. Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    end_quickly()
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Dispatch to a subcommand; 2 if there is none of that name."""
    if argv[:1] == ["--version"]:
        return version([])
    commands = {point.name: point for point in entry_points(group=GROUP)}
    if COMPLETING in os.environ and "completion" in commands:
        # The shell asks for words: all commands are looked at.
        return int(commands["completion"].load()([]))
    if not argv or argv[0] in {"-h", "--help", "help"}:
        sys.stdout.write(_usage(commands))
        return 0 if argv else 2
    found = commands.get(argv[0])
    if found is None:
        sys.stderr.write(f"moorage: there is no command {argv[0]!r}{_hint(argv[0], commands)}\n")
        return 2
    try:
        return int(found.load()(argv[1:]))
    except KeyboardInterrupt:
        return 130


def version(argv: list[str]) -> int:
    """Print the version of the installed distribution."""
    if argv:
        sys.stderr.write("moorage version: takes no arguments\n")
        return 2
    sys.stdout.write(f"moorage {distribution_version('moorage')}\n")
    return 0


def _hint(word: str, commands: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 — only a mistake needs it

    near = get_close_matches(word, commands, n=1)
    return f"; did you mean {near[0]}?" if near else "; moorage --help lists them"


def _usage(commands: dict[str, EntryPoint]) -> str:
    lines = [f"  {name:<12} {_SUMMARIES.get(name, '')}" for name in sorted(commands, key=_rank)]
    return "\n".join(["usage: moorage COMMAND [--help] [options]", "", "commands:", *lines, ""])


def _rank(name: str) -> tuple[int, str]:
    order = list(_SUMMARIES)
    return (order.index(name) if name in order else len(order), name)
