"""What protects an Environment: how its spec is read, and durations that CEL and Python understand alike."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds.gates.verdict import Enforcement
from moorage_crds.kinds import approval, environment, lock
from moorage_crds.kinds.protection import Approvals, GatesStatus, Promotion, Requirement, protection_of, to_duration
from moorage_crds.schema import crd

METADATA = {
    "namespace": "shop",
    "name": "production",
    "uid": "8b441a92-ba68-49a4-9cae-f047a2c9ab25",
    "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z",
}


@given(st.integers(0, 9999), st.integers(0, 99999), st.integers(0, 9_999_999))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int) -> None:
    wanted = timedelta(hours=hours, minutes=minutes, seconds=seconds)

    assert to_duration(f"{hours}h{minutes}m{seconds}s") == wanted
    assert to_duration(f"{hours}h") + to_duration(f"{minutes}m") + to_duration(f"{seconds}s") == wanted


@pytest.mark.parametrize("text", ["", "2", "h", "2d", "1m1h", "-1h", "1.5h", "2h ", "2H", "1h1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        to_duration(text)


@pytest.mark.parametrize(
    ("spec", "promotion", "approvals"),
    [
        ({}, None, None),
        ({"promotion": {"from": "staging"}}, Promotion("staging"), None),
        (
            {"promotion": {"from": "staging", "soak": "2h", "require": "Healthy"}},
            Promotion("staging", timedelta(hours=2), Requirement.HEALTHY),
            None,
        ),
        ({"approvals": {"required": 2}}, None, Approvals(2)),
        ({"approvals": {"required": 1, "validFor": "24h"}}, None, Approvals(1, timedelta(days=1))),
    ],
)
def test_an_environment_says_what_it_asks_of_a_release(
    spec: dict[str, Any], promotion: Promotion | None, approvals: Approvals | None
) -> None:
    protection = environment.from_object({"metadata": METADATA, "spec": spec}).protection

    assert (protection.promotion, protection.approvals) == (promotion, approvals)
    assert protection.is_set is (spec != {})


@pytest.mark.parametrize(("said", "meant"), [({}, Enforcement.DENY), ({"enforcement": "Warn"}, Enforcement.WARN)])
def test_protection_refuses_unless_it_shall_only_warn(said: dict[str, Any], meant: Enforcement) -> None:
    assert protection_of(said).enforcement is meant


def test_evidence_is_one_field_for_managed_fields() -> None:
    """Else managedFields, which policies bound, would name every app of a protected environment."""
    version = crd(environment.KIND)["spec"]["versions"][0]
    gates = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["gates"]

    assert gates["x-kubernetes-map-type"] == "atomic"
    assert gates["properties"]["proven"]["additionalProperties"]["items"]["required"] == ["release", "eligibleAt"]
    assert gates["properties"].keys() == {field.alias for field in GatesStatus.model_fields.values()}


def test_an_approval_says_who_gave_it_and_when() -> None:
    spec = {"environment": "production", "app": "web", "release": "v2", "decision": "Reject", "comment": "slow"}
    provenance = {"createdBy": "carol", "updatedBy": "carol", "updatedAt": "2026-01-01T00:00:00Z"}

    view = approval.from_object({"metadata": METADATA, "spec": spec, "provenance": provenance})

    assert (view.by, view.created_at, view.decision) == ("carol", METADATA["creationTimestamp"], "Reject")
    assert (view.environment, view.app, view.release, view.comment) == ("production", "web", "v2", "slow")


def test_a_lock_keeps_the_name_of_who_locked_first() -> None:
    provenance = {"createdBy": "carol", "updatedBy": "dave", "updatedAt": "2026-01-02T00:00:00Z"}
    spec = {"reason": "audit", "until": "2026-01-03T00:00:00Z"}

    view = lock.from_object({"metadata": METADATA, "spec": spec, "provenance": provenance})

    assert (view.first_locked_by, view.locked_by, view.until) == ("carol", "dave", "2026-01-03T00:00:00Z")
