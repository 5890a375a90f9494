"""A real node on this machine, beside a control plane: containerd, kubelet, kube-proxy, DNS and network policies.

Its processes run in namespaces of their own (mounts, network, process ids, host name, IPC) below one first process.
When that one is killed, the kernel ends all others, containers too, and mounts, devices and packet filters go with the
namespaces. What remains are empty cgroups and the folder, and `stop` removes the cgroups.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from moorage_dev import binaries, children, modules, packages
from moorage_dev.children import Child
from moorage_dev.failures import DevError
from moorage_dev.kubectl import Kubectl
from moorage_dev.layout import DEV
from moorage_dev.node import addresses, cgroups, configuration, first_process, oci
from moorage_dev.node.control_plane import TO_API_SERVER, TO_NODE, NodeControlPlane
from moorage_dev.node.requirements import NAMESPACES

#: Seconds that a part may take to become ready; a cold disk and a busy machine are slow.
START_SECONDS = 120.0

FIRST, CONTAINERD, GATE, KUBELET, PROXY, DNS, POLICIES = (
    "node",
    "containerd",
    "node-gate",
    "kubelet",
    "proxy",
    "coredns",
    "netpol",
)


class Node:
    """One node whose files live in `folder`.

    Args:
        folder: made by `start`; must be empty or missing then.
        control_plane: the one that it joins.
        kubectl: as administrator.
    """

    def __init__(self, folder: Path, control_plane: NodeControlPlane, kubectl: Callable[[], Kubectl]) -> None:
        self.folder = folder
        self._control_plane = control_plane
        self._kubectl = kubectl
        self._state = folder / "processes.json"
        self._children = children.load(self._state)
        #: Name of the cgroup of all its pods. Nodes of several checkouts and test runs have cgroups of their own.
        self.cgroup = "moorage-node-" + hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:8]

    def start(self) -> None:
        """Start everything, and return when the node is Ready.

        Raises:
            DevError: a part does not come up; nothing is left running then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything at once and remove the cgroups; logs stay. No-op when nothing runs."""
        first = self._children.get(FIRST)
        inner = children.only_child(first.pid) if first is not None and children.is_running(first) else None
        if first is not None:
            children.kill(first)
        # The parents of all parts are outside. One that somebody paused would never take the remains of its part away.
        for child in self._children.values():
            children.kill(child)
        # The first process is gone when all others are, and all mounts.
        children.wait_gone(inner)
        self._children.clear()
        cgroups.remove(self.cgroup)
        self._save()

    @property
    def processes(self) -> dict[str, Child]:
        """What was started and not stopped, by name; it may have died since."""
        return dict(self._children)

    def repair(self) -> list[str]:
        """Start again what died; the names of it. Pods survive a part, but not the first process."""
        if FIRST not in self._children:
            return []
        if not children.is_running(self._children[FIRST]):
            self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.start()
            return [FIRST]
        dead = [name for name, child in self._children.items() if not children.is_running(child)]
        for name in dead:
            self.restart(name)
        return dead

    def kill(self, part: str) -> None:
        """SIGKILL one part, such as `KUBELET`; `restart` brings it back."""
        children.kill(self._children[part])

    def restart(self, part: str) -> None:
        """Start one part again, killing it before if it runs."""
        children.kill(self._children[part])
        self._spawn(part)

    def in_network(self, *command: str | Path) -> list[str]:
        """A command line that runs `command` in the node's network namespace, on the usual file system.

        Addresses of pods and Services can be reached from there; the machine's own network cannot.
        """
        return self._enter(("--net",), *command)

    def load(self, *archives: Path) -> None:
        """Give OCI archives to containerd. Their images have the names that the archives say.

        Raises:
            DevError: an archive is refused.
        """
        for archive in archives:
            control = binaries.build(modules.CONTAINERD) / "ctr"
            command = (control, "-n", "k8s.io", "images", "import", archive.absolute())
            self._checked(self._enter(("--mount", "--net", "--pid"), *command))

    def load_program(self, program: Path, *names: str) -> None:
        """Make images of one static program, under these names, and give them to containerd."""
        self.load(oci.write_archive(self.folder / f"{program.name}.tar", program, names))

    def image_names(self) -> list[str]:
        """Names of all images on the node."""
        control = binaries.build(modules.CONTAINERD) / "ctr"
        command = self._enter(("--mount", "--net", "--pid"), control, "-n", "k8s.io", "images", "list", "-q")
        return [name for name in self._checked(command).splitlines() if not name.startswith("sha256:")]

    def _start(self) -> None:
        programs = binaries.build(modules.NODE), binaries.build(modules.CONTAINERD)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._prepare(programs[0])
        cgroups.make(self.cgroup)
        self._spawn(FIRST)
        self._wait(FIRST, (self.folder / first_process.READY).exists, "set up")
        self._spawn(CONTAINERD)
        self._spawn(GATE)
        self._wait(GATE, (self._control_plane.folder / TO_NODE).exists, "open")
        kubectl = self._kubectl()
        kubectl.apply(*configuration.objects())
        self._wait(CONTAINERD, self._inside("/run/containerd/containerd.sock").exists, "ready")
        self.load_program(programs[0] / "pause", configuration.PAUSE_IMAGE)
        self._spawn(KUBELET)
        self._spawn(PROXY)
        self._spawn(DNS)
        # The policy controller gives up where its Node does not exist.
        self._wait(KUBELET, lambda: kubectl.run("get", "node", addresses.NODE).returncode == 0, "registered")
        self._spawn(POLICIES)
        ready = ("wait", "--for=condition=Ready", f"node/{addresses.NODE}", "--timeout=1s")
        self._wait(KUBELET, lambda: kubectl.run(*ready).returncode == 0, "Ready")

    def _prepare(self, programs: Path) -> None:
        plane, folder = self._control_plane, self.folder
        certificate, key = plane.authority.issue_server("kubelet-server", addresses=(addresses.NODE_ADDRESS,))
        shutil.copy(certificate, folder / "kubelet-server.crt")
        shutil.copy(key, folder / "kubelet-server.key")
        user = f"system:node:{addresses.NODE}"
        plane.node_kubeconfig(folder / "kubelet.kubeconfig", user, "system:nodes")
        plane.node_kubeconfig(folder / "proxy.kubeconfig", "system:kube-proxy")
        for name in (DNS, POLICIES):
            plane.node_kubeconfig(folder / f"{name}.kubeconfig", f"system:{name}")
        authority = plane.authority.certificate
        configuration.write(folder, authority=authority, programs=programs, cgroup=self.cgroup)

    def _spawn(self, part: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "MOORAGE_"))}
        # containerd starts the shim and runc, kube-proxy nft, and the policy controller iptables and ipset.
        path = f"{binaries.build(modules.CONTAINERD)}{os.pathsep}{packages.path()}"
        child = children.spawn(
            part,
            self._command(part),
            log=self.folder / f"{part}.log",
            env={**environment, "PATH": path, "PYTHONPATH": str(DEV)},
            cwd=self._control_plane.folder,
        )
        self._children[part] = child
        self._save()

    def _command(self, part: str) -> list[str]:
        folder, programs = self.folder, binaries.build(modules.NODE)
        if part == FIRST:
            first = (sys.executable, "-m", first_process.__name__, str(folder))
            return ["unshare", *NAMESPACES, "--fork", "--kill-child=SIGKILL", "--mount-proc", *first]
        api = f"tcp:{addresses.NODE_ADDRESS}:{addresses.API_PORT}=unix:{TO_API_SERVER}"
        commands: dict[str, tuple[str | Path, ...]] = {
            CONTAINERD: (
                binaries.build(modules.CONTAINERD) / "containerd",
                f"--config={folder / 'containerd.toml'}",
            ),
            GATE: (programs / "gate", api, f"unix:{TO_NODE}=connect"),
            KUBELET: (
                programs / "kubelet",
                f"--config={folder / 'kubelet.yaml'}",
                f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
                f"--hostname-override={addresses.NODE}",
                f"--node-ip={addresses.NODE_ADDRESS}",
            ),
            PROXY: (programs / "kube-proxy", f"--config={folder / 'proxy.yaml'}"),
            DNS: (programs / "coredns", "-conf", folder / "Corefile"),
            POLICIES: (programs / "netpol", folder / "netpol.kubeconfig", addresses.NODE, addresses.SERVICES),
        }
        return self._enter(NAMESPACES, *commands[part])

    def _enter(self, namespaces: tuple[str, ...], *command: str | Path) -> list[str]:
        first = self._children.get(FIRST)
        inner = children.only_child(first.pid) if first is not None and children.is_running(first) else None
        if inner is None:
            raise DevError("the node does not run")
        # Who enters other mounts stands in their root at first.
        stay = ("env", f"--chdir={self._control_plane.folder}") if "--mount" in namespaces else ()
        return ["nsenter", f"--target={inner}", *namespaces, "--", *stay, *map(str, command)]

    def _inside(self, path: str) -> Path:
        """A path of the node's own mounts, as this process sees it."""
        inner = children.only_child(self._children[FIRST].pid)
        return Path(f"/proc/{inner}/root{path}")

    def _wait(self, part: str, ready: Callable[[], bool], what: str) -> None:
        children.wait_until(self._children[part], ready, timeout=START_SECONDS, what=what)

    def _checked(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-8:])
            raise DevError(f"{' '.join(command[-5:])} failed, its last lines were:\n  {tail}")
        return done.stdout

    def _save(self) -> None:
        if self.folder.is_dir():
            children.save(self._children, self._state)
