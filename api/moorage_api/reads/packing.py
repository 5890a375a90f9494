"""Large answers in gzip, each made once: a second request for the same state gets the same bytes. Pure."""

import gzip
from collections import OrderedDict
from typing import Final

#: Smaller answers are sent as they are.
LEAST_BYTES: Final = 8_192
#: The fastest level: JSON with much that repeats shrinks by it to a tenth or less.
_LEVEL: Final = 1
#: Bytes of packed answers that are kept.
MAX_KEPT: Final = 8_000_000


def takes_gzip(accepted: str | None) -> bool:
    """Whether an `Accept-Encoding` takes gzip: named, or by `*`, and not with the weight 0."""
    weights = {}
    for part in (accepted or "").lower().split(","):
        name, _, rest = part.strip().partition(";")
        weights[name.strip()] = rest.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return weights.get("gzip", weights.get("*", False))


class Packed:
    """Answers in gzip, by their tags."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def of(self, tag: str, body: bytes) -> bytes:
        """The body of that tag in gzip."""
        packed = self._kept.pop(tag, None)
        if packed is None:
            # Without a time, so that equal bodies are equal bytes.
            packed = gzip.compress(body, _LEVEL, mtime=0)
            self._bytes += len(packed)
        self._kept[tag] = packed
        while self._bytes > MAX_KEPT and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
        return packed
