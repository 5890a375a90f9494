"""`python -m moorage_dev sbom [FILE]`: what is in the image beside the base, as CycloneDX JSON, made from the lock."""

import subprocess
import sys
from pathlib import Path

from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT


def text(root: Path = ROOT) -> str:
    """The bill of materials; the same lock gives the same text.

    Args:
        root: the sources; their version is that of the whole.

    Raises:
        DevError: the tool fails.
    """
    done = subprocess.run(
        [
            Path(sys.executable).parent / "cyclonedx-py",
            "requirements",
            f"--pyproject={root / 'pyproject.toml'}",
            "--mc-type=application",
            "--output-reproducible",
            "--output-format=JSON",
            "--validate",
            root / "requirements.lock",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DevError(f"cyclonedx-py failed: {done.stderr.strip()}")
    return done.stdout


def main(argv: list[str]) -> int:
    """Print it, or write it to a file."""
    if argv:
        Path(argv[0]).write_text(text(), encoding="utf-8")
    else:
        sys.stdout.write(text())
    return 0
