"""The chart in running pods, as the tests of the node see it: install, look, break, deploy meanwhile."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster import ADMIN
from helm import CHART, Helm
from waiting import eventually

from moorage_dev import patience
from moorage_dev.node.cluster import NodeCluster
from moorage_dev.rest_client import RestClient

NAMESPACE = "moorage-system"
WORKSPACE = "shop"
OPERATOR, FACADE = "moorage-operator", "moorage-api"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
#: Seconds that Helm waits for pods; a busy machine is slow.
_WAIT_SECONDS = 180.0
_LOAD = Path(__file__).with_name("deploy_load.py")


@dataclass(slots=True)
class Load:
    """What became of requests that were sent while something happened.

    Attributes:
        answered: ids of the changes that were answered with 200.
        failed: what every other request got.
    """

    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def lost(self) -> list[str]:
        """What failed through anything but a silent API server, which a busy machine has, too; REST says so."""
        return [line for line in self.failed if '"ClusterUnavailable"' not in line]

    def requests(self) -> int:
        """How many there were."""
        return len(self.answered) + len(self.failed)


@dataclass(slots=True)
class Installation:
    """The chart, released as `moorage` on a node.

    Attributes:
        cluster: where.
        helm: as administrator.
        image: name and tag of the image, which the node has.
        folder: for files.
    """

    cluster: NodeCluster
    helm: Helm
    image: str
    folder: Path

    def install(self, **values: Any) -> str:
        """`helm install --wait` into a Namespace under restricted pod security; what Helm prints."""
        kubectl = self.cluster.admin()
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
        return self._helm("install", "moorage", CHART, values=values)

    def upgrade(self, **values: Any) -> None:
        """`helm upgrade --wait` to these values and no others."""
        self._helm("upgrade", "moorage", CHART, values=values)

    def rollback(self) -> None:
        """`helm rollback --wait` to the values before."""
        self.helm.ok("rollback", "moorage", f"--namespace={NAMESPACE}", "--wait", patience.flag(_WAIT_SECONDS))

    def uninstall(self) -> None:
        """`helm uninstall --wait`."""
        self.helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}", "--wait", patience.flag(_WAIT_SECONDS))

    def test(self) -> str:
        """`helm test`; what it prints, logs included."""
        return self.helm.ok("test", "moorage", f"--namespace={NAMESPACE}", "--logs", patience.flag(_WAIT_SECONDS))

    def _helm(self, verb: str, name: str, chart: Path, *, values: Mapping[str, Any]) -> str:
        repository, _, tag = self.image.rpartition(":")
        image = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
        settings = self.helm.values_file({"image": image, **values})
        return self.helm.ok(
            verb,
            name,
            chart,
            f"--namespace={NAMESPACE}",
            f"--values={settings}",
            "--wait",
            patience.flag(_WAIT_SECONDS),
        )

    def kubectl(self, *arguments: str) -> str:
        """kubectl as administrator, in the Namespace of the release; must succeed."""
        # What stands after `--` belongs to a program in a pod.
        return self.cluster.admin().ok(f"--namespace={NAMESPACE}", *arguments)

    def pods(self, name: str = "") -> list[dict[str, Any]]:
        """Pods that are not about to go, of one of the two Deployments or of both."""
        items = json.loads(self.kubectl("get", "pods", "--output=json"))["items"]
        return [
            pod
            for pod in items
            if pod["metadata"]["name"].startswith(name or "moorage-")
            and not pod["metadata"].get("deletionTimestamp")
            and pod["metadata"].get("ownerReferences")
        ]

    def settled(self) -> None:
        """Wait until both Deployments have all their pods, Ready."""
        for name in (OPERATOR, FACADE):
            self.kubectl("rollout", "status", f"deployment/{name}", patience.flag(110))

    def leader(self, *, other_than: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The operator's pod that holds the Lease; None while nobody does, or that other pod still does."""
        leases = json.loads(self.kubectl("get", "leases", "--output=json"))["items"]
        holders = [str(lease["spec"].get("holderIdentity") or "") for lease in leases]
        for pod in self.pods(OPERATOR):
            name = pod["metadata"]["name"]
            known = other_than is not None and name == other_than["metadata"]["name"]
            if not known and any(holder.startswith(name) for holder in holders):
                return pod
        return None

    def restarts(self, pod: Mapping[str, Any]) -> int:
        """How often the container of a pod was started again and is ready, 0 while it is not."""
        status = self._container(pod)
        return int(status["restartCount"]) if status["ready"] else 0

    def _container(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        now = json.loads(self.kubectl("get", "pod", pod["metadata"]["name"], "--output=json"))
        [status] = now["status"]["containerStatuses"]
        return dict(status)

    def evict(self, pod: Mapping[str, Any]) -> int:
        """Ask for an eviction, as `kubectl drain` does; the status of the answer."""
        name = str(pod["metadata"]["name"])
        endpoint = self.cluster.endpoint
        client = RestClient(endpoint.server, endpoint.ca)
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
        answer = client.request("POST", path, token=self.cluster.token(ADMIN), body=body)
        client.close()
        return answer.status

    def python_in(self, where: str, script: str) -> str:
        """Run a script in a pod, named as kubectl does (`pod/NAME`, `deployment/NAME`); what it prints."""
        return self.kubectl("exec", where, "--", "python", "-c", script)

    def token_id(self, pod: Mapping[str, Any]) -> str:
        """Id of the token that the kubelet has put into a pod; the token itself stays there."""
        script = (
            "import base64, json, pathlib\n"
            "token = pathlib.Path('/var/run/secrets/kubernetes.io/serviceaccount/token').read_text()\n"
            "claims = base64.urlsafe_b64decode(token.split('.')[1] + '==')\n"
            "print(json.loads(claims)['jti'])"
        )
        return self.python_in(f"pod/{pod['metadata']['name']}", script).strip()

    def token_ids_seen(self) -> set[str]:
        """Ids of all tokens with which pods of the release have come to the API server, by its audit log."""
        key, ours = "authentication.kubernetes.io/credential-id", f"system:serviceaccount:{NAMESPACE}:"
        found: set[str] = set()
        for line in self.cluster.control_plane.audit_log.read_text(encoding="utf-8").splitlines():
            if key in line and ours in line:
                user = json.loads(line)["user"]
                found |= {each.removeprefix("JTI=") for each in user.get("extra", {}).get(key, [])}
        return found

    def status_from(self, addresses: Iterable[str], path: str, port: int) -> set[int]:
        """HTTP statuses of the answers to `alice` at these addresses, from the node's network; 0: there was none."""
        script = (
            "import json, sys, urllib.error, urllib.request\n"
            "def status(url):\n"
            "    headers = {'Authorization': 'Bearer ' + open(sys.argv[1]).read()}\n"
            "    request = urllib.request.Request(url, headers=headers)\n"
            "    try: return urllib.request.urlopen(request, timeout=20).status\n"
            "    except urllib.error.HTTPError as error: return error.code\n"
            "    except OSError: return 0\n"
            "print(json.dumps([status(url) for url in sys.argv[2:]]))"
        )
        urls = [f"http://{address}:{port}{path}" for address in addresses]
        command = self.cluster.node.in_network(sys.executable, "-c", script, self.folder / "token", *urls)
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience.scaled(120))
        return set(json.loads(done.stdout))

    def certificates(self) -> set[bytes]:
        """What the facade's pods present to a new TLS connection, DER."""
        script = (
            "import base64, ssl, sys\n"
            "for address in sys.argv[1:]:\n"
            "    pem = ssl.get_server_certificate((address, 8080), timeout=10)\n"
            "    print(base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode())"
        )
        pods = [str(pod["status"]["podIP"]) for pod in self.pods(FACADE)]
        command = self.cluster.node.in_network(sys.executable, "-c", script, *pods)
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience.scaled(60))
        return {b64decode(line) for line in done.stdout.split()}

    def is_ready(self, pod: Mapping[str, Any]) -> bool:
        """Whether the kubelet finds a pod ready, now."""
        return self._container(pod)["ready"] is True

    def total_restarts(self) -> int:
        """How often containers of all pods that are there have been started again, ready or not."""
        return sum(status["restartCount"] for pod in self.pods() for status in pod["status"]["containerStatuses"])

    def reaches(self, name: str, *targets: tuple[str, int]) -> list[bool]:
        """Whether a pod of a Deployment can connect to each of these addresses and ports."""
        script = (
            "import json, socket\n"
            "def reaches(target):\n"
            "    try: socket.create_connection(target, timeout=3).close()\n"
            "    except OSError: return False\n"
            "    return True\n"
            f"print(json.dumps([reaches(tuple(target)) for target in {json.dumps(targets)}]))"
        )
        return list(json.loads(self.python_in(f"deployment/{name}", script)))

    def token(self) -> str:
        """Token of `alice`."""
        return (self.folder / "token").read_text(encoding="utf-8")

    def process(self, pod: Mapping[str, Any]) -> int:
        """Process id, on this machine, of a pod's only container."""
        [container] = [status["containerID"].partition("//")[2] for status in pod["status"]["containerStatuses"]]
        for path in Path("/proc").glob("[0-9]*/cgroup"):
            try:
                text = path.read_text(encoding="utf-8")
            except OSError:
                continue
            if container in text:
                return int(path.parent.name)
        message = f"no process of the container {container}"
        raise AssertionError(message)

    def kill(self, pod: Mapping[str, Any]) -> None:
        """SIGKILL the process of a pod, as the kernel does when memory ends."""
        os.kill(self.process(pod), signal.SIGKILL)

    def service_url(self, *, scheme: str = "http") -> str:
        """Address of the facade's Service; can be reached from the node's network only."""
        address = self.kubectl("get", "service", FACADE, "--output=jsonpath={.spec.clusterIP}")
        return f"{scheme}://{address}"

    def prepare_workspace(self) -> None:
        """A workspace with environments, and the account `alice` who may deploy there."""
        kubectl = self.cluster.admin()
        labels = {"moorage.dev/org": "acme", "moorage.dev/workspace": "shop", "moorage.dev/seed-environments": "true"}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WORKSPACE, "labels": labels}})
        where = f"--namespace={WORKSPACE}"
        kubectl.ok("wait", "--for=create", "environments.moorage.dev/development", where, patience.flag(60))
        if kubectl.run("get", "serviceaccount", "alice", where).returncode != 0:
            kubectl.ok("create", "serviceaccount", "alice", where)
            role = ("--clusterrole=moorage-deployer", f"--serviceaccount={WORKSPACE}:alice")
            kubectl.ok("create", "rolebinding", "deployers", *role, where)
        token = kubectl.ok("create", "token", "alice", "--duration=4h", where)
        path = self.folder / "token"
        path.touch(mode=0o600)
        path.write_text(token, encoding="utf-8")

    @contextmanager
    def load(self, prefix: str, *, ca: Path | None = None, url: str = "") -> Iterator[Load]:
        """Deploy all the time, over new and over kept connections; the outcome is complete when the block has ended.

        Args:
            prefix: of the apps.
            ca: whom to trust; None for plain HTTP.
            url: where the node's network finds the facade, if not by its Service.
        """
        url = url or self.service_url(scheme="https" if ca else "http")
        began = [
            subprocess.Popen(
                self.cluster.node.in_network(
                    sys.executable, _LOAD, url, self.folder / "token", mode, f"{prefix}{mode[0]}", *([ca] if ca else [])
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for mode in ("new", "keep")
        ]
        outcome = Load()
        try:
            yield outcome
        finally:
            for process in began:
                found = json.loads(process.communicate("", timeout=patience.scaled(60))[0])
                outcome.answered += found["answered"]
                outcome.failed += found["failed"]

    def records(self) -> dict[str, dict[str, Any]]:
        """Specs of all records of the workspace, by the id that REST answers."""
        where = f"--namespace={WORKSPACE}"
        items = json.loads(self.cluster.admin().ok("get", "deploymentrecords", where, "--output=json"))["items"]
        return {item["metadata"]["name"]: item["spec"] for item in items}


def assert_every_answer_is_recorded(installation: Installation, load: Load, *, prefix: str) -> None:
    """Each answered change has exactly one record, no binding's history has a gap, and nothing else is recorded."""
    expected = Counter(load.answered)
    assert set(expected.values()) == {1}, "two requests got the same change"
    eventually(lambda: set(expected) <= set(installation.records()), 60)
    mine = {name: spec for name, spec in installation.records().items() if spec["app"].startswith(prefix)}
    unknown = set(mine) - set(expected)
    # A request that was cut after it had done its work is recorded, too; so at most as many as failed.
    assert len(unknown) <= len(load.failed)
    chains: dict[str, list[int]] = {}
    for spec in mine.values():
        chains.setdefault(spec["deployment"]["name"], []).append(spec["sequence"])
    for name, sequences in chains.items():
        assert sorted(sequences) == list(range(1, len(sequences) + 1)), name


def flowing(installation: Installation, prefix: str, changes: int = 20) -> None:
    """Wait until that number of further changes by the load with that prefix is recorded."""

    def count() -> int:
        return sum(spec["app"].startswith(prefix) for spec in installation.records().values())

    wanted = count() + changes
    eventually(lambda: count() >= wanted, 60, interval=0.5)
