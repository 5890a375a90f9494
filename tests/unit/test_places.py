"""A new kind, loop, gate or operation is one room or file, and few places know it: counted for a real one of each.

docs/architecture.md shows these places. Its own room, tests, documents and generated files are not counted.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
#: What is searched for a kind and a gate: what the cluster stores; what acts on it is the capability itself.
STORED = ("crds/moorage_crds",)
OPERATOR = ("operator/moorage_operator",)
FACADE = ("api/moorage_api",)


@pytest.mark.parametrize(
    ("name", "folders", "own", "places"),
    [
        pytest.param(
            r"EVENT_SINKS|\bevent_sink\b",
            STORED,
            ("crds/moorage_crds/kinds/event_sink.py",),
            {"crds/moorage_crds/kinds/registry.py", "crds/moorage_crds/names.py"},
            id="kind",
        ),
        pytest.param(
            r"\bcarrying\.|\bCarrier\b",
            OPERATOR,
            ("operator/moorage_operator/carrying/",),
            {"operator/moorage_operator/assembly.py"},
            id="loop",
        ),
        pytest.param(
            r"gates\.promotion|\bPromotionGate\b",
            STORED,
            ("crds/moorage_crds/gates/promotion.py",),
            {"crds/moorage_crds/kinds/evidence.py"},
            id="gate",
        ),
        pytest.param(
            r"handlers\.numbers|reads\.numbers|\bNumbers(?:Reply)?\b",
            FACADE,
            ("api/moorage_api/handlers/numbers.py", "api/moorage_api/reads/numbers.py"),
            {"api/moorage_api/overview.py", "api/moorage_api/contract/overviews.py"},
            id="operation",
        ),
    ],
)
def test_few_places_know_it(name: str, folders: tuple[str, ...], own: tuple[str, ...], places: set[str]) -> None:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    knowing = {path.relative_to(ROOT).as_posix() for path in files if re.search(name, path.read_text(encoding="utf-8"))}
    assert {path for path in knowing if not path.startswith(own)} == places
    assert any(path.startswith(own) for path in knowing)


def test_every_place_of_the_table_exists() -> None:
    rows = [line for line in ARCHITECTURE.splitlines() if line.startswith("| ") and "`" in line]
    named = {
        one for row in rows for one in re.findall(r"`((?:crds|operator|api|cli|web|docs|examples)/[\w/.-]+)`", row)
    }
    assert len(named) > 20
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []
