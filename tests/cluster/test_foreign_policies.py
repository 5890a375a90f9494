"""Policies of others: REST passes on their refusal as a conflict, with their message."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspaces
from cluster import Workspace as Space
from error_bodies import error_of
from services import Facade
from waiting import eventually

from moorage_dev.rest_client import Answer

ADMISSION = "/apis/admissionregistration.k8s.io/v1"


#: Every reason that the API server takes from a policy; None: the default.
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", None)


@pytest.fixture
def foreign_policy(cluster: LiveCluster, workspace: Workspaces) -> Iterator[Space]:
    """A workspace in which somebody else's policy refuses the release `no-<reason>` with that reason."""
    space = workspace("staging")
    name = f"{space.namespace}.example.com"
    validations = []
    for reason in REASONS:
        rule = {"expression": f"object.spec.release != 'no-{reason}'", "message": f"not {reason} on a Friday"}
        validations.append(rule if reason is None else {**rule, "reason": reason})
    here = {"matchLabels": {"kubernetes.io/metadata.name": space.namespace}}
    rule = {"apiGroups": ["moorage.dev"], "apiVersions": ["v1"], "resources": ["deployments"]}
    objects = {
        "validatingadmissionpolicies": {
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": here,
                    "resourceRules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
                },
                "validations": validations,
            },
        },
        "validatingadmissionpolicybindings": {
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    }
    try:
        for plural, raw in objects.items():
            body = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}, **raw}
            assert cluster.raw("POST", f"{ADMISSION}/{plural}", body=body).status == 201
        yield space
    finally:
        for plural in objects:
            cluster.raw("DELETE", f"{ADMISSION}/{plural}/{name}")


def test_policies_of_others_are_conflicts_with_their_message(facade: Facade, foreign_policy: Space) -> None:
    path = f"{foreign_policy.rest}/staging/deploy"

    def deploy(reason: str | None, query: str = "") -> Answer:
        return facade.call("POST", path + query, body={"app_id": "checkout", "release_id": f"no-{reason}"})

    # The API server needs a moment until a policy holds.
    eventually(lambda: deploy("Forbidden", "?dry_run=true").status == 409)
    for reason in REASONS:
        answer = deploy(reason)
        assert answer.status == 409, answer.body
        body = error_of(answer)
        assert (body["message"], body["details"]) == (f"not {reason} on a Friday", {"reason": "PolicyRefused"})
    assert facade.call("GET", f"{foreign_policy.rest}/staging/deployments").json()["total"] == 0
