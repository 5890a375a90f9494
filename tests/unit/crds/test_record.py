"""Records: the same bytes from every replica, a hash that anybody can compute, and no way to hide a changed field."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds.kinds import record
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Binding

BINDING = Binding("shop", "production.web-shop", "8b441a92-ba68-49a4-9cae-f047a2c9ab25", "production", "Web_Shop")
GENESIS = record.genesis_hash(BINDING)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
changes = st.builds(
    Change,
    sequence=st.integers(1, 99_999_999),
    action=st.sampled_from([one for one in Action if one is not Action.IMPORT]),
    previous=st.none() | st.just("v1"),
    release=st.none() | st.just("v2"),
    by=st.none() | texts,
    at=st.just("2026-01-01T00:00:00Z"),
    reason=st.none() | texts,
    request_id=st.none() | st.just("r-1"),
    override=st.lists(st.sampled_from(["promotion", "approvals", "freeze/audit"]), max_size=3).map(tuple),
)


@given(changes)
def test_hash_is_sha256_of_rfc_8785_json(change: Change) -> None:
    spec = record.to_object(BINDING, change, previous_hash=GENESIS)["spec"]
    content = {key: value for key, value in spec.items() if key != "hash"}
    assert spec["hash"] == hashlib.sha256(rfc8785.dumps(content)).hexdigest()


@given(changes)
def test_stored_record_reads_back_as_the_change_it_was_made_of(change: Change) -> None:
    raw = record.to_object(BINDING, change, previous_hash=GENESIS)
    raw["metadata"]["resourceVersion"] = "7"
    view = record.from_object(raw)
    assert view.change == change
    assert view.binding == BINDING
    assert view.previous_hash == GENESIS


def test_two_writers_make_the_same_bytes() -> None:
    change = Change(3, Action.DEPLOY, "v1", "v2", by="élise", at="2026-01-01T00:00:00Z")
    assert record.to_object(BINDING, change, previous_hash=GENESIS) == record.to_object(
        BINDING, change, previous_hash=GENESIS
    )


def test_record_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time"):
        record.to_object(BINDING, Change(1, Action.DEPLOY, None, "v1"), previous_hash=GENESIS)


def test_record_satisfies_its_model() -> None:
    change = Change(1, Action.DEPLOY, None, "v1", by="alice", at="2026-01-01T00:00:00Z", reason="first")
    record.DeploymentRecordModel.model_validate(
        {"spec": record.to_object(BINDING, change, previous_hash=GENESIS)["spec"]}
    )


def test_chains_of_different_places_begin_differently() -> None:
    other = Binding("other", BINDING.name, BINDING.uid, BINDING.environment, BINDING.app)
    assert record.genesis_hash(other) != GENESIS


def test_hash_of_a_record_from_before_overrides_is_what_it_was() -> None:
    change = Change(7, Action.DEPLOY, "v1", "v2", by="alice", at="2026-01-01T00:00:00Z", reason="why", request_id="r-1")
    spec = record.to_object(BINDING, change, previous_hash=GENESIS)["spec"]

    assert "override" not in spec
    assert spec["hash"] == "b62c89cc5a67ca124f820325d6bd47f7665913ba6d9c28945f755182761cd834"
    assert record.from_object({"metadata": _METADATA, "spec": spec}).change == change


def test_an_override_is_a_part_of_what_is_hashed() -> None:
    change = Change(7, Action.DEPLOY, "v1", "v2", by="alice", at="2026-01-01T00:00:00Z", override=("promotion",))
    spec = record.to_object(BINDING, change, previous_hash=GENESIS)["spec"]

    assert spec["override"] == ["promotion"]
    assert record.spec_hash({key: value for key, value in spec.items() if key != "override"}) != spec["hash"]


_METADATA = {"name": "x", "namespace": "shop", "resourceVersion": "7"}
