"""checkov, which has pins of its own."""

from pathlib import Path

from moorage_dev import pinned


def checkov() -> Path:
    """The program; installed the first time.

    Raises:
        DevError: the packages cannot be installed.
    """
    return pinned.programs("audit") / "checkov"
