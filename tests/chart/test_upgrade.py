"""From the policies of an earlier version to those of this one, by every way that somebody may choose.

Afterwards the cluster says what this version says, and what the old policies let through is refused.
"""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet
from helm import CHART, Helm
from old_attacks import ATTACKS, IN_FORCE_SECONDS, Scene
from waiting import eventually, eventually_passes

from moorage_crds import drift, names, schema
from moorage_dev import binaries, patience
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.layout import ROOT
from moorage_dev.rest_client import RestClient

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
Done = subprocess.CompletedProcess[str]

NAMESPACE = "moorage-system"
MOORAGE = Path(sys.executable).parent / "moorage"
EDITIONS = sorted((Path(__file__).parent / "data").glob("*-edition"))


def documents(*folders: Path) -> list[Object]:
    """All objects of some folders."""
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.glob("*.yaml"))]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def now() -> dict[tuple[str, str], Object]:
    """(kind, name) → what this version installs."""
    wanted = [*schema.wanted_crds().values(), *schema.wanted_policies().values()]
    return {(one["kind"], one["metadata"]["name"]): one for one in wanted}


def changed_policies(edition: Path) -> set[str]:
    """Names of the policies that are new since, or say something else."""
    before = {(one["kind"], one["metadata"]["name"]): one for one in documents(edition / "policies")}
    policies = {key: one for key, one in now().items() if "AdmissionPolicy" in key[0]}
    changed = {key: one for key, one in policies.items() if key not in before or drift.differences(one, before[key])}
    return {one["spec"].get("policyName", name) for (_, name), one in changed.items()}


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster in which CRDs and policies come and go."""

    cluster: BuiltCluster
    helm: Helm
    edition: Path
    old_chart: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> Done:
        """kubectl as administrator."""
        return self.cluster.admin().run(*arguments, stdin=stdin)

    def ok(self, *arguments: str, stdin: str | None = None) -> Done:
        """The same, and it must succeed."""
        done = self.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done

    def apply_old(self, *flags: str) -> None:
        """Apply the old CRDs, and when they are Established the old policies."""
        self.ok("apply", *flags, "-f", str(self.edition / "crds"))
        self.cluster.admin().wait_for_crds(*(one["metadata"]["name"] for one in documents(self.edition / "crds")))
        self.ok("apply", *flags, "-f", str(self.edition / "policies"))

    def apply_new(self, *flags: str) -> Done:
        """`moorage crds | kubectl apply … -f -`."""
        printed = subprocess.run(
            [MOORAGE, "crds"], capture_output=True, text=True, check=True, timeout=patience.scaled(60)
        )
        return self.kubectl("apply", *flags, "-f", "-", stdin=printed.stdout)

    def release(self, chart: Path, *flags: str) -> Done:
        """`helm upgrade --install`."""
        arguments = ("upgrade", "--install", "moorage", chart, f"--namespace={NAMESPACE}", *flags)
        return self.helm.run(*arguments)

    def differences(self) -> dict[tuple[str, str], list[str]]:
        """Where the cluster says something else than this version."""
        kinds = ",".join(sorted({kind for kind, _ in now()}))
        items = json.loads(self.ok("get", kinds, "--output=json").stdout)["items"]
        found = {(one["kind"], one["metadata"]["name"]): one for one in items}
        told = {key: list(map(str, drift.differences(one, found.get(key, {})))) for key, one in now().items()}
        return {key: lines for key, lines in told.items() if lines}

    def clear(self) -> None:
        """No policies, no release; CRDs that nobody in particular has applied."""
        self.helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}", "--ignore-not-found")
        for family in ("mutating", "validating"):
            for kind in (f"{family}admissionpolicybinding", f"{family}admissionpolicy"):
                listed = self.ok("get", kind, "--output=name").stdout.split()
                if ours := [one for one in listed if one.endswith(f".{names.GROUP}")]:
                    self.ok("delete", *ours)
        crds = schema.wanted_crds()
        self.ok("apply", *FORCE, "-f", "-", stdin=yaml.safe_dump_all(crds.values()))
        nothing = '{"metadata":{"managedFields":[{}],"annotations":null,"labels":null}}'
        self.ok("patch", "crd", *crds, "--type=merge", f"--patch={nothing}")

    def forget_new_kinds(self) -> None:
        """Remove the CRDs that the old version did not have."""
        known = {one["metadata"]["name"] for one in documents(self.edition / "crds")}
        new = sorted(schema.wanted_crds().keys() - known)
        for name in new:
            # A CRD whose storage is not ready yet is removed minutes later: the API server backs off.
            eventually(lambda name=name: self.kubectl("get", name).returncode == 0)
        if new:
            self.ok("delete", "crd", *new)


FORCE = ("--server-side", "--force-conflicts")
ARGO = "--field-manager=argocd-controller"
OWNERSHIP = ("--take-ownership", "--force-conflicts")

#: How the old version came into the cluster.
BEFORE: dict[str, Callable[[Ground], object]] = {
    "helm": lambda ground: ground.release(ground.old_chart, *OWNERSHIP),
    "kubectl": lambda ground: ground.apply_old(),
    "kubectl-server-side": lambda ground: ground.apply_old(*FORCE),
    "argocd-server-side": lambda ground: ground.apply_old(*FORCE, ARGO),
}
#: How the new one comes.
WAYS: dict[str, Callable[[Ground], Done]] = {
    "helm": lambda ground: ground.release(CHART, *OWNERSHIP),
    "kubectl": lambda ground: ground.apply_new(),
    "kubectl-server-side": lambda ground: ground.apply_new("--server-side"),
    "kubectl-server-side-forced": lambda ground: ground.apply_new(*FORCE),
    "argocd": lambda ground: ground.apply_new(ARGO),
    "argocd-server-side": lambda ground: ground.apply_new(*FORCE, ARGO),
}


#: With the documented commands below, every way and every origin once; the other pairs are a campaign.
PAIRS = (
    ("argocd-server-side", "argocd-server-side"),
    ("kubectl", "kubectl-server-side"),
    ("helm", "argocd"),
)


def upgrades() -> list[ParameterSet]:
    """Every pair of how the old version came and how the new one comes."""
    pairs = [(before, way) for before in BEFORE for way in WAYS]
    marks = [[] if pair in PAIRS else [pytest.mark.campaign] for pair in pairs]
    return [pytest.param(*pair, marks=mark, id="-".join(pair)) for pair, mark in zip(pairs, marks, strict=True)]


@pytest.fixture(scope="module")
def _left_clear(chart_cluster: BuiltCluster, helm: Helm) -> Iterator[None]:
    """Each test clears the ground that it begins on; who comes after all of them finds it clear, too."""
    yield
    Ground(chart_cluster, helm, EDITIONS[0], CHART).clear()


@pytest.fixture(params=EDITIONS, ids=lambda path: path.name)
def ground(
    request: pytest.FixtureRequest, chart_cluster: BuiltCluster, helm: Helm, tmp_path: Path, _left_clear: None
) -> Ground:
    """A cluster without policies, and the chart as it was."""
    old_chart = tmp_path / "moorage"
    shutil.copytree(CHART, old_chart)
    for part in ("crds", "policies"):
        shutil.rmtree(old_chart / "files" / part)
        shutil.copytree(request.param / part, old_chart / "files" / part)
    made = Ground(chart_cluster, helm, request.param, old_chart)
    made.clear()
    made.forget_new_kinds()
    return made


@pytest.fixture
def scene(ground: Ground, api: RestClient) -> Iterator[Scene]:
    """Where the attacks go; made by the test when the old policies are there."""
    made = Scene(ground.cluster, api, f"shop-{secrets.token_hex(4)}")
    yield made
    made.leave()
    ground.kubectl("delete", "namespace", *made.namespaces, "--wait=false", "--ignore-not-found")


def _all_refused(scene: Scene, policies: set[str]) -> None:
    assert {policy for policy in policies if not ATTACKS[policy](scene)} == set()


def _exposed(ground: Ground, scene: Scene, before: str) -> set[str]:
    """Bring the old version; names of the policies that have changed since, none of which refuses its attack."""
    BEFORE[before](ground)
    scene.make()
    changed = changed_policies(ground.edition)
    assert {policy for policy in changed if ATTACKS[policy](scene)} == set(), "refused before"
    return changed


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_every_policy_that_has_changed_has_its_attack(edition: Path) -> None:
    assert changed_policies(edition) <= ATTACKS.keys()


@pytest.mark.parametrize(("before", "way"), upgrades())
def test_new_rules_are_in_force_after_an_upgrade(ground: Ground, scene: Scene, before: str, way: str) -> None:
    changed = _exposed(ground, scene, before)
    done = WAYS[way](ground)
    if way == "kubectl-server-side" and done.returncode != 0:
        # Fields of somebody else stop it, which nobody can overlook.
        assert "conflict" in done.stderr
        assert ground.differences()
        done = WAYS["kubectl-server-side-forced"](ground)
    assert done.returncode == 0, done.stderr
    assert ground.differences() == {}
    eventually_passes(lambda: _all_refused(scene, changed), IN_FORCE_SECONDS)


def documented(word: str) -> list[str]:
    """The lines of the one block of commands in docs/upgrade.md that has this word."""
    text = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```sh\n")[1:]]
    [block] = [one for one in blocks if word in one]
    return block.splitlines()


def shell(ground: Ground, *lines: str) -> Done:
    """Run lines as an administrator would, with kubectl, helm and moorage on the path."""
    programs = ground.old_chart.parent / "programs"
    programs.mkdir(exist_ok=True)
    kubectl, helm = ground.cluster.kubectl_program(), binaries.cli("helm")
    for name, program in {"kubectl": kubectl, "helm": helm, "moorage": MOORAGE}.items():
        if not (programs / name).exists():
            (programs / name).symlink_to(program)
    kubeconfig = str(ground.cluster.admin_kubeconfig)
    homes = {f"HELM_{name}_HOME": str(ground.helm.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(programs),
        "KUBECONFIG": kubeconfig,
        "MOORAGE_KUBECONFIG": kubeconfig,
        **homes,
    }
    command = ["bash", "-eo", "pipefail", "-c", "\n".join(lines)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=patience.scaled(120), cwd=ROOT, env=environment
    )


#: How the old version came, and a word of the documented commands that bring the new one.
DOCUMENTED = {
    "helm": ("helm", "helm upgrade moorage"),
    "kubectl": ("kubectl", "moorage crds | kubectl apply -f -"),
    "kubectl-server-side": ("kubectl-server-side", "moorage crds | kubectl apply --server-side"),
}


@pytest.mark.parametrize("way", DOCUMENTED)
def test_documented_commands_upgrade_and_preflight_is_content_with_it(ground: Ground, scene: Scene, way: str) -> None:
    before, word = DOCUMENTED[way]
    changed = _exposed(ground, scene, before)
    text = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
    command = next(line for line in text.splitlines() if line.startswith(word))
    done = shell(ground, command)
    assert done.returncode == 0, done.stderr
    assert ground.differences() == {}
    checked = [line for line in documented("moorage preflight") if line.startswith("moorage ")]
    assert len(checked) == 2
    done = shell(ground, *checked)
    assert "different" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("missing")] == []
    eventually_passes(lambda: _all_refused(scene, changed), IN_FORCE_SECONDS)


def test_what_somebody_added_to_a_policy_is_named_and_the_documented_commands_remove_it(ground: Ground) -> None:
    BEFORE["helm"](ground)
    exemption = {"name": "not-by-mallory", "expression": "request.userInfo.username != 'mallory'"}
    patch = json.dumps({"spec": {"matchConditions": [exemption]}})
    name = names.POLICY_RECORDS
    ground.ok("patch", "validatingadmissionpolicy", name, "--type=merge", f"--patch={patch}")
    assert WAYS["helm"](ground).returncode == 0
    told = shell(ground, "moorage preflight")
    assert told.returncode == 1
    [line] = [one for one in told.stdout.splitlines() if one.startswith("different")]
    assert name in line
    assert "spec.matchConditions" in line
    assert shell(ground, *documented("kubectl replace")).returncode == 0
    assert ground.differences() == {}
    assert shell(ground, *documented("--reset-then-reuse-values --take-ownership")).returncode == 0
    assert shell(ground, "moorage preflight").returncode == 0


def test_owners_and_finalizers_from_before_are_named_and_the_documented_commands_remove_them(
    ground: Ground, scene: Scene
) -> None:
    BEFORE["kubectl"](ground)
    scene.make()
    owner = json.loads(ground.ok("get", "namespace", scene.namespace, "--output=json").stdout)["metadata"]["uid"]
    owners = [{"apiVersion": "v1", "kind": "Namespace", "name": scene.namespace, "uid": owner}]
    ties = json.dumps({"metadata": {"ownerReferences": owners, "finalizers": ["example.com/hold"]}})
    where = (f"--namespace={scene.namespace}", "deployments.moorage.dev", "free.web")
    ground.ok("patch", *where, "--type=merge", f"--patch={ties}")
    assert WAYS["kubectl"](ground).returncode == 0
    eventually(lambda: f"{scene.namespace}/free.web (owner Namespace" in shell(ground, "moorage preflight").stdout)
    lines = [
        line.replace("--namespace shop", f"--namespace {scene.namespace}").replace("production.web", "free.web")
        for line in documented("ownerReferences")
    ]
    assert len(lines) == 2
    # The kinds that the new policies read are new too: the API server refuses every write until it has found them.
    eventually(lambda: ground.kubectl("label", *where, "probe=", "--dry-run=server").returncode == 0, IN_FORCE_SECONDS)
    done = shell(ground, *lines)
    assert done.returncode == 0, done.stderr
    assert f"{scene.namespace}/free.web" not in shell(ground, "moorage preflight").stdout
