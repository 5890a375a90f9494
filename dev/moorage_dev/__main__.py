"""`python -m moorage_dev COMMAND`: what the Makefile calls. A failure is one sentence and exit code 1."""

import argparse
import importlib.util
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from moorage_dev import binaries, running
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, RUN


def control_plane(_run: Path) -> None:
    """Build or find the programs of the control plane, and say where they are."""
    for name, path in binaries.control_plane().items():
        sys.stdout.write(f"{name:<24} {path}\n")


def demo(run: Path) -> None:
    """Bring everything up, then play the story."""
    from moorage_dev.demo.play import play  # noqa: PLC0415 — only this command needs the story

    running.up(run, welcome=False)
    play(running.opened(run), running.environment(run), root=ROOT)


_COMMANDS: dict[str, Callable[[Path], None]] = {
    "control-plane": control_plane,
    "up": running.up,
    "down": running.down,
    "demo": demo,
}
#: Commands with arguments of their own: modules with `main(argv) -> exit code`.
_MODULES = {
    **{
        name: f"moorage_dev.{name}"
        for name in (
            "assets",
            "bench",
            "dist",
            "foreign",
            "generate",
            "kind",
            "measures",
            "oldest",
            "page",
            "sbom",
            "screenshots",
        )
    },
    "node": "moorage_dev.node.command",
    "whole-run": "moorage_dev.whole_run",
}


def main(argv: list[str]) -> int:
    """Run one command; its exit code."""
    if argv and argv[0] in _MODULES and importlib.util.find_spec(_MODULES[argv[0]]):
        return _guarded(lambda: int(import_module(_MODULES[argv[0]]).main(argv[1:])))
    parser = argparse.ArgumentParser(prog="python -m moorage_dev", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", choices=(*_COMMANDS, *_MODULES))
    parser.add_argument("--run", type=Path, default=RUN, help="folder of what runs (up and down) [default: dev/.run]")
    arguments = parser.parse_args(argv)
    if arguments.command not in _COMMANDS:
        parser.error(f"there is no {arguments.command} in this checkout")
    return _guarded(lambda: _run(_COMMANDS[arguments.command], arguments.run.absolute()))


def _run(command: Callable[[Path], None], run: Path) -> int:
    command(run)
    return 0


def _guarded(command: Callable[[], int]) -> int:
    # SIGTERM is answered like Ctrl-C, so that whatever was begun is cleaned up.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return command()
    except DevError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was started is stopped again\n")
        return 130


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
