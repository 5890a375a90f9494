"""The result of a suite: figures of several rounds, each beside a baseline of the same run."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Samples:
    """One value per round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Samples":
        """Samples of at least one value."""
        found = tuple(values)
        if not found:
            raise ValueError("samples need at least one value")
        return cls(found)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a figure stands beside; measured in the same run, in turns with it."""

    name: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Aim:
    """What the median, or its ratio to the baseline's median, should be.

    Attributes:
        at_most: true for `≤`, false for `≥`.
        of_ratio: the ratio is meant, not the value.
    """

    limit: float
    at_most: bool = True
    of_ratio: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}{'×' if self.of_ratio else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        suite: who measured it.
        name: what it is, for people.
        unit: `ms`, `1/s`, `MiB`, …; empty for plain counts.
        note: what a reader has to know to use it.
    """

    suite: str
    name: str
    unit: str
    samples: Samples
    baseline: Baseline | None = None
    aims: tuple[Aim, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Own median by the baseline's; None without a baseline (or with one of zero)."""
        if self.baseline is None or self.baseline.samples.median == 0:
            return None
        return self.samples.median / self.baseline.samples.median

    def reached(self, aim: Aim) -> bool:
        """Whether the aim is reached."""
        value = self.ratio if aim.of_ratio else self.samples.median
        if value is None:
            return False
        return value <= aim.limit if aim.at_most else value >= aim.limit


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the sorted values lie."""
    if not sorted_values:
        raise ValueError("no values")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
