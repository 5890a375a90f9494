"""Workloads whose pods really roll: every version of an object, with the pods that there were when it was written.

One etcd counts all writes, so the `resourceVersion` of an object says which pods there were then.
`judged` says what the operator makes of each version, and fails where it calls healthy what is not.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import at
from waiting import eventually
from watching import Watch, number_of

from moorage_crds.kinds.target import (
    ANNOTATION_BINDING,
    ANNOTATION_DEPLOYMENT,
    ANNOTATION_IMAGE,
    LABEL_TARGET,
    PLACEHOLDER,
    TARGET_KINDS,
    TARGET_RESOURCES,
)
from moorage_crds.names import record_name
from moorage_dev import binaries, modules
from moorage_dev.cluster import Cluster
from moorage_dev.node.cluster import NodeCluster
from moorage_operator.delivery import decisions
from moorage_operator.delivery.reading import target_of
from moorage_operator.facts import Phase, RolloutFacts

Object = dict[str, Any]
IMAGE = f"localhost/shop/rolling:{PLACEHOLDER}"
NAMESPACE = "default"
#: Uid of the binding that all of them follow.
UID = "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27"
#: Sequence of each change → its release. There is no image of `bad`.
RELEASES = {1: "1", 2: "2", 3: "bad", 4: "2"}
BAD = 3
PATIENCE = 90.0
#: Where versions are kept that a real controller wrote.
RECORDED = Path(__file__).parent / "recorded"
#: Of an object's metadata, what is kept.
_KEPT = ("name", "namespace", "uid", "generation", "resourceVersion", "deletionTimestamp", "annotations")
_KEPT_OF_SPEC = ("replicas", "paused", "updateStrategy", "strategy")
_OWN = "moorage.dev/"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is not about to go."""

    release: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Version:
    """An object as it was stored once, and the pods of that moment."""

    raw: Object
    pods: tuple[Pod, ...]


def workload(resource: str, sequence: int, story: str = "") -> Object:
    """The object of a kind with the release of a change; it proves by image and by name which one it carries."""
    kind, of_kind = TARGET_KINDS[resource], TARGET_RESOURCES[resource]
    labels = {"rolling": _name(resource, story)}
    container = {"name": "web", "image": IMAGE.replace(PLACEHOLDER, RELEASES[sequence]), "imagePullPolicy": "Never"}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    annotations = {
        ANNOTATION_BINDING: "production.web",
        ANNOTATION_DEPLOYMENT: record_name(UID, sequence),
        f"{ANNOTATION_IMAGE}web": IMAGE,
    }
    metadata = {
        "name": f"rolling-{_name(resource, story)}",
        "namespace": NAMESPACE,
        "labels": {LABEL_TARGET: "true"},
        "annotations": annotations,
    }
    body = {"apiVersion": f"{of_kind.group}/{of_kind.version}", "kind": kind, "metadata": metadata}
    return {**body, "spec": {**spec, **_SPECS[resource, story]}}


_ROLLOUT = {"replicas": 2, "progressDeadlineSeconds": 10}
_HALF = {"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "1s"}}]}}
#: The old pods stay for a while after the new ones serve.
_SIDE_BY_SIDE = {"blueGreen": {"activeService": "rolling", "scaleDownDelaySeconds": 5}}
#: What each kind needs beside its pods, by its story. A StatefulSet in order would wait for a bad pod without end.
_SPECS: Mapping[tuple[str, str], Object] = {
    ("deployments.apps", ""): {"replicas": 2, "progressDeadlineSeconds": 10},
    ("statefulsets.apps", ""): {"replicas": 2, "serviceName": "rolling", "podManagementPolicy": "Parallel"},
    ("daemonsets.apps", ""): {},
    ("rollouts.argoproj.io", "canary"): {**_ROLLOUT, "strategy": _HALF},
    ("rollouts.argoproj.io", "blue-green"): {**_ROLLOUT, "strategy": _SIDE_BY_SIDE},
}


def _name(resource: str, story: str) -> str:
    return "-".join([TARGET_KINDS[resource].lower(), *([story] if story else ())])


class Rolling:
    """One workload of a kind, and all that its controller and its pods ever said.

    Args:
        cluster: where it rolls.
        folder: gets what the watches see.
        resource: `<plural>.<group>`.
        story: which one of that kind, where there are several ways to roll.
    """

    def __init__(self, cluster: Cluster, folder: Path, resource: str, story: str = "") -> None:
        self._kubectl = cluster.admin()
        self._folder = folder
        self.resource, self.story = resource, story
        self.title = _name(resource, story)
        self._object = (f"{resource}/rolling-{self.title}", f"--namespace={NAMESPACE}")
        self._pods = ("pods", f"--selector=rolling={self.title}", f"--namespace={NAMESPACE}")
        self._watches: list[Watch] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """With both watches; at the end the workload goes, and the watches have seen the last of its pods go."""
        self.carry(1)
        for what, query in (("object", self._object), ("pods", self._pods)):
            self._watches.append(Watch(self._kubectl, self._folder / f"{self.title}-{what}.json", *query))
        try:
            yield
            self._kubectl.ok("delete", *self._object, "--wait=false")
            eventually(self._gone, 60)
        finally:
            for one in self._watches:
                one.stop()

    def _gone(self) -> bool:
        objects, pods = (one.events() for one in self._watches)
        last = {one["object"]["metadata"]["name"]: one["type"] for one in pods}
        return bool(objects) and objects[-1]["type"] == "DELETED" and set(last.values()) == {"DELETED"}

    def carry(self, sequence: int) -> None:
        """Bring the release of a change in."""
        self._kubectl.apply(workload(self.resource, sequence, self.story))

    def phase(self, sequence: int) -> str:
        """What the operator says of that change now, if it was never looked at before."""
        raw = json.loads(self._get(*self._object))
        return str(_rollout(self.resource, raw, sequence, {})["phase"])

    def has_a_pod_without_an_image(self) -> bool:
        """Whether the kubelet has said that a pod cannot start."""
        return "ErrImageNeverPull" in self._get(*self._pods)

    def _get(self, *query: str) -> str:
        return self._kubectl.ok("get", *query, "--output=json")

    def versions(self) -> list[Version]:
        """Every version of the object, in order."""
        return list(_versions(*(one.events() for one in self._watches)))


def _versions(objects: Sequence[Object], pods: Sequence[Object]) -> Iterator[Version]:
    left = sorted(pods, key=number_of)
    now: dict[str, Pod] = {}
    for event in (one for one in objects if one["type"] != "DELETED"):
        while left and number_of(left[0]) <= number_of(event):
            _note(now, left.pop(0))
        yield Version(_trimmed(event["object"]), tuple(now[name] for name in sorted(now)))


def _note(now: dict[str, Pod], event: Object) -> None:
    raw = event["object"]
    if event["type"] == "DELETED" or raw["metadata"].get("deletionTimestamp"):
        now.pop(raw["metadata"]["name"], None)
        return
    [container] = raw["spec"]["containers"]
    conditions = {one["type"]: one["status"] for one in raw["status"].get("conditions") or ()}
    now[raw["metadata"]["name"]] = Pod(container["image"].rpartition(":")[2], conditions.get("Ready") == "True")


def _trimmed(raw: Object) -> Object:
    """What the operator looks at, and the whole status."""
    meta = {name: raw["metadata"][name] for name in _KEPT if name in raw["metadata"]}
    meta["annotations"] = {name: value for name, value in meta["annotations"].items() if name.startswith(_OWN)}
    [container] = raw["spec"]["template"]["spec"]["containers"]
    pod = {"containers": [{"name": container["name"], "image": container["image"]}]}
    spec = {name: raw["spec"][name] for name in _KEPT_OF_SPEC if name in raw["spec"]}
    return {
        "apiVersion": raw["apiVersion"],
        "kind": raw["kind"],
        "metadata": meta,
        "spec": {**spec, "template": {"spec": pod}},
        "status": raw.get("status") or {},
    }


# --- what is made of it


def _rollout(resource: str, raw: Object, sequence: int, known: Object) -> Object:
    read = target_of(resource, raw)
    facts = RolloutFacts(sequence, RELEASES[sequence], record_name(UID, sequence), (read,), known, (), at(5))
    found = decisions.rollout(facts)
    assert found is not None
    return found


def sequence_of(raw: Object) -> int:
    """The change that an object names."""
    return int(raw["metadata"]["annotations"][ANNOTATION_DEPLOYMENT].rpartition("-")[2])


def judged(resource: str, versions: Sequence[Version]) -> dict[int, list[str]]:
    """Each change → the phases that the operator gives it, one after the other.

    Raises:
        AssertionError: it calls a version healthy when not all of its pods ran the release and were ready; where old
            pods stay beside the new ones on purpose, when not enough of them did.
    """
    phases: dict[int, list[str]] = {}
    known: Object = {}
    for version in versions:
        raw, sequence = version.raw, sequence_of(version.raw)
        known = _rollout(resource, raw, sequence, known)
        said = phases.setdefault(sequence, [])
        if not said or said[-1] != known["phase"]:
            said.append(known["phase"])
        if target_of(resource, raw).health.phase is Phase.HEALTHY:
            beside = "blueGreen" in raw["spec"].get("strategy", {})
            found = [one for one in version.pods if not beside or one.release == RELEASES[sequence]]
            assert found == [Pod(RELEASES[sequence], ready=True)] * raw["spec"].get("replicas", 1), version
    return phases


# --- the whole story


def images(cluster: NodeCluster) -> None:
    """Give the node the images of all releases but the bad one."""
    names = {IMAGE.replace(PLACEHOLDER, release) for number, release in RELEASES.items() if number != BAD}
    cluster.node.load_program(binaries.build(modules.NODE) / "pause", *sorted(names))


def roll(all_of_them: Sequence[Rolling], end_of_bad: Mapping[str, str]) -> None:
    """Bring all changes in, one after the other, each when the one before is where it has to end.

    Args:
        all_of_them: roll at the same time.
        end_of_bad: resource → the phase of a release without an image.
    """
    with ExitStack() as watches:
        for one in all_of_them:
            watches.enter_context(one.watched())
        for sequence in RELEASES:
            for one in all_of_them:
                one.carry(sequence)
            for one in all_of_them:
                _reach(one, sequence, end_of_bad[one.resource] if sequence == BAD else "Healthy")


def _reach(one: Rolling, sequence: int, end: str) -> None:
    if sequence == BAD:
        eventually(one.has_a_pod_without_an_image, PATIENCE, interval=0.5)
    eventually(lambda: one.phase(sequence) == end, PATIENCE, interval=0.5)


def check(all_of_them: Sequence[Rolling], end_of_bad: Mapping[str, str], figures: Callable[[str], None]) -> None:
    """Judge every version that was stored; with `MOORAGE_RECORD=1` keep them too.

    Raises:
        AssertionError: see `judged`; or a release did not become what it had to.
    """
    for one in all_of_them:
        versions = one.versions()
        phases = judged(one.resource, versions)
        figures(
            f"{one.title}: {len(versions)} versions, "
            + "; ".join(f"{RELEASES[at]}: {', '.join(said)}" for at, said in phases.items())
        )
        assert "Healthy" not in phases[BAD]
        assert end_of_bad[one.resource] in phases[BAD]
        assert all("Healthy" in said for number, said in phases.items() if number != BAD)
        if os.environ.get("MOORAGE_RECORD"):
            keep(one.resource, versions, one.story)


# --- kept for tests without a cluster


def keep(resource: str, versions: Sequence[Version], story: str = "") -> None:
    """Write down what was seen, one version a line."""
    RECORDED.mkdir(exist_ok=True)
    lines = (json.dumps([one.raw, [[pod.release, pod.ready] for pod in one.pods]]) for one in versions)
    _file(resource, story).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def recorded(resource: str, story: str = "") -> list[Version]:
    """What was seen of that kind once."""
    lines = _file(resource, story).read_text(encoding="utf-8").splitlines()
    found = map(json.loads, lines)
    return [Version(raw, tuple(Pod(release, ready) for release, ready in pods)) for raw, pods in found]


def _file(resource: str, story: str) -> Path:
    return RECORDED / f"{resource}{'-' if story else ''}{story}.jsonl"
