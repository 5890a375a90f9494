"""Whether this machine can run a node: one sentence that says what is missing, found out by trying."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from moorage_dev import packages
from moorage_dev.layout import cache_dir
from moorage_dev.node import cgroups

#: Program → Debian package.
PROGRAMS = {
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ipset": "ipset",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
#: Namespaces of a node: its mounts, network, process ids, host name and IPC are its own.
NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
#: These are other folders inside the node.
HIDDEN = (Path("/run"), Path("/var/lib"))

#: What is tried in throw-away namespaces → what the kernel lacks when it fails.
_PROBES = (
    ("ip link add probe0 type veth peer name probe1", "pairs of virtual network devices (CONFIG_VETH)"),
    ("ip link add probe2 type bridge", "network bridges (CONFIG_BRIDGE)"),
    (
        "test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
        "filters on bridges: load its module (modprobe br_netfilter)",
    ),
    (
        "nft 'add table ip probe; add chain ip probe c { type nat hook prerouting priority 0; }; "
        "add rule ip probe c tcp dport 1 dnat to 127.0.0.1:2'",
        "nftables with address translation (CONFIG_NF_TABLES, CONFIG_NFT_NAT)",
    ),
    (
        "ipset create probe hash:ip && iptables -A INPUT -m set --match-set probe src -j DROP",
        "iptables with address sets (CONFIG_IP_SET, CONFIG_NETFILTER_XT_SET)",
    ),
    (
        "mkdir lower upper work both && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work both",
        "overlay mounts in this folder (CONFIG_OVERLAY_FS; a folder that is not an overlay itself)",
    ),
)


def why_not(folder: Path) -> str | None:
    """One sentence that says why no node can run here; None when one can. Installs packages where it may.

    Args:
        folder: where the node's files would be.
    """
    if sys.platform != "linux":
        return "a node runs on Linux only"
    if os.geteuid() != 0:
        return "a node needs root, because it makes namespaces, mounts and cgroups"
    for place in (folder.absolute(), cache_dir()):
        if any(place.is_relative_to(hidden) for hidden in HIDDEN):
            return f"{place} lies in a folder that a node replaces by its own: choose one outside /run and /var/lib"
    return packages.why_not(PROGRAMS) or cgroups.why_not() or _kernel(folder.absolute())


def _kernel(folder: Path) -> str | None:
    near = next(place for place in (folder, *folder.parents) if place.is_dir())
    with tempfile.TemporaryDirectory(prefix=".moorage-probe-", dir=near) as scratch:
        done = _in_namespaces("true", scratch)
        if done.returncode != 0:
            return f"namespaces cannot be made here: {done.stderr.strip().splitlines()[-1:]}"
        for command, lacking in _PROBES:
            if _in_namespaces(command, scratch).returncode != 0:
                return f"the kernel lacks {lacking}"
    return None


def _in_namespaces(command: str, folder: str) -> subprocess.CompletedProcess[str]:
    unshare = shutil.which("unshare", path=packages.path()) or "unshare"
    return subprocess.run(
        [unshare, *NAMESPACES, "--fork", "--kill-child=SIGKILL", "--mount-proc", "sh", "-euc", command],
        cwd=folder,
        env={**os.environ, "PATH": packages.path()},
        capture_output=True,
        text=True,
        check=False,
    )
