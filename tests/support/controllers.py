"""What controllers do to objects that follow bindings, one step at a time, by the order of their writes.

Each model writes what the rules of health look at, in the order in which the real controller writes it (StatefulSets
after Kubernetes' own `computeReplicaStatus` and `completeUpdate`). `pods` are the releases that really run.
"""

import copy
import random
from collections.abc import Callable
from typing import Any, ClassVar

from targets import image, rolled_out, workload
from typing_extensions import override

from moorage_crds.kinds.target import ANNOTATION_BINDING, ANNOTATION_DEPLOYMENT, ANNOTATION_SET, LABEL_TARGET

Object = dict[str, Any]


class Controlled:
    """An object and its controller.

    Attributes:
        resource: of the object, as `<plural>.<group>`.
        raw: what is stored.
        pods: the releases that run.
        seen: version of the object → what ran when its status was written.
    """

    resource: ClassVar[str]

    def __init__(self, release: str, deployment_id: str | None) -> None:
        self.raw = self.made(release)
        if deployment_id is not None:
            self.raw["metadata"]["annotations"][ANNOTATION_DEPLOYMENT] = deployment_id
        self.raw["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "1"}
        self.pods = [release] * 3
        self._last = tuple(self.pods)
        self.seen: dict[str, tuple[str, ...]] = {}
        self.begin()

    # --- what a kind is

    def made(self, release: str) -> Object:
        """The object as its owner applies it."""
        raise NotImplementedError

    def carried(self) -> str:
        """The release in its spec."""
        raise NotImplementedError

    def carry(self, release: str) -> None:
        """Put a release into its spec."""
        raise NotImplementedError

    def status(self) -> Object:
        """What the controller writes now."""
        raise NotImplementedError

    def begin(self) -> None:
        """The first release is there."""
        self.observe()

    def steps(self) -> list[Callable[[], None]]:
        """What the controller can do next."""
        return [self.replace_a_pod, self.observe]

    # --- what happens

    def write(self, release: str, deployment_id: str | None) -> None:
        """Somebody brings a release into the spec, and says which change that is, in one write."""
        if deployment_id is not None:
            self.raw["metadata"]["annotations"][ANNOTATION_DEPLOYMENT] = deployment_id
        if self.carried() != release:
            self.carry(release)
            self.raw["metadata"]["generation"] += 1
        self._changed()

    def target(self) -> str:
        """The release that pods are replaced with."""
        return self.carried()

    def replace_a_pod(self) -> None:
        """One pod of another release goes, one of the wanted release comes."""
        wanted = self.target()
        old = next((number for number, pod in enumerate(self.pods) if pod != wanted), None)
        if old is not None:
            self.pods[old] = wanted

    def observe(self) -> None:
        """The controller writes what it sees."""
        self._last = tuple(self.pods)
        self.raw["status"] = self.status()
        self._changed()

    def snapshot(self) -> Object:
        """What a watch delivers of it now."""
        return copy.deepcopy(self.raw)

    @property
    def generation(self) -> int:
        """Of its spec."""
        return int(self.raw["metadata"]["generation"])

    def _changed(self) -> None:
        meta = self.raw["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
        self.seen[meta["resourceVersion"]] = self._last


class _Workload(Controlled):
    kind: ClassVar[str]

    @override
    def made(self, release: str) -> Object:
        return workload(release=release, replicas=3) | {"kind": self.kind}

    @override
    def carried(self) -> str:
        return str(self._container()["image"]).rpartition(":")[2]

    @override
    def carry(self, release: str) -> None:
        self._container()["image"] = image(release)

    def _container(self) -> Object:
        found: Object = self.raw["spec"]["template"]["spec"]["containers"][0]
        return found


class Deployment(_Workload):
    """`apps/v1`."""

    resource, kind = "deployments.apps", "Deployment"

    @override
    def status(self) -> Object:
        return rolled_out(self.raw) | {"updatedReplicas": self.pods.count(self.carried())}


class StatefulSet(_Workload):
    """Two revisions; both are the same at once when it goes back in the middle of an update."""

    resource, kind = "statefulsets.apps", "StatefulSet"

    @override
    def begin(self) -> None:
        self._current = self.carried()
        super().begin()

    @override
    def status(self) -> Object:
        wanted = self.carried()
        updated, current = self.pods.count(wanted), self.pods.count(self._current)
        if updated == len(self.pods):
            self._current, current = wanted, updated
        return {
            "observedGeneration": self.generation,
            **dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), len(self.pods)),
            "currentRevision": f"web-{self._current}",
            "updateRevision": f"web-{wanted}",
            # Zeros are left out.
            **{name: count for name, count in (("currentReplicas", current), ("updatedReplicas", updated)) if count},
        }


class DaemonSet(_Workload):
    """One pod on each of three nodes."""

    resource, kind = "daemonsets.apps", "DaemonSet"

    @override
    def status(self) -> Object:
        updated = self.pods.count(self.carried())
        counts = dict.fromkeys(
            ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable"), 3
        )
        return {
            "observedGeneration": self.generation,
            **counts,
            **({"updatedNumberScheduled": updated} if updated else {}),
        }


class Rollout(_Workload):
    """Its generation is a text; the stable pods are those of the last release that came through."""

    resource, kind = "rollouts.argoproj.io", "Rollout"

    @override
    def begin(self) -> None:
        self._stable = self.carried()
        super().begin()

    @override
    def status(self) -> Object:
        wanted = self.carried()
        if self.pods.count(wanted) == len(self.pods):
            self._stable = wanted
        phase = "Healthy" if self._stable == wanted else "Progressing"
        if phase == "Healthy" and self.pods.count(wanted) < len(self.pods):
            phase = "Progressing"
        return {
            "observedGeneration": str(self.generation),
            "currentPodHash": wanted,
            "stableRS": self._stable,
            "phase": phase,
        }


class _Tool(Controlled):
    """An object of a tool that brings a workload; `live` is the release in that workload's spec."""

    kind: ClassVar[str]
    version: ClassVar[str]
    way: ClassVar[tuple[str, ...]]

    @override
    def made(self, release: str) -> Object:
        annotations = {ANNOTATION_BINDING: "production.web", ANNOTATION_SET: f"{'.'.join(self.way)}={{release}}"}
        meta = {"name": "web", "namespace": "shop", "labels": {LABEL_TARGET: "true"}, "annotations": annotations}
        raw: Object = {"apiVersion": self.version, "kind": self.kind, "metadata": meta}
        _holder(raw, self.way)[self.way[-1]] = release
        return raw

    @override
    def carried(self) -> str:
        return str(_holder(self.raw, self.way)[self.way[-1]])

    @override
    def carry(self, release: str) -> None:
        _holder(self.raw, self.way)[self.way[-1]] = release

    @override
    def begin(self) -> None:
        self.live = self.carried()
        super().begin()

    @override
    def target(self) -> str:
        return self.live

    def is_through(self) -> bool:
        """All pods are of the release that the tool brought."""
        return self.pods.count(self.live) == len(self.pods)


def _holder(raw: Object, way: tuple[str, ...]) -> Object:
    for part in way[:-1]:
        raw = raw.setdefault(part, {})
    return raw


class Application(_Tool):
    """Argo CD compares, syncs what it compared, and looks at health when it compares again. No observedGeneration."""

    resource, kind, version = "applications.argoproj.io", "Application", "argoproj.io/v1alpha1"
    way = ("spec", "source", "targetRevision")

    @override
    def begin(self) -> None:
        self._compared, self._clock, self._operation = self.carried(), 0, dict[str, str]()
        super().begin()

    @override
    def steps(self) -> list[Callable[[], None]]:
        return [self.replace_a_pod, self.observe, self.sync]

    def sync(self) -> None:
        """Bring in what was compared; the operation says so, nothing else does yet."""
        if self._compared == self.live:
            return
        self.live = self._compared
        self._operation = {"phase": "Succeeded", "finishedAt": self._tick()}
        self.raw["status"]["operationState"] = dict(self._operation)
        self._changed()

    @override
    def status(self) -> Object:
        self._compared = self.carried()
        return {
            "reconciledAt": self._tick(),
            "health": {"status": "Healthy" if self.is_through() else "Progressing"},
            "sync": {
                "status": "Synced" if self._compared == self.live else "OutOfSync",
                "comparedTo": {"source": dict(self.raw["spec"]["source"])},
            },
            **({"operationState": dict(self._operation)} if self._operation else {}),
        }

    def _tick(self) -> str:
        self._clock += 1
        return f"2026-01-31T{self._clock // 3600 % 24:02}:{self._clock // 60 % 60:02}:{self._clock % 60:02}Z"


class _Flux(_Tool):
    """Begins with the spec of that moment, and says at the end what became of that spec."""

    @override
    def begin(self) -> None:
        self._attempt, self._done = 1, 1
        super().begin()

    @override
    def steps(self) -> list[Callable[[], None]]:
        return [self.replace_a_pod, self.reconcile, self.observe]

    def reconcile(self) -> None:
        """Apply the present spec."""
        self._attempt, self.live = self.generation, self.carried()
        self.observe()

    @override
    def status(self) -> Object:
        if self.is_through():
            self._done = self._attempt
            ready = {"status": "True", "reason": "ReconciliationSucceeded"}
            more: list[Object] = []
        else:
            ready = {"status": "Unknown", "reason": "Progressing"}
            more = [{"type": "Reconciling", "status": "True", "reason": "Progressing"}]
        conditions = [{"type": "Ready", "observedGeneration": self._attempt, **ready}, *more]
        return {"observedGeneration": self._done, "conditions": conditions}


class Kustomization(_Flux):
    """With `spec.wait`."""

    resource, kind = "kustomizations.kustomize.toolkit.fluxcd.io", "Kustomization"
    version = "kustomize.toolkit.fluxcd.io/v1"
    way = ("spec", "postBuild", "substitute", "release")


class HelmRelease(_Flux):
    """Helm waits for pods unless it is told not to."""

    resource, kind = "helmreleases.helm.toolkit.fluxcd.io", "HelmRelease"
    version = "helm.toolkit.fluxcd.io/v2"
    way = ("spec", "chart", "spec", "version")


KINDS: tuple[type[Controlled], ...] = (
    Deployment,
    StatefulSet,
    DaemonSet,
    Rollout,
    Application,
    Kustomization,
    HelmRelease,
)


def step(controlled: Controlled, chance: random.Random) -> None:
    """Something that the controller can do."""
    chance.choice(controlled.steps())()
