"""Looks whether a cluster has what Moorage needs, and says what does not work without. For `moorage preflight`."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from moorage_crds import conditions, names, schema
from moorage_crds.admission import Policy
from moorage_crds.cluster_version import to_version
from moorage_crds.drift import differences, listed
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.kinds import workspace as workspaces
from moorage_crds.kinds.labelled import LABELLED, Labelled
from moorage_crds.kinds.registry import KINDS, POLICIES
from moorage_crds.objects import RawObject, metadata
from moorage_crds.rights import Need, Process, needs
from moorage_crds.store import ClusterInfo, ForbiddenError, NotFoundError, ObjectRef, ResourceStore, Right

FULL_VERSION: Final = (1, 36)
LEAST_VERSION: Final = (1, 30)
#: How many objects one line names; how many there are it says in any case.
MOST_NAMED: Final = 10

_REPAIR: Final = 'docs/upgrade.md, "When preflight says `different`", puts it right'


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    DEGRADED = "degraded"
    """Moorage works, but not all of it."""
    MISSING = "missing"
    """Something that is needed is not there."""
    DIFFERENT = "different"
    """It is there, and says something else than this version installs: its rules are not in force as documented."""
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
        """Something that is needed is missing or different, or nobody can say that it is there."""
        wrong = self.verdict in {Verdict.MISSING, Verdict.DIFFERENT}
        return wrong or (self.verdict is Verdict.UNKNOWN and self.needed)


_NAMES: Final = {Process.OPERATOR: "operator", Process.API: "facade"}


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
    for kind in KINDS:
        # What the process has nothing to do with its account cannot see either: that is as it should be.
        if "list" in (kind.operator if process is Process.OPERATOR else kind.facade).verbs:
            yield await _tied(store, kind.plural)
    for plural, rules in groupby(LABELLED, key=lambda rule: rule.plural):
        yield await _labelled(store, plural, tuple(rules))
    async for check in _workspaces(store):
        yield check


async def _installed(store: ResourceStore, version: tuple[int, int]) -> AsyncIterator[Check]:
    for name, crd in schema.wanted_crds().items():
        yield await _crd(store, name, crd)
    mutating = Verdict.MISSING if version >= FULL_VERSION else Verdict.DEGRADED
    wanted = schema.wanted_policies()
    for policy in POLICIES:
        missing = Verdict.MISSING if policy.is_everywhere else mutating
        yield await _policy(store, policy, wanted, missing=missing)


def _version_check(version: tuple[int, int]) -> Check:
    subject = f"Kubernetes {version[0]}.{version[1]}"
    if version >= FULL_VERSION:
        return Check(subject, Verdict.OK)
    if version >= LEAST_VERSION:
        return Check(subject, Verdict.DEGRADED, "no change log before 1.36: history without users and true times")
    return Check(subject, Verdict.MISSING, "1.30 or newer is needed (CEL rules in CRDs, admission policies)")


async def _crd(store: ResourceStore, name: str, wanted: RawObject) -> Check:
    subject, without = f"CRD {name}", "the operator does not start"
    try:
        raw = await store.get(ObjectRef(names.CRDS, None, ClusterObjectName.parse(name)))
    except NotFoundError:
        return Check(subject, Verdict.MISSING, f"{without}; install the chart, or `moorage crds`")
    except ForbiddenError:
        return Check(subject, Verdict.UNKNOWN, f"this account may not read it; if it is not there, {without}")
    if not conditions.holds(raw, conditions.ESTABLISHED):
        return Check(subject, Verdict.MISSING, "it is not established yet: see `kubectl describe crd`")
    if differing := differences(wanted, raw):
        return Check(subject, Verdict.DIFFERENT, f"{listed(differing)}: {_REPAIR}")
    return Check(subject, Verdict.OK)


async def _policy(
    store: ResourceStore, policy: Policy, wanted: Mapping[tuple[str, str], RawObject], *, missing: Verdict
) -> Check:
    subject = f"policy {policy.name}"
    for plural, name in policy.objects:
        what = "policy" if plural == policy.plurals[0] else "binding"
        try:
            found = await store.get(ObjectRef(plural, None, ClusterObjectName.parse(name)))
        except NotFoundError:
            return Check(subject, missing, f"no {what}: {policy.without}")
        except ForbiddenError:
            consequence = f"this account may not read the {what}; if it is not there: {policy.without}"
            return Check(subject, Verdict.UNKNOWN, consequence, needed=missing is Verdict.MISSING)
        if differing := differences(wanted[plural, name], found):
            consequence = f"{what}: {listed(differing)}; it may be that {policy.without}: {_REPAIR}"
            return Check(subject, Verdict.DIFFERENT, consequence)
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


async def _tied(store: ResourceStore, plural: str) -> Check:
    """Owners and finalizers, which the policies refuse to those without the right to delete, stay where they are."""
    subject = f"owners and finalizers of {plural}"
    try:
        pages = store.pages(plural, metadata_only=True)
        tied = [_tie(raw) async for page in pages for raw in page.items if _has_ties(raw)]
    except NotFoundError:
        return Check(subject, Verdict.OK)
    except ForbiddenError:
        return Check(subject, Verdict.UNKNOWN, f"this account may not list {plural} in all Namespaces", needed=False)
    if not tied:
        return Check(subject, Verdict.OK)
    more = f" and {len(tied) - MOST_NAMED} more" if len(tied) > MOST_NAMED else ""
    consequence = (
        f"the garbage collector deletes what lost its owner, and a finalizer holds up its Namespace: "
        f'{", ".join(tied[:MOST_NAMED])}{more}; docs/upgrade.md, "Owners and finalizers from before", removes them'
    )
    return Check(subject, Verdict.DEGRADED, consequence)


def _has_ties(raw: RawObject) -> bool:
    return bool(metadata(raw).get("ownerReferences") or metadata(raw).get("finalizers"))


def _tie(raw: RawObject) -> str:
    """`namespace/name (owner ConfigMap x, finalizer example.com/hold)`."""
    owners = [f"owner {one.get('kind')} {one.get('name')}" for one in metadata(raw).get("ownerReferences") or ()]
    finalizers = [f"finalizer {one}" for one in metadata(raw).get("finalizers") or ()]
    ties = [*owners, *finalizers]
    more = ", …" if len(ties) > 2 else ""
    return f"{metadata(raw).get('namespace')}/{metadata(raw).get('name')} ({', '.join(ties[:2])}{more})"


async def _labelled(store: ResourceStore, plural: str, rules: Sequence[Labelled]) -> Check:
    """What was made before the policy that labels it, or while it was gone, is looked at by no other policy."""
    subject = f"labels of {plural}"
    try:
        objects = [raw async for page in store.pages(plural) for raw in page.items]
    except NotFoundError:
        return Check(subject, Verdict.OK)
    except ForbiddenError:
        return Check(subject, Verdict.UNKNOWN, f"this account may not list {plural}", needed=False)
    blind = [_place(raw) for raw in objects if not all(rule.holds(raw) for rule in rules)]
    if not blind:
        return Check(subject, Verdict.OK)
    more = f" and {len(blind) - MOST_NAMED} more" if len(blind) > MOST_NAMED else ""
    consequence = (
        f"no policy looks at these, so they do not hold: {', '.join(blind[:MOST_NAMED])}{more}; "
        f"any write labels them: kubectl annotate {plural}.{names.GROUP} <name> moorage.dev/seen=true"
    )
    return Check(subject, Verdict.DIFFERENT, consequence)


def _place(raw: RawObject) -> str:
    meta = metadata(raw)
    return "/".join(str(meta[key]) for key in ("namespace", "name") if key in meta)


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
