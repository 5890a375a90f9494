"""A past to import: changes of releases as real histories have them, and where the real one is."""

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ENVIRONMENTS = ("integration", "staging", "production")
#: A real history of 115,470 changes: columns time, app, environment, release. It is not part of the project, so only
#: this variable says where it is.
REAL = Path(os.environ["MOORAGE_REPLAY"]) if "MOORAGE_REPLAY" in os.environ else None


@dataclass(frozen=True, slots=True)
class Told:
    """A file and what it tells.

    Attributes:
        newest: what is active after it, by environment and app.
    """

    path: Path
    count: int
    newest: Mapping[tuple[str, str], str]


def made_up(path: Path, count: int, *, apps: int = 20, seed: int = 1) -> Told:
    """Releases that walk from environment to environment; some are taken out, some come again."""
    chance = random.Random(seed)  # noqa: S311 — a story, no secret
    newest: dict[tuple[str, str], str] = {}
    lines = ["time,app,environment,release"]
    for moment, app, environment, release in _walk(chance, count, apps):
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{app},{environment},{release}")
        newest[environment, app] = release
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Told(path, count, {key: release for key, release in newest.items() if release})


def _walk(chance: random.Random, count: int, apps: int) -> Iterator[tuple[datetime, str, str, str]]:
    moment = datetime(2022, 10, 10, 10, 39, 30, tzinfo=UTC)
    number = 0
    while True:
        app, release = f"app-{chance.randrange(apps)}", f"{chance.getrandbits(160):040x}"
        for environment in ENVIRONMENTS[: chance.choice((1, 2, 3, 3))]:
            # Many at one moment, then nothing for hours: as people work.
            moment += timedelta(seconds=chance.choice((0, 0, 1, 60, 600, 7200)))
            yield moment, app, environment, "" if chance.random() < 0.01 else release
            number += 1
            if number == count:
                return
