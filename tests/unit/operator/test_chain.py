"""The chain verifier finds what was done to a history."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import builders
import pytest
from builders import at
from fixed_clock import START

from moorage_crds.anchors import Removable, Tip, to_tip
from moorage_crds.chain import ChainWalk, Flaw, Known, known_of, without_records
from moorage_crds.kinds.deployment import Action, Change, from_object
from moorage_crds.kinds.record import genesis_hash, spec_hash, to_object
from moorage_crds.objects import RawObject
from moorage_operator.history import decisions as history

LOG = builders.chain_log("v1", "v2", "v3", "v4", "v5")
DEPLOYMENT = from_object(builders.deployment(log=LOG))
BINDING = history.binding_of(DEPLOYMENT)


def chain(changes: Iterable[Change] = DEPLOYMENT.log) -> list[RawObject]:
    made: list[RawObject] = []
    previous_hash = genesis_hash(BINDING)
    for change in changes:
        raw = to_object(BINDING, change, previous_hash=previous_hash)
        raw["metadata"] |= {"resourceVersion": "1", "creationTimestamp": change.at}
        previous_hash = raw["spec"]["hash"]
        made.append(raw)
    return made


def known(records: list[RawObject], **changes: Any) -> Known:
    status = {
        "recordedSequence": 5,
        "release": "v5",
        "history": {"floorSequence": 1, "floorHash": genesis_hash(BINDING), "tipHash": records[-1]["spec"]["hash"]},
    }
    return replace(known_of(from_object(builders.deployment(log=LOG, status=status))), **changes)


def flaws(
    records: list[RawObject],
    facts: Known | None,
    anchor: Tip | None = None,
    *,
    removable_before: datetime = START,
    newer: int = 1000,
) -> list[Flaw]:
    walk = ChainWalk(BINDING.namespace, BINDING.uid, anchor)
    found = [flaw for raw in records for flaw in walk.step(raw, facts)]
    return [*found, *walk.ends(facts), *walk.anchored(Removable(removable_before, newer))]


def test_a_whole_chain_has_no_flaw() -> None:
    assert flaws(chain(), known(chain())) == []


def rehash(raw: RawObject) -> None:
    raw["spec"]["hash"] = spec_hash(raw["spec"])


def edited(records: list[RawObject]) -> None:
    records[2]["spec"]["by"] = "mallory"


def edited_and_rehashed(records: list[RawObject]) -> None:
    records[2]["spec"]["by"] = "mallory"
    rehash(records[2])


def all_rehashed_from_there(records: list[RawObject]) -> None:
    records[2]["spec"]["release"] = "evil"
    rehash(records[2])
    records[3]["spec"]["previousRelease"] = "evil"
    for before, raw in pairwise(records[2:]):
        raw["spec"]["previousHash"] = before["spec"]["hash"]
        rehash(raw)


def last_edited_and_rehashed(records: list[RawObject]) -> None:
    records[-1]["spec"]["by"] = "mallory"
    rehash(records[-1])


def removed(records: list[RawObject]) -> None:
    del records[2]


def first_removed(records: list[RawObject]) -> None:
    del records[0]


def truncated(records: list[RawObject]) -> None:
    del records[-2:]


def swapped(records: list[RawObject]) -> None:
    records[1]["spec"], records[2]["spec"] = records[2]["spec"], records[1]["spec"]


def appended(records: list[RawObject]) -> None:
    change = Change(6, Action.DEPLOY, "v5", "evil", by="alice", at=at(60))
    raw = to_object(BINDING, change, previous_hash=records[-1]["spec"]["hash"])
    raw["metadata"]["resourceVersion"] = "1"
    records.append(raw)


def relabelled(records: list[RawObject]) -> None:
    records[2]["metadata"]["labels"]["moorage.dev/app"] = "other"


def unreadable(records: list[RawObject]) -> None:
    del records[2]["spec"]["action"]


def moved_in_time(records: list[RawObject]) -> None:
    records[2]["spec"]["at"] = at(-500)
    rehash(records[2])


def other_action(records: list[RawObject]) -> None:
    records[2]["spec"]["action"] = "rollback"
    records[2]["metadata"]["labels"]["moorage.dev/action"] = "rollback"
    rehash(records[2])


def other_binding(records: list[RawObject]) -> None:
    records[2]["spec"]["app"] = "other"
    records[2]["metadata"]["labels"]["moorage.dev/app"] = "other"
    rehash(records[2])


@pytest.mark.parametrize(
    ("tamper", "sequence"),
    [
        (edited, 3),
        (edited_and_rehashed, 3),
        (all_rehashed_from_there, 3),
        (last_edited_and_rehashed, 5),
        (removed, 3),
        (first_removed, 1),
        (truncated, 4),
        (swapped, 2),
        (appended, 6),
        (relabelled, 3),
        (unreadable, 3),
        (moved_in_time, 3),
        (other_action, 3),
        (other_binding, 3),
    ],
)
def test_tampering_is_found_where_it_is(tamper: Callable[[list[RawObject]], None], sequence: int) -> None:
    records = chain()
    facts = known(records)
    tamper(records)
    found = flaws(records, facts)
    assert found
    assert found[0].sequence == sequence


def test_a_log_that_has_moved_on_leaves_only_the_hashes_to_tell() -> None:
    records = chain()
    facts = known(records, entries={})
    edited_and_rehashed(records)
    assert flaws(records, facts)[0].sequence == 4


def test_a_chain_that_retention_has_shortened_is_whole() -> None:
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    assert flaws(records[2:], facts) == []


def test_records_below_the_floor_are_tolerated() -> None:
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    assert flaws(records[1:], facts) == []


def test_a_wrong_floor_hash_is_found() -> None:
    records = chain()
    assert flaws(records[2:], known(records, floor_sequence=3, floor_hash="0" * 64))


def test_a_status_that_lags_is_no_flaw() -> None:
    records = chain()
    assert flaws(records, known(records, recorded=3, tip_hash=records[2]["spec"]["hash"])) == []


def test_a_chain_without_deployment_must_say_that_it_ended() -> None:
    records = chain()
    assert flaws(records, None)[0].sequence == 6
    ended = chain([*DEPLOYMENT.log, Change(6, Action.UNDEPLOY, "v5", None, at=at(60))])
    assert flaws(ended, None) == []


def tip_of(records: list[RawObject]) -> Tip:
    walk = ChainWalk(BINDING.namespace, BINDING.uid)
    for raw in records:
        list(walk.step(raw, None))
    tip = walk.tip()
    assert tip is not None
    return tip


def test_an_anchor_shows_a_rewritten_chain() -> None:
    anchor = tip_of(chain())
    records = chain()
    all_rehashed_from_there(records)
    rewritten = known(records, entries={})
    assert flaws(records, rewritten) == []
    assert flaws(records, rewritten, anchor)[0].sequence == 5


def test_an_anchor_shows_a_truncated_chain() -> None:
    records = chain()
    shortened = known(records[:3], recorded=3, logged=3, entries={})
    assert flaws(records[:3], shortened) == []
    assert flaws(records[:3], shortened, tip_of(chain()))[0].sequence == 5


@pytest.mark.parametrize(("seconds", "count"), [(100, 0), (0, 1)])
def test_an_anchored_record_may_be_gone_only_if_it_is_old(seconds: float, count: int) -> None:
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    limit = START + timedelta(seconds=seconds)
    assert len(flaws(records[2:], facts, tip_of(records[:2]), removable_before=limit)) == count


def test_the_time_of_a_change_forgives_nothing() -> None:
    """Only the time at which the API server stored the record counts: the other one may have been forged."""
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    anchor = replace(tip_of(records[:2]), at=at(-1_000_000))
    assert flaws(records[2:], facts, anchor)


def test_an_anchor_that_does_not_say_when_its_record_was_made_forgives_nothing() -> None:
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    line = asdict(tip_of(records[:2]))
    del line["created_at"]
    assert flaws(records[2:], facts, to_tip(line), removable_before=START + timedelta(days=1))


def test_an_anchor_of_a_later_version_is_read() -> None:
    tip = tip_of(chain())
    assert to_tip(asdict(tip) | {"colour": "blue"}) == tip


@pytest.mark.parametrize(
    "line", [{}, {"uid": 7}, {**asdict(Tip("n", "b", "u", 1, "h", "deploy", "t")), "sequence": "1"}]
)
def test_what_is_no_anchor_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        to_tip(line)


@pytest.mark.parametrize(("newer", "count"), [(3, 0), (4, 1)])
def test_an_anchored_record_with_many_newer_ones_may_be_gone(newer: int, count: int) -> None:
    records = chain()
    facts = known(records, floor_sequence=3, floor_hash=records[2]["spec"]["previousHash"])
    assert len(flaws(records[2:], facts, tip_of(records[:2]), newer=newer)) == count


def made_at(records: list[RawObject], second: float) -> list[RawObject]:
    """The records, stored at another moment than that of their changes."""
    for raw in records:
        raw["metadata"]["creationTimestamp"] = at(second)
    return records


def test_a_time_after_the_record_itself_is_found() -> None:
    assert [flaw.sequence for flaw in flaws(made_at(chain(), -27), known(chain()))] == [5]


@pytest.mark.parametrize("second", [-26, 0, 1_000_000])
def test_a_record_may_be_written_or_restored_long_after_its_change(second: float) -> None:
    assert flaws(made_at(chain(), second), known(chain())) == []


@pytest.mark.parametrize(("second", "count"), [(2, 0), (3, 1), (4, 2)])
def test_times_before_the_creation_of_the_deployment_are_found(second: float, count: int) -> None:
    records = chain()
    assert len(flaws(records, known(records, created_at=at(second)))) == count


def test_a_deployment_without_any_of_its_records_is_found() -> None:
    assert [flaw.sequence for flaw in without_records(BINDING.uid, known(chain()))] == [1]


def test_order_of_tampering_does_not_hide_anything() -> None:
    records = chain()
    facts = known(records)
    edited(records)
    duplicate = copy.deepcopy(records[3])
    records.insert(4, duplicate)
    assert {flaw.sequence for flaw in flaws(records, facts)} >= {3, 5}
