"""The control plane of a cluster with a node: all controllers, a scheduler, and an API server that reaches the node.

It stays on the loopback address, where people and tests are. The node has a network namespace of its own. Unix sockets,
which belong to no network namespace, join the two: a gate carries what the node sends to the API server, another one
what the API server sends to kubelet and pods (its `cluster` egress).
"""

import json
from collections.abc import Callable
from pathlib import Path

from moorage_dev import binaries, kubeconfigs, modules, pki
from moorage_dev.control_plane import API_SERVER, CONTROLLERS, ETCD, ControlPlane
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.node import addresses

SCHEDULER, GATE = "scheduler", "gate"
#: Socket files in the control plane's folder. It is the working directory of all who use them, because the path of a
#: socket may have 107 bytes at most.
TO_API_SERVER, TO_NODE = "to-api.sock", "to-node.sock"


class NodeControlPlane(ControlPlane):
    """As `ControlPlane`, for one node."""

    _controllers = ("*",)
    _further_addresses = (addresses.NODE_ADDRESS, addresses.KUBERNETES_SERVICE)

    @property
    def authority(self) -> pki.Authority:
        """Who signs the certificates of the node."""
        return self._authority

    def node_kubeconfig(self, path: Path, user: str, *groups: str) -> Path:
        """A kubeconfig with a client certificate, for a process in the node's network namespace."""
        return self._kubeconfig(path, Endpoint(addresses.API_SERVER, self.endpoint.ca), user, *groups)

    def start_controllers(self) -> None:
        """Start controller manager, scheduler and the gate to the API server."""
        super().start_controllers()
        self._start_scheduler()
        self._start_gate()

    def _restarts(self) -> dict[str, Callable[[], None]]:
        return {
            ETCD: self.restart_etcd,
            API_SERVER: self.restart_api_server,
            CONTROLLERS: super().start_controllers,
            SCHEDULER: self._start_scheduler,
            GATE: self._start_gate,
        }

    def _start_scheduler(self) -> None:
        kubeconfig = self._kubeconfig(self.folder / "scheduler.kubeconfig", self.endpoint, "system:kube-scheduler")
        program = binaries.build(modules.NODE) / "kube-scheduler"
        self._spawn(SCHEDULER, [program, f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"])

    def _start_gate(self) -> None:
        target = self.endpoint.server.removeprefix("https://")
        self._spawn(GATE, [binaries.build(modules.NODE) / "gate", f"unix:{TO_API_SERVER}=tcp:{target}"])

    def _make_credentials(self) -> None:
        super()._make_credentials()
        self._authority.issue_client("apiserver-kubelet", user="apiserver-kubelet", groups=("system:masters",))
        transport = {"uds": {"udsName": TO_NODE}}
        connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
        egress = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        }
        (self.folder / "egress.yaml").write_text(json.dumps(egress, indent=1), encoding="utf-8")

    def _api_server_options(self) -> dict[str, str]:
        keys = self.folder / "pki"
        return {
            **super()._api_server_options(),
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "service-cluster-ip-range": addresses.SERVICES,
            "kubelet-certificate-authority": str(self._authority.certificate),
            "kubelet-client-certificate": str(keys / "apiserver-kubelet.crt"),
            "kubelet-client-key": str(keys / "apiserver-kubelet.key"),
            # The name of the node is in no DNS that the API server asks.
            "kubelet-preferred-address-types": "InternalIP",
            "egress-selector-config-file": str(self.folder / "egress.yaml"),
        }

    def _kubeconfig(self, path: Path, endpoint: Endpoint, user: str, *groups: str) -> Path:
        certificate, key = self._authority.issue_client(path.stem, user=user, groups=groups)
        return kubeconfigs.with_certificate(path, endpoint, user=user, certificate=certificate, key=key)
