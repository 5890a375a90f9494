"""Operator and facade as processes of this machine, each with nothing but the token of its own service account."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from moorage_dev import children, kubeconfigs, ports
from moorage_dev.children import Child
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.installation import FACADE, NAMESPACE, OPERATOR
from moorage_dev.rest_client import RestClient

#: Seconds until a process must say that it is ready.
READY_SECONDS = 60.0
_TOKEN_HOURS = 720
_ATTEMPTS = 3


class Spawn(Protocol):
    """Starts a program in the background, as `children.spawn` does."""

    def __call__(self, name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> Child: ...


@dataclass(frozen=True, slots=True)
class Service:
    """A process that serves HTTP on the loopback address.

    Attributes:
        child: the process.
        url: where it answers; of the operator the probes, of the facade the API.
        metrics_url: where Prometheus reads.
    """

    child: Child
    url: str
    metrics_url: str


def start_operator(
    cluster: Cluster,
    folder: Path,
    *,
    name: str = "operator",
    settings: Mapping[str, str] | None = None,
    wait: bool = True,
    spawn: Spawn = children.spawn,
) -> Service:
    """Start `moorage operator`; several may run side by side under different names.

    Args:
        cluster: where it works.
        folder: gets `<name>.log` and the kubeconfig.
        name: file names and messages call it so.
        settings: further `MOORAGE_*` variables.
        wait: return only when it is ready.
        spawn: what starts the process.

    Raises:
        DevError: it does not become ready; with the last lines of its log.
    """
    wanted = dict(settings or {})

    def attempt() -> Service:
        port = wanted.get("MOORAGE_METRICS_PORT") or str(ports.free(1)[0])
        url = f"http://127.0.0.1:{port}"
        start = _Start(cluster, folder, name, spawn)
        child = start(OPERATOR, "operator", {**wanted, "MOORAGE_METRICS_PORT": port})
        return _ready(Service(child, url, f"{url}/metrics"), wait=wait)

    return _with_free_ports(attempt, fixed="MOORAGE_METRICS_PORT" in wanted)


def start_facade(
    cluster: Cluster,
    folder: Path,
    *,
    name: str = "api",
    settings: Mapping[str, str] | None = None,
    wait: bool = True,
    spawn: Spawn = children.spawn,
) -> Service:
    """Start `moorage api`; as `start_operator`, and `MOORAGE_PORT` may be among the settings."""
    wanted = dict(settings or {})

    def attempt() -> Service:
        first, second = map(str, ports.free(2))
        chosen = {"MOORAGE_PORT": first, "MOORAGE_METRICS_PORT": second, **wanted}
        scheme = "https" if "MOORAGE_TLS_CERT_FILE" in chosen else "http"
        child = _Start(cluster, folder, name, spawn)(FACADE, "api", chosen)
        url = f"{scheme}://127.0.0.1:{chosen['MOORAGE_PORT']}"
        service = Service(child, url, f"http://127.0.0.1:{chosen['MOORAGE_METRICS_PORT']}/metrics")
        # A certificate of tests signs itself.
        certificate = chosen.get("MOORAGE_TLS_CERT_FILE")
        return _ready(service, wait=wait, ca=Path(certificate).read_bytes() if certificate else None)

    return _with_free_ports(attempt, fixed="MOORAGE_PORT" in wanted)


def require_free(variable: str) -> None:
    """Refuse a port that a person chose and that is in use, before anything is started.

    Raises:
        DevError: it is not a port number, or somebody listens there.
    """
    value = os.environ.get(variable)
    if not value:
        return
    if not (value.isascii() and value.isdecimal() and 0 < int(value) < 65536):
        raise DevError(f"{variable} says {value!r}, and that is not a port: give a number from 1 to 65535, or unset it")
    if not ports.is_free(int(value)):
        raise DevError(
            f"{variable}: port {value} of 127.0.0.1 is in use; choose another one, or unset it to get a free one"
        )


def _with_free_ports(attempt: Callable[[], Service], *, fixed: bool) -> Service:
    for left in reversed(range(_ATTEMPTS)):
        try:
            return attempt()
        except DevError as error:
            # Somebody else may take a port between looking and using.
            if fixed or not left or "in use" not in str(error):
                raise
    raise AssertionError


@dataclass(frozen=True, slots=True)
class _Start:
    cluster: Cluster
    folder: Path
    name: str
    spawn: Spawn

    def __call__(self, account: str, command: str, settings: Mapping[str, str]) -> Child:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "KUBE"))}
        own = {
            "MOORAGE_KUBECONFIG": str(account_kubeconfig(self.cluster, self.folder, account)),
            "MOORAGE_NAMESPACE": NAMESPACE,
            "MOORAGE_BIND_HOST": "127.0.0.1",
            "MOORAGE_LOG_LEVEL": "INFO",
        }
        program, log = Path(sys.executable).parent / "moorage", self.folder / f"{self.name}.log"
        return self.spawn(self.name, [program, command], log=log, env={**environment, **own, **settings})


def account_kubeconfig(cluster: Cluster, folder: Path, account: str) -> Path:
    """Kubeconfig with a fresh token of a service account of `NAMESPACE`."""
    arguments = ("create", "token", account, f"--namespace={NAMESPACE}", f"--duration={_TOKEN_HOURS}h")
    token = cluster.admin().ok(*arguments).strip()
    return kubeconfigs.with_token(folder / f"{account}.kubeconfig", cluster.endpoint, user=account, token=token)


def _ready(service: Service, *, wait: bool, ca: bytes | None = None) -> Service:
    if not wait:
        return service
    probe = RestClient(service.url, ca, timeout=3)
    try:
        children.wait_until(service.child, probe.ready, timeout=READY_SECONDS, what="ready")
    except BaseException:
        children.stop(service.child)
        raise
    finally:
        probe.close()
    return service
