"""The first process in a node's namespaces: it sets up mounts and network, says so, and then only reaps orphans.

`python -m moorage_dev.node.first_process FOLDER`, started by `unshare`. Nobody outside sees what it changes.
When it ends, the kernel ends everything else in its process id namespace.
"""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from moorage_dev.node import addresses

#: Made in the node's folder when mounts and network are there.
READY = "namespaces-ready"

#: The kubelet writes these on every start, and they belong to the whole machine. In the node's mounts, files with the
#: wanted values lie over them: the kubelet finds what it wants, and the kernel keeps its own values.
SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def main(folder: Path) -> None:
    """Set up, then stay until killed."""
    _mount(folder)
    _network()
    (folder / READY).touch()
    # Remains of processes whose parent has ended are taken away by the kernel.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()


def _mount(folder: Path) -> None:
    socket.sethostname(addresses.NODE)
    _run("mount", "--make-rprivate", "/")
    # The kubelet shares mounts with its containers.
    _run("mount", "--make-rshared", "/")
    # Sockets, data and logs of kubelet, containerd and CNI lie in these folders. Here they come from the node's own.
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for name in ("lib", "log"):
        own = folder / f"var-{name}"
        own.mkdir(exist_ok=True)
        _run("mount", "--bind", str(own), f"/var/{name}")
    for path in ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods"):
        Path(path).mkdir(exist_ok=True)
    values = folder / "sysctl"
    values.mkdir(exist_ok=True)
    for name, value in SYSCTLS.items():
        file = values / name.replace("/", ".")
        file.write_text(f"{value}\n", encoding="ascii")
        _run("mount", "--bind", str(file), f"/proc/sys/{name}")


def _network() -> None:
    _run("ip", "link", "set", "lo", "up")
    # The node's address lies on a device that every kernel with pods has. The other end of the pair is not used.
    _run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1")
    _run("ip", "addr", "add", f"{addresses.NODE_ADDRESS}/24", "dev", "node0")
    for device in ("node0", "node1"):
        _run("ip", "link", "set", device, "up")
    # A packet to the address of a Service needs a route before kube-proxy rewrites it.
    _run("ip", "route", "add", "default", "dev", "node0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    # Without this a pod cannot reach a Service that chooses a pod on the same bridge.
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1", encoding="ascii")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
