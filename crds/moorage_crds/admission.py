"""The facts about an admission policy beside its text: its purpose, and what its refusal means to a client. Pure.

The text is YAML in `crds/policies`, one file for each policy. Its entry stands with the kind that it guards, or in
`kinds.registry` if it guards several; from the entries follow what the operator looks after, what `moorage preflight`
says, the names in the chart's roles, and the answers of the REST facade. So a new policy is its file and its entry.
"""

from dataclasses import dataclass
from typing import Final

from moorage_crds import names


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRefusal:
    """What it means to a client that a policy refused its write.

    Attributes:
        reason: `details.reason` of the REST answer; docs/rest.md lists all of them.
        retryable: the same write will be accepted in a moment, without anybody's doing: 503 instead of 409.
        message: what people are told; None: what the policy itself says.
    """

    reason: str = "PolicyRefused"
    retryable: bool = False
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One admission policy and its bindings, of which one has the same name.

    Attributes:
        name: `metadata.name` of both.
        without: what does not hold while it is missing: one clause for people.
        refusal: what its refusal means. A mutating policy refuses nothing.
        mutating: a MutatingAdmissionPolicy (Kubernetes 1.36 and newer), else a ValidatingAdmissionPolicy.
        checks_mutation: a ValidatingAdmissionPolicy that is there only where mutating ones are, because it refuses
            what they have not stamped.
        observed: a second binding, `<name>-observed`, warns instead of refusing for parameters that want that.
    """

    name: str
    without: str
    refusal: PolicyRefusal = PolicyRefusal()
    mutating: bool = False
    checks_mutation: bool = False
    observed: bool = False

    @property
    def is_everywhere(self) -> bool:
        """Whether it is installed on every version of Kubernetes that can be used at all."""
        return not (self.mutating or self.checks_mutation)

    @property
    def objects(self) -> tuple[tuple[str, str], ...]:
        """Plural and name of everything that makes it: the policy, its binding, and the one that only warns."""
        policies, bindings = self.plurals
        stem = self.name.partition(".")[0]
        warns = ((bindings, f"{stem}-observed.{names.GROUP}"),) if self.observed else ()
        return (policies, self.name), (bindings, self.name), *warns

    @property
    def plurals(self) -> tuple[str, str]:
        """The resources that the policy and its binding are served as."""
        if self.mutating:
            return names.MUTATING_ADMISSION_POLICIES, names.MUTATING_ADMISSION_POLICY_BINDINGS
        return names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS


#: The refusal of every policy that looks for a lock.
LOCKED: Final = PolicyRefusal(reason="EnvironmentLocked")
