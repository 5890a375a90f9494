"""`make bench`: Moorage beside plain clients of the same API server. docs/benchmarks.md says how to read it."""

from moorage_dev.bench.command import main

__all__ = ["main"]
