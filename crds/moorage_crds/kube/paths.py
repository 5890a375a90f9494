"""Which requests may leave the process: (verb, path template) pairs, and paths built of parsed names only.

The Python clients quote `/` but not dots, and URL libraries normalize `..`: a name that nobody parsed could turn a
DELETE of one object into a DELETE of a collection. So a path is built here, from `Identifier`s, looked up in the
allow-list of the process, and its final form is checked once more before it is sent.
"""

import re
from dataclasses import dataclass
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import Identifier, NamespaceName

#: What a path may look like at the very end, whoever built it: plain segments, none of them `.` or `..`.
_FINAL_FORM: Final = re.compile(r"(/[A-Za-z0-9][-A-Za-z0-9_.]*)+")


class ForbiddenCallError(RuntimeError):
    """A bug: a request that is not on the allow-list of this process. It was not sent."""


@dataclass(frozen=True, slots=True)
class UrlPath:
    """A path and the template it was made from."""

    template: str
    text: str


def collection(plural: str, namespace: NamespaceName | None = None) -> UrlPath:
    """`/apis/<group>/<version>[/namespaces/<namespace>]/<plural>`."""
    prefix = names.API_PREFIXES[plural]
    if namespace is None:
        return UrlPath(f"{prefix}/{plural}", f"{prefix}/{plural}")
    _check(namespace)
    return UrlPath(f"{prefix}/namespaces/{{namespace}}/{plural}", f"{prefix}/namespaces/{namespace}/{plural}")


def item(plural: str, namespace: NamespaceName | None, name: Identifier) -> UrlPath:
    """The path of one object."""
    base = collection(plural, namespace)
    _check(name)
    return UrlPath(f"{base.template}/{{name}}", f"{base.text}/{name}")


def status(plural: str, namespace: NamespaceName | None, name: Identifier) -> UrlPath:
    """The path of the status of one object."""
    base = item(plural, namespace, name)
    return UrlPath(f"{base.template}/status", f"{base.text}/status")


def fixed(path: str) -> UrlPath:
    """A path without names, such as `/version`."""
    return UrlPath(path, path)


TOKEN_REVIEWS: Final = fixed("/apis/authentication.k8s.io/v1/tokenreviews")
ACCESS_REVIEWS: Final = fixed("/apis/authorization.k8s.io/v1/subjectaccessreviews")
OWN_ACCESS_REVIEWS: Final = fixed("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
VERSION: Final = fixed("/version")


def _check(name: object) -> None:
    if not isinstance(name, Identifier):
        message = f"{type(name).__name__} is no parsed identifier"
        raise ForbiddenCallError(message)


class AllowList:
    """The (verb, path template) pairs that a process may send."""

    def __init__(self, *calls: tuple[str, str]) -> None:
        self._calls = frozenset(calls)

    def __or__(self, other: "AllowList") -> "AllowList":
        """What either of the two allows."""
        return AllowList(*(self._calls | other._calls))

    def __contains__(self, call: object) -> bool:
        """True if the pair (verb, path template) is listed."""
        return call in self._calls

    def require(self, method: str, path: UrlPath) -> None:
        """Let a request pass.

        Raises:
            ForbiddenCallError: the pair is not listed, or the final path is not of plain segments.
        """
        if (method, path.template) not in self._calls or _FINAL_FORM.fullmatch(path.text) is None:
            message = f"{method} {path.template} is not on the allow-list of this process"
            raise ForbiddenCallError(message)


def _reads(*plurals: str) -> AllowList:
    calls: list[tuple[str, str]] = []
    for plural in plurals:
        prefix = names.API_PREFIXES[plural]
        calls.append(("GET", f"{prefix}/{plural}"))
        if plural == names.NAMESPACES:
            calls.append(("GET", f"{prefix}/{plural}/{{name}}"))
        else:
            calls += [
                ("GET", f"{prefix}/namespaces/{{namespace}}/{plural}"),
                ("GET", f"{prefix}/namespaces/{{namespace}}/{plural}/{{name}}"),
            ]
    return AllowList(*calls)


def _writes(plural: str, *methods: str) -> AllowList:
    base = f"{names.API_PREFIXES[plural]}/namespaces/{{namespace}}/{plural}"
    return AllowList(*((method, base if method == "POST" else f"{base}/{{name}}") for method in methods))


def _status_writes(plural: str) -> AllowList:
    base = f"{names.API_PREFIXES[plural]}/namespaces/{{namespace}}/{plural}"
    return AllowList(("PATCH", f"{base}/{{name}}/status"))


_OURS: Final = (names.ENVIRONMENTS, names.DEPLOYMENTS, names.RECORDS, names.LOCKS, names.NAMESPACES)

FACADE_CALLS: Final = (
    _reads(*_OURS)
    | _writes(names.ENVIRONMENTS, "POST", "PATCH", "DELETE")
    | _writes(names.DEPLOYMENTS, "POST", "PATCH", "DELETE")
    | _writes(names.LOCKS, "POST", "PATCH", "DELETE")
    | AllowList(("POST", TOKEN_REVIEWS.template), ("POST", ACCESS_REVIEWS.template), ("GET", VERSION.template))
)

_CLUSTER_READS: Final = AllowList(
    *(
        ("GET", f"{names.API_PREFIXES[plural]}/{plural}/{{name}}")
        for plural in (
            names.CRDS,
            names.MUTATING_ADMISSION_POLICIES,
            names.MUTATING_ADMISSION_POLICY_BINDINGS,
            names.VALIDATING_ADMISSION_POLICIES,
            names.VALIDATING_ADMISSION_POLICY_BINDINGS,
        )
    ),
    ("GET", VERSION.template),
)

OPERATOR_CALLS: Final = (
    _reads(*_OURS)
    | _CLUSTER_READS
    | _writes(names.RECORDS, "POST", "DELETE")
    | _writes(names.DEPLOYMENTS, "PATCH", "DELETE")
    | _writes(names.ENVIRONMENTS, "POST")
    | _status_writes(names.DEPLOYMENTS)
    | _status_writes(names.ENVIRONMENTS)
    | AllowList(("GET", "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"))
    | _writes(names.LEASES, "POST", "PATCH")
)

#: `moorage verify`, `export`, `preflight`: they read, and ask for their own rights.
COMMAND_CALLS: Final = _reads(*_OURS) | _CLUSTER_READS | AllowList(("POST", OWN_ACCESS_REVIEWS.template))
