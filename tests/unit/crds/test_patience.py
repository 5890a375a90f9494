"""A real server turns requests away: a command asks again as often as kubectl does, nobody else does."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.kube.client import Client, KubernetesStore
from moorage_crds.kube.paths import FACADE_CALLS, OPERATOR_CALLS
from moorage_crds.kube.patience import LONGEST, TRIES, Patience
from moorage_crds.kube.session import connect
from moorage_crds.store import ObjectRef, ThrottledError, TransientError

SHOP = NamespaceName.parse("shop")
WEB = ObjectRef(names.DEPLOYMENTS, SHOP, BindingName.parse("production.web"))
#: What the API server says while a cache of it is being filled.
FILLING = "storage is (re)initializing"


async def _listed(store: KubernetesStore) -> None:
    async for _ in store.pages(names.RECORDS, namespace=SHOP):
        pass


CALLS: dict[str, Callable[[KubernetesStore], Awaitable[object]]] = {
    "list": _listed,
    "get": lambda store: store.get(WEB),
    "create": lambda store: store.create(names.DEPLOYMENTS, SHOP, {"metadata": {"name": "production.web"}}),
    "merge patch": lambda store: store.merge_patch(WEB, {"spec": {}}),
    "guarded patch": lambda store: store.guarded_patch(WEB, tests={}, values={"/spec/release": "2"}),
    "apply": lambda store: store.apply(WEB, {}, manager="tests"),
    "delete": lambda store: store.delete(WEB, uid="some-uid"),
}
READS = ("list", "get")
WRITES = tuple(call for call in CALLS if call not in READS)


class Server:
    """Turns away the first requests, and remembers all of them and how long it was waited."""

    def __init__(self, times: int, status: int, after: str | None) -> None:
        self.times = times
        self.status = status
        self.after = after
        self.seen: list[tuple[str, bytes]] = []
        self.slept: list[float] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append((request.method, await request.read()))
        if len(self.seen) > self.times:
            return web.json_response({"kind": "Status", "metadata": {}})
        headers = {"Retry-After": self.after} if self.after is not None else {}
        body = {"kind": "Status", "reason": "TooManyRequests", "message": FILLING}
        return web.json_response(body, status=self.status, headers=headers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, times: int, status: int = 429, after: str | None = "1"
) -> AsyncIterator[tuple[Server, KubernetesStore]]:
    """A server that turns away the first requests, and a store that has no patience yet."""
    server = Server(times, status, after)
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    calls = OPERATOR_CALLS | FACADE_CALLS
    async with connect(path) as cluster, Client(cluster, calls=calls, field_manager="tests") as client:
        yield server, client.store
    await runner.cleanup()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("call", CALLS)
async def test_what_was_turned_away_is_sent_again_unchanged(tmp_path: Path, call: str, status: int) -> None:
    async with serving(tmp_path, 3, status, after="2") as (server, store):
        await CALLS[call](store.with_patience(Patience(server.sleep)))
    assert len(server.seen) == 4
    assert len(set(server.seen)) == 1
    assert server.slept == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("call", CALLS)
async def test_it_is_not_sent_again_without_end(tmp_path: Path, call: str) -> None:
    async with serving(tmp_path, 1000) as (server, store):
        with pytest.raises(ThrottledError, match="initializing"):
            await CALLS[call](store.with_patience(Patience(server.sleep)))
    assert len(server.seen) == TRIES + 1


@pytest.mark.parametrize(("after", "tries"), [("25", 3), (str(LONGEST + 1), 1), ("0", TRIES + 1)])
async def test_all_requests_of_a_command_wait_a_minute_at_most(tmp_path: Path, after: str, tries: int) -> None:
    async with serving(tmp_path, 1000, after=after) as (server, store):
        patient = store.with_patience(Patience(server.sleep))
        with pytest.raises(ThrottledError):
            await patient.get(WEB)
        sent = len(server.seen)
        with pytest.raises(ThrottledError):
            await patient.merge_patch(WEB, {})
    assert sent == tries
    assert sum(server.slept) <= LONGEST


@pytest.mark.parametrize(
    ("call", "status", "after", "tries"),
    [
        *((call, 500, "1", 2) for call in READS),
        # The API server began with it, and etcd did not answer in time: it may have been written.
        *((call, 500, "1", 1) for call in WRITES),
        *((call, 504, "1", 1) for call in WRITES),
        *((call, 429, None, 1) for call in CALLS),
        *((call, 503, None, 1) for call in CALLS),
    ],
)
async def test_what_may_have_been_done_or_is_not_asked_for_is_not_sent_again(
    tmp_path: Path, call: str, status: int, after: str | None, tries: int
) -> None:
    async with serving(tmp_path, 1, status, after) as (server, store):
        patient = store.with_patience(Patience(server.sleep))
        with contextlib.suppress(TransientError):
            await CALLS[call](patient)
    assert len(server.seen) == tries


@pytest.mark.parametrize("call", CALLS)
async def test_operator_and_facade_hear_of_it_at_once_and_how_long_to_wait(tmp_path: Path, call: str) -> None:
    async with serving(tmp_path, 1, after="7") as (server, store):
        with pytest.raises(ThrottledError) as raised:
            await CALLS[call](store)
    assert (len(server.seen), raised.value.retry_after) == (1, 7.0)
