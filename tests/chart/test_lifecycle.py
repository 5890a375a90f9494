"""Install, upgrade, roll back, uninstall, install again: boring each time, and history outlives all of it."""

import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import pytest
from chart_admin import CRDS, NAMESPACE, Admin, Object, install, wait_for_policies
from helm import CHART, Helm
from waiting import eventually

from moorage_dev import children, patience, processes
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.processes import Service
from moorage_dev.rest_client import Answer, RestClient

pytestmark = pytest.mark.cluster


BINDINGS = [(f"env-{environment:02d}", f"app-{app:02d}") for environment in range(10) for app in range(20)]
#: Those whose release changes while operators come and go.
BUSY = BINDINGS[:40]


@pytest.fixture
def admin(chart_cluster: BuiltCluster, api: RestClient, helm: Helm) -> Iterator[Admin]:
    """The administrator, with a fresh workspace; afterwards no release is there, only CRDs."""
    name = f"shop-{secrets.token_hex(4)}"
    labels = {"moorage.dev/org": "acme", "moorage.dev/workspace": name}
    chart_cluster.admin().apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield Admin(chart_cluster, api, name)
    for release in ("moorage", "second"):
        helm.ok("uninstall", release, f"--namespace={NAMESPACE}", "--ignore-not-found")
    chart_cluster.admin().ok("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def policies_of_the_chart() -> set[str]:
    """Names of all policies and bindings."""
    texts = [path.read_text(encoding="utf-8") for path in (CHART / "files/policies").glob("*.yaml")]
    return {name for text in texts for name in re.findall(r"^metadata: \{name: (\S+)\}$", text, re.MULTILINE)}


class Impatient:
    """Somebody who tries to deploy all the time while the chart is installed, and what the answers were."""

    #: What parts of the API server say that have not heard of a kind yet (404: "page not found", "could not find").
    REFUSALS: ClassVar = {
        404: b"not",
        503: b"There can be a delay between when CustomResourceDefinitions are created",
        403: b"failed to configure policy",
    }

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._over = Event()
        self._thread = Thread(target=self._ask, daemon=True)
        self.answers: list[tuple[float, Answer]] = []

    def __enter__(self) -> "Impatient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            asked = time.monotonic()
            self.answers.append((asked, self._admin.bind("probe", "web", "1", dry_run=True)))

    def accepted(self, since: float = 0.0) -> list[Object]:
        """What was taken of what was asked after that moment. Every other answer must be a known refusal."""
        for _, answer in self.answers:
            assert answer.status == 201 or self.REFUSALS.get(answer.status, b"?") in answer.body, answer.body
        return [answer.json() for asked, answer in self.answers if asked > since and answer.status == 201]


def test_first_installation_is_complete_and_its_first_moments_fail_closed(
    helm: Helm, admin: Admin, figures: Callable[[str], None]
) -> None:
    admin.cluster.admin().ok("delete", "crd", "--ignore-not-found", *CRDS)
    with Impatient(admin) as impatient:
        helm.ok("install", "moorage", CHART, f"--namespace={NAMESPACE}")
        installed = time.monotonic()
        wait_for_policies(admin)
        # The policies may have come into force between two of the answers.
        eventually(lambda: impatient.accepted(since=installed))
    stamped = ["changeLog" in one for one in impatient.accepted(since=installed)]
    assert stamped
    assert all(stamped)
    refused = (asked for asked, answer in impatient.answers if answer.status != 201)
    last = max(installed, *refused)
    figures(f"{len(impatient.answers)} writes, refused until {last - installed:.1f} s after the installation")
    assert admin.our_crds() == CRDS
    assert admin.our_policies() == policies_of_the_chart()
    accounts = admin.listed(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts")
    assert {"moorage-operator", "moorage-api"} <= accounts.keys()


def _refused(answer: Answer) -> Answer | None:
    return answer if answer.status == 403 else None


def test_lock_holds_as_soon_as_the_policies_are_in_force(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    assert admin.create("EnvironmentLock", "production", {"reason": "stocktaking"}).status == 201
    # The policies see the lock by a watch of the API server's own, a moment later.
    refused = eventually(lambda: _refused(admin.bind("production", "web", "1", dry_run=True)))
    assert b"stocktaking" in refused.body


def test_roles_reach_view_edit_and_admin(helm: Helm, admin: Admin) -> None:
    install(helm, admin)

    def verbs(role: str) -> set[str]:
        rules = admin.call("GET", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}").json()["rules"] or []
        ours = [
            rule for rule in rules if rule.get("apiGroups") == ["moorage.dev"] and "deployments" in rule["resources"]
        ]
        return {verb for rule in ours for verb in rule["verbs"]}

    eventually(lambda: verbs("view") == {"get", "list", "watch"})
    eventually(
        lambda: verbs("admin") == verbs("edit") == {"get", "list", "watch", "create", "patch", "update", "delete"}
    )


def test_uninstalling_keeps_objects_and_leaves_nothing_in_the_way(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    assert admin.create("Environment", "production", {"displayName": "Production", "isDefault": True}).status == 201
    assert admin.bind("production", "web", "1").status == 201
    before = {kind: admin.listed(f"{admin.path}/{kind}") for kind in ("environments", "deployments")}
    helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}")
    assert admin.our_crds() == CRDS
    assert {kind: admin.listed(f"{admin.path}/{kind}") for kind in before} == before
    assert admin.our_policies() == set()
    assert "moorage-operator" not in admin.listed(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts")
    # Nothing guards what nobody records: unrecorded Deployment and default Environment can go.
    eventually(lambda: admin.call("DELETE", f"{admin.path}/deployments/production.web").status in {200, 404})
    eventually(lambda: admin.call("DELETE", f"{admin.path}/environments/production").status in {200, 404})


def test_installing_again_finds_what_was_there(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    assert admin.bind("production", "web", "1").status == 201
    helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}")
    eventually(lambda: not admin.policies_are_in_force())
    install(helm, admin)
    [entry] = admin.listed(f"{admin.path}/deployments")["production.web"]["changeLog"]["entries"]
    assert entry["to"] == "1"
    changed = admin.set_release("production.web", "2")
    assert [one["to"] for one in changed.json()["changeLog"]["entries"]] == ["1", "2"]


def test_next_installation_finds_no_lease_of_the_one_before(helm: Helm, admin: Admin, tmp_path: Path) -> None:
    """The operator that had it cannot release it: its account goes before its pod ends."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/moorage-operator"

    def holder() -> str:
        answer = admin.call("GET", path)
        return str(answer.json()["spec"].get("holderIdentity") or "") if answer.status == 200 else ""

    install(helm, admin)
    first = processes.start_operator(admin.cluster, tmp_path, name="first")
    try:
        eventually(holder)
    finally:
        children.kill(first.child)
    helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}")
    assert admin.call("GET", path).status == 404


def test_namespace_goes_while_the_operator_is_down(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    admin.create("Environment", "production", {"displayName": "Production", "isDefault": True})
    admin.bind("production", "web", "1")
    admin.cluster.admin().ok("delete", "namespace", admin.namespace, patience.flag(30))


def test_second_release_is_refused_before_it_touches_anything(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    crds = admin.listed("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    done = helm.run("install", "second", CHART, f"--namespace={NAMESPACE}")
    assert done.returncode != 0
    assert "invalid ownership metadata" in done.stderr
    assert admin.listed("/apis/apiextensions.k8s.io/v1/customresourcedefinitions") == crds


def test_crds_of_another_origin_can_stay_where_they_are(helm: Helm, admin: Admin) -> None:
    install(helm, admin)
    roles = (
        "rbac.aggregate=false,rbac.deployerRole=,rbac.workspaceAdminRole=,rbac.approverRole=,rbac.releaseManagerRole="
    )
    flags = f"--set=crds.install=false,policies.install=false,{roles}"
    helm.ok("install", "second", CHART, f"--namespace={NAMESPACE}", flags)
    helm.ok("uninstall", "second", f"--namespace={NAMESPACE}")
    assert (admin.our_crds(), admin.our_policies()) == (CRDS, policies_of_the_chart())


@pytest.fixture
def next_chart(tmp_path: Path) -> Path:
    """The chart as a later version could be: one more field in a CRD, one replica more."""
    chart = tmp_path / "moorage"
    shutil.copytree(CHART, chart)
    _edit(chart / "Chart.yaml", r"^version: .*$", "version: 99.0.0")
    _edit(chart / "Chart.yaml", r"^appVersion: .*$", "appVersion: 99.0.0")
    crd = chart / "files/crds/deployments.moorage.dev.yaml"
    _edit(crd, r"^( +)release:\n", r"\1ticket:\n\1  type: string\n\1  maxLength: 64\n\1release:\n")
    return chart


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1, (path, pattern)
    path.write_text(text, encoding="utf-8")


class Traffic:
    """Changes one release after the other, round and round, inside its block.

    Attributes:
        accepted: releases of each binding that the API server took, in their order.
        refused: how often it said that too much is unrecorded.
    """

    def __init__(self, admin: Admin, bindings: list[tuple[str, str]]) -> None:
        self.accepted: dict[str, list[str]] = {f"{environment}.{app}": [] for environment, app in bindings}
        self.refused = 0
        self._admin = admin
        self._over = Event()
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None

    def __enter__(self) -> "Traffic":
        self._work = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        assert self._work is not None
        self._work.result()

    @property
    def count(self) -> int:
        """How many changes were taken."""
        return sum(map(len, self.accepted.values()))

    def flows(self, changes: int = 20) -> None:
        """Wait until that number of further changes was accepted."""
        until = self.count + changes
        eventually(lambda: self.count >= until or self._over.is_set(), 30)

    def _run(self) -> None:
        try:
            for number, name in ((number, name) for number in count(2) for name in self.accepted):
                if self._over.wait(0.05):
                    return
                self._change(name, f"{number}.0.0", self.accepted[name])
        finally:
            self._over.set()

    def _change(self, name: str, release: str, taken: list[str]) -> None:
        answer = self._admin.set_release(name, release)
        assert answer.status in {200, 422}, answer.body
        if answer.status == 200:
            taken.append(release)
        else:
            assert b"not recorded yet" in answer.body
            self.refused += 1


@pytest.mark.timeout(150)
def test_operators_of_two_releases_hand_200_live_bindings_over_and_back(
    helm: Helm, admin: Admin, next_chart: Path, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    """Old alone, upgrade, both, new alone, roll back, both, old alone; releases change all the time.

    There is one release so far: both operators are of this version, and only the chart of the next one differs.
    """
    install(helm, admin)
    running = [processes.start_operator(admin.cluster, tmp_path, name="old")]
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda pair: admin.bind(*pair, "1.0.0"), BINDINGS))
        assert {answer.status for answer in answers} == {201}
        seen = _all_recorded(admin, 200)
        untouched = _deployments_but(admin, BUSY)
        with Traffic(admin, BUSY) as traffic:
            traffic.flows()
            helm.ok("upgrade", "moorage", next_chart, f"--namespace={NAMESPACE}", "--set=operator.replicas=3")
            eventually(lambda: "ticket" in _spec_fields(admin))
            seen = _hand_over(admin, traffic, running, tmp_path, "new", seen)
            helm.ok("rollback", "moorage", "1", f"--namespace={NAMESPACE}")
            eventually(lambda: "ticket" not in _spec_fields(admin))
            seen = _hand_over(admin, traffic, running, tmp_path, "old-again", seen)
        after = _all_recorded(admin, 200 + traffic.count)
    finally:
        for service in running:
            children.stop(service.child)
    _nothing_rewritten(seen, after)
    assert _deployments_but(admin, BUSY) == untouched
    assert _recorded_releases(after, traffic.accepted) == {
        name: ["1.0.0", *releases] for name, releases in traffic.accepted.items()
    }
    figures(f"200 bindings, {traffic.count} changes meanwhile, {len(after)} records, {traffic.refused} refusals")


def _hand_over(
    admin: Admin, traffic: Traffic, running: list[Service], folder: Path, name: str, seen: dict[str, Object]
) -> dict[str, Object]:
    """Start an operator beside the one that runs, stop that one, and look at all records after each step."""
    before = running[-1]
    running.append(processes.start_operator(admin.cluster, folder, name=name))
    traffic.flows()
    both = admin.listed(f"{admin.path}/deploymentrecords")
    _nothing_rewritten(seen, both)
    children.stop(before.child)
    running.remove(before)
    traffic.flows()
    # The remaining operator continues by itself, at the latest two seconds after it heard of a change.
    eventually(lambda: len(admin.listed(f"{admin.path}/deploymentrecords")) > len(both))
    alone = admin.listed(f"{admin.path}/deploymentrecords")
    _nothing_rewritten(both, alone)
    return alone


def _nothing_rewritten(before: dict[str, Object], after: dict[str, Object]) -> None:
    """Every record of before is there with the same uid and version, and the same to the last byte."""
    missing = before.keys() - after.keys()
    assert not missing
    for name, record in before.items():
        versions = [one["metadata"][key] for one in (record, after[name]) for key in ("uid", "resourceVersion")]
        assert versions[:2] == versions[2:], name
        assert record == after[name]


def _recorded_releases(records: dict[str, Object], names: Iterable[str]) -> dict[str, list[str]]:
    """Releases of the records of each binding, in the order of their sequence."""
    specs = sorted((one["spec"] for one in records.values()), key=lambda spec: int(spec["sequence"]))
    return {name: [spec["release"] for spec in specs if spec["deployment"]["name"] == name] for name in names}


def _all_recorded(admin: Admin, count: int) -> dict[str, Object]:
    """All records, once every status counts every change; their number must be exactly `count`."""

    def records() -> dict[str, Object] | None:
        deployments = admin.listed(f"{admin.path}/deployments").values()
        done = all(one.get("status", {}).get("recordedSequence") == one["changeLog"]["sequence"] for one in deployments)
        return admin.listed(f"{admin.path}/deploymentrecords") if done else None

    made = eventually(records, 60)
    assert made is not None
    assert len(made) == count
    return made


def _deployments_but(admin: Admin, bindings: list[tuple[str, str]]) -> dict[str, Object]:
    changed = {f"{environment}.{app}" for environment, app in bindings}
    return {name: one for name, one in admin.listed(f"{admin.path}/deployments").items() if name not in changed}


def _spec_fields(admin: Admin) -> set[str]:
    crd = admin.listed("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["deployments.moorage.dev"]
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def test_packaged_chart_is_the_chart(renderer: Helm, tmp_path: Path) -> None:
    renderer.ok("package", CHART, f"--destination={tmp_path}")
    [package] = tmp_path.glob("moorage-*.tgz")
    listed = subprocess.run(["tar", "tzf", package], capture_output=True, text=True, check=True).stdout.split()
    assert {f"moorage/files/crds/{name}.yaml" for name in CRDS} <= set(listed)
    assert renderer.template(chart=package) == renderer.template()


def test_crds_go_with_the_release_where_that_is_wanted(helm: Helm, admin: Admin) -> None:
    install(helm, admin, "--set=crds.keep=false")
    helm.ok("uninstall", "moorage", f"--namespace={NAMESPACE}")
    eventually(lambda: not admin.our_crds())
    assert admin.our_policies() == set()


def test_objects_that_came_without_helm_are_adopted(helm: Helm, admin: Admin) -> None:
    kubectl = admin.cluster.admin()
    for folder in ("crds", "policies"):
        kubectl.ok("apply", "--server-side", "-f", str(CHART / "files" / folder))
    assert "invalid ownership metadata" in helm.run("install", "moorage", CHART, f"--namespace={NAMESPACE}").stderr
    install(helm, admin, "--take-ownership", "--force-conflicts")
    helm.ok("upgrade", "moorage", CHART, f"--namespace={NAMESPACE}", "--reset-then-reuse-values")
    assert admin.our_policies() == policies_of_the_chart()
