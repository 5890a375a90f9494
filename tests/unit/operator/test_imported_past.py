"""The past that was imported follows no Deployment: no operator ends it, removes it, or believes any of it."""

from datetime import datetime, timedelta

import builders
from fixed_clock import START
from operator_bench import Bench

from moorage_cli.importing.past import past_of, records_of
from moorage_cli.replay import Line
from moorage_crds import names
from moorage_crds.moments import to_text


def imported(bench: Bench, *, made: datetime = START) -> list[str]:
    """web ran v1 for years in production, an import says; the names of the records."""
    lines = [Line(START - timedelta(days=900 - number), "web", "production", f"v{number}") for number in range(1, 4)]
    found = []
    for raw in records_of(past_of(lines, now=START), namespace=builders.NAMESPACE, source="a file"):
        raw["metadata"]["creationTimestamp"] = to_text(made)
        bench.store.put(raw)
        found.append(raw["metadata"]["name"])
    return sorted(found)


async def test_a_sweep_leaves_it_as_it_is_however_old() -> None:
    bench = Bench()
    bench.store.put(builders.environment("production"))
    names_before = imported(bench, made=START - timedelta(days=400))
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    assert sorted(raw["metadata"]["name"] for raw in bench.store.all(names.RECORDS)) == names_before


async def test_a_claim_proves_nothing() -> None:
    bench = Bench()
    bench.store.put(builders.environment("production"))
    bench.store.put(builders.environment("live", promotion={"from": "production", "soak": "10s"}))
    imported(bench)
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    gates = bench.environment("live")["status"]["gates"]
    assert not gates.get("proven")
    assert not gates.get("known")

    bench.release("v9")
    bench.clock.advance(60)
    await bench.settle()
    gates = bench.environment("live")["status"]["gates"]
    assert [one["release"] for one in gates["proven"]["web"]] == ["v9"]
