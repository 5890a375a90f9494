"""The description of a kind: one `Kind` at the end of its file, from which everything else about it is made.

`registry` lists the kinds. From their `Kind` follow the CRD, the paths and the requests that may leave a process
(`kube.paths`), the rights of our accounts (`rights`), the roles of the chart, and what preflight looks for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from moorage_crds import names
from moorage_crds.admission import Policy
from moorage_crds.identifiers import Identifier
from moorage_crds.kinds.parts import Part
from moorage_crds.objects import RawObject

ViewT_co = TypeVar("ViewT_co", covariant=True)

READ: Final = ("get", "list", "watch")
WRITE: Final = ("create", "patch", "delete")


class Scope(StrEnum):
    """Where the objects of a resource are."""

    NAMESPACED = "Namespaced"
    CLUSTER = "Cluster"


class Role(StrEnum):
    """The roles that the chart offers for people and pipelines."""

    VIEW = "view"
    EDIT = "edit"
    DEPLOYER = "deployer"
    APPROVER = "approver"
    RELEASE_MANAGER = "release-manager"


@dataclass(frozen=True, slots=True)
class AccountRights:
    """What an account of ours may do with the objects of a resource.

    Attributes:
        verbs: in the words of RBAC.
        status: verbs on the subresource `status`.
        why: what the less obvious verbs are for; a comment beside them in the role.
    """

    verbs: Sequence[str] = ()
    status: Sequence[str] = ()
    why: str = ""


NO_ACCESS: Final = AccountRights()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """Something that the API server serves.

    Attributes:
        group: API group; empty for the core of Kubernetes.
        operator: what the operator's account may do.
        facade: what the facade's own account may do.
        callers: verbs that the facade sends with the token of its caller.
    """

    plural: str
    group: str
    version: str = "v1"
    scope: Scope = Scope.NAMESPACED
    operator: AccountRights = NO_ACCESS
    facade: AccountRights = NO_ACCESS
    callers: Sequence[str] = ()

    @property
    def prefix(self) -> str:
        """The path of the API: `/apis/moorage.dev/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind(Resource, Generic[ViewT_co]):
    """One of our kinds.

    Attributes:
        kind: its name, such as `Deployment`.
        short_names: for kubectl.
        in_category: `kubectl get moorage` lists its objects.
        identifier: what `metadata.name` is.
        model: schema of an object, and its check at the borders; its docstring is the description of the kind.
        read: raw object → slotted view.
        name_schema: bounds of `metadata.name`, for the cost of CEL rules.
        rules: CEL rules of the whole object.
        columns: what `kubectl get` shows.
        selectable: fields for `--field-selector`.
        rest_word: what REST calls it in paths and errors; empty: REST does not show it.
        users: verbs beside reading, by role. Every role may read every kind. Verbs that only policies ask for
            (`approve`, `override`, `protect`) stand among them.
        policies: the admission policies that guard it.
    """

    group: str = names.GROUP
    version: str = names.VERSION
    kind: str
    short_names: Sequence[str]
    in_category: bool = True
    identifier: type[Identifier]
    model: type[Part]
    read: Callable[[RawObject], ViewT_co]
    name_schema: Mapping[str, Any]
    rules: Sequence[Mapping[str, str]] = ()
    columns: Sequence[Mapping[str, Any]]
    selectable: Sequence[str] = ()
    rest_word: str = ""
    users: Mapping[Role, Sequence[str]] = field(default_factory=dict)
    policies: Sequence[Policy] = ()

    @property
    def crd(self) -> str:
        """Name of its CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    @property
    def header(self) -> dict[str, str]:
        """`apiVersion` and `kind` of its objects."""
        return {"apiVersion": f"{self.group}/{self.version}", "kind": self.kind}

    @property
    def description(self) -> str:
        """What it is: the docstring of its model."""
        return " ".join((self.model.__doc__ or "").split())

    @property
    def has_status(self) -> bool:
        """Its objects have a status, written apart from the rest."""
        return "status" in self.model.model_fields
