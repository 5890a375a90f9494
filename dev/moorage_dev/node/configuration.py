"""Configuration files of the parts of a node. JSON is YAML, and every part reads it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moorage_dev.node import addresses

PAUSE_IMAGE = "localhost/pause:1"

_CONTAINERD = """\
version = 4
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [{disabled}]

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
  # Neither AppArmor nor SELinux: their profiles are not installed here.
  disable_apparmor = true
  # Where root lacks CAP_SYS_RESOURCE, the sandbox's oom_score_adj cannot be lowered, and no pod would start.
  restrict_oom_score_adj = true
  ignore_deprecation_warnings = ["io.containerd.deprecation/cgroup-v1"]

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{programs}"]
  conf_dir = "{cni}"
  # containerd brings up `lo` itself, so two CNI programs are enough.
  use_internal_loopback = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "runc"
  SystemdCgroup = false
"""
#: Plugins that need devices or programs which are not here, and would only fill the log.
_DISABLED = (
    "io.containerd.nri.v1.nri",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("btrfs", "zfs", "devmapper", "blockfile", "erofs", "native")),
)

_COREFILE = """\
.:53 {{
    bind {address}
    errors
    ready 127.0.0.1:8181
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
}}
"""


def write(folder: Path, *, authority: Path, programs: Path, cgroup: str) -> None:
    """Write all files into `folder`, where keys and kubeconfigs are.

    Args:
        folder: the node's.
        authority: certificate by which the kubelet knows the API server.
        programs: folder of the CNI programs.
        cgroup: the node's cgroup, without a slash.
    """
    cni = folder / "cni"
    cni.mkdir()
    _json(cni / "10-bridge.conflist", _bridge())
    _json(folder / "kubelet.yaml", _kubelet(folder, authority, cgroup))
    _json(folder / "proxy.yaml", _proxy(folder))
    (folder / "resolv.conf").write_text(f"nameserver {addresses.NODE_ADDRESS}\n", encoding="ascii")
    disabled = ", ".join(f'"{plugin}"' for plugin in _DISABLED)
    containerd = _CONTAINERD.format(disabled=disabled, pause=PAUSE_IMAGE, programs=programs, cni=cni)
    (folder / "containerd.toml").write_text(containerd, encoding="utf-8")
    corefile = _COREFILE.format(
        address=addresses.NODE_ADDRESS, domain=addresses.CLUSTER_DOMAIN, kubeconfig=folder / "coredns.kubeconfig"
    )
    (folder / "Corefile").write_text(corefile, encoding="utf-8")


def objects() -> list[dict[str, Any]]:
    """What the cluster must hold for the node: roles of its two foreign parts, and where pods find the API server."""
    services = {"apiGroups": [""], "resources": ["services", "namespaces"], "verbs": ["list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    pods = {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]}
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    policies = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]}
    return [
        *_reader("coredns", services, slices),
        *_reader("netpol", pods, nodes, policies),
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": addresses.API_PORT, "protocol": "TCP"}],
            "endpoints": [{"addresses": [addresses.NODE_ADDRESS], "conditions": {"ready": True}}],
        },
    ]


def _reader(name: str, *rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": f"node:{name}"}
    user = {"apiGroup": group, "kind": "User", "name": f"system:{name}"}
    metadata = {"name": f"node:{name}"}
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [user],
        },
    ]


def _bridge() -> dict[str, Any]:
    addresses_of_pods = {
        "type": "host-local",
        "ranges": [[{"subnet": addresses.PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses_of_pods,
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def _kubelet(folder: Path, authority: Path, cgroup: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        # Machines with cgroups of version 1 are still there; the kubelet works on them if it is told to.
        "failCgroupV1": False,
        "failSwapOn": False,
        "address": addresses.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(folder / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(folder / "kubelet-server.key"),
        "clusterDomain": addresses.CLUSTER_DOMAIN,
        "clusterDNS": [addresses.NODE_ADDRESS],
        "resolvConf": str(folder / "resolv.conf"),
        "enforceNodeAllocatable": ["pods"],
        # The disk of a test machine is often nearly full. No pod is evicted and no image collected for that.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }


def _proxy(folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(folder / "proxy.kubeconfig")},
        "clusterCIDR": addresses.PODS,
        "hostnameOverride": addresses.NODE,
        "bindAddress": addresses.NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The table of connections belongs to the whole machine: its limits are left alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "0s"},
    }


def _json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
