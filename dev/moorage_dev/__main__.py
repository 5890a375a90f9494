"""`python -m moorage_dev COMMAND`: what the Makefile calls. A failure is one sentence and exit code 1."""

import importlib.util
import sys
from collections.abc import Callable
from importlib import import_module

from moorage_dev import binaries, running
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, RUN


def control_plane() -> None:
    """Build or find the programs of the control plane, and say where they are."""
    for name, path in binaries.control_plane().items():
        sys.stdout.write(f"{name:<24} {path}\n")


def up() -> None:
    """`make up`."""
    running.up(RUN)


def down() -> None:
    """`make down`."""
    running.down(RUN)


def demo() -> None:
    """`make demo`: up, then the story."""
    from moorage_dev.demo import DemoError, play  # noqa: PLC0415 — only this command needs the story

    running.up(RUN)
    try:
        play(running.environment(RUN), root=ROOT)
    except DemoError as error:
        raise DevError(str(error)) from error


_COMMANDS: dict[str, Callable[[], None]] = {"control-plane": control_plane, "up": up, "down": down, "demo": demo}
#: Commands with arguments of their own: modules of this package with `main(argv) -> exit code`.
_MODULES = ("bench", "kind", "generate")


def main(argv: list[str]) -> int:
    """Run one command; its exit code."""
    modules = [name for name in _MODULES if importlib.util.find_spec(f"moorage_dev.{name}")]
    if not argv or argv[0] not in (*_COMMANDS, *modules):
        sys.stderr.write(f"usage: python -m moorage_dev {{{','.join((*_COMMANDS, *modules))}}}\n")
        return 2
    try:
        if argv[0] in modules:
            return int(import_module(f"moorage_dev.{argv[0]}").main(argv[1:]))
        _COMMANDS[argv[0]]()
    except DevError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was started is stopped again\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
