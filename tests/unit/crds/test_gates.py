"""The engine: what each gate says of a change, and when that changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_crds.gates import engine
from moorage_crds.gates.approvals import ApprovalsGate, Approved, Approver, Rejection
from moorage_crds.gates.calendar import DAYS, Absolute, Calendar, Mode, Weekly
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.lock import Lock
from moorage_crds.gates.promotion import PromotionGate
from moorage_crds.gates.verdict import AskedChange, Code, Enforcement, Gate
from moorage_crds.kinds import event_sink, evidence
from moorage_crds.kinds.protection import protection_of

NOW = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)
NEW = AskedChange("production", "web", "v2", "v1", 1, frozenset({"v1"}))


def after(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def closed_from(begins: float, ends: float, name: str = "sale", **more: Any) -> Freeze:
    """A Freeze with one window, in hours from now."""
    return Freeze(f"freeze/{name}", "quiet", Calendar(absolute=(Absolute(after(begins), after(ends)),)), **more)


def locked(**more: Any) -> Lock:
    return Lock("production", "audit", "alice", **more)


def test_every_gate_that_is_about_the_change_gives_a_verdict_in_order() -> None:
    gates = [locked(), closed_from(-1, 1), closed_from(-1, 1, "other", apps=frozenset({"api"})), closed_from(5, 6, "l")]

    found = engine.verdicts(gates, NEW, NOW)

    assert [(one.gate, one.allowed, one.code) for one in found] == [
        ("lock", False, Code.LOCKED),
        ("freeze/sale", False, Code.FROZEN),
        ("freeze/l", True, None),
    ]


def test_messages_are_those_of_the_policies() -> None:
    found = engine.verdicts([locked(), closed_from(-1, 1)], NEW, NOW)

    assert [one.message for one in found] == [
        "environment production is locked by alice: audit",
        "environment production is frozen by freeze/sale: quiet",
    ]


def test_a_write_without_a_time_is_inside_every_window() -> None:
    (lock, freeze) = engine.verdicts([locked(until=after(-5)), closed_from(5, 6)], NEW, None)

    assert (lock.allowed, freeze.allowed, freeze.opens_at) == (False, False, None)
    assert freeze.message.endswith("send spec.change in the same write, and only one in a second")


def test_what_changes_no_release_passes() -> None:
    same = AskedChange("production", "web", "v1", "v1")

    assert all(one.allowed for one in engine.verdicts([locked(), closed_from(-1, 1)], same, NOW))
    assert engine.opens_at([locked(), closed_from(-1, 1)], same, NOW) == NOW


def test_a_lock_ends_at_its_second() -> None:
    lock = locked(until=after(1))

    def refused(moment: datetime) -> bool:
        return engine.verdicts([lock], NEW, moment)[0].refuses

    assert (refused(after(1) - timedelta(seconds=1)), refused(after(1))) == (True, False)
    assert engine.verdicts([lock], NEW, NOW)[0].opens_at == after(1)
    assert engine.verdicts([locked()], NEW, NOW)[0].opens_at is None


def test_each_verdict_opens_by_itself_and_all_together_later() -> None:
    gates = [closed_from(-1, 1, "a"), closed_from(0.5, 3, "b"), locked(until=after(2))]

    found = {one.gate: one.opens_at for one in engine.verdicts(gates, NEW, NOW)}

    assert found == {"freeze/a": after(1), "freeze/b": None, "lock": after(2)}
    assert engine.opens_at(gates, NEW, NOW) == after(3)


def test_what_only_warns_refuses_nothing() -> None:
    gates = [closed_from(-1, 1, enforcement=Enforcement.WARN)]

    (verdict,) = engine.verdicts(gates, NEW, NOW)

    assert (verdict.allowed, verdict.refuses, verdict.enforcement) == (False, False, Enforcement.WARN)
    assert engine.opens_at(gates, NEW, NOW) == NOW
    assert not engine.schedule(gates, "production", NOW).closed


@pytest.mark.parametrize(
    ("release", "allowed"), [("v0", True), ("v2", False), (None, False)], ids=["was here", "new", "undeploy"]
)
def test_the_way_back_passes_where_a_freeze_lets_it(release: str | None, allowed: bool) -> None:
    change = AskedChange("production", "web", release, "v1", 2, frozenset({"v0", "v1"}))

    (verdict,) = engine.verdicts([closed_from(-1, 1, allow_rollback=True)], change, NOW)

    assert verdict.allowed is allowed


def test_an_override_passes_the_gates_that_it_names_and_no_lock() -> None:
    change = AskedChange("production", "web", "v2", override=frozenset({"freeze/a", "lock"}))
    gates = [locked(), closed_from(-1, 1, "a"), closed_from(-1, 1, "b")]

    found = engine.verdicts(gates, change, NOW)

    assert [(one.gate, one.allowed, one.overridden) for one in found] == [
        ("lock", False, False),
        ("freeze/a", True, True),
        ("freeze/b", False, False),
    ]
    assert engine.opens_at(gates[1:], change, NOW) == after(1)


def test_a_schedule_says_when_a_closed_environment_opens() -> None:
    found = engine.schedule([closed_from(-1, 1, "a"), closed_from(1, 2, "b")], "production", NOW)

    assert found == engine.Schedule(True, "environment production is frozen by freeze/a: quiet", next_open=after(2))


def test_a_lock_says_its_end_however_far_it_is() -> None:
    far = NOW.replace(year=2999)

    assert engine.schedule([locked(until=far)], "production", NOW).next_open == far
    assert engine.opens_at([locked(until=far), closed_from(-1, 1)], NEW, NOW) == far


def test_a_schedule_says_when_an_open_environment_closes() -> None:
    gates = [closed_from(-3, -1), closed_from(2, 3, "b"), closed_from(1, 3, "apps", apps=frozenset({"web"}))]

    assert engine.schedule(gates, "production", NOW) == engine.Schedule(False, next_close=after(2))
    assert engine.schedule(gates, "staging", after(10)) == engine.Schedule(False)


windows = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 30)), min_size=1, max_size=4)
weeks = st.builds(
    Weekly, st.sets(st.sampled_from(DAYS), min_size=1).map(frozenset), st.integers(0, 1439), st.integers(1, 1440)
)


@st.composite
def gates(draw: st.DrawFn) -> list[Gate]:
    """A lock that ends, and Freezes of both modes."""
    made: list[Gate] = []
    for number, found in enumerate(draw(st.lists(windows, min_size=1, max_size=3))):
        absolute = tuple(Absolute(after(begin), after(begin + long)) for begin, long in found)
        weekly = tuple(draw(st.lists(weeks, max_size=1)))
        mode = draw(st.sampled_from(Mode)) if weekly else Mode.CLOSED
        calendar = Calendar(mode, absolute, weekly, zone=ZoneInfo("Europe/Berlin"))
        made.append(Freeze(f"freeze/{number}", "quiet", calendar))
    if draw(st.booleans()):
        made.append(locked(until=after(draw(st.integers(-5, 60)))))
    return made


@settings(max_examples=60, deadline=None)
@given(gates(), st.integers(-3000, 3000))
def test_opens_at_is_the_first_minute_at_which_the_change_passes(found: list[Gate], minute: int) -> None:
    """Walked minute by minute for two weeks: nothing passes earlier, and it passes then."""
    moment = NOW + timedelta(minutes=minute)
    said = engine.opens_at(found, NEW, moment)
    limit = moment + timedelta(days=14)

    def passes(at: datetime) -> bool:
        return all(one.refusal(NEW, at) is None for one in found)

    bound = limit if said is None else min(said, limit)
    steps = int((bound - moment).total_seconds() // 60)
    step = max(1, steps // 200)
    assert not any(passes(moment + timedelta(minutes=one)) for one in range(0, steps, step))
    if said is not None:
        assert passes(said)
        assert said == moment or not passes(said - timedelta(seconds=1))


def promoted(**more: Any) -> PromotionGate:
    return PromotionGate("production", "staging", "2h", **more)


@pytest.mark.parametrize(
    ("release", "missing"),
    [("v2", "may enter at 2026-12-01T13:00:00Z"), ("v3", "has not run there")],
)
def test_a_release_enters_after_it_has_run_before(release: str, missing: str) -> None:
    change = AskedChange("production", "web", release, "v1")

    (verdict,) = engine.verdicts([promoted(proven={"v2": after(1)})], change, NOW)

    assert (verdict.code, verdict.details["missing"]) == (Code.NOT_PROMOTED, missing)
    assert verdict.message == (
        f"environment production takes a release only after 2h in staging (gate promotion): web {release} {missing}"
    )
    assert verdict.opens_at == (after(1) if release == "v2" else None)


def test_what_was_here_before_and_an_undeploy_need_no_promotion_and_no_approval() -> None:
    gates = [promoted(known=frozenset({"v0"})), ApprovalsGate("production", 1, known=frozenset({"v0"}))]
    back = [
        AskedChange("production", "web", "v0", "v1"),
        AskedChange("production", "web", "v9", "v1", 4, frozenset({"v9"})),
    ]

    for change in (*back, AskedChange("production", "web", None, "v1")):
        assert all(one.allowed for one in engine.verdicts(gates, change, NOW)), change


def test_evidence_about_another_promotion_counts_for_nothing() -> None:
    said = {"proven": {"web": [{"release": "v2", "eligibleAt": "2026-11-01T00:00:00Z"}]}}
    protection = protection_of({"promotion": {"from": "staging", "soak": "1h30m"}})
    other, same = ({"from": "staging", "soak": soak, "require": "Deployed"} for soak in ("1h", "90m"))

    found = [
        engine.verdicts(
            evidence.gates_of("production", protection, said | {"provenFor": about}, "web", None), NEW, NOW
        )[0]
        for about in (other, same)
    ]

    assert [one.allowed for one in found] == [False, True]
    assert "1h30m" in found[0].message
    assert "the operator has not looked" in found[0].message


def test_approvals_count_for_others_for_this_change_and_for_their_time() -> None:
    by = (Approver("alice"), Approver("bob", after(1)), Approver("bob", after(2)), Approver("carol"))
    gate = ApprovalsGate("production", 2, [Approved("v2", 1, by), Approved("v2", 0, (Approver("dora"),))])

    def asked(moment: datetime, **more: Any) -> tuple[bool, list[str]]:
        (verdict,) = engine.verdicts([gate], replace(NEW, user="carol", **more), moment)
        return verdict.allowed, list(verdict.details.get("approved_by", ()))

    assert asked(NOW) == (True, [])
    assert asked(after(2)) == (False, ["alice"])
    assert asked(NOW, sequence=2) == (False, [])
    assert asked(NOW, release="v3") == (False, [])


def test_a_no_refuses_even_the_way_back_and_is_overridden_with_the_approvals() -> None:
    no = Rejection("no-1", "production", "web", "v0", "bob", "leaks")
    back = AskedChange("production", "web", "v0", "v1", 2, frozenset({"v0"}))

    (verdict,) = engine.verdicts([no], back, NOW)

    assert (verdict.gate, verdict.code, verdict.opens_at) == ("approvals", Code.REJECTED, None)
    assert verdict.message == (
        "environment production does not take web v0 (gate approvals): rejected by bob: leaks (approval/no-1)"
    )
    assert engine.verdicts([no], replace(back, override=frozenset({"approvals"})), NOW)[0].allowed
    assert engine.verdicts([no], NEW, NOW) == ()


@pytest.mark.parametrize("app", ["web-api", "web_api", "Web-API"])
def test_apps_that_share_a_place_are_one_app_to_every_rule(app: str) -> None:
    """Another spelling has the same binding, which is what workloads follow."""
    change = AskedChange("production", app, "v2")
    gates = [closed_from(-1, 1, apps=frozenset({"Web_api"})), Rejection("no", "production", "WEB-api", "v2")]

    assert [one.allowed for one in engine.verdicts(gates, change, NOW)] == [False, False]
    assert engine.verdicts(gates, replace(change, app="webapi"), NOW) == ()
    assert event_sink.chosen({"apps": ["WEB_API"]}).takes("production", app)
    assert not event_sink.chosen({"apps": ["WEB_API"]}).takes("production", "webapi")
