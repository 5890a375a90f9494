"""Finds the browser that the journeys of the page run in: one of this machine, or Debian's Chromium."""

import shutil
from pathlib import Path

from moorage_dev import packages
from moorage_dev.failures import DevError

#: Programs that speak the protocol by which the journeys drive them.
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_browser() -> Path:
    """The browser's program; installs Debian's Chromium where there is none and this user may.

    Raises:
        DevError: there is none and none can be installed.
    """
    present = _present()
    if present is not None:
        return present
    reason = packages.why_not({"chromium": "chromium"})
    installed = _present()
    if installed is None:
        raise DevError(f"the journeys of the page need Chromium: {reason or 'its package holds no program'}")
    return installed


def _present() -> Path | None:
    found = (shutil.which(name) for name in _PROGRAMS)
    return next((Path(path) for path in found if path), None)
