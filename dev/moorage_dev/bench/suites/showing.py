"""The requests of the page: a matrix of 500 apps in 20 environments, streams beside reads, and the page itself."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from moorage_dev import browser, page, patience
from moorage_dev.bench import generator, population, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import ENVIRONMENTS_PER_WORKSPACE, World
from moorage_dev.failures import DevError
from moorage_dev.processes import Service
from moorage_dev.progress import shown

NAME = "page"
_APPS: Final = 500
_STREAMS: Final = 50
#: Nobody may have more than 20 streams.
_PEOPLE: Final = ("bob", "carol", "ci-bot")
_SECONDS: Final = 4.0
#: Turns with and without streams in each round: one alone says more of the machine than of the streams.
_TURNS: Final = 3
#: Seconds until the facade has noticed that a client is gone.
_NOTICED_SECONDS: Final = 60.0
_NOTE = (
    "page: one workspace with 500 apps in 20 environments, 10 changes each; the matrix is asked for by one connection; "
    "reads: GET of environments over 16 connections, "
    "three times in each round: without streams, twice beside 50 of them, without"
)
_SEEN = (
    "browser: headless Chromium on the same cores, with an empty cache in each round; from the start of the navigation "
    "until rows of the matrix are painted; of ten filters, from the input of each until what it leaves is painted"
)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """The matrix, the streams, the files."""
    apps = plan.sized(_APPS, least=20)
    world = World(apps * ENVIRONMENTS_PER_WORKSPACE, population.whole_second(), apps)
    page.build()  # A facade that starts without a page serves none.
    lab.populate(world)
    _admit(lab, world)
    seconds = max(1.0, _SECONDS * min(1.0, plan.scale * 4))
    with lab.facade() as facade, shown("showing", lambda: "the matrix and streams"):
        matrix = _matrix(lab, facade, world, plan, seconds)
        streams = _streams(lab, facade, world, plan, seconds)
        seen = _seen(lab, facade, world, plan)
    return [*matrix, *streams, *seen, _bundle()]


def _admit(lab: Lab, world: World) -> None:
    """Let other people see the workspace, too."""
    api = "rbac.authorization.k8s.io"
    for user in _PEOPLE:
        body = {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"page-{user}"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "moorage-view"},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
        }
        lab.create(f"/apis/{api}/v1/namespaces/{world.workspaces[0].namespace}/rolebindings", body)


def _root(world: World) -> str:
    workspace = world.workspaces[0]
    return f"/v1/orgs/{workspace.org}/workspaces/{workspace.name}"


def _read(lab: Lab, facade: Service, paths: list[str], seconds: float, **more: Any) -> dict[str, Any]:
    target = {"url": facade.url, "ca": "", "token": lab.token}
    job = {"target": target, "paths": paths, "connections": 16, "seconds": seconds, **more}
    result = generator.run("reads", job)
    generator.require_only(result, 200)
    return result


def _matrix(lab: Lab, facade: Service, world: World, plan: Plan, seconds: float) -> list[Figure]:
    paths = [f"{_root(world)}/matrix"]
    ways: dict[str, dict[str, Any]] = {"as it is": {}, "in gzip": {"headers": {"Accept-Encoding": "gzip"}}}
    times: dict[str, list[float]] = {way: [] for way in ways}
    sizes: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(plan.rounds + 1):
        for way, more in ways.items():
            result = _read(lab, facade, paths, seconds, connections=1, **more)
            # The first round does not count: connections, access reviews, caches.
            if number:
                times[way].append(result["p50_ms"])
                sizes[way].append(result["bytes"] / 1024)
    limit = Aim(50)
    return [
        *(Figure(NAME, f"matrix {way}: p50", "ms", Samples.of(times[way]), None, (limit,), _NOTE) for way in ways),
        Figure(
            NAME,
            "matrix in gzip: size",
            "KiB",
            Samples.of(sizes["in gzip"]),
            Baseline("as it is", Samples.of(sizes["as it is"])),
            (),
            _NOTE,
        ),
    ]


def _streams(lab: Lab, facade: Service, world: World, plan: Plan, seconds: float) -> list[Figure]:
    paths = [f"{_root(world)}/environments/{slug}" for _, slug in world.environments]
    with_streams: list[float] = []
    without: list[float] = []
    memory: list[float] = []

    def rate() -> float:
        return float(_read(lab, facade, paths, seconds)["rate"])

    _read(lab, facade, paths, 1.0)
    for _ in range(_TURNS * plan.rounds):
        # Without, with, with, without: what makes the machine slower and slower, or faster, makes both so alike.
        first = rate()
        before = usage.memory_mib(facade.child.pid)
        with _opened(lab, facade, f"{_root(world)}/events"):
            memory.append(max(0.0, usage.memory_mib(facade.child.pid) - before) * 1024 / _STREAMS)
            with_streams.append((rate() + rate()) / 2)
        without.append((first + rate()) / 2)
    beside = Baseline("without streams", Samples.of(without))
    least = Aim(0.9, at_most=False, of_ratio=True)
    return [
        Figure(
            NAME,
            f"environment GET beside {_STREAMS} streams: rate",
            "1/s",
            Samples.of(with_streams),
            beside,
            (least,),
            _NOTE,
        ),
        Figure(NAME, "memory of a stream", "KiB", Samples.of(memory), None, (), _NOTE),
    ]


@contextmanager
def _opened(lab: Lab, facade: Service, path: str) -> Iterator[None]:
    """Streams that have had their first events."""
    people = [lab.token, *(lab.cluster.token(user) for user in _PEOPLE)]
    with ExitStack() as stack:
        for number in range(_STREAMS):
            stack.callback(_patient_stream(facade.url, path, people[number % len(people)]).close)
        yield


def _patient_stream(url: str, path: str, token: str) -> socket.socket:
    """A stream, as soon as the facade has noticed that those of the round before are gone."""
    began = time.monotonic()
    while True:
        try:
            return _stream(url, path, token)
        except DevError as error:
            if " 503 " not in str(error) or patience.is_over(began, _NOTICED_SECONDS):
                raise
        time.sleep(0.2)


def _stream(url: str, path: str, token: str) -> socket.socket:
    """One stream, open until its socket is closed. Raises DevError with the answer if there is none."""
    place = urlsplit(url)
    stream = socket.create_connection((place.hostname or "", place.port or 0), 30)
    lines = (f"GET {path} HTTP/1.1", f"Host: {place.netloc}", f"Authorization: Bearer {token}", "", "")
    stream.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"event: environment" not in answer:
        piece = stream.recv(65_536)
        if not piece:
            stream.close()
            raise DevError(f"a stream ended: {answer[:200].decode(errors='replace')}")
        answer += piece
    return stream


def _seen(lab: Lab, facade: Service, world: World, plan: Plan) -> list[Figure]:
    """What a reader waits for, in a browser."""
    workspace = world.workspaces[0]
    given = {
        "url": facade.url,
        "org": workspace.org,
        "workspace": workspace.name,
        "token": lab.token,
        "chromium": str(browser.find_browser()),
        "rounds": plan.rounds,
    }
    variables = {"MOORAGE_JOURNEY": json.dumps(given)}
    said = page.tools().run(["journeys/speed.mjs"], folder=page.WEB, what="the browser", environment=variables)
    found: dict[str, list[float]] = json.loads(said.splitlines()[-1])
    return [
        Figure(NAME, "browser: matrix painted", "ms", Samples.of(found["painted"]), None, (Aim(1_000),), _SEEN),
        Figure(NAME, "browser: filter painted, median", "ms", Samples.of(found["filtered"]), None, (Aim(50),), _SEEN),
        Figure(NAME, "browser: filter painted, slowest", "ms", Samples.of(found["slowest"]), None, (), _SEEN),
    ]


def _bundle() -> Figure:
    """What a browser loads for the page, compressed."""
    index = (page.DIST / "index.html").read_text(encoding="utf-8")
    loaded = [
        page.DIST / "index.html",
        *(page.DIST / name.lstrip("/") for name in re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', index)),
    ]
    kib = sum(len(gzip.compress(one.read_bytes(), 9)) for one in loaded) / 1024
    return Figure(NAME, "the page, compressed", "KiB", Samples.of([kib]), None, (Aim(100),), _NOTE)
