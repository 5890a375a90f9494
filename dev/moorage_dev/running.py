"""`make up` and `make down`: everything in the background, described by the files of one run folder.

env                      shell variables for the person who works with it
<process>.pid            etcd, apiserver, controller-manager, operator, api
kubeconfigs/<user>       one for each person of the demo, and the administrator's
bin/kubectl              the kubectl that fits the cluster
<process>.log, cluster/  logs; keys and data of the control plane
"""

import fcntl
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from moorage_dev import children, clusters, page, processes, users
from moorage_dev.cluster import Cluster
from moorage_dev.demo import images
from moorage_dev.failures import DevError
from moorage_dev.given_cluster import GivenCluster
from moorage_dev.installation import allow_delivery, install
from moorage_dev.node import requirements
from moorage_dev.node.cluster import NodeCluster
from moorage_dev.node.node import FIRST
from moorage_dev.processes import Service

_OPERATOR, _FACADE = "operator", "api"
#: Releases are brought into workloads of this kind.
_DELIVERED = "deployments.apps"
#: Variables by which a person chooses what `up` would choose itself.
_PORTS = ("MOORAGE_PORT", "MOORAGE_METRICS_PORT")


@dataclass(frozen=True, slots=True)
class State:
    """What `up` must know later.

    Attributes:
        kind: class name of the cluster.
        admin_kubeconfig: the cluster's, absolute.
        url: the facade's address.
        metrics_url: the facade's metrics.
        operator_port: port of the operator's probes and metrics.
    """

    kind: str
    admin_kubeconfig: str
    url: str
    metrics_url: str
    operator_port: str


def up(run: Path, *, welcome: bool = True) -> None:
    """Bring everything up and wait until it is ready; a no-op when it is, a repair when a part has died.

    What has ended is started again with its data and on its ports, also if it is everything.

    Args:
        run: folder of everything that is written.
        welcome: say what to do next.

    Raises:
        DevError: something does not come up; nothing that this call started is left running then.
    """
    with alone(run):
        state = _read_state(run)
        if state is None:
            _start(run)
            _say(_WELCOME.format(env=_shown(run / "env"), url=environment(run)["MOORAGE_URL"]) if welcome else "ready")
            return
        repaired = _repair(run, state)
        if repaired:
            _say(f"started again what had ended: {', '.join(repaired)}")
        else:
            _say(f"already running: nothing to do ({state.url}; stop it with `make down`)")


def down(run: Path) -> None:
    """Stop what `up` started and remove the run folder's content but for the logs; a no-op when nothing runs."""
    with alone(run):
        state = _read_state(run)
        if state is None:
            left = _stop_leftovers(run)
            _say("stopped what an interrupted start had left" if left else "nothing is running: nothing to do")
            return
        for child in reversed(children.load(run / "processes.json").values()):
            children.stop(child)
        cluster = _cluster(run, state)
        cluster.stop()
        _clear(run)
        _say(f"stopped; {_gone(cluster)}; the logs of operator and facade stay in {_shown(run)}")


def _gone(cluster: Cluster) -> str:
    """What `down` has deleted."""
    if isinstance(cluster, GivenCluster):
        return "CRDs, policies and objects stay in your cluster"
    node = "its pods, images and cgroups, " if isinstance(cluster, NodeCluster) else ""
    return f"deleted: {cluster.title}, with {node}its data, keys, audit log and logs"


def environment(run: Path) -> dict[str, str]:
    """The variables of `env`, for a process that is started here.

    Raises:
        DevError: nothing is running.
    """
    state = _known_state(run)
    return _variables(run, _cluster(run, state), state)


def opened(run: Path) -> Cluster:
    """What runs.

    Raises:
        DevError: nothing is running.
    """
    return _cluster(run, _known_state(run))


def _known_state(run: Path) -> State:
    state = _read_state(run)
    if state is None:
        raise DevError("nothing is running: start it with `make up`")
    return state


def _start(run: Path) -> None:
    for variable in _PORTS:
        processes.require_free(variable)
    _stop_leftovers(run)
    _clear(run)
    _build_page()
    cluster = clusters.choose(run / "cluster", wants_node=lambda: _can_have_node(run))
    _say(f"starting {cluster.title} …")
    started: dict[str, Service] = {}
    try:
        cluster.start()
        _say("installing CRDs, policies and roles …")
        _install(cluster)
        _say("starting operator and facade …")
        started[_OPERATOR] = processes.start_operator(cluster, run, settings=_operator_settings(cluster))
        _save(run, started)
        started[_FACADE] = processes.start_facade(cluster, run, settings=_facade_settings())
        _save(run, started)
        _describe(run, cluster, started)
    except BaseException:
        for service in started.values():
            children.stop(service.child)
        cluster.stop()
        _clear(run)
        raise


def _install(cluster: Cluster) -> None:
    install(cluster)
    if _may_deliver(cluster):
        allow_delivery(cluster.admin(), _DELIVERED)
    images.load(cluster)


def _can_have_node(run: Path) -> bool:
    """Whether pods shall run: where they can, unless NODE=0 says no. Says why they cannot."""
    if os.environ.get("NODE") == "0":
        return False
    reason = requirements.why_not(run)
    if reason is not None:
        _say(f"without a node, so without pods: {reason}")
    return reason is None


def _build_page() -> None:
    """Build the page; a machine that cannot build it gets a message, because everything else works without it."""
    try:
        page.build()
    except DevError as error:
        _say(f"without the page: {error}")


_WELCOME = """\
ready: {url}

  source {env}
  kubectl get env,mdep,drec --all-namespaces
  curl -H "Authorization: Bearer $MOORAGE_TOKEN" "$MOORAGE_URL/version"

Stop it with: make down"""


def _repair(run: Path, state: State) -> list[str]:
    """Start again what died, on the same ports; the names of it."""
    cluster = _cluster(run, state)
    repaired = cluster.repair()
    if FIRST in repaired:
        # A new node in the place of the old one has no images.
        images.load(cluster)
    running = children.load(run / "processes.json")
    facade_port, metrics_port = (
        url.rpartition(":")[2].removesuffix("/metrics") for url in (state.url, state.metrics_url)
    )
    restart: dict[str, Callable[[], Service]] = {
        _OPERATOR: lambda: processes.start_operator(
            cluster, run, settings={**_operator_settings(cluster), "MOORAGE_METRICS_PORT": state.operator_port}
        ),
        _FACADE: lambda: processes.start_facade(
            cluster,
            run,
            settings={**_facade_settings(), "MOORAGE_PORT": facade_port, "MOORAGE_METRICS_PORT": metrics_port},
        ),
    }
    for name, start in restart.items():
        if name not in running or not children.is_running(running[name]):
            running[name] = start().child
            repaired.append(name)
    children.save(running, run / "processes.json")
    _write_pids(run, {**cluster.processes, **running})
    return repaired


def _save(run: Path, services: Mapping[str, Service]) -> None:
    children.save({name: service.child for name, service in services.items()}, run / "processes.json")


def _stop_leftovers(run: Path) -> bool:
    """Stop what a start that was killed has left, known from the files that are written before `state.json`."""
    left = children.load(run / "processes.json")
    for child in left.values():
        children.stop(child)
    abandoned = clusters.abandoned(run / "cluster")
    if abandoned is not None:
        abandoned.stop()
    _clear(run)
    return bool(left) or abandoned is not None


def _describe(run: Path, cluster: Cluster, services: Mapping[str, Service]) -> None:
    """Write the files by which people and later commands find everything; `state.json` last."""
    operator, facade = services[_OPERATOR], services[_FACADE]
    state = State(
        kind=type(cluster).__name__,
        admin_kubeconfig=str(cluster.admin_kubeconfig),
        url=facade.url,
        metrics_url=facade.metrics_url,
        operator_port=operator.url.rpartition(":")[2],
    )
    _write_pids(run, {**cluster.processes, **{name: service.child for name, service in services.items()}})
    (run / "bin").mkdir()
    (run / "bin" / "kubectl").symlink_to(cluster.kubectl_program())
    for user in (users.ADMIN, *users.DEMO):
        folder = run / "kubeconfigs"
        folder.mkdir(exist_ok=True)
        shutil.copy(cluster.kubeconfig(user), folder / user)
    _write_env(run / "env", _variables(run, cluster, state))
    (run / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")


def _variables(run: Path, cluster: Cluster, state: State) -> dict[str, str]:
    found = {
        "KUBECONFIG": str(cluster.admin_kubeconfig),
        "MOORAGE_URL": state.url,
        "MOORAGE_TOKEN": cluster.token("alice"),
        "MOORAGE_METRICS_URL": state.metrics_url,
        "MOORAGE_AUDIT_LOG": str(cluster.audit_log or ""),
    }
    return {**found, "PATH": f"{run / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def _write_env(path: Path, variables: Mapping[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name != "PATH"]
    lines.append(f'export PATH={shlex.quote(str(path.parent / "bin"))}:"$PATH"')
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_pids(run: Path, running: Mapping[str, children.Child]) -> None:
    for name, child in running.items():
        (run / f"{name}.pid").write_text(f"{child.pid}\n", encoding="utf-8")


def _cluster(run: Path, state: State) -> Cluster:
    return clusters.reopen(run / "cluster", state.kind, Path(state.admin_kubeconfig))


def _read_state(run: Path) -> State | None:
    path = run / "state.json"
    return State(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _may_deliver(cluster: Cluster) -> bool:
    """Whether the operator may write workloads: in a cluster that somebody gave, that is for its owner to say."""
    return not isinstance(cluster, GivenCluster)


def _operator_settings(cluster: Cluster) -> dict[str, str]:
    names = ("MOORAGE_DELIVERY_KINDS", "MOORAGE_DELIVERY_WRITES")
    return dict.fromkeys(names, _DELIVERED) if _may_deliver(cluster) else {}


def _facade_settings() -> dict[str, str]:
    chosen = {variable: os.environ[variable] for variable in _PORTS if os.environ.get(variable)}
    # There is no load balancer that has to notice first.
    return {**chosen, "MOORAGE_STOP_DELAY_SECONDS": "0"}


def _clear(run: Path) -> None:
    """Remove what describes a running system; `state.json` first, logs stay."""
    for path in [
        run / "state.json",
        *run.glob("*.pid"),
        *run.glob("*.kubeconfig"),
        run / "env",
        run / "processes.json",
    ]:
        path.unlink(missing_ok=True)
    for name in ("bin", "kubeconfigs"):
        shutil.rmtree(run / name, ignore_errors=True)


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """One `up` or `down` at a time in this run folder."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevError(
                f"another `make up` or `make down` is at work in {_shown(run)}: wait until it is done"
            ) from None
        yield


def _shown(path: Path) -> str:
    """Relative to where the person is, when it lies there."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
