"""`python -m moorage_dev oldest COMMAND…`: a command of this checkout, with the oldest control plane that has all.

The command finds the programs by the variable that envtest and its relatives read, as it would find given ones.
"""

import argparse
import os

from moorage_dev import binaries
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT
from moorage_dev.modules import OLDEST_CONTROL_PLANE


def main(argv: list[str]) -> int:
    """Become the command, in the checkout; so it does not return.

    Raises:
        DevError: the programs cannot be built, or there is no such command.
    """
    parser = argparse.ArgumentParser(prog="python -m moorage_dev oldest", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as: make bench ARGS='--only gates'")
    command: list[str] = parser.parse_args(argv).command
    if not command:
        parser.error("say which command")
    folder = binaries.build(OLDEST_CONTROL_PLANE)
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(folder)}
    os.chdir(ROOT)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 — signals and the exit code are the command's own
    except OSError as error:
        raise DevError(f"{command[0]}: {error.strerror}") from error
