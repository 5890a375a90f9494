"""The vocabulary of the cluster: groups, kinds, labels, names of objects. No logic beyond building a name.

Every other module takes these words from here, so that a label or a plural is spelled once.
"""

from typing import Final

GROUP: Final = "moorage.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "moorage"

ENVIRONMENTS: Final = "environments"
DEPLOYMENTS: Final = "deployments"
RECORDS: Final = "deploymentrecords"
LOCKS: Final = "environmentlocks"
NAMESPACES: Final = "namespaces"

LEASES: Final = "leases"
CRDS: Final = "customresourcedefinitions"
MUTATING_ADMISSION_POLICIES: Final = "mutatingadmissionpolicies"
MUTATING_ADMISSION_POLICY_BINDINGS: Final = "mutatingadmissionpolicybindings"
VALIDATING_ADMISSION_POLICIES: Final = "validatingadmissionpolicies"
VALIDATING_ADMISSION_POLICY_BINDINGS: Final = "validatingadmissionpolicybindings"

#: plural → where the API server serves it. Nothing that is not in this table can be asked for.
API_PREFIXES: Final = {
    ENVIRONMENTS: "/apis/moorage.dev/v1",
    DEPLOYMENTS: "/apis/moorage.dev/v1",
    RECORDS: "/apis/moorage.dev/v1",
    LOCKS: "/apis/moorage.dev/v1",
    NAMESPACES: "/api/v1",
    LEASES: "/apis/coordination.k8s.io/v1",
    CRDS: "/apis/apiextensions.k8s.io/v1",
    MUTATING_ADMISSION_POLICIES: "/apis/admissionregistration.k8s.io/v1",
    MUTATING_ADMISSION_POLICY_BINDINGS: "/apis/admissionregistration.k8s.io/v1",
    VALIDATING_ADMISSION_POLICIES: "/apis/admissionregistration.k8s.io/v1",
    VALIDATING_ADMISSION_POLICY_BINDINGS: "/apis/admissionregistration.k8s.io/v1",
}

#: plural → kind, for building objects
KINDS: Final = {
    ENVIRONMENTS: "Environment",
    DEPLOYMENTS: "Deployment",
    RECORDS: "DeploymentRecord",
    LOCKS: "EnvironmentLock",
}

# Labels of a Namespace.
LABEL_ORG: Final = "moorage.dev/org"
LABEL_WORKSPACE: Final = "moorage.dev/workspace"
LABEL_SEED: Final = "moorage.dev/seed-environments"
LABEL_ATTRIBUTED_DELETES: Final = "moorage.dev/attributed-deletes"

# Labels of a DeploymentRecord, so that `kubectl get drec -l …` and the sweep need no spec.
LABEL_ENVIRONMENT: Final = "moorage.dev/environment"
LABEL_APP: Final = "moorage.dev/app"
LABEL_DEPLOYMENT_UID: Final = "moorage.dev/deployment-uid"
LABEL_ACTION: Final = "moorage.dev/action"

#: The verb on deploymentrecords that the record policies ask the authorizer for.
RECORD_VERB: Final = "record"

# Field managers, as they appear in managedFields.
MANAGER_FACADE: Final = "moorage-api"
MANAGER_OPERATOR: Final = "moorage-operator"

# Admission policies. A refusal arrives as text that names the policy: this is how the facade tells them apart.
POLICY_CHANGE_LOG: Final = "deployments-changelog.moorage.dev"
POLICY_PROVENANCE: Final = "provenance.moorage.dev"
POLICY_DEPLOYMENT_DELETES: Final = "deployments-deletes.moorage.dev"
POLICY_ENVIRONMENT_DELETES: Final = "environments-deletes.moorage.dev"
POLICY_ATTRIBUTED_DELETES: Final = "attributed-deletes.moorage.dev"
POLICY_DEPLOYMENT_LOCKS: Final = "deployments-locks.moorage.dev"
POLICY_ENVIRONMENT_LOCKS: Final = "environments-locks.moorage.dev"
POLICY_WORKSPACES: Final = "workspaces.moorage.dev"
POLICY_RECORDS: Final = "records.moorage.dev"
POLICY_STATUSES: Final = "statuses.moorage.dev"

MUTATING_POLICIES: Final = (POLICY_CHANGE_LOG, POLICY_PROVENANCE)
VALIDATING_POLICIES: Final = (
    POLICY_DEPLOYMENT_DELETES,
    POLICY_ENVIRONMENT_DELETES,
    POLICY_ATTRIBUTED_DELETES,
    POLICY_DEPLOYMENT_LOCKS,
    POLICY_ENVIRONMENT_LOCKS,
    POLICY_WORKSPACES,
    POLICY_RECORDS,
    POLICY_STATUSES,
)

#: How many changes of one binding may be unrecorded before the API server refuses the next (CEL rule of the CRD).
MAX_UNRECORDED: Final = 16
#: Digits of the sequence in a record's name: names sort like sequences.
SEQUENCE_DIGITS: Final = 8


def binding_name(environment: str, app: str) -> str:
    """Name of the Deployment that binds `app` to `environment`; the CRD enforces the same rule by CEL."""
    return f"{environment}.{app.lower().replace('_', '-')}"


def record_name(deployment_uid: str, sequence: int) -> str:
    """Name of the record of one change, which is also the `deployment_id` of the REST API."""
    return f"{deployment_uid}-{sequence:0{SEQUENCE_DIGITS}d}"
