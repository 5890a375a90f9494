"""Reading objects that may be spoiled. The API server takes none, but whoever edits the store behind it leaves any.

One such object must not stop the work on all others, so what cannot be read is told in the log and left out.
"""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from moorage_crds.objects import RawObject, metadata

ViewT = TypeVar("ViewT")

#: What reading an object raises that is not as its schema says.
UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError)

_log = logging.getLogger(__name__)


def readable(read: Callable[[RawObject], ViewT], raw: RawObject, plural: str) -> ViewT | None:
    """The view of an object that `read` makes; None, and a line in the log, if it cannot."""
    try:
        return read(raw)
    except UNREADABLE:
        meta = metadata(raw)
        fields = {"kind": plural, "namespace": meta.get("namespace"), "name": meta.get("name")}
        _log.exception("object left out", extra={"fields": fields})
        return None
