"""Clients without a good token take up connections and reviews, and nobody else notices."""

import itertools
import resource
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import tokens
from cluster import LiveCluster, Workspace, Workspaces, account
from services import Facade, Facades
from waiting import eventually

from moorage_dev import children, processes
from moorage_dev.children import Child
from moorage_dev.rest_client import RestClient

HOGS = 1_100
#: The usual limit of open files of one process.
FEW_FILES = 1_024
FRESH = 20
RBAC = "rbac.authorization.k8s.io"


class Hogs:
    """Connections that say nothing and are opened again as soon as they are closed."""

    def __init__(self, url: str, count: int) -> None:
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 0)
        self._sockets: list[socket.socket] = []
        self._count = count
        self._done = threading.Event()
        self.opened = 0

    def run(self) -> None:
        while not self._done.is_set():
            self._sockets = [one for one in self._sockets if not _is_closed(one)]
            while len(self._sockets) < self._count and not self._done.is_set():
                with suppress(OSError):
                    self._sockets.append(_silent(self._address))
                    self.opened += 1
            self._done.wait(0.01)
        for one in self._sockets:
            one.close()

    @property
    def complete(self) -> bool:
        return self.opened >= self._count

    def stop(self) -> None:
        self._done.set()


def _silent(address: tuple[str, int]) -> socket.socket:
    made = socket.create_connection(address, timeout=5)
    made.setblocking(False)
    return made


def _is_closed(one: socket.socket) -> bool:
    try:
        closed = one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        closed = True
    if closed:
        one.close()
    return closed


@contextmanager
def hogs(url: str) -> Iterator[Hogs]:
    crowd = Hogs(url, HOGS)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(crowd.run)
        try:
            eventually(lambda: crowd.complete, 60)
            yield crowd
        finally:
            crowd.stop()
            running.result()


def statuses(url: str, path: str, token: str | None, times: int) -> Counter[int]:
    """The answers to a number of clients, each on a connection of its own."""
    found: Counter[int] = Counter()
    for _ in range(times):
        with closing(RestClient(url, None)) as client:
            found[client.request("GET", path, token=token).status] += 1
    return found


def test_idle_connections_keep_nobody_out(
    facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("prod")
    facade = facades.start()
    url, probes = facade.service.url, facade.service.metrics_url.removesuffix("/metrics")
    token = facade.cluster.token("alice")
    begun = time.monotonic()
    with hogs(url) as crowd:
        health = statuses(url, "/healthz", None, 50)
        honest = statuses(url, f"{space.rest}/prod", token, 50)
        probed = statuses(probes, "/healthz", None, 20) + statuses(probes, "/readyz", None, 20)
        metrics = statuses(probes, "/metrics", None, 5)
    assert (health, honest, probed, metrics) == ({200: 50}, {200: 50}, {200: 40}, {200: 5})
    figures(
        f"{HOGS} idle connections, opened again when closed ({crowd.opened} in {time.monotonic() - begun:.0f} s): "
        "50 of 50 health checks, 50 of 50 reads and 40 of 40 probes answered"
    )


def test_idle_connections_to_the_port_of_probes_keep_no_probe_out(facades: Facades) -> None:
    facade = facades.start()
    probes = facade.service.metrics_url.removesuffix("/metrics")

    with hogs(probes):
        probed = statuses(probes, "/healthz", None, 20) + statuses(probes, "/readyz", None, 20)

    assert probed == {200: 40}


def with_few_files(name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> Child:
    """Start a program that may open as few files as systems usually let it, until it asks for more."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, most))
    try:
        return children.spawn(name, command, log=log, env=env)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))


def test_idle_connections_to_an_operator_keep_no_probe_out(cluster: LiveCluster) -> None:
    operator = processes.start_operator(
        cluster.underlying, cluster.folder, name="operator-few-files", spawn=with_few_files
    )
    try:
        files, most = resource.prlimit(operator.child.pid, resource.RLIMIT_NOFILE)
        with hogs(operator.url):
            probed = statuses(operator.url, "/healthz", None, 20) + statuses(operator.url, "/readyz", None, 20)
            metrics = statuses(operator.url, "/metrics", None, 5)
    finally:
        children.stop(operator.child)

    # With the usual limit they would wait for idle connections to be closed.
    assert files == most
    assert (probed, metrics) == ({200: 40}, {200: 5})


def fresh_tokens(cluster: LiveCluster, space: Workspace) -> list[str]:
    """Tokens that nobody has used yet, of an account that may read the workspace."""
    name = f"reader-{secrets.token_hex(3)}"
    tokens.create_account(cluster, space.namespace, name)
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space.namespace}],
    }
    path = f"/apis/{RBAC}/v1/namespaces/{space.namespace}/rolebindings"
    assert cluster.raw("POST", path, body=binding).status == 201
    return [cluster.service_account_token(space.namespace, name) for _ in range(FRESH)]


class Guessers:
    """Threads that send a new invented token with every request, for as long as they run."""

    def __init__(self, facade: Facade, path: str, threads: int) -> None:
        self._facade = facade
        self._path = path
        self._threads = threads
        self._numbers = itertools.count()
        self._done = threading.Event()
        self.statuses: Counter[int] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(self._threads) as pool:
            guessing = [pool.submit(self._run) for _ in range(self._threads)]
            try:
                eventually(lambda: self.statuses[429] > 20, 30)
                yield
            finally:
                self._done.set()
                for one in guessing:
                    one.result()

    def _run(self) -> None:
        with closing(RestClient(self._facade.service.url, None)) as client:
            while not self._done.is_set():
                token = f"invented-{next(self._numbers)}"
                self.statuses[client.request("GET", self._path, token=token).status] += 1


def test_fresh_tokens_are_served_while_others_guess_from_the_same_address(
    cluster: LiveCluster, facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("prod")
    facade = facades.start({"MOORAGE_FAILED_RATE_LIMIT": "10", "MOORAGE_FAILED_RATE_BURST": "20"})
    fresh, waits = fresh_tokens(cluster, space), []
    # More of them than have their turn within the patience of the slow lane, so that it is full all the time.
    guessers = Guessers(facade, f"{space.rest}/prod", threads=60)
    mark, begun = cluster.audit_mark(), time.monotonic()
    served: Counter[int] = Counter()
    with guessers.running():
        for token in fresh:
            asked = time.monotonic()
            served += statuses(facade.service.url, f"{space.rest}/prod", token, 1)
            waits.append(time.monotonic() - asked)
    seconds = time.monotonic() - begun
    reviews = cluster.audit_since(mark, user=account("moorage-api"), resource="tokenreviews")

    assert served == {200: FRESH}
    assert set(guessers.statuses) == {401, 429}
    # What the bucket held and what has flown in since, and the fresh ones; one more for each second that began.
    assert len(reviews) <= 20 + 10 * (seconds + 1) + FRESH
    figures(
        f"{sum(guessers.statuses.values()) / seconds:.0f} invented tokens a second: {FRESH} of {FRESH} fresh tokens "
        f"from the same address served, after at most {max(waits):.2f} s; {len(reviews)} reviews in {seconds:.0f} s"
    )
