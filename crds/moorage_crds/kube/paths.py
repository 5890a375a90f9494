"""Which requests may leave the process: (verb, path template) pairs, and paths built of parsed names only.

The Python clients quote `/` but not dots, and URL libraries normalize `..`: a name that nobody parsed could turn a
DELETE of one object into a DELETE of a collection. So a path is built here, from `Identifier`s, looked up in the
allow-list of the process, and its final form is checked once more before it is sent.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import Identifier, NamespaceName
from moorage_crds.kinds.kind import Scope
from moorage_crds.kinds.refresh import REFRESH_RESOURCES
from moorage_crds.kinds.registry import POLICIES, RESOURCES, WORKED_ON
from moorage_crds.kinds.target import TARGET_RESOURCES
from moorage_crds.rights import Process, needs, to
from moorage_crds.store import Right

#: The form of every path before it is sent: plain segments, none of them `.` or `..`.
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
    resource = RESOURCES[plural]
    prefix, last = resource.prefix, resource.plural
    if namespace is None:
        return UrlPath(f"{prefix}/{last}", f"{prefix}/{last}")
    _check(namespace)
    return UrlPath(f"{prefix}/namespaces/{{namespace}}/{last}", f"{prefix}/namespaces/{namespace}/{last}")


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


TOKEN_REVIEWS: Final = collection(names.TOKEN_REVIEWS)
ACCESS_REVIEWS: Final = collection(names.ACCESS_REVIEWS)
OWN_ACCESS_REVIEWS: Final = collection(names.OWN_ACCESS_REVIEWS)
VERSION: Final = fixed("/version")
#: The public keys of tokens of service accounts, as a JSON Web Key Set.
SIGNING_KEYS: Final = fixed("/openid/v1/jwks")


def _check(name: object) -> None:
    if not isinstance(name, Identifier):
        message = f"{type(name).__name__} is not a parsed identifier"
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


def _calls(right: Right) -> Iterator[tuple[str, str]]:
    """The requests that a right serves."""
    plural, _, subresource = right.resource.partition("/")
    resource = RESOURCES[plural]
    every = f"{resource.prefix}/{plural}"
    within = every if resource.scope is Scope.CLUSTER else f"{resource.prefix}/namespaces/{{namespace}}/{plural}"
    one = f"{within}/{{name}}/{subresource}" if subresource else f"{within}/{{name}}"
    match right.verb:
        case "list" | "watch":
            yield from (("GET", every), ("GET", within))
        case "create":
            yield "POST", within
        case "get" | "patch" | "delete":
            yield right.verb.upper(), one
        case _:  # such as `record`, which only policies ask for
            return


def _one(name: str) -> str:
    return f"{collection(name, NamespaceName('any')).template}/{{name}}"


def _serving(rights: Iterable[Right]) -> AllowList:
    return AllowList(*(call for right in rights for call in _calls(right)))


def _needed(process: Process) -> AllowList:
    # The Namespace is not part of a template.
    return _serving(right for need in needs(process, "any") for right in need.rights)


_VERSION: Final = AllowList(("GET", VERSION.template))
_OF_CALLERS: Final = _serving(to(verb, one.plural) for one in WORKED_ON for verb in one.callers)

#: What follows bindings or is told of releases: watched, and written where the administrator gave the right.
_TARGETS: Final = AllowList(
    *(
        call
        for name in {*TARGET_RESOURCES, *REFRESH_RESOURCES}
        for call in (("GET", collection(name).template), ("PATCH", _one(name)))
    )
)

#: What an EventSink names, where the workspace gave the right.
_NAMED_SECRETS: Final = AllowList(("GET", _one(names.SECRETS)))

#: ConfigMaps that Environments ask for, where the administrator gave the right.
_CONFIG_MAPS: Final = AllowList(*((verb, _one(names.CONFIG_MAPS)) for verb in ("GET", "PATCH", "DELETE")))

OPERATOR_CALLS: Final = _needed(Process.OPERATOR) | _TARGETS | _NAMED_SECRETS | _CONFIG_MAPS | _VERSION

FACADE_CALLS: Final = _needed(Process.API) | _OF_CALLERS | _VERSION | AllowList(("GET", SIGNING_KEYS.template))

#: The commands of every day, with the rights of their user.
PEOPLE_CALLS: Final = (
    _OF_CALLERS
    | _serving(to(verb, one.plural) for one in WORKED_ON for verb in ("get", "list"))
    | AllowList(("POST", collection(names.OWN_REVIEWS).template))
)

#: `moorage import`: what runs now is read where it is, the past is written as records.
IMPORT_CALLS: Final = (
    PEOPLE_CALLS
    | _serving((to("create", names.RECORDS),))
    | AllowList(
        *(("GET", collection(name, NamespaceName("any")).template) for name in (*TARGET_RESOURCES, names.SECRETS))
    )
)

#: `moorage verify`, `export`, `preflight`: they read, and ask for their own rights.
COMMAND_CALLS: Final = (
    _serving(to(verb, one.plural) for one in WORKED_ON for verb in ("get", "list"))
    | _serving(to("get", plural) for plural in (names.CRDS, *{one for policy in POLICIES for one in policy.plurals}))
    | AllowList(("POST", OWN_ACCESS_REVIEWS.template))
    | _VERSION
)
