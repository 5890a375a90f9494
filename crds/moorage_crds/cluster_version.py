"""Versions of Kubernetes: the caller decides what depends on them. Pure."""

import re
from collections.abc import Mapping
from typing import Any


def to_version(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Major and minor of what the API server answers at `/version`; (0, 0) if that cannot be read."""
    found = re.match(r"v?(\d+)\.(\d+)", str(answer.get("gitVersion", "")))
    return (int(found[1]), int(found[2])) if found else (0, 0)
