"""How much is measured; `--scale` and `--rounds` change it, suites read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run.

    Attributes:
        rounds: how often everything is measured.
        scale: 1 for the sizes that the documents speak of; smaller for a quick look.
    """

    rounds: int = 5
    scale: float = 1.0

    @property
    def deployments(self) -> int:
        """Size of the world of the facade and of cold starts: with ten records each, 100,000 records."""
        return self.sized(10_000, least=200)

    @property
    def growth(self) -> list[int]:
        """Sizes of the worlds between which growth is measured."""
        return [self.sized(factor * 1_000, least=factor * 100) for factor in (1, 5, 20)]

    def sized(self, full: int, *, least: int) -> int:
        """A size, scaled and rounded to tens."""
        return max(least, round(full * self.scale / 10) * 10)
