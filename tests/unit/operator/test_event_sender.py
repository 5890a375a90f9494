"""Who sends, and what: the loop around a cluster in memory and an endpoint that only remembers."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import builders
import orjson
import pytest
from operator_bench import Bench, Replica

from moorage_cli.importing.past import past_of, records_of
from moorage_cli.replay import Line
from moorage_crds import names
from moorage_crds.store import ForbiddenError
from moorage_operator.events import decisions, listing, sender
from moorage_operator.events.ports import AddressRefusedError, EndpointReply, NoAddressError, NoTurnError, Post
from moorage_operator.memory.outbox import MAX_SERVED

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Endpoint:
    """Takes everything, unless told otherwise."""

    status: int = 204
    refusal: Exception | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    tried: int = 0
    fault: Exception | None = None
    hit: str = ""

    @contextlib.asynccontextmanager
    async def to(self, url: str, turn: int) -> AsyncIterator[Post]:
        if self.refusal is not None:
            raise self.refusal
        yield self._post

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> EndpointReply:
        self.tried += 1
        if self.fault is not None and self.hit in orjson.loads(body)["subject"]:
            raise self.fault
        assert headers["webhook-signature"].startswith("v1,")
        if 200 <= self.status < 300:
            self.events.append(orjson.loads(body))
        return EndpointReply(self.status, f"it answered {self.status}")

    @property
    def kinds(self) -> list[str]:
        return [".".join(one["type"].split(".")[2:4]) for one in self.events]


def put_sink(bench: Bench, *, name: str = "audit", generation: int = 1, **spec: Any) -> None:
    if generation > 1:
        bench.clock.advance(listing.LIST_SECONDS)
    wanted = {"url": "https://events.example.com/in", "secretRef": {"name": "signing", "key": "secret"}, **spec}
    before = bench.store.one(names.EVENT_SINKS, builders.NAMESPACE, name) or {}
    uid = builders.uid_of(f"sink {name}")
    meta = {"name": name, "namespace": builders.NAMESPACE, "uid": uid, "generation": generation}
    raw = {"apiVersion": names.API_VERSION, "kind": "EventSink", "metadata": meta, "spec": wanted}
    bench.store.put({**raw, **({"status": before["status"]} if "status" in before else {})}, names.EVENT_SINKS)


def status(bench: Bench, name: str = "audit") -> dict[str, Any]:
    raw = bench.store.one(names.EVENT_SINKS, builders.NAMESPACE, name) or {}
    return dict(raw.get("status") or {})


def reason(bench: Bench, name: str = "audit") -> str:
    return next((one["reason"] for one in status(bench, name).get("conditions", ()) if one["type"] == "Ready"), "")


def ready(endpoint: Endpoint | None, *, acts: bool = True) -> tuple[Bench, Replica]:
    bench = Bench()
    meta = {"name": "signing", "namespace": builders.NAMESPACE}
    data = {"secret": base64.b64encode(SECRET.encode()).decode()}
    bench.store.put({"metadata": meta, "data": data}, names.SECRETS)
    replica = bench.replica(acts=acts, courier=endpoint)
    replica.intake.open()
    return bench, replica


async def passes(bench: Bench, holds: Callable[[], Any]) -> None:
    """Let time pass, with the clock too, until a condition holds and no step is half done."""

    def moved() -> Any:
        bench.clock.advance(0.05)
        loops = [loop for replica in bench.replicas for loop in replica.machinery.table]
        return holds() and not any(loop.queue._in_flight for loop in loops)

    await bench.until(moved)


async def test_what_is_recorded_is_sent_once_and_the_status_says_so() -> None:
    endpoint = Endpoint()
    bench, _ = ready(endpoint)
    put_sink(bench)
    for release in ("v1", "v2", None):
        bench.release(release)
    await passes(bench, lambda: len(endpoint.events) == 3 and status(bench).get("sent") == 3)

    assert endpoint.kinds == ["service.deployed", "service.upgraded", "service.removed"]
    assert list(status(bench)["delivered"].values()) == [3]
    assert reason(bench) == "Delivering"


async def test_a_standby_sends_nothing_until_it_acts() -> None:
    endpoint = Endpoint()
    bench, replica = ready(endpoint, acts=False)
    put_sink(bench)
    bench.release("v1")
    await passes(bench, lambda: len(bench.records()) == 1)
    assert endpoint.events == []

    replica.leadership.acts = True
    await replica.sweep.once()
    await passes(bench, lambda: endpoint.kinds == ["service.deployed"])


async def test_a_narrower_filter_is_no_end_of_an_environment_and_a_wider_one_no_beginning() -> None:
    endpoint = Endpoint()
    bench, _ = ready(endpoint)
    put_sink(bench)
    bench.store.put(builders.environment("production"))
    await passes(bench, lambda: endpoint.kinds == ["environment.created"] and status(bench).get("environments"))
    put_sink(bench, generation=2, filters={"environments": ["staging"]})
    bench.store.put(builders.environment("qa"))
    bench.release("v1")
    await passes(bench, lambda: len(status(bench).get("environments", {})) == 2)
    put_sink(bench, generation=3)
    bench.store.put(builders.environment("staging"))
    await passes(bench, lambda: status(bench).get("sent") == 2)

    assert endpoint.kinds == ["environment.created", "environment.created"]
    assert [one["subject"] for one in endpoint.events] == ["production", "staging"]


async def test_what_retention_took_first_is_a_dead_letter() -> None:
    endpoint = Endpoint(status=503)
    bench, replica = ready(endpoint)
    put_sink(bench)
    bench.release("v1")
    bench.release("v2")
    await passes(bench, lambda: endpoint.tried > 0 and len(bench.records()) == 2)
    uid = bench.deployment()["metadata"]["uid"]
    bench.store.remove(names.RECORDS, builders.NAMESPACE, names.record_name(uid, 1))
    endpoint.status = 204
    bench.clock.advance(600)
    replica.machinery.sender.queue.put((builders.NAMESPACE, "audit"))
    await passes(bench, lambda: status(bench).get("sent") == 1)

    assert endpoint.kinds == ["service.upgraded"]
    assert status(bench)["deadLetters"] == 1
    assert replica.measures.events["dead"] == 1


@pytest.mark.parametrize(
    ("refusal", "wanted"),
    [(AddressRefusedError("10.0.0.1 is not a public address"), "AddressRefused"), (NoAddressError("no such name"), "")],
)
async def test_where_nothing_may_go_nothing_is_lost(refusal: Exception, wanted: str) -> None:
    endpoint = Endpoint(refusal=refusal)
    bench, replica = ready(endpoint)
    put_sink(bench)
    bench.release("v1")
    await passes(bench, lambda: len(bench.records()) == 1 and status(bench).get("pending") == 1)
    assert not wanted or reason(bench) == wanted

    endpoint.refusal = None
    bench.clock.advance(sender.TROUBLE_SECONDS + 300)
    replica.machinery.sender.queue.put((builders.NAMESPACE, "audit"))
    await passes(bench, lambda: endpoint.kinds == ["service.deployed"] and reason(bench) == "Delivering")


async def test_what_was_delivered_counts_whatever_becomes_of_the_others() -> None:
    endpoint = Endpoint(fault=RuntimeError("broken"), hit=".web")
    bench, _ = ready(endpoint)
    put_sink(bench)
    bench.store.put(builders.environment("production"))
    bench.release("v1")
    await passes(bench, lambda: endpoint.tried > 3 and status(bench).get("sent") == 1)

    assert endpoint.kinds == ["environment.created"]
    assert status(bench)["pending"] == 1


@pytest.mark.parametrize(
    "value",
    [
        "https://user:sEcReT/x@h/",
        "https://user:sEcReT@hooks.example.com/",
        "http://hooks.example.com/sEcReT",
        "https://hooks.example.com/sEcReT x",
        "https://hooks.example.com/" + "sEcReT" * 500,
        "sEcReT" * 1000,
    ],
)
async def test_only_a_url_is_taken_from_the_secret_of_a_chat(value: str, caplog: pytest.LogCaptureFixture) -> None:
    bench, _ = ready(Endpoint())
    meta = {"name": "signing", "namespace": builders.NAMESPACE}
    data = {"secret": base64.b64encode(value.encode()).decode()}
    bench.store.put({"metadata": meta, "data": data}, names.SECRETS)
    put_sink(bench, url=None, format="slack")
    await passes(bench, lambda: reason(bench) == "SecretUnusable")

    assert "sEcReT" not in f"{status(bench)}{caplog.text}{[vars(one) for one in caplog.records]}"


async def test_a_secret_without_the_right_to_it_is_named() -> None:
    endpoint = Endpoint()
    bench, _ = ready(endpoint)
    bench.store.fail("get", names.SECRETS, ForbiddenError("no"), times=100)
    put_sink(bench)
    await passes(bench, lambda: reason(bench) == "SecretUnusable")
    assert "docs/events.md" in status(bench)["conditions"][0]["message"]


async def test_what_was_imported_is_no_news() -> None:
    endpoint = Endpoint()
    bench, _ = ready(endpoint)
    then = datetime(2025, 6, 1, tzinfo=UTC)
    past = past_of([Line(then, "web", "production", "v0", "bob")], now=bench.clock.now())
    for raw in records_of(past, namespace=builders.NAMESPACE, source="a file"):
        bench.store.put(raw)
    put_sink(bench)
    bench.release("v1")
    await passes(bench, lambda: status(bench).get("sent") == 1 and status(bench)["pending"] == 0)

    assert [one["data"]["customData"]["release"] for one in endpoint.events] == ["v1"]


def lists(bench: Bench) -> Callable[[], int]:
    """Counts from now on how often records are listed."""
    counted, pages = [0], bench.store.pages

    def counting(plural: str, *args: Any, **more: Any) -> Any:
        counted[0] += plural == names.RECORDS
        return pages(plural, *args, **more)

    bench.store.pages = counting  # type: ignore[method-assign]
    return lambda: counted[0]


async def test_while_events_are_off_only_the_condition_is_written() -> None:
    bench, replica = ready(None)
    count = lists(bench)
    put_sink(bench)
    bench.release("v1")
    await passes(bench, lambda: reason(bench) == "EventsDisabled" and len(bench.records()) == 1)
    put_sink(bench, generation=2)
    await passes(bench, lambda: status(bench).get("observedGeneration") == 2)

    assert count() == 0
    assert set(status(bench)) == {"observedGeneration", "conditions"}
    assert (replica.machinery.sender.failing, replica.machinery.sender.pending) == (1, 0)


async def test_sinks_that_begin_share_a_list_and_make_no_other_soon() -> None:
    endpoint = Endpoint()
    bench, replica = ready(endpoint)
    count = lists(bench)
    put_sink(bench)
    await passes(bench, lambda: reason(bench) == "Delivering")
    for name in ("b", "c"):
        put_sink(bench, name=name)
    await bench.until(lambda: not any(key[1] in "bc" for key in replica.machinery.sender.queue._in_flight))
    bench.release("v1")
    await passes(bench, lambda: len(endpoint.events) == 1)
    assert count() == 1

    bench.clock.advance(listing.LIST_SECONDS)
    for name in ("b", "c"):
        replica.machinery.sender.queue.put((builders.NAMESPACE, name))
    await passes(bench, lambda: len(endpoint.events) == 3)
    assert count() == 2


async def test_of_too_many_sinks_the_first_by_name_are_served() -> None:
    bench, _ = ready(Endpoint())
    for number in range(MAX_SERVED + 2):
        put_sink(bench, name=f"s{number:02}")
    last, after_it = f"s{MAX_SERVED:02}", f"s{MAX_SERVED + 1}"
    await passes(bench, lambda: reason(bench, "s00") == "Delivering" and reason(bench, after_it) == "TooManySinks")
    assert reason(bench, last) == "TooManySinks"

    bench.clock.advance(listing.LIST_SECONDS)
    bench.store.remove(names.EVENT_SINKS, builders.NAMESPACE, "s00")
    await passes(bench, lambda: reason(bench, last) == "Delivering")
    assert reason(bench, after_it) == "TooManySinks"

    put_sink(bench, name="a")
    await passes(bench, lambda: reason(bench, last) == "TooManySinks")


@dataclass
class Tarpit(Endpoint):
    """Answers when the test says so."""

    free: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    most: int = 0

    @contextlib.asynccontextmanager
    async def to(self, url: str, turn: int) -> AsyncIterator[Post]:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.free.wait()
        self.waiting -= 1
        yield self._post


async def test_slow_endpoints_of_one_namespace_hold_two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIST_SECONDS", 0.0)
    endpoint = Tarpit()
    bench, replica = ready(endpoint)
    step = replica.machinery.sender.step
    for number in range(5):
        put_sink(bench, name=f"sink-{number}")
    async with asyncio.timeout(5):
        steps = [asyncio.create_task(step((builders.NAMESPACE, f"sink-{number}"))) for number in range(5)]
        while endpoint.waiting + sum(one.done() for one in steps) < 5:  # noqa: ASYNC110 — any condition
            await asyncio.sleep(0)
        assert [one.result() for one in steps if one.done()] == [sender.TURN_SECONDS] * 3
        assert endpoint.waiting == sender.MOST_WORKERS

        endpoint.free.set()
        await asyncio.gather(*steps)
        assert await step((builders.NAMESPACE, "sink-4")) != sender.TURN_SECONDS
    assert endpoint.most == sender.MOST_WORKERS


async def test_endpoints_that_failed_before_leave_a_worker_to_those_that_did_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "LIST_SECONDS", 0.0)
    endpoint = Tarpit(status=503)
    endpoint.free.set()
    bench, replica = ready(endpoint)
    step, held = replica.machinery.sender.step, replica.machinery.sender._held
    keys = [(builders.NAMESPACE, f"sink-{number}") for number in range(5)]
    for number in range(5):
        put_sink(bench, name=f"sink-{number}")
    bench.release("v1")
    await passes(bench, lambda: all(key in held and held[key].state.circuit.failures for key in keys))

    endpoint.free.clear()
    endpoint.most = 0
    bench.clock.advance(decisions.BACKOFF_SECONDS[1])
    new = (builders.NAMESPACE, "zoo")
    put_sink(bench, name="zoo")
    async with asyncio.timeout(5):
        steps = [asyncio.create_task(step(key)) for key in (*keys, new)]
        while endpoint.waiting + sum(one.done() for one in steps) < 6:  # noqa: ASYNC110 — any condition
            await asyncio.sleep(0)
        assert [one.done() for one in steps] == [False, True, True, True, True, False]
        assert [one.result() for one in steps[1:5]] == [sender.TURN_SECONDS] * 4

        endpoint.free.set()
        await asyncio.gather(*steps)
        assert await step(keys[1]) != sender.TURN_SECONDS
    assert endpoint.most == sender.MOST_WORKERS


async def test_a_name_that_nobody_had_time_to_look_up_is_no_failure() -> None:
    endpoint = Endpoint(refusal=NoTurnError())
    bench, replica = ready(endpoint)
    put_sink(bench)
    bench.release("v1")
    await passes(bench, lambda: status(bench).get("pending") == 1)
    assert (replica.measures.events["failed"], reason(bench)) == (0, "Delivering")

    endpoint.refusal = None
    await passes(bench, lambda: endpoint.kinds == ["service.deployed"])


async def test_an_edit_does_not_end_the_pause_after_failures() -> None:
    endpoint = Endpoint(status=503)
    bench, replica = ready(endpoint)
    put_sink(bench)
    bench.release("v1")
    key = (builders.NAMESPACE, "audit")
    held = replica.machinery.sender._held
    await passes(bench, lambda: key in held and held[key].state.circuit.failures >= 4)
    before = held[key].state.circuit

    put_sink(bench, generation=2, filters={"environments": ["production"]})
    await passes(bench, lambda: key in held and held[key].sink.generation == 2)

    assert held[key].state.circuit.failures >= before.failures
