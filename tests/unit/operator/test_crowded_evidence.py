"""Users can invent apps by deploying: the evidence of the apps before them stays, and fits into the object."""

from dataclasses import replace
from datetime import timedelta

import builders
import orjson
import pytest
from fixed_clock import START

from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.lock import Lock
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.environment import EnvironmentStatus
from moorage_crds.kinds.protection import MAX_APPS, Approvals, Promotion, Protection
from moorage_crds.moments import to_text
from moorage_operator.facts import Stay
from moorage_operator.gates.decisions import MOST_BYTES, GatesFacts, wanted_gates
from moorage_operator.memory.stays import AppStays

#: What etcd takes of one object, and what the rest of an Environment may need of it.
MOST_OF_AN_OBJECT, REST = 1_572_864, 300_000


def at(hours: float) -> str:
    return to_text(START + timedelta(hours=hours))


def crowd(count: int, release: str) -> dict[str, tuple[Stay, ...]]:
    """Apps that come first by name, and later than others, each with as many releases as one can have."""
    stays = tuple(Stay(f"{release}{step:02}", at(50 + step), at(51 + step)) for step in range(20))
    return {f"0-{number:05}": stays for number in range(count)}


def crowded(count: int, release: str = "r") -> GatesFacts:
    """web runs in production and api only in staging, both for long; then somebody invents apps there."""
    invented = crowd(count, release)
    return GatesFacts(
        protection=Protection(promotion=Promotion("staging"), approvals=Approvals(1)),
        schedule=None,
        lock=None,
        stays={"web": (Stay("v1", at(1)),)},
        origin={**invented, "web": (Stay("v2", at(2)),), "api": (Stay("v7", at(3)),)},
        bindings={},
        origin_bindings={},
        approvals=[_approval("0-00001"), _approval("web")],
        stored={},
        since={"web": at(1)},
        origin_since={**{app: stays[0].since for app, stays in invented.items()}, "web": at(99), "api": at(3)},
    )


def _approval(app: str) -> Approval:
    return Approval("shop", app, app, "7", "production", app, "v2", Decision.APPROVE, "", "dave", at(5), False)


@pytest.mark.parametrize(("count", "release"), [(2 * MAX_APPS, "r"), (MAX_APPS, "r" * 120)], ids=["many", "large"])
def test_invented_apps_push_nobody_out(count: int, release: str) -> None:
    found = wanted_gates(crowded(count, release))

    assert found is not None
    assert [one["release"] for app in ("web", "api") for one in found["proven"][app]] == ["v2", "v7"]
    assert found["known"] == {"web": ["v1"]}
    assert found["approved"].keys() == {"0-00001", "web"}


@pytest.mark.parametrize("everywhere", [False, True])
def test_whatever_is_deployed_the_object_can_be_written(everywhere: bool) -> None:
    facts = crowded(MAX_APPS, "r" * 120)
    if everywhere:
        invented = crowd(MAX_APPS, "r" * 120)
        user = "ü" * 1024
        approvals = [replace(_approval(app), by=user, release="r" * 128) for app in invented]
        facts = replace(facts, stays={**facts.stays, **invented}, approvals=approvals)

    found = wanted_gates(facts)

    assert found is not None
    EnvironmentStatus.model_validate({"gates": found})
    assert len(orjson.dumps(found)) < MOST_OF_AN_OBJECT - REST
    assert sum(MOST_BYTES.values()) <= MOST_OF_AN_OBJECT - REST


def test_a_lock_of_somebody_with_a_long_name_can_be_written() -> None:
    reason = f"environment production is locked by {'x' * 1024}: {'y' * 512}"
    facts = replace(crowded(1), schedule=Schedule(closed=True, reason=reason), lock=Lock("production", "y", "x" * 1024))

    found = wanted_gates(facts)

    EnvironmentStatus.model_validate({"gates": found})


def test_what_fits_is_left_out_of_nothing() -> None:
    found = wanted_gates(crowded(900))

    assert found is not None
    assert len(found["proven"]) == 902
    assert list(found["proven"]) == sorted(found["proven"])


def test_how_long_an_app_is_there_outlasts_what_is_kept_of_it() -> None:
    known = AppStays("", 0, ())
    for number in range(100):
        known = known.after(builders.uid_of("web"), number + 1, f"v{number}", at(number))

    assert (known.since, len(known.stays)) == (at(0), 40)
