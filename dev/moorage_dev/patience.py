"""How long a wait may last: the one setting by which all bounds of development and tests grow on a busy machine.

Bounds are written for an idle machine. `MOORAGE_PATIENCE` multiplies all of them; without it the load does.
"""

import os
import time

from moorage_dev.failures import DevError

VARIABLE = "MOORAGE_PATIENCE"
#: Beyond this a wait is a hang, whatever the load.
_MOST = 20.0
#: With n processes on a core each takes n times as long; the rest is for the load average, which lags by a minute.
_PER_LOAD = 2.0


def factor() -> float:
    """By what bounds are multiplied now, from 1 to 20.

    Raises:
        DevError: `MOORAGE_PATIENCE` is not a number of at least 1.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return min(max(1.0, _PER_LOAD * os.getloadavg()[0] / _cores()), _MOST)
    try:
        chosen = float(given)
    except ValueError:
        chosen = 0.0
    if not 1 <= chosen <= 1000:
        raise DevError(f"{VARIABLE} says {given!r}: give a number from 1 to 1000, or unset it")
    return chosen


def scaled(seconds: float) -> float:
    """A bound for this machine, as busy as it is now."""
    return seconds * factor()


def flag(seconds: float) -> str:
    """A bound for this machine as kubectl and helm take it: `--timeout=90s`."""
    return f"--timeout={scaled(seconds):.0f}s"


def is_over(began: float, seconds: float) -> bool:
    """Whether a wait has lasted too long. Ask at each turn: the load may have grown since it began.

    Args:
        began: `time.monotonic()` at its begin.
        seconds: the bound on an idle machine.
    """
    passed = time.monotonic() - began
    return passed > seconds and passed > scaled(seconds)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
