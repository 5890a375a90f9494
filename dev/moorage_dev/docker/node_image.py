"""A node image for kind: kind's own files on a Debian with systemd, and Kubernetes as it is built here.

`kind create cluster` usually starts an image of a registry. This one differs from it in three things: its network of
pods is a bridge that needs no pod, its images are imported when the node starts, and the kubelet finds the settings of
the kernel that it wants without changing the machine's.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from moorage_dev import binaries, debian, modules, runtime_root
from moorage_dev.node import oci
from moorage_dev.node.first_process import SYSCTLS

ENTRYPOINT = "usr/local/bin/moorage-entrypoint"
#: How the image is started; kind says the rest.
CHANGES = (f'ENTRYPOINT ["/{ENTRYPOINT}","/sbin/init"]', "ENV container=docker")

_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "iptables",
    "nftables",
    "conntrack",
    "ethtool",
    "mount",
    "kmod",
    "procps",
    "ca-certificates",
    "runc",
    "jq",
    "curl",
)
_WITHOUT = ("tzdata",)
#: What kind's Dockerfile removes: services that a container does not need, or that belong to the machine.
_REMOVED = (
    "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "usr/lib/systemd/system/multi-user.target.wants/*",
    "usr/lib/systemd/system/local-fs.target.wants/*",
    "usr/lib/systemd/system/sockets.target.wants/*udev*",
    "usr/lib/systemd/system/sockets.target.wants/*initctl*",
    "usr/lib/systemd/system/basic.target.wants/*",
    "etc/systemd/system/*.wants/*",
)
_ENABLED = ("kubelet", "containerd", "undo-mount-hacks", "images")
#: Of pods, below kind's network of pods.
_PODS = "10.244.0.0/24"

_ENTRYPOINT = """\
#!/bin/bash
# The kubelet writes these settings, and they belong to the whole machine: files with the wanted values lie over them.
set -eu
for file in /kind/settings/*; do
  name=${file##*/}
  mount --bind "$file" "/proc/sys/${name//+//}"
done
exec /usr/local/bin/entrypoint "$@"
"""
_IMAGES_SERVICE = """\
[Unit]
Description=images of the control plane
After=containerd.service
Requires=containerd.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -euc 'for file in /kind/images/*; do ctr --namespace=k8s.io images import "$file"; done'
"""
_KUBELET_AFTER_IMAGES = "[Unit]\nAfter=images.service\nRequires=images.service\n"
#: kind creates the objects of its network here. This one has none but a note, because kind wants one.
_NETWORK = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "network-of-pods", "namespace": "kube-system"},
    "data": {"network": "a bridge, set up by /etc/cni/net.d of the node"},
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    mode: int = 0o644


def tag() -> str:
    """The image's name, with the version of Kubernetes."""
    return f"moorage/kind-node:{_version()}"


def prepare() -> None:
    """Build and fetch everything that goes into it.

    Raises:
        DevError: something cannot be had.
    """
    binaries.control_plane()
    for module in (modules.NODE, modules.CONTAINERD, modules.KIND):
        binaries.build(module)
    _base()


def write(target: Path) -> None:
    """Write the archive of its root file system; `CHANGES` says how it is started.

    Args:
        target: replaced if it is there; a folder of the same name with another end gets files meanwhile.
    """
    scratch = target.with_suffix(".parts")
    scratch.mkdir()
    with tarfile.open(_base()) as base, tarfile.open(target, "w") as tar:
        for member in base:
            if not any(fnmatch(member.name.removeprefix("./"), pattern) for pattern in _REMOVED):
                tar.addfile(member, base.extractfile(member) if member.isfile() else None)
        for path, file in _files().items():
            _add(tar, path, file)
        for program, place in _programs():
            tar.add(program, f"./{place}{program.name}", filter=_owned_by_root)
        for archive in _images(scratch):
            tar.add(archive, f"./kind/images/{archive.name}", filter=_owned_by_root)
            archive.unlink()
        for unit in _ENABLED:
            _link(
                tar, f"etc/systemd/system/multi-user.target.wants/{unit}.service", f"/etc/systemd/system/{unit}.service"
            )
        _link(tar, "etc/systemd/system/systemd-binfmt.service", "/dev/null")
        for folder in ("etc/kubernetes/manifests", "opt/cni/bin"):
            member = tarfile.TarInfo(f"./{folder}")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)


def _version() -> str:
    return modules.KIND.versions["k8s.io/kubernetes"]


def _base() -> Path:
    key = hashlib.sha256(repr((_PACKAGES, _WITHOUT)).encode()).hexdigest()[:8]
    title = "making the base of kind's node (once; about two minutes)"
    return debian.archive(f"kind-node-{key}", title, _PACKAGES, _WITHOUT)


def _files() -> dict[str, _File]:
    kept = binaries.build(modules.KIND)
    files = {}
    for path in modules.KIND_FILES:
        mode = 0o755 if "/bin/" in path else 0o644
        files[path] = _File((kept / modules.kept_name(path)).read_bytes(), mode)
    containerd = files["etc/containerd/config.toml"].content.decode()
    # Where root lacks CAP_SYS_RESOURCE, the sandbox's oom_score_adj cannot be lowered, and no pod would start.
    containerd = containerd.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    files["etc/containerd/config.toml"] = _File(containerd.encode())
    files["etc/containerd/cri-base.json"] = _json(_base_of_containers())
    files["etc/cni/net.d/10-bridge.conflist"] = _json(_bridge())
    files["etc/systemd/journald.conf.d/kind.conf"] = _File(b"[Journal]\nReadKMsg=no\n")
    files["etc/systemd/system/images.service"] = _File(_IMAGES_SERVICE.encode())
    files["etc/systemd/system/kubelet.service.d/20-images.conf"] = _File(_KUBELET_AFTER_IMAGES.encode())
    files["kind/version"] = _File(_version().encode())
    files["kind/manifests/default-cni.yaml"] = _json(_NETWORK)
    files[ENTRYPOINT] = _File(_ENTRYPOINT.encode(), 0o755)
    for name, value in SYSCTLS.items():
        files[f"kind/settings/{name.replace('/', '+')}"] = _File(f"{value}\n".encode())
    return files


def _base_of_containers() -> dict[str, Any]:
    """What kind's Dockerfile makes of `ctr oci spec`."""
    control = binaries.build(modules.CONTAINERD) / "ctr"
    wanted: dict[str, Any] = json.loads(
        subprocess.run([control, "oci", "spec"], capture_output=True, check=True).stdout
    )
    wanted["process"].pop("rlimits", None)
    wanted.setdefault("hooks", {}).setdefault("createContainer", []).append(
        {"path": "/kind/bin/mount-product-files.sh"}
    )
    return wanted


def _bridge() -> dict[str, Any]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": _PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [{**bridge, "ipam": addresses}]}


def _programs() -> Iterator[tuple[Path, str]]:
    """Each program of the node with its folder in the image."""
    node, kind, containerd = (binaries.build(one) for one in (modules.NODE, modules.KIND, modules.CONTAINERD))
    for program in (node / "kubelet", kind / "kubeadm", binaries.control_plane()["kubectl"]):
        yield program, "usr/bin/"
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        yield containerd / name, "usr/local/bin/"
    for program in (node / "bridge", node / "host-local", kind / "loopback"):
        yield program, "opt/cni/bin/"


def _images(scratch: Path) -> Iterator[Path]:
    """Archives of the images that kubeadm starts, under the names that it wants."""
    node, kind, plane = binaries.build(modules.NODE), binaries.build(modules.KIND), binaries.control_plane()
    filters = scratch / "filters.tar"
    _write_filters(filters)
    on_path = oci.Setting("usr/local/bin/", "0:0")
    settings: Mapping[str, tuple[Path, oci.Setting]] = {
        "kube-apiserver": (plane["kube-apiserver"], on_path),
        "kube-controller-manager": (plane["kube-controller-manager"], on_path),
        "etcd": (plane["etcd"], on_path),
        "kube-scheduler": (node / "kube-scheduler", on_path),
        "kube-proxy": (node / "kube-proxy", oci.Setting("usr/local/bin/", "0:0", filters)),
        "coredns": (kind / "coredns", oci.Setting("", "0:0")),
        "pause": (node / "pause", oci.Setting()),
    }
    listed = [str(kind / "kubeadm"), "config", "images", "list", f"--kubernetes-version={_version()}"]
    wanted = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    names = {name: [each for each in wanted if f"/{name}:" in each] for name in settings}
    # containerd's configuration names a pause image of its own.
    names["pause"].append("registry.k8s.io/pause:3.10")
    for name, (program, setting) in settings.items():
        yield oci.write_archive(scratch / f"{name}.tar", program, dict.fromkeys(names[name]), setting)


def _write_filters(target: Path) -> None:
    """What kube-proxy needs besides itself: the programs that set packet filters."""
    runtime_root.write(_base(), target, of=("iptables", "nftables", "kmod"))
    with tarfile.open(target, "a") as tar:
        for family in ("iptables", "ip6tables"):
            for end in ("", "-save", "-restore"):
                _link(tar, f"usr/sbin/{family}{end}", "xtables-nft-multi")


def _add(tar: tarfile.TarFile, path: str, file: _File) -> None:
    member = tarfile.TarInfo(f"./{path}")
    member.size, member.mode = len(file.content), file.mode
    tar.addfile(member, io.BytesIO(file.content))


def _link(tar: tarfile.TarFile, path: str, target: str) -> None:
    member = tarfile.TarInfo(f"./{path}")
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _json(content: Mapping[str, Any]) -> _File:
    return _File(json.dumps(content, indent=1).encode())
