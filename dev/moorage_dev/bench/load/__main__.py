"""`python -m moorage_dev.bench.load MODE`: a job as JSON on standard input, its result as JSON on standard output.

A process of its own, so that measuring and what is measured do not share an interpreter. They share two cores.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import uvloop

from moorage_dev.bench.load import bare, changes, listing, pairs, reads

_MODES: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "reads": reads.run,
    "pairs": pairs.run,
    "changes": changes.run,
    "listing": listing.run,
    "bare": bare.run,
}


async def _run(mode: str, job: Mapping[str, Any]) -> dict[str, Any]:
    before = time.process_time()
    result = await _MODES[mode](job)
    return {**result, "cpu_seconds": time.process_time() - before}


def main() -> None:
    """Run one job."""
    job = orjson.loads(sys.stdin.buffer.read())
    result = uvloop.run(_run(sys.argv[1], job))
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS))


if __name__ == "__main__":
    main()
