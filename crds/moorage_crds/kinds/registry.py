"""The one table of what is stored and what guards it. A new kind is its file, one line here, and its policies' files.

Made from this table: the CRDs (`schema`), paths and allow-lists (`kube.paths`), rights and the chart's roles
(`rights`), what preflight and the start of the operator look for, and what a refusal means (`refusal_by`). Pure.
"""

from typing import Any, Final

from moorage_crds import names
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.kinds import (
    approval,
    cluster_freeze,
    deployment,
    environment,
    event_sink,
    freeze,
    lock,
    record,
    refresh,
    target,
    workspace,
)
from moorage_crds.kinds.kind import Kind, Resource, Scope

#: In the order in which people meet them.
KINDS: Final[tuple[Kind[Any], ...]] = (
    environment.KIND,
    lock.KIND,
    freeze.KIND,
    cluster_freeze.KIND,
    approval.KIND,
    deployment.KIND,
    record.KIND,
    event_sink.KIND,
)

#: What we speak to of Kubernetes itself; `rights` says who needs what of them.
_OF_KUBERNETES: Final = (
    Resource(plural=names.LEASES, group="coordination.k8s.io"),
    Resource(plural=names.EVENTS, group="events.k8s.io"),
    Resource(plural=names.SECRETS, group=""),
    Resource(plural=names.CONFIG_MAPS, group=""),
    Resource(plural=names.CRDS, group="apiextensions.k8s.io", scope=Scope.CLUSTER),
    *(
        Resource(plural=plural, group="admissionregistration.k8s.io", scope=Scope.CLUSTER)
        for plural in (
            names.MUTATING_ADMISSION_POLICIES,
            names.MUTATING_ADMISSION_POLICY_BINDINGS,
            names.VALIDATING_ADMISSION_POLICIES,
            names.VALIDATING_ADMISSION_POLICY_BINDINGS,
        )
    ),
    Resource(plural=names.TOKEN_REVIEWS, group="authentication.k8s.io", scope=Scope.CLUSTER),
    Resource(plural=names.ACCESS_REVIEWS, group="authorization.k8s.io", scope=Scope.CLUSTER),
    Resource(plural=names.OWN_ACCESS_REVIEWS, group="authorization.k8s.io", scope=Scope.CLUSTER),
    Resource(plural=names.OWN_REVIEWS, group="authentication.k8s.io", scope=Scope.CLUSTER),
)

#: plural → what is served under it. Nothing that is not in this table can be asked for.
RESOURCES: Final[dict[str, Resource]] = {
    **{resource.plural: resource for resource in (*KINDS, workspace.RESOURCE, *_OF_KUBERNETES)},
    # Kinds of other tools carry their group in the key: theirs are `deployments`, too.
    **target.TARGET_RESOURCES,
    **refresh.REFRESH_RESOURCES,
}

#: What the operator and the facade watch and work on: our kinds, and the Namespaces that are workspaces.
WORKED_ON: Final[tuple[Resource, ...]] = (*KINDS, workspace.RESOURCE)

#: Policies that guard several kinds.
_SHARED: Final = (
    Policy(
        "enforcement.moorage.dev",
        "Freezes, protected environments and rejections that are made or changed meanwhile have no effect",
        mutating=True,
    ),
    Policy(names.POLICY_PROVENANCE, "nobody sees who made or changed Environments and locks", mutating=True),
    Policy(
        names.POLICY_PROVENANCE_STAMPS,
        "another policy or webhook can change what is known of who made or changed Environments, locks and Freezes",
        checks_mutation=True,
    ),
    Policy(
        names.POLICY_METADATA,
        "managedFields, labels and annotations without bounds make objects slow and take the times of changes away",
    ),
    Policy(
        names.POLICY_OWNERS, "everybody who may change an object can have it deleted, by an ownerReference to nothing"
    ),
)

#: Every admission policy that is shipped; those that stamp come first.
POLICIES: Final = tuple(
    sorted(
        (*(policy for kind in KINDS for policy in kind.policies), *workspace.POLICIES, *_SHARED),
        key=lambda policy: not policy.mutating,
    )
)

_KINDS_BY_PLURAL: Final = {kind.plural: kind for kind in KINDS}
_POLICIES_BY_NAME: Final = {policy.name: policy for policy in POLICIES}


def kind_of(plural: str) -> Kind[Any]:
    """Our kind with that plural.

    Raises:
        KeyError: it is none of ours.
    """
    return _KINDS_BY_PLURAL[plural]


def refusal_by(policy: str) -> PolicyRefusal:
    """What a refusal by that policy means. Somebody else's policy is one like any other."""
    known = _POLICIES_BY_NAME.get(policy)
    return known.refusal if known else PolicyRefusal()
