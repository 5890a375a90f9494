"""The rules of the chart's roles, made from the rights that our processes need and the kinds that people use."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from moorage_crds import names
from moorage_crds.kinds.kind import READ, AccountRights, Role
from moorage_crds.kinds.registry import KINDS, WORKED_ON
from moorage_crds.rights import Process, needs
from moorage_crds.store import Right

_SYSTEM: Final = "the Namespace that it runs in"

#: File → what it says of itself.
_HEADS: Final[dict[str, str]] = {
    "operator-cluster": "What the operator may do in every Namespace; bound by a ClusterRoleBinding. "
    "Each line is used, nothing else is granted.",
    "operator-namespace": "What the operator may do in the Namespace that it runs in: the Lease by which two replicas "
    "avoid double work.",
    "api-cluster": "What the facade's own account may do in the whole cluster: ask who somebody is and what they may, "
    "and read. It writes nothing: every write goes out with the caller's own token.",
    "api-namespace": "What the facade may do in the Namespace that it runs in: look at the Lease that a working "
    "operator renews, to say when none does.",
    Role.VIEW: "Read everything of a workspace, by REST and kubectl.",
    Role.DEPLOYER: "Read everything of a workspace, and change which release is deployed.",
    Role.EDIT: "Read everything of a workspace, change which release is deployed, and create, change, lock and remove "
    "environments. Records are written by the operator alone.",
    Role.APPROVER: "Read everything of a workspace, and approve or reject releases for its environments. For one "
    "environment only, make a Role with resourceNames for the verb approve.",
    Role.RELEASE_MANAGER: "Read everything of a workspace, and run its rules: lock, freeze, protect environments, "
    "approve releases, and let a change pass a gate that refuses it.",
    "workspace-admin": "Say which Namespaces are workspaces: set and change their labels and annotations "
    "moorage.dev/*, and delete them. For platform teams and what creates Namespaces for them; bind it by a "
    "ClusterRoleBinding, since a RoleBinding does not reach so far. Writing Namespaces needs its own right beside it.",
}
_WIDTH: Final = 118


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role; `why` is a comment beside it."""

    group: str
    resources: Sequence[str]
    verbs: Sequence[str]
    names: Sequence[str] = ()
    why: str = ""


def files() -> dict[str, str]:
    """Name of a file of rules → its content."""
    operator = [right for need in needs(Process.OPERATOR, _SYSTEM) for right in need.rights]
    facade = [right for need in needs(Process.API, _SYSTEM) for right in need.rights]
    rules: dict[str, list[Rule]] = {
        "operator-cluster": of_rights((right for right in operator if not right.namespace), Process.OPERATOR),
        "operator-namespace": of_rights((right for right in operator if right.namespace), Process.OPERATOR),
        "api-cluster": of_rights((right for right in facade if not right.namespace), Process.API),
        "api-namespace": of_rights((right for right in facade if right.namespace), Process.API),
        **{role: of_role(role) for role in Role},
        "workspace-admin": [
            Rule(
                names.GROUP,
                [names.WORKSPACES],
                [names.MANAGE_VERB],
                why="no such resource is served: policies ask for it",
            )
        ],
    }
    return {f"{name}.yaml": _text(_HEADS[name], these) for name, these in rules.items()}


def of_rights(rights: Iterable[Right], process: Process) -> list[Rule]:
    """As few rules as say exactly these rights, in the order in which they were named."""
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource, right.name), {})[right.verb] = None
    objects: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, name), said in verbs.items():
        objects.setdefault((group, resource, tuple(said)), []).extend([name] if name else [])
    resources: dict[Rule, list[str]] = {}
    for (group, resource, allowed), named in objects.items():
        rule = Rule(group, (), allowed, tuple(named), _why(resource, process))
        resources.setdefault(rule, []).append(resource)
    return [replace(rule, resources=found) for rule, found in resources.items()]


def of_role(role: Role) -> list[Rule]:
    """Every role reads every kind; what else it may, the kind says."""
    group = KINDS[0].group
    reading = Rule(group, [kind.plural for kind in KINDS], READ)
    more: dict[tuple[str, ...], list[str]] = {}
    for kind in KINDS:
        if role in kind.users:
            more.setdefault(tuple(kind.users[role]), []).append(kind.plural)
    return [reading, *(Rule(group, resources, verbs) for verbs, resources in more.items())]


def _why(resource: str, process: Process) -> str:
    for one in WORKED_ON:
        if one.plural == resource:
            access: AccountRights = one.operator if process is Process.OPERATOR else one.facade
            return access.why
    return ""


def _text(head: str, rules: Sequence[Rule]) -> str:
    note = "Generated from the rights in `moorage_crds` by `make generate`. Do not edit."
    lines = [f"# {line}" for line in (note, *textwrap.wrap(head, _WIDTH))]
    for rule in rules:
        lines += _lines(rule)
    return "\n".join(lines) + "\n"


def _lines(rule: Rule) -> Iterator[str]:
    group = rule.group or '""'
    yield f"- apiGroups: [{group}]"
    yield f"  resources: [{', '.join(rule.resources)}]"
    if rule.names:
        yield "  resourceNames:"
        yield from (f"    - {name}" for name in rule.names)
    yield f"  verbs: [{', '.join(rule.verbs)}]" + (f" # {rule.why}" if rule.why else "")
