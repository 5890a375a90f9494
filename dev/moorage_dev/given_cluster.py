"""A cluster that somebody gave on purpose by `MOORAGE_KUBECONFIG`.

It has users of its own whom nobody here knows, so the people of the demo and the tests are service accounts there.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

from moorage_dev import binaries, users
from moorage_dev.children import Child
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.kubectl import Kubectl

#: Namespace of the service accounts that stand for people.
PEOPLE = "moorage-people"
_TOKEN_HOURS = 24


class GivenCluster(Cluster):
    """A cluster that stays as it is when the work is done, but for what was installed."""

    title = "the cluster of MOORAGE_KUBECONFIG"

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder = folder
        self.admin_kubeconfig = kubeconfig.absolute()
        self._tokens: dict[str, str] = {}

    def start(self) -> None:
        if not self.admin_kubeconfig.is_file():
            raise DevError(f"MOORAGE_KUBECONFIG: there is no file {self.admin_kubeconfig}; correct it or unset it")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._require_answer()
        self._require_rights()
        self._make_people()

    def finish(self) -> None:
        """Its controllers run already."""

    def stop(self) -> None:
        """It is not ours."""

    def token(self, user: str) -> str:
        if user not in self._tokens:
            arguments = ("create", "token", users.stem(user), f"--namespace={PEOPLE}", f"--duration={_TOKEN_HOURS}h")
            self._tokens[user] = self.admin().ok(*arguments).strip()
        return self._tokens[user]

    def username(self, user: str) -> str:
        return f"system:serviceaccount:{PEOPLE}:{users.stem(user)}"

    def subject(self, user: str) -> dict[str, str]:
        return {"kind": "ServiceAccount", "namespace": PEOPLE, "name": users.stem(user)}

    @property
    def endpoint(self) -> Endpoint:
        text = self.admin().ok("config", "view", "--raw", "--minify", "--flatten", "--output=json")
        cluster = json.loads(text)["clusters"][0]["cluster"]
        authority = cluster.get("certificate-authority-data")
        if not authority:
            raise DevError(f"MOORAGE_KUBECONFIG: {self.admin_kubeconfig} names no certificate-authority: add one")
        return Endpoint(cluster["server"].rstrip("/"), base64.b64decode(authority))

    @property
    def processes(self) -> dict[str, Child]:
        return {}

    def kubectl_program(self) -> Path:
        return binaries.kubectl()

    def _require_answer(self) -> None:
        done = self.admin().run("get", "--raw", "/version", "--request-timeout=10s")
        if done.returncode != 0:
            why = _last_line(done.stderr)
            raise DevError(f"MOORAGE_KUBECONFIG: the cluster of {self.admin_kubeconfig} does not answer: {why}")

    def _require_rights(self) -> None:
        done = self.admin().run("auth", "can-i", "*", "*", "--all-namespaces", "--request-timeout=10s")
        if done.stdout.strip().splitlines()[-1:] != ["yes"]:
            why = "" if done.stdout.strip() else f" ({_last_line(done.stderr)})"
            raise DevError(
                f"MOORAGE_KUBECONFIG: the user of {self.admin_kubeconfig} is not an administrator there{why}; "
                "installing CRDs, policies and roles needs one"
            )

    def _make_people(self) -> None:
        accounts: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": users.stem(user), "namespace": PEOPLE}}
            for user in users.ALL
        ]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PEOPLE}}
        administrator = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{PEOPLE}-{users.ADMIN}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [self.subject(users.ADMIN)],
        }
        self.admin().apply(namespace, *accounts, administrator)


def require_version(kubectl: Kubectl, title: str) -> None:
    """Refuse a cluster without MutatingAdmissionPolicy.

    Raises:
        DevError: it is older than Kubernetes 1.36.
    """
    version = json.loads(kubectl.ok("get", "--raw", "/version"))
    numbers = tuple(int(re.sub(r"\D", "", version[key]) or 0) for key in ("major", "minor"))
    if numbers < (1, 36):
        raise DevError(f"{title} runs Kubernetes {version['gitVersion']}, and the change log needs 1.36 or newer")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[-1][:300]
