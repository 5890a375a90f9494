"""Overrides and locks with an end, with no operator: who passes which gate, and what the history keeps of it."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cluster import LiveCluster, Workspace
from governance import MANAGER, NAME, Rules, governed, message
from identities import DEPLOYER, EDITOR, OWNER, Object, refused_by
from services import Operators
from waiting import eventually

from moorage_crds.gates.calendar import DAYS
from moorage_crds.moments import to_text
from moorage_dev import patience
from moorage_dev.rest_client import Answer

OVERRIDES = "overrides.moorage.dev"
FREEZES = "freezes.moorage.dev"
LOCKS = "deployments-locks.moorage.dev"
TAKEOVERS = "lock-takeovers.moorage.dev"
ALWAYS = [{"days": list(DAYS), "from": "00:00", "until": "24:00"}]


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    with governed(cluster, _operators) as made:
        yield made


@pytest.fixture
def rules(shop: Workspace) -> Iterator[Rules]:
    made = Rules(shop)
    yield made
    made.clean()


def create(shop: Workspace, kind: str, plural: str, name: str, spec: Object, *, user: str = EDITOR) -> Answer:
    body = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return shop.cluster.raw("POST", shop.path(plural), user=user, body=body)


@pytest.fixture
def frozen(rules: Rules) -> Rules:
    """A Freeze `audit`, and a promotion without evidence."""
    spec = {"reason": "quiet", "weekly": ALWAYS}
    assert create(rules.shop, "Freeze", "freezes", "audit", spec).status == 201
    rules.refuses(FREEZES)
    rules.protect(promotion={"from": "staging"})
    return rules


def test_every_gate_that_refuses_has_to_be_named(frozen: Rules) -> None:
    policies = {"freeze/audit": FREEZES, "promotion": "promotion.moorage.dev"}
    for named, missing in (("promotion", "freeze/audit"), ("freeze/audit", "promotion")):
        answer = frozen.refuses(policies[missing], user=MANAGER, reason="outage", override=[named])
        assert refused_by(answer, policies[missing])

    frozen.passes(user=MANAGER, reason="outage", override=["freeze/audit", "promotion"])


@pytest.mark.parametrize("user", [DEPLOYER, EDITOR])
def test_an_override_needs_its_right_even_where_nothing_refuses(rules: Rules, user: str) -> None:
    answer = rules.deploys(user=user, reason="please", override=["freeze/none"])

    assert refused_by(answer, OVERRIDES)
    assert "verb `override` on the environment production" in message(answer)


def test_an_override_needs_a_reason(rules: Rules) -> None:
    answer = rules.deploys(user=MANAGER, override=["promotion"])

    assert refused_by(answer, OVERRIDES)
    assert "spec.change.reason" in message(answer)


@pytest.mark.parametrize("gate", ["lock", "lock/production", "everything", "freeze/", "freeze/A B", ""])
def test_what_is_no_gate_cannot_be_named(rules: Rules, gate: str) -> None:
    answer = rules.deploys(user=MANAGER, reason="please", override=[gate])

    assert answer.status == 422
    assert "spec.change.override[0]" in message(answer)


def test_a_lock_cannot_be_overridden(shop: Workspace, rules: Rules) -> None:
    assert create(shop, "EnvironmentLock", "environmentlocks", "production", {"reason": "audit"}).status == 201

    answer = rules.refuses(LOCKS, user=OWNER, reason="please", override=["promotion", "approvals"])

    assert "is locked by" in message(answer)


def test_an_override_stands_in_the_log_and_counts_once(shop: Workspace, frozen: Rules) -> None:
    gates = ["freeze/audit", "promotion"]
    frozen.passes(user=MANAGER, reason="outage", override=gates)

    stored = frozen.deploys("v5", user=MANAGER, dry=False, reason="outage", override=gates).json()

    assert stored["changeLog"]["entries"][-1]["override"] == gates
    # The list is still in the note; a later write that does not bring it does not use it.
    for user in (MANAGER, OWNER):
        answer = frozen.deploys("v3", user=user, reason="one more")
        assert answer.status == 403, answer.body
    forged = {"changeLog": {"sequence": 1, "entries": []}}
    assert frozen.edit("deployments", NAME, forged, user=OWNER).status in {200, 403}
    kept = shop.get("deployments", NAME)
    assert kept is not None
    assert kept["changeLog"] == stored["changeLog"]


def test_a_lock_ends_at_its_second(shop: Workspace, rules: Rules) -> None:
    """Each write lies between two looks at the clock: where both are on one side of the end, the verdict is known."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=math.ceil(min(patience.scaled(4), 20)))
    spec = {"reason": "audit", "until": to_text(end)}
    assert create(shop, "EnvironmentLock", "environmentlocks", "production", spec).status == 201
    assert f"until {to_text(end)}: audit" in message(rules.refuses(LOCKS))
    verdicts: list[tuple[bool, bool]] = []

    def is_over() -> bool:
        before = datetime.now(UTC)
        answer = rules.deploys()
        after = datetime.now(UTC)
        if (before >= end) is (after >= end):
            verdicts.append((before >= end, answer.status == 200))
        return before > end + timedelta(seconds=1)

    eventually(is_over, 60, interval=0.01)

    assert {over for over, _ in verdicts} == {True, False}
    assert [pair for pair in verdicts if pair[0] is not pair[1]] == []
    # A write that leaves no time counts as inside, and says what to do.
    without_time = rules.deploys(None)
    assert refused_by(without_time, LOCKS)
    assert "send spec.change in the same write" in message(without_time)
    assert rules.deploys(None, reason="enough").status == 200


def test_who_changes_somebody_elses_lock_replaces_its_reason(shop: Workspace, rules: Rules) -> None:
    name = "production"
    spec = {"reason": "audit", "until": "2999-01-01T00:00:00Z"}
    assert create(shop, "EnvironmentLock", "environmentlocks", name, spec).status == 201
    shorter = {"until": "2998-01-01T00:00:00Z"}

    refused = rules.edit("environmentlocks", name, {"spec": shorter}, user=MANAGER)
    taken = rules.edit("environmentlocks", name, {"spec": {**shorter, "reason": "mine now"}}, user=MANAGER)
    own = rules.edit("environmentlocks", name, {"spec": {"until": None}}, user=MANAGER)

    assert refused_by(refused, TAKEOVERS)
    assert "replacing its reason" in message(refused)
    assert (taken.status, own.status) == (200, 200)
    said = own.json()["provenance"]
    assert (said["createdBy"], said["updatedBy"]) == (
        shop.cluster.username(EDITOR),
        shop.cluster.username(MANAGER),
    )


@pytest.mark.parametrize("until", ["tomorrow", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z"])
def test_a_lock_that_ends_never_is_refused_with_its_field(shop: Workspace, until: str) -> None:
    answer = create(shop, "EnvironmentLock", "environmentlocks", "staging", {"reason": "audit", "until": until})

    assert answer.status == 422
    assert "spec.until" in message(answer)
