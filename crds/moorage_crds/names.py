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
FREEZES: Final = "freezes"
CLUSTER_FREEZES: Final = "clusterfreezes"
APPROVALS: Final = "approvals"
EVENT_SINKS: Final = "eventsinks"
NAMESPACES: Final = "namespaces"

LEASES: Final = "leases"
EVENTS: Final = "events"
SECRETS: Final = "secrets"
CONFIG_MAPS: Final = "configmaps"
TOKEN_REVIEWS: Final = "tokenreviews"  # noqa: S105 — the name of a resource
ACCESS_REVIEWS: Final = "subjectaccessreviews"
OWN_ACCESS_REVIEWS: Final = "selfsubjectaccessreviews"
OWN_REVIEWS: Final = "selfsubjectreviews"
CRDS: Final = "customresourcedefinitions"
MUTATING_ADMISSION_POLICIES: Final = "mutatingadmissionpolicies"
MUTATING_ADMISSION_POLICY_BINDINGS: Final = "mutatingadmissionpolicybindings"
VALIDATING_ADMISSION_POLICIES: Final = "validatingadmissionpolicies"
VALIDATING_ADMISSION_POLICY_BINDINGS: Final = "validatingadmissionpolicybindings"

# Labels of a Namespace.
LABEL_ORG: Final = f"{GROUP}/org"
LABEL_WORKSPACE: Final = f"{GROUP}/workspace"
LABEL_SEED: Final = f"{GROUP}/seed-environments"
LABEL_ATTRIBUTED_DELETES: Final = f"{GROUP}/attributed-deletes"

# Labels that choose what policies look at; stamped by a policy, whatever a client sends.
LABEL_ENFORCEMENT: Final = f"{GROUP}/enforcement"
LABEL_PROTECTED: Final = f"{GROUP}/protected"
LABEL_RULES: Final = f"{GROUP}/rules"
LABEL_DECISION: Final = f"{GROUP}/decision"

# Labels of a DeploymentRecord, so that `kubectl get drec -l …` and the sweep need no spec.
LABEL_ENVIRONMENT: Final = f"{GROUP}/environment"
LABEL_APP: Final = f"{GROUP}/app"
LABEL_DEPLOYMENT_UID: Final = f"{GROUP}/deployment-uid"
LABEL_ACTION: Final = f"{GROUP}/action"
#: `"true"`: an import brought the record along. What it says was claimed, or seen by another API server.
LABEL_IMPORTED: Final = f"{GROUP}/imported"

#: The verb on deploymentrecords that the record policies ask the authorizer for.
RECORD_VERB: Final = "record"
#: The verb on the virtual resource `workspaces` that the policy of Namespaces asks the authorizer for.
MANAGE_VERB: Final = "manage"
WORKSPACES: Final = "workspaces"
#: Verbs on an Environment that policies ask the authorizer for: give an Approval for it, pass its gates with a reason,
#: take away or weaken what protects it.
APPROVE_VERB: Final = "approve"
OVERRIDE_VERB: Final = "override"
PROTECT_VERB: Final = "protect"

# Field managers, as they appear in managedFields.
MANAGER_FACADE: Final = "moorage-api"
MANAGER_OPERATOR: Final = "moorage-operator"

# Admission policies that something beside their entry in `admission` speaks of.
POLICY_CHANGE_LOG: Final = f"deployments-changelog.{GROUP}"
POLICY_PROVENANCE: Final = f"provenance.{GROUP}"
POLICY_DEPLOYMENT_DELETES: Final = f"deployments-deletes.{GROUP}"
POLICY_NOTES: Final = f"deployments-notes.{GROUP}"
POLICY_STAMPS: Final = f"deployments-stamps.{GROUP}"
POLICY_PROVENANCE_STAMPS: Final = f"provenance-stamps.{GROUP}"
POLICY_METADATA: Final = f"metadata.{GROUP}"
POLICY_LIFECYCLE: Final = f"deployments-lifecycle.{GROUP}"
POLICY_OWNERS: Final = f"owners.{GROUP}"
POLICY_ENVIRONMENT_DELETES: Final = f"environments-deletes.{GROUP}"
POLICY_ATTRIBUTED_DELETES: Final = f"attributed-deletes.{GROUP}"
POLICY_DEPLOYMENT_LOCKS: Final = f"deployments-locks.{GROUP}"
POLICY_ENVIRONMENT_LOCKS: Final = f"environments-locks.{GROUP}"
POLICY_WORKSPACES: Final = f"workspaces.{GROUP}"
POLICY_WORKSPACE_RIGHTS: Final = f"workspace-rights.{GROUP}"
POLICY_APPROVAL_RIGHTS: Final = f"approval-rights.{GROUP}"
POLICY_OVERRIDES: Final = f"overrides.{GROUP}"
POLICY_RECORDS: Final = f"records.{GROUP}"

#: What people see where nobody is known to have done it (bare deletes, changes that no policy watched).
UNKNOWN_USER: Final = "unknown"
#: What REST shows as the release of a line that knows of none (an adopted binding that had none and has none).
UNKNOWN_RELEASE: Final = "unknown"

#: How many changes of one binding may be unrecorded before the API server refuses the next (CEL rule of the CRD).
MAX_UNRECORDED: Final = 16
#: How many gates one change may name to pass.
MAX_OVERRIDE: Final = 16
#: How many apps an Environment's status lists; `activeDeploymentCount` counts all.
MAX_ACTIVE_DEPLOYMENTS: Final = 500
#: Digits of the sequence in a record's name: names sort like sequences.
SEQUENCE_DIGITS: Final = 8


def app_place(app: str) -> str:
    """What apps share that have one place: a rule about one of them is about the others, too."""
    return app.lower().replace("_", "-")


def binding_name(environment: str, app: str) -> str:
    """Name of the Deployment that binds `app` to `environment`; the CRD enforces the same rule by CEL."""
    return f"{environment}.{app_place(app)}"


def record_name(deployment_uid: str, sequence: int) -> str:
    """Name of the record of one change, which is also the `deployment_id` of the REST API."""
    return f"{deployment_uid}-{sequence:0{SEQUENCE_DIGITS}d}"
