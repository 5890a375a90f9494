"""Evidence: what `status.gates` says of releases, of approvals and of the calendar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.lock import Lock
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.environment import EnvironmentStatus
from moorage_crds.kinds.evidence import is_bound
from moorage_crds.kinds.protection import MAX_KNOWN, MAX_PROVEN, Approvals, Promotion, Protection, Requirement
from moorage_crds.kinds.record import Binding, Record
from moorage_crds.moments import parse, to_text
from moorage_operator.facts import Progress, Stay
from moorage_operator.gates.decisions import (
    BindingNow,
    GatesFacts,
    approved,
    healthy,
    is_spent,
    known,
    proven,
    wanted_gates,
)
from moorage_operator.memory.stays import Stays

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = ("shop", "staging")
UID = "8b441a92-ba68-49a4-9cae-f047a2c9ab25"

FACTS = GatesFacts(
    protection=Protection(),
    schedule=None,
    lock=None,
    stays={},
    origin={},
    bindings={},
    origin_bindings={},
    approvals=(),
    stored={},
)


def at(hours: float) -> str:
    return to_text(START + timedelta(hours=hours))


def an_approval(
    by: str, *, given: float = 5, release: str = "v2", decision: Decision = Decision.APPROVE, app: str = "web"
) -> Approval:
    name = f"{by}-{given}-{release}"
    return Approval("shop", name, name, "7", "production", app, release, decision, "", by, at(given), False)


def evidence_of(*approvals: Approval, binding: BindingNow | None = None, valid_for: timedelta | None = None) -> Any:
    bindings = {"web": binding} if binding is not None else {}
    return dict(approved(approvals, bindings, valid_for=valid_for))


@st.composite
def histories(draw: st.DrawFn) -> list[Stay]:
    """Stays one after the other, the last one perhaps still open."""
    edges = sorted(draw(st.lists(st.integers(0, 5000), min_size=2, max_size=30, unique=True)))
    releases = draw(st.lists(st.sampled_from(["v1", "v2", "v3", "v4"]), min_size=len(edges), max_size=len(edges)))
    moments = [to_text(START + timedelta(minutes=edge)) for edge in edges]
    stays = [Stay(release, *pair) for release, *pair in zip(releases, moments, moments[1:], strict=False)]
    return [*stays, Stay(releases[-1], moments[-1])] if draw(st.booleans()) else stays


@given(histories(), st.integers(0, 3000))
def test_a_release_is_proven_from_the_first_moment_at_which_it_had_soaked(stays: list[Stay], minutes: int) -> None:
    """Minute by minute, without the shortcut: a stay proves its release once it has lasted as long as was asked."""
    soak = timedelta(minutes=minutes)
    said = {one["release"]: parse(one["eligibleAt"]) for one in proven(stays, soak)}
    wanted: dict[str, datetime] = {}
    for stay in stays:
        lasted = parse(stay.until) - parse(stay.since) if stay.until is not None else timedelta.max
        if lasted >= soak:
            wanted.setdefault(stay.release, parse(stay.since) + soak)
    assert said == wanted


def test_evidence_of_one_app_is_bounded_and_the_newest_is_kept() -> None:
    stays = [Stay(f"v{number}", at(number), at(number + 1)) for number in range(40)]

    assert [one["release"] for one in proven(stays, HOUR)] == [f"v{39 - number}" for number in range(MAX_PROVEN)]
    assert known(stays) == [f"v{39 - number}" for number in range(MAX_KNOWN)]


@pytest.mark.parametrize(
    ("stays", "since", "wanted"),
    [
        ([Stay("v1", at(1))], None, []),
        ([Stay("v1", at(1))], at(3), [{"release": "v1", "eligibleAt": at(4)}]),
        ([Stay("v1", at(3))], at(1), [{"release": "v1", "eligibleAt": at(4)}]),
        ([Stay("v1", at(1), at(9))], at(2), []),
        ([], at(2), []),
    ],
)
def test_healthy_counts_from_when_the_active_release_was_healthy(
    stays: list[Stay], since: str | None, wanted: list[dict[str, str]]
) -> None:
    assert healthy(stays, since, HOUR) == wanted


@pytest.mark.parametrize(
    ("binding", "holds"),
    [
        (BindingNow(), True),
        (BindingNow(3, at(4), frozenset({"v1"})), True),
        (BindingNow(3, at(6), frozenset({"v1"})), False),
        (BindingNow(3, at(5), frozenset({"v1", "v0"})), True),
        (BindingNow(3, at(5), frozenset({"v1", "v2"})), False),
        (BindingNow(3, None, frozenset()), False),
    ],
)
def test_an_approval_is_bound_to_the_change_before_it(binding: BindingNow, *, holds: bool) -> None:
    assert is_bound(an_approval("dave"), binding) is holds


def test_people_count_once_and_rejections_not_at_all() -> None:
    found = evidence_of(
        an_approval("dave"),
        an_approval("erin", given=6),
        an_approval("dave", given=7),
        an_approval("carol", decision=Decision.REJECT),
        binding=BindingNow(3, at(1), frozenset({"v1"})),
        valid_for=HOUR,
    )

    people = [{"user": "dave", "until": at(8)}, {"user": "erin", "until": at(7)}]
    assert found == {"web": [{"release": "v2", "sequence": 3, "by": people}]}


def test_an_approval_without_a_known_author_or_on_its_way_out_is_none() -> None:
    unknown, leaving = replace(an_approval("dave"), by=None), replace(an_approval("erin"), deleting=True)

    assert evidence_of(unknown, leaving) == {}


def test_what_nothing_stands_before_has_no_gates() -> None:
    assert wanted_gates(FACTS) is None


def test_a_locked_environment_says_by_whom_and_when_it_opens() -> None:
    schedule = Schedule(closed=True, reason="audit", next_open=START)
    lock = Lock("production", "audit", "carol", START)

    assert wanted_gates(replace(FACTS, schedule=schedule, lock=lock)) == {
        "closed": True,
        "reason": "audit",
        "lockedBy": "carol",
        "nextOpen": at(0),
        "next": f"opens {at(0)}",
    }


@pytest.mark.parametrize("missing", ["stays", "origin"])
def test_evidence_stays_what_it_was_while_the_history_is_not_known(missing: str) -> None:
    stored = {"closed": True, "known": {"web": ["v1"]}, "provenFor": {"from": "staging"}, "proven": {"web": []}}
    protection = Protection(promotion=Promotion("staging"))

    found = wanted_gates(replace(FACTS, protection=protection, stored=stored, **{missing: None}))

    assert found == {**stored, "closed": False}


def test_evidence_says_for_which_promotion_it_is_and_fits_the_schema() -> None:
    promotion = Promotion("staging", timedelta(hours=2160), Requirement.DEPLOYED)
    facts = replace(
        FACTS,
        protection=Protection(promotion=promotion, approvals=Approvals(1)),
        stays={"web": [Stay("v1", at(1))]},
        origin={"web": [Stay("v1", at(0), at(1)), Stay("v2", at(1))]},
        approvals=[an_approval("dave")],
        bindings={"web": BindingNow(1, at(1), frozenset({"v1"}))},
    )

    found = wanted_gates(facts)

    assert found is not None
    EnvironmentStatus.model_validate({"gates": found})
    assert found["provenFor"] == {"from": "staging", "soak": "7776000s", "require": "Deployed"}
    assert [one["release"] for one in found["proven"]["web"]] == ["v2"]
    assert (found["known"], found["approved"]["web"][0]["sequence"]) == ({"web": ["v1"]}, 1)


def a_record(sequence: int, release: str | None, *, uid: str = UID) -> Record:
    binding = Binding("shop", "staging.web", uid, "staging", "web")
    action = Action.DEPLOY if release else Action.UNDEPLOY
    change = Change(sequence, action, None, release, at=at(sequence))
    return Record(f"{uid}-{sequence}", binding, change, "", "", "7")


def progress(sequence: int, release: str | None) -> Progress:
    return Progress(sequence=sequence, release=release, tip_hash="x", last=a_record(sequence, release).change)


RELEASES = st.lists(st.sampled_from(["v1", "v2", None]), min_size=1, max_size=12)


@given(RELEASES, st.integers(0, 12))
def test_history_that_is_followed_is_the_same_as_history_that_is_read(releases: list[str | None], cut: int) -> None:
    records = [a_record(number, release) for number, release in enumerate(releases, 1)]
    read, followed = Stays(), Stays()
    read.load(KEY, records)
    followed.load(KEY, records[:cut])

    for number, release in list(enumerate(releases, 1))[cut:]:
        followed.follow(KEY, "web", UID, progress(number, release))

    assert followed.of(KEY) == read.of(KEY)


@pytest.mark.parametrize("unknown", [progress(4, "v4"), Progress(sequence=2, release="v2")])
def test_history_with_a_gap_is_read_again(unknown: Progress) -> None:
    stays = Stays()
    stays.load(KEY, [a_record(1, "v1")])

    stays.follow(KEY, "web", UID, unknown)

    assert KEY not in stays


def test_a_successor_of_a_deployment_goes_on_with_its_app() -> None:
    other = UID.replace("8", "9")
    stays = Stays()
    stays.load(KEY, [a_record(2, None), a_record(1, "v1"), replace(a_record(3, "v2", uid=other))])

    assert stays.of(KEY)["web"] == (Stay("v1", at(1), at(2)), Stay("v2", at(3)))


NOW = parse(at(30))


@pytest.mark.parametrize(
    ("approval", "binding", "valid_for", "spent"),
    [
        # Given at 5; the binding changed at 6, or not.
        (an_approval("dave"), BindingNow(3, at(6), frozenset({"v1"})), None, True),
        (an_approval("dave"), BindingNow(3, at(4), frozenset({"v1"})), None, False),
        (an_approval("dave"), BindingNow(3, at(4), frozenset({"v1"})), timedelta(hours=20), True),
        (an_approval("dave"), BindingNow(3, at(4), frozenset({"v1"})), timedelta(hours=60), False),
        (an_approval("dave", given=25), BindingNow(3, at(26), frozenset({"v1"})), None, False),
        (an_approval("dave", decision=Decision.REJECT), BindingNow(3, at(6), frozenset({"v1"})), None, False),
    ],
)
def test_what_says_nothing_any_more_may_go(
    approval: Approval, binding: BindingNow, valid_for: timedelta | None, *, spent: bool
) -> None:
    protection = Protection(approvals=Approvals(1, valid_for))

    assert is_spent(approval, binding, protection, kept=timedelta(hours=10), now=NOW) is spent
    # An Environment that is gone asks for nothing.
    old_yes = approval.decision is Decision.APPROVE and approval.created_at == at(5)
    assert is_spent(approval, binding, None, kept=timedelta(hours=10), now=NOW) is old_yes
