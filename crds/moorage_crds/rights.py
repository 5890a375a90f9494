"""Which rights operator and facade need, and what does not work without them. Pure.

What concerns our kinds comes from `kinds.registry`; the rest stands here. `moorage preflight` asks for these rights,
the roles of the chart are generated from them (`roles`), and no other request leaves a process (`kube.paths`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from moorage_crds import names
from moorage_crds.kinds.kind import AccountRights
from moorage_crds.kinds.registry import KINDS, POLICIES, RESOURCES, WORKED_ON
from moorage_crds.store import Right

#: The Lease by which replicas of the operator avoid double work.
LEASE_NAME: Final = "moorage-operator"


class Process(StrEnum):
    """Whose account a preflight is about."""

    OPERATOR = "operator"
    API = "api"


@dataclass(frozen=True, slots=True)
class Need:
    """Some rights that serve one purpose.

    Attributes:
        purpose: what they are for.
        rights: all of them; without a namespace in the whole cluster.
        without: what does not work if one of them is missing.
        vital: the process does not work at all without them.
    """

    purpose: str
    rights: Sequence[Right]
    without: str
    vital: bool = True


def needs(process: Process, namespace: str) -> Sequence[Need]:
    """What the account of a process has to be allowed.

    Args:
        process: which one.
        namespace: where it runs.
    """
    return _operator(namespace) if process is Process.OPERATOR else _facade(namespace)


def to(verb: str, plural: str, *, namespace: str = "", name: str = "") -> Right:
    """The right to do that with a resource, which may have a subresource (`deployments/status`)."""
    group = RESOURCES[plural.partition("/")[0]].group
    return Right(verb, plural, namespace=namespace, group=group, name=name)


def _all_of(plural: str, access: AccountRights) -> Iterable[Right]:
    yield from (to(verb, plural) for verb in access.verbs)
    yield from (to(verb, f"{plural}/status") for verb in access.status)


def _operator(namespace: str) -> Sequence[Need]:
    return (
        *_OPERATOR,
        Need(
            "the Lease",
            (
                to("create", names.LEASES, namespace=namespace),
                *(to(verb, names.LEASES, namespace=namespace, name=LEASE_NAME) for verb in ("get", "patch")),
            ),
            f"every replica acts at once: double work, and nothing lost (Namespace {namespace})",
            vital=False,
        ),
    )


def _facade(namespace: str) -> Sequence[Need]:
    return (
        *_FACADE,
        Need(
            "the Lease of the operator",
            (to("get", names.LEASES, namespace=namespace, name=LEASE_NAME),),
            f"that no operator works is seen only by changes that wait to be recorded (Namespace {namespace})",
            vital=False,
        ),
    )


_OPERATOR: Final = (
    Need(
        "history and statuses",
        tuple(right for one in WORKED_ON for right in _all_of(one.plural, one.operator)),
        "the operator cannot do its work as this account",
    ),
    Need(
        "CRDs",
        tuple(to("get", names.CRDS, name=kind.crd) for kind in KINDS),
        "the operator does not start: it cannot tell whether its kinds are there",
    ),
    Need(
        "Events of Kubernetes",
        (to("create", names.EVENTS),),
        "changes are not told by Events; the history has them",
        vital=False,
    ),
    Need(
        "owners and finalizers",
        tuple(to("list", kind.plural) for kind in KINDS if "list" not in kind.operator.verbs),
        "`moorage preflight` does not see which of these their owner or a finalizer decides about",
        vital=False,
    ),
    Need(
        "policies",
        tuple(to("get", plural, name=name) for policy in POLICIES for plural, name in policy.objects),
        "nobody is told when a policy or its binding is removed",
        vital=False,
    ),
)

_FACADE: Final = (
    Need(
        "callers",
        (to("create", names.TOKEN_REVIEWS), to("create", names.ACCESS_REVIEWS)),
        "the facade refuses every request: it cannot tell who calls and what they may",
    ),
    Need(
        "its cache",
        tuple(to(verb, one.plural) for one in WORKED_ON for verb in one.facade.verbs if verb in {"list", "watch"}),
        "the facade never becomes ready",
    ),
    Need(
        "fresh reads",
        tuple(to("get", one.plural) for one in WORKED_ON if "get" in one.facade.verbs),
        "a REST write that meets another one fails instead of being tried again",
        vital=False,
    ),
)
