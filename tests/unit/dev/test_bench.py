"""The benchmark's own parts: a wrong ruler measures nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from moorage_crds import names
from moorage_crds.chain import ChainWalk, known_of, uid_of
from moorage_crds.kinds import deployment, environment
from moorage_dev.bench import audit, table
from moorage_dev.bench.command import main
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples, percentile
from moorage_dev.bench.load.wire import Wire
from moorage_dev.bench.population import World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPERATOR = "system:serviceaccount:moorage-system:moorage-operator"


def figure(*values: float, baseline: float | None = None, aim: Aim | None = None) -> Figure:
    beside = Baseline("plain client", Samples.of([baseline])) if baseline is not None else None
    return Figure("reads", "rate", "1/s", Samples.of(values), beside, (aim,) if aim else ())


@pytest.mark.parametrize(
    ("aim", "reached"),
    [
        (Aim(3), True),
        (Aim(2.9), False),
        (Aim(3, at_most=False), True),
        (Aim(3.1, at_most=False), False),
        (Aim(1.5, of_ratio=True), True),
        (Aim(2, at_most=False, of_ratio=True), False),
    ],
)
def test_an_aim_is_about_the_median_or_its_ratio(aim: Aim, reached: bool) -> None:
    assert figure(1, 3, 100, baseline=2).reached(aim) is reached


def test_a_ratio_needs_a_baseline() -> None:
    assert figure(1).ratio is None
    assert figure(1, baseline=0).ratio is None
    assert not figure(1).reached(Aim(5, of_ratio=True))
    with pytest.raises(ValueError, match="at least one"):
        Samples.of([])


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 4, 4]


def test_the_table_says_what_was_missed_and_the_file_holds_every_round(tmp_path: Path) -> None:
    missed = figure(1, 3, 100, baseline=2, aim=Aim(2))
    assert "3.00 (1.00–100)" in table.text([missed])
    assert "MISSED" in table.text([missed])
    path = tmp_path / "deep" / "bench.json"
    table.write_json(path, [missed], table.context(rounds=3, scale=1))
    (found,) = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert found["rounds"] == [1, 3, 100]
    assert found["aims"] == [{"aim": "≤ 2", "reached": False}]


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Benchmarks\n\nProse.\n\n{table.HEADING}\n\nold\n", encoding="utf-8")
    context = table.context(rounds=5, scale=0.5)
    for _ in range(2):
        table.write_document(page, [figure(1, 3, 100)], context)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Benchmarks\n\nProse.\n\n{table.HEADING}\n\n{context['date']}")
    assert text.count("| rate [1/s] | 3.00 (1.00–100) |") == 1
    assert "old" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scale", "0"],
        ["--scale", "two"],
        ["--rounds", "0"],
        ["--only", "nothing"],
        ["--document", "no/such/page.md"],
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_answers_are_cut_out_of_the_stream_whatever_its_pieces(step: int) -> None:
    found: list[tuple[int, bytes]] = []
    wire = Wire(lambda status, body: found.append((status, body)), lambda: None)
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    ]
    for answer in answers:
        for start in range(0, len(answer), step):
            wire.data_received(answer[start : start + step])
    assert found == [(200, b"hello"), (404, b"abcde"), (304, b"")]


def line(resource: str, name: str, second: float, **changed: Any) -> str:
    event = {
        "stage": "ResponseComplete",
        "user": {"username": OPERATOR},
        "verb": "patch",
        "responseStatus": {"code": 200},
        "objectRef": {"resource": resource, "subresource": "status", "namespace": "shop", "name": name},
        "requestReceivedTimestamp": f"2026-03-01T12:00:{second:09.6f}Z",
        "stageTimestamp": f"2026-03-01T12:00:{second + 0.01:09.6f}Z",
    }
    return json.dumps({**event, **changed}) + "\n"


def test_writes_are_those_of_the_account_that_were_answered_since(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("environments", "before", 0), encoding="utf-8")
    follower = audit.Follower(log, OPERATOR)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(line("environments", "production", 1))
        handle.write(line("environments", "other", 1.2))
        handle.write(line("environments", "production", 2.5))
        handle.write(line("environments", "refused", 3, responseStatus={"code": 409}))
        handle.write(line("environments", "read", 3, verb="get"))
        handle.write(line("leases", "moorage-operator", 3, objectRef={"resource": "leases"}))
        handle.write(line("environments", "somebody", 3, user={"username": "alice"}, note=OPERATOR))
        handle.write(line("environments", "half a line", 4)[:40])
    writes = audit.of(follower.writes(), "environments/status")
    assert [write.place[1] for write in writes] == ["production", "other", "production"]
    assert audit.shortest_gap(writes) == pytest.approx(1.5)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(line("environments", "half a line", 4)[40:])
    assert len(follower.writes()) == 4


def test_a_world_is_what_operator_and_policies_would_have_left() -> None:
    raw: dict[str, list[dict[str, Any]]] = {}
    for key, value in World(20, NOW).stored():
        stored = orjson.loads(value)
        stored["metadata"]["resourceVersion"] = "1"
        raw.setdefault(key.split("/")[3], []).append(stored)
    assert {plural: len(found) for plural, found in raw.items()} == {
        names.ENVIRONMENTS: 2,
        names.DEPLOYMENTS: 20,
        names.RECORDS: 200,
    }
    known = {view.uid: known_of(view) for view in map(deployment.from_object, raw[names.DEPLOYMENTS])}
    walks: dict[str, ChainWalk] = {}
    for stored in raw[names.RECORDS]:
        uid = uid_of(stored)
        walk = walks.setdefault(uid, ChainWalk(stored["metadata"]["namespace"], uid))
        assert list(walk.step(stored, known[uid])) == []
    assert [flaw for uid, walk in walks.items() for flaw in walk.ends(known[uid])] == []
    assert not any(deployment.due_changes(view) for view in map(deployment.from_object, raw[names.DEPLOYMENTS]))
    counts = [environment.from_object(one).status["activeDeploymentCount"] for one in raw[names.ENVIRONMENTS]]
    assert counts == [10, 10]


def test_a_larger_world_continues_a_smaller_one() -> None:
    small = dict(World(20, NOW).stored())
    rest = dict(World(50, NOW).stored(beyond=20))
    assert small.keys().isdisjoint(rest)
    assert small | rest == dict(World(50, NOW).stored())
