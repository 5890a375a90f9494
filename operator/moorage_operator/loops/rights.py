"""Which rights operator and facade need, and what does not work without them: tables for `moorage preflight`.

A test compares these with the roles of the chart, so that neither can say less or more than the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moorage_crds import names
from moorage_crds.store import Right
from moorage_operator.config import Process

#: The Lease by which replicas of the operator avoid double work.
LEASE_NAME: Final = "moorage-operator"

_ADMISSION: Final = "admissionregistration.k8s.io"
_POLICY_KINDS: Final = (
    ((names.MUTATING_ADMISSION_POLICIES, names.MUTATING_ADMISSION_POLICY_BINDINGS), names.MUTATING_POLICIES),
    ((names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS), names.VALIDATING_POLICIES),
)


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
    return _operator(namespace) if process is Process.OPERATOR else _FACADE


def _operator(namespace: str) -> Sequence[Need]:
    lease = {"namespace": namespace, "group": "coordination.k8s.io"}
    return (
        *_OPERATOR,
        Need(
            "the Lease",
            (
                Right("create", names.LEASES, **lease),
                *(Right(verb, names.LEASES, name=LEASE_NAME, **lease) for verb in ("get", "patch")),
            ),
            f"every replica acts at once: double work, and nothing lost (Namespace {namespace})",
            vital=False,
        ),
    )


_OPERATOR: Final = (
    Need(
        "history and statuses",
        (
            *(Right(verb, names.DEPLOYMENTS) for verb in ("get", "list", "watch", "patch", "delete")),
            *(Right(verb, names.ENVIRONMENTS) for verb in ("get", "list", "watch", "create")),
            *(Right("patch", resource) for resource in (f"{names.DEPLOYMENTS}/status", f"{names.ENVIRONMENTS}/status")),
            *(Right(verb, names.RECORDS) for verb in ("get", "list", "create", "delete", names.RECORD_VERB)),
            *(Right(verb, names.NAMESPACES, group="") for verb in ("get", "list", "watch")),
        ),
        "the operator cannot do its work as this account",
    ),
    Need(
        "CRDs",
        tuple(
            Right("get", names.CRDS, group="apiextensions.k8s.io", name=f"{plural}.{names.GROUP}")
            for plural in names.KINDS
        ),
        "the operator does not start: it cannot tell whether its kinds are there",
    ),
    Need(
        "policies",
        tuple(
            Right("get", plural, group=_ADMISSION, name=name)
            for plurals, policies in _POLICY_KINDS
            for plural in plurals
            for name in policies
        ),
        "nobody is told when a policy or its binding is removed",
        vital=False,
    ),
)

_FACADE: Final = (
    Need(
        "callers",
        (
            Right("create", "tokenreviews", group="authentication.k8s.io"),
            Right("create", "subjectaccessreviews", group="authorization.k8s.io"),
        ),
        "the facade refuses every request: it cannot tell who calls and what they may",
    ),
    Need(
        "its cache",
        (
            *(
                Right(verb, plural)
                for plural in (names.ENVIRONMENTS, names.DEPLOYMENTS, names.LOCKS, names.RECORDS)
                for verb in ("list", "watch")
            ),
            *(Right(verb, names.NAMESPACES, group="") for verb in ("list", "watch")),
        ),
        "the facade never becomes ready",
    ),
    Need(
        "fresh reads",
        tuple(Right("get", plural) for plural in (names.ENVIRONMENTS, names.DEPLOYMENTS, names.LOCKS)),
        "a REST write that meets another one fails instead of being tried again",
        vital=False,
    ),
)
