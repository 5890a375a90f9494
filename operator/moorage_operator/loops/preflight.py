"""Looks whether a cluster has what Moorage needs, and says what does not work without. For `moorage preflight`."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from moorage_crds import names
from moorage_crds import workspace as workspaces
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import ForbiddenError, NotFoundError, ObjectRef, ResourceStore, Right
from moorage_operator.config import Process
from moorage_operator.decisions.versions import to_version
from moorage_operator.loops.ports import ClusterInfo
from moorage_operator.loops.rights import Need, needs

FULL_VERSION: Final = (1, 36)
LEAST_VERSION: Final = (1, 30)


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    DEGRADED = "degraded"
    """Moorage works, but not all of it."""
    MISSING = "missing"
    """Something that is needed is not there."""
    UNKNOWN = "unknown"
    """This account may not look."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table.

    Attributes:
        consequence: what does not work, or may not; empty if all is well.
        needed: Moorage cannot do without it.
    """

    subject: str
    verdict: Verdict
    consequence: str = ""
    needed: bool = True

    @property
    def fails(self) -> bool:
        """Something that is needed is missing, or nobody can say that it is there."""
        return self.verdict is Verdict.MISSING or (self.verdict is Verdict.UNKNOWN and self.needed)


_NAMES: Final = {Process.OPERATOR: "operator", Process.API: "facade"}


_WITHOUT_POLICY: Final = {
    names.POLICY_CHANGE_LOG: "changes have no user and no true time; HistoryComplete becomes False",
    names.POLICY_PROVENANCE: "nobody sees who made or changed Environments and locks",
    names.POLICY_DEPLOYMENT_DELETES: "a Deployment can be deleted before its last changes are recorded",
    names.POLICY_ENVIRONMENT_DELETES: "default environments can be deleted",
    names.POLICY_ATTRIBUTED_DELETES: "the label moorage.dev/attributed-deletes has no effect",
    names.POLICY_DEPLOYMENT_LOCKS: "locks do not hold back changes of releases",
    names.POLICY_ENVIRONMENT_LOCKS: "a locked environment can be deleted",
    names.POLICY_WORKSPACES: "two Namespaces can claim one workspace",
    names.POLICY_RECORDS: "history can be forged and removed by whoever may write DeploymentRecords",
    names.POLICY_STATUSES: "whoever may write statuses can make changes count as recorded",
}


async def preflight(
    store: ResourceStore, cluster: ClusterInfo, *, process: Process, namespace: str
) -> AsyncIterator[Check]:
    """All checks, one after the other.

    Args:
        store: the cluster, as the account of the process.
        cluster: what else there is to ask.
        process: whose account it is. The facade's may not look at CRDs and policies, so for it they are left out.
        namespace: where the process runs.

    Raises:
        StoreError: the cluster does not answer at all.
    """
    version = to_version(await cluster.server_version())
    yield _version_check(version)
    if process is Process.OPERATOR:
        async for check in _installed(store, version):
            yield check
    for need in needs(process, namespace):
        yield await _rights(cluster, process, need)
    async for check in _workspaces(store):
        yield check


async def _installed(store: ResourceStore, version: tuple[int, int]) -> AsyncIterator[Check]:
    for plural in names.KINDS:
        yield await _crd(store, f"{plural}.{names.GROUP}")
    mutating = Verdict.MISSING if version >= FULL_VERSION else Verdict.DEGRADED
    for name in names.MUTATING_POLICIES:
        kinds = (names.MUTATING_ADMISSION_POLICIES, names.MUTATING_ADMISSION_POLICY_BINDINGS)
        yield await _policy(store, name, kinds, mutating)
    for name in names.VALIDATING_POLICIES:
        kinds = (names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS)
        yield await _policy(store, name, kinds, Verdict.MISSING)


def _version_check(version: tuple[int, int]) -> Check:
    subject = f"Kubernetes {version[0]}.{version[1]}"
    if version >= FULL_VERSION:
        return Check(subject, Verdict.OK)
    if version >= LEAST_VERSION:
        return Check(subject, Verdict.DEGRADED, "no change log before 1.36: history without users and true times")
    return Check(subject, Verdict.MISSING, "1.30 or newer is needed (CEL rules in CRDs, admission policies)")


async def _crd(store: ResourceStore, name: str) -> Check:
    subject, without = f"CRD {name}", "the operator does not start"
    try:
        raw = await store.get(ObjectRef(names.CRDS, None, ClusterObjectName.parse(name)))
    except NotFoundError:
        return Check(subject, Verdict.MISSING, f"{without}; install the chart, or `moorage crds`")
    except ForbiddenError:
        return Check(subject, Verdict.UNKNOWN, f"this account may not read it; if it is not there, {without}")
    conditions = (raw.get("status") or {}).get("conditions") or ()
    if any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions):
        return Check(subject, Verdict.OK)
    return Check(subject, Verdict.MISSING, "it is not established yet: see `kubectl describe crd`")


async def _policy(store: ResourceStore, name: str, kinds: tuple[str, str], without: Verdict) -> Check:
    subject = f"policy {name}"
    for plural, what in zip(kinds, ("policy", "binding"), strict=True):
        try:
            await store.get(ObjectRef(plural, None, ClusterObjectName.parse(name)))
        except NotFoundError:
            return Check(subject, without, f"no {what}: {_WITHOUT_POLICY[name]}")
        except ForbiddenError:
            consequence = f"this account may not read the {what}; if it is not there: {_WITHOUT_POLICY[name]}"
            return Check(subject, Verdict.UNKNOWN, consequence, needed=without is Verdict.MISSING)
    return Check(subject, Verdict.OK)


async def _rights(cluster: ClusterInfo, process: Process, need: Need) -> Check:
    missing = [right for right in need.rights if not await cluster.may_i(right)]
    subject = f"rights of the {_NAMES[process]}: {need.purpose}"
    if not missing:
        return Check(subject, Verdict.OK)
    verdict = Verdict.MISSING if need.vital else Verdict.DEGRADED
    return Check(subject, verdict, f"{need.without}; it lacks: {', '.join(map(_spelled, missing))}")


def _spelled(right: Right) -> str:
    return f"{right.verb} {right.resource}" + (f" {right.name}" if right.name else "")


async def _workspaces(store: ResourceStore) -> AsyncIterator[Check]:
    try:
        labelled = [raw async for page in store.pages(names.NAMESPACES) for raw in page.items if _is_labelled(raw)]
    except ForbiddenError:
        consequence = "this account may not list Namespaces; whether their labels make workspaces is not known"
        yield Check("workspaces", Verdict.UNKNOWN, consequence, needed=False)
        return
    views = [workspaces.from_object(raw) for raw in labelled]
    claims = Counter(f"{view.org}/{view.workspace}" for view in views if view is not None)
    if claims:
        yield Check(f"workspaces: {len(claims)}", Verdict.OK)
    else:
        consequence = f"REST has nothing to show: label a Namespace {names.LABEL_ORG} and {names.LABEL_WORKSPACE}"
        yield Check("workspaces: none", Verdict.DEGRADED, consequence)
    for name in sorted(str(metadata(raw)["name"]) for raw, view in zip(labelled, views, strict=True) if view is None):
        yield Check(f"Namespace {name}", Verdict.DEGRADED, "has one of the two labels of a workspace, so it is none")
    for claim in sorted(claim for claim, count in claims.items() if count > 1):
        yield Check(f"workspace {claim}", Verdict.DEGRADED, "several Namespaces claim it; REST shows the oldest")


def _is_labelled(raw: RawObject) -> bool:
    labels = metadata(raw).get("labels") or {}
    return names.LABEL_ORG in labels or names.LABEL_WORKSPACE in labels
