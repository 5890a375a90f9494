"""A real control plane on this machine: etcd, API server, a cut-down kube-controller-manager, on free loopback ports.

Several run side by side, each in a folder of its own. The controller manager is started apart from the rest: it must
come after the CRDs, because its garbage collector looks for new kinds only every 30 s.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from moorage_dev import binaries, children, kubeconfigs, pki, ports, users
from moorage_dev.children import Child
from moorage_dev.failures import DevError
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.rest_client import RestClient

#: Seconds that a part of the control plane may take to become ready.
START_SECONDS = 60.0
_ATTEMPTS = 3

ETCD, API_SERVER, CONTROLLERS = "etcd", "apiserver", "controller-manager"
#: A second API server on the same etcd, as clusters with several control plane nodes have.
OTHER_API_SERVER = "apiserver-2"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""

_CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
    "root-ca-certificate-publisher-controller",
    "resourcequota-controller",
    "validatingadmissionpolicy-status-controller",
)


class ControlPlane:
    """One control plane whose keys, data, logs and audit log live in `folder`.

    Args:
        folder: made by `start`; must be empty or missing then.
    """

    #: Names of the controllers that run; a cluster without nodes needs few.
    _controllers: tuple[str, ...] = _CONTROLLERS
    #: Where clients reach the API server, beside the loopback address.
    _further_addresses: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit_log = folder / "audit.log"
        self.admin_kubeconfig = folder / "admin.kubeconfig"
        #: Signs tokens of service accounts; tests make expired ones with it.
        self.service_account_key = folder / "pki" / "sa.key"
        self._state = folder / "processes.json"
        self._authority = pki.Authority(folder / "pki")
        self._etcd_authority = pki.Authority(folder / "etcd-pki")
        self._children = children.load(self._state)
        self._ports = self._read_ports()

    def start(self) -> None:
        """Make keys, start etcd and the API server, and wait until they are ready; `start_controllers` does the rest.

        Raises:
            DevError: a part does not come up; nothing is left running then.
        """
        programs = binaries.control_plane()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_once(programs)
            except DevError as error:
                self.stop()
                # Somebody else may take a port between looking and using.
                if "address already in use" not in str(error) or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                return

    def start_controllers(self) -> None:
        """Start the controller manager. The CRDs should be there."""
        programs = binaries.control_plane()
        self._spawn(CONTROLLERS, self._controllers_command(programs["kube-controller-manager"]))

    def stop(self) -> None:
        """Stop what runs, in reverse order. No-op when nothing does; data and logs stay."""
        for name in reversed(tuple(self._children)):
            # Nobody waits for the end of what they would still like to write.
            children.stop(self._children.pop(name), grace=2)
        self._save()

    def remove(self) -> None:
        """Stop everything and delete the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def endpoint(self) -> Endpoint:
        """Address and authority of the API server."""
        return Endpoint(f"https://127.0.0.1:{self._ports['api']}", self._authority.certificate.read_bytes())

    @property
    def etcd_urls(self) -> tuple[str, str]:
        """etcd's addresses for clients and for peers. Both ask for a certificate of etcd's own authority."""
        return f"https://127.0.0.1:{self._ports['etcd']}", f"https://127.0.0.1:{self._ports['peer']}"

    def etcd(self, *, timeout: float = 30.0) -> RestClient:
        """A client of etcd's HTTP gateway (`POST /v3/kv/range`, base64), which edits what is stored. To be closed."""
        keys = self._etcd_authority.folder
        ca = self._etcd_authority.certificate.read_bytes()
        certificate = (keys / "client.crt", keys / "client.key")
        return RestClient(self.etcd_urls[0], ca, timeout=timeout, certificate=certificate)

    @property
    def tokens(self) -> dict[str, str]:
        """User → bearer token."""
        return users.read_tokens(self.folder / "tokens.csv")

    @property
    def processes(self) -> dict[str, Child]:
        """What was started and not stopped, by name (`ETCD`, `API_SERVER`, `CONTROLLERS`); it may have died since."""
        return dict(self._children)

    def client_kubeconfig(self, user: str, *groups: str) -> Path:
        """A kubeconfig with a new client certificate for any user, also one that tokens do not know."""
        stem = f"client-{user.encode().hex()}"
        certificate, key = self._authority.issue_client(stem, user=user, groups=groups)
        path = self.folder / f"{stem}.kubeconfig"
        return kubeconfigs.with_certificate(path, self.endpoint, user=user, certificate=certificate, key=key)

    def api_server_ready(self) -> bool:
        """Whether the API server says that it is ready, now."""
        return _is_ready(self.endpoint)

    def repair(self) -> list[str]:
        """Start again what died; the names of it."""
        restart = self._restarts()
        dead = [name for name in restart if name in self._children and not children.is_running(self._children[name])]
        for name in dead:
            restart[name]()
        return dead

    def _restarts(self) -> dict[str, Callable[[], None]]:
        """How each part is started again, in the order in which they need each other."""
        return {ETCD: self.restart_etcd, API_SERVER: self.restart_api_server, CONTROLLERS: self.start_controllers}

    def kill_api_server(self) -> None:
        """SIGKILL; `restart_api_server` brings it back on the same port."""
        children.kill(self._children[API_SERVER])

    def restart_api_server(self) -> None:
        """Start the API server again, stopping it before if it runs, and wait until it is ready."""
        children.stop(self._children[API_SERVER], grace=2)
        self._start_api_server(binaries.control_plane()["kube-apiserver"])

    def start_other_api_server(self) -> Endpoint:
        """Start a second API server on the same etcd, on a port of its own, and wait until it is ready.

        It has an audit log of its own, `audit-2.log`. `stop` stops it too; `stop_other_api_server` it alone.

        Returns:
            Where it is; keys and users are those of the first one.
        """
        self._ports["other"] = ports.free(1)[0]
        endpoint = Endpoint(f"https://127.0.0.1:{self._ports['other']}", self.endpoint.ca)
        options = {
            **self._api_server_options(),
            "secure-port": str(self._ports["other"]),
            "audit-log-path": str(self.folder / "audit-2.log"),
        }
        command = _command(binaries.control_plane()["kube-apiserver"], options)
        child = self._spawn(OTHER_API_SERVER, command)
        children.wait_until(child, lambda: _is_ready(endpoint), timeout=START_SECONDS, what="ready")
        return endpoint

    def stop_other_api_server(self) -> None:
        """SIGKILL for the second API server. No-op when there is none."""
        if OTHER_API_SERVER in self._children:
            children.kill(self._children.pop(OTHER_API_SERVER))
            self._save()

    def kill_etcd(self) -> None:
        """SIGKILL; `restart_etcd` brings it back with the same data."""
        children.kill(self._children[ETCD])

    def restart_etcd(self) -> None:
        """Start etcd again, stopping it before if it runs, and wait until it is healthy."""
        children.stop(self._children[ETCD], grace=2)
        self._start_etcd(binaries.control_plane()["etcd"])

    def _start_once(self, programs: dict[str, Path]) -> None:
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        etcd, peer, api = ports.free(3)
        self._ports = {"etcd": etcd, "peer": peer, "api": api}
        self._make_credentials()
        self._start_etcd(programs["etcd"])
        self._start_api_server(programs["kube-apiserver"])

    def _make_credentials(self) -> None:
        self._authority = pki.new_authority(self.folder / "pki")
        self._authority.issue_server("apiserver", addresses=self._further_addresses)
        self._etcd_authority = pki.new_authority(self.folder / "etcd-pki")
        self._etcd_authority.issue_server("server", calls_itself=True)
        self._etcd_authority.issue_client("client", user="kube-apiserver")
        pki.new_service_account_key(self.folder / "pki")
        tokens = users.write_tokens(self.folder / "tokens.csv")
        kubeconfigs.with_token(self.admin_kubeconfig, self.endpoint, user=users.ADMIN, token=tokens[users.ADMIN])
        # As in a real cluster: each controller then works under an account of its own.
        name = "system:kube-controller-manager"
        certificate, key = self._authority.issue_client(CONTROLLERS, user=name)
        path = self.folder / "controllers.kubeconfig"
        kubeconfigs.with_certificate(path, self.endpoint, user=name, certificate=certificate, key=key)
        (self.folder / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="utf-8")

    def _start_etcd(self, program: Path) -> None:
        client, peer = self.etcd_urls
        keys = self._etcd_authority.folder
        command: list[str | Path] = [
            program,
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync=true",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]
        # The loopback address belongs to every user of this machine: both ports let nobody in without a certificate.
        for prefix in ("", "peer-"):
            command += [
                f"--{prefix}client-cert-auth=true",
                f"--{prefix}trusted-ca-file={self._etcd_authority.certificate}",
                f"--{prefix}cert-file={keys / 'server.crt'}",
                f"--{prefix}key-file={keys / 'server.key'}",
            ]
        child = self._spawn(ETCD, command)
        probe = self.etcd(timeout=3)
        children.wait_until(child, lambda: probe.ready("/health"), timeout=START_SECONDS, what="healthy")
        probe.close()

    def _start_api_server(self, program: Path) -> None:
        child = self._spawn(API_SERVER, _command(program, self._api_server_options()))
        children.wait_until(child, self.api_server_ready, timeout=START_SECONDS, what="ready")

    def _api_server_options(self) -> dict[str, str]:
        keys = self.folder / "pki"
        return {
            "etcd-servers": self.etcd_urls[0],
            "etcd-cafile": str(self._etcd_authority.certificate),
            "etcd-certfile": str(self._etcd_authority.folder / "client.crt"),
            "etcd-keyfile": str(self._etcd_authority.folder / "client.key"),
            "bind-address": "127.0.0.1",
            "secure-port": str(self._ports["api"]),
            "advertise-address": "127.0.0.1",
            "tls-cert-file": str(keys / "apiserver.crt"),
            "tls-private-key-file": str(keys / "apiserver.key"),
            "client-ca-file": str(self._authority.certificate),
            "token-auth-file": str(self.folder / "tokens.csv"),
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": str(keys / "sa.pub"),
            "service-account-signing-key-file": str(keys / "sa.key"),
            "service-cluster-ip-range": "10.0.0.0/24",
            "endpoint-reconciler-type": "none",
            "allow-privileged": "true",
            "enable-priority-and-fairness": "false",
            "profiling": "false",
            "audit-policy-file": str(self.folder / "audit-policy.yaml"),
            "audit-log-path": str(self.audit_log),
            # Megabytes before the log is rotated, so that one file holds all writes of a run.
            "audit-log-maxsize": "4000",
        }

    def _controllers_command(self, program: Path) -> list[str | Path]:
        return [
            program,
            f"--kubeconfig={self.folder / 'controllers.kubeconfig'}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--root-ca-file={self._authority.certificate}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.service_account_key}",
            f"--controllers={','.join(self._controllers)}",
        ]

    def _spawn(self, name: str, command: list[str | Path]) -> Child:
        # A KUBECONFIG of the person who starts this must not reach the processes.
        environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        child = children.spawn(name, command, log=self.folder / f"{name}.log", env=environment, cwd=self.folder)
        self._children[name] = child
        self._save()
        return child

    def _save(self) -> None:
        if self.folder.is_dir():
            children.save(self._children, self._state)
            lines = [f"{name} {port}" for name, port in self._ports.items()]
            (self.folder / "ports").write_text("\n".join(lines), encoding="utf-8")

    def _read_ports(self) -> dict[str, int]:
        path = self.folder / "ports"
        if not path.is_file():
            return {}
        pairs = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
        return {name: int(port) for name, port in pairs}


def _command(program: Path, options: Mapping[str, str]) -> list[str | Path]:
    return [program, *(f"--{name}={value}" for name, value in options.items())]


def _is_ready(endpoint: Endpoint) -> bool:
    client = RestClient(endpoint.server, endpoint.ca, timeout=3)
    try:
        return client.ready()
    finally:
        client.close()
