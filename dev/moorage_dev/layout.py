"""Where things are: in the checkout, in its run folder, and in the cache outside of it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "dev"
RUN = DEV / ".run"


def cache_dir() -> Path:
    """Folder for what is built or installed once for all checkouts of this user; made if it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = Path(base).expanduser() / "moorage"
    path.mkdir(parents=True, exist_ok=True)
    return path
