"""One type per kind of id, made by a full match of the decoded value. Only these types reach a URL.

`kube.paths` accepts nothing else, so a text that somebody sent cannot become a path before it went through `parse`.
No pattern admits `.` or `..`; the name of a binding has exactly one dot, between two parsed halves.
"""

import re
from typing import ClassVar, Self

from moorage_crds import names, patterns


class InvalidIdentifierError(ValueError):
    """The text cannot be an id of this kind. `kind` is a word for people, `rule` says what would be right."""

    def __init__(self, kind: str, rule: str) -> None:
        super().__init__(f"not a possible {kind}: must be {rule}")
        self.kind = kind
        self.rule = rule


class Identifier(str):
    """Base of all ids. A plain `str` outside, so that it can be compared, logged and put into JSON."""

    __slots__ = ()
    kind: ClassVar[str]
    rule: ClassVar[str]
    pattern: ClassVar[re.Pattern[str]]
    max_length: ClassVar[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check and wrap `text`.

        Raises:
            InvalidIdentifierError: it does not match the pattern as a whole or is too long.
        """
        if len(text) > cls.max_length or cls.pattern.fullmatch(text) is None:
            raise InvalidIdentifierError(cls.kind, cls.rule)
        return cls(text)


class OrgId(Identifier):
    """Value of the label `moorage.dev/org` of a workspace Namespace."""

    __slots__ = ()
    kind = "organisation"
    rule = "a Kubernetes label value (letters, digits, '-', '_', '.'; at most 63)"
    pattern = re.compile(patterns.LABEL_VALUE)
    max_length = 63


class WorkspaceId(Identifier):
    """Value of the label `moorage.dev/workspace` of a workspace Namespace."""

    __slots__ = ()
    kind = "workspace"
    rule = OrgId.rule
    pattern = re.compile(patterns.LABEL_VALUE)
    max_length = 63


class NamespaceName(Identifier):
    """Name of a Namespace (RFC 1123 label)."""

    __slots__ = ()
    kind = "namespace"
    rule = "a DNS label of at most 63 characters"
    pattern = re.compile(patterns.SLUG)
    max_length = 63


class Uid(Identifier):
    """`metadata.uid` of an object."""

    __slots__ = ()
    kind = "uid"
    rule = "a lower-case UUID"
    pattern = re.compile(patterns.UID)
    max_length = 36


class EnvironmentSlug(Identifier):
    """`metadata.name` of an Environment. Never looks like a uid, because REST takes either in one place."""

    __slots__ = ()
    kind = "environment"
    rule = "a DNS label of at most 63 characters that does not look like a UID"
    pattern = re.compile(rf"(?!{patterns.UID}\Z){patterns.SLUG}")
    max_length = 63


class AppId(Identifier):
    """`spec.app` of a Deployment."""

    __slots__ = ()
    kind = "app"
    rule = "letters, digits, '-' and '_', beginning and ending with a letter or digit; at most 63 characters"
    pattern = re.compile(patterns.APP)
    max_length = 63


class ReleaseId(Identifier):
    """`spec.release` of a Deployment."""

    __slots__ = ()
    kind = "release"
    rule = "letters, digits and '-+_.:@/', beginning with a letter or digit; at most 128 characters"
    pattern = re.compile(patterns.RELEASE)
    max_length = 128


class RecordId(Identifier):
    """Name of a DeploymentRecord: `<uid of the Deployment>-<sequence, 8 digits>`."""

    __slots__ = ()
    kind = "deployment"
    rule = "the uid of a Deployment, '-' and 8 digits"
    pattern = re.compile(patterns.RECORD)
    max_length = 45

    @classmethod
    def of(cls, deployment_uid: Uid, sequence: int) -> "RecordId":
        """The id of change number `sequence` of a binding."""
        return cls.parse(names.record_name(deployment_uid, sequence))

    @property
    def deployment_uid(self) -> Uid:
        """The uid of the Deployment whose change this records."""
        return Uid(self[:36])

    @property
    def sequence(self) -> int:
        """The number of the change in its chain, from 1."""
        return int(self[37:])


class BindingName(Identifier):
    """`metadata.name` of a Deployment: `<environment>.<app in lower case, '_' as '-'>`."""

    __slots__ = ()
    kind = "deployment"
    rule = "<environment>.<app>, the app in lower case with '-' for '_'"
    pattern = re.compile(patterns.BINDING)
    max_length = 127

    @classmethod
    def of(cls, environment: EnvironmentSlug, app: AppId) -> "BindingName":
        """The name of the binding of `app` to `environment`."""
        return cls.parse(names.binding_name(environment, app))


class ClusterObjectName(Identifier):
    """Name of a cluster-scoped object of Kubernetes itself (a CRD, a policy) or of a Lease: RFC 1123 subdomain."""

    __slots__ = ()
    kind = "name"
    rule = "a DNS subdomain of at most 253 characters"
    pattern = re.compile(patterns.SUBDOMAIN)
    max_length = 253
