"""What a full list says against what is remembered."""

from datetime import timedelta

import pytest
from fixed_clock import START

from moorage_operator.facts import Finding, KeptRecord, Progress
from moorage_operator.retention.decisions import RetentionRule
from moorage_operator.sweep.decisions import ChainSummary, findings_alive, findings_gone, missing_sequences

RULE = RetentionRule(records=3, age=timedelta(days=90), most=1000)
LIMIT = START - RULE.age


def summary(*sequences: int, age_days: float = 0, action: str = "deploy") -> ChainSummary:
    made = ChainSummary("shop", "uid")
    for sequence in sequences:
        made.add(KeptRecord(sequence, START - timedelta(days=age_days)), action, limit=LIMIT)
    return made


@pytest.mark.parametrize(
    ("present", "listed", "floor", "missing"),
    [
        ((1, 2, 3), 3, 1, ()),
        ((1, 3), 3, 1, (2,)),
        ((2, 3), 3, 1, (1,)),
        ((1, 2), 4, 1, (3, 4)),
        ((5, 6), 6, 5, ()),
        ((4, 6), 6, 5, (5,)),
        ((), 2, 1, (1, 2)),
        ((1, 2, 3, 4), 3, 1, ()),
    ],
)
def test_missing_numbers(present: tuple[int, ...], listed: int, floor: int, missing: tuple[int, ...]) -> None:
    assert missing_sequences(summary(*present), listed=listed, floor=floor) == missing


def test_a_chain_as_it_should_be_has_no_findings() -> None:
    assert findings_alive(summary(1, 2), listed=2, progress=Progress(sequence=2), rule=RULE) == []


@pytest.mark.parametrize(
    ("chain", "progress", "finding"),
    [
        (summary(1, 2, 3), Progress(sequence=2), Finding.STATUS_BEHIND),
        (summary(1, 2), Progress(sequence=2, floor_sequence=2), Finding.LEFTOVER),
        (summary(1, 2, 3, 4, age_days=100), Progress(sequence=4), Finding.RETENTION),
    ],
)
def test_findings_of_a_living_chain(chain: ChainSummary, progress: Progress, finding: Finding) -> None:
    assert findings_alive(chain, listed=chain.newest, progress=progress, rule=RULE) == [finding]


def test_findings_of_a_chain_whose_deployment_is_gone() -> None:
    assert findings_gone(summary(1, 2), limit=LIMIT) == [Finding.UNENDED_CHAIN]
    assert findings_gone(summary(1, 2, action="undeploy"), limit=LIMIT) == []
    assert findings_gone(summary(1, 2, action="undeploy", age_days=91), limit=LIMIT) == [Finding.RETENTION]
    # The release was taken out while no policy watched: no undeploy, and an end nevertheless.
    assert findings_gone(summary(1, 2, action="adopt"), limit=LIMIT) == [Finding.UNENDED_CHAIN]
    assert findings_gone(summary(1, 2, action="adopt"), limit=LIMIT, ended=True) == []
    assert findings_gone(summary(1, 2, action="adopt", age_days=91), limit=LIMIT, ended=True) == [Finding.RETENTION]
