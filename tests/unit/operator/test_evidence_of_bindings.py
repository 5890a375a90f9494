"""The evidence about an app stands with its binding, and with the Environment only while there is none."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import builders
import pytest
from dice import DICE
from operator_bench import Bench, Replica

from moorage_crds import names
from moorage_crds.gates.approvals import ApprovalsGate
from moorage_crds.gates.promotion import PromotionGate
from moorage_crds.kinds.deployment import DeploymentStatus
from moorage_crds.kinds.evidence import gates_of
from moorage_crds.kinds.protection import Approvals, Promotion, Protection
from moorage_crds.moments import parse
from moorage_operator.facts import Stay
from moorage_operator.gates.decisions import AppFacts, BindingNow, is_housed, wanted_evidence
from moorage_operator.gates.evidence import bindings_of

SHOP = builders.NAMESPACE
RULE = {"from": "production", "soak": "10s", "require": "Deployed"}
APPS = ("web", "api", "jobs")


async def made(**spec: Any) -> Bench:
    """`live` takes releases from `production`, if nothing else is said after ten seconds."""
    bench = Bench()
    bench.store.put(builders.environment("production"))
    bench.store.put(builders.environment("live", **(spec or {"promotion": {"from": "production", "soak": "10s"}})))
    await bench.replica().sweep.once()
    return bench


def raw(bench: Bench, app: str = "web", environment: str = "live") -> dict[str, Any] | None:
    found = bench.store.objects.get((names.DEPLOYMENTS, SHOP, f"{environment}.{app}"))
    return dict(found) if found is not None else None


def own(bench: Bench, app: str = "web") -> dict[str, Any] | None:
    """`status.evidence` of the binding in `live`."""
    found = raw(bench, app)
    evidence: dict[str, Any] | None = (found or {}).get("status", {}).get("evidence")
    return evidence


def shared(bench: Bench) -> dict[str, Any]:
    """`status.gates` of `live`."""
    return dict(bench.environment("live")["status"].get("gates") or {})


def releases(proven: Any) -> list[str]:
    return [one["release"] for one in proven or ()]


async def deploy(bench: Bench, binding: str, release: str | None, *, after: float = 20) -> None:
    bench.clock.advance(after)
    environment, _, app = binding.partition(".")
    bench.release(release, app=app, environment=environment)
    await bench.settle()


async def test_evidence_moves_from_the_environment_to_the_binding_when_there_is_one() -> None:
    bench = await made()
    await deploy(bench, "production.web", "v1")
    assert releases(shared(bench)["proven"]["web"]) == ["v1"]

    await deploy(bench, "live.web", "v1")
    await deploy(bench, "production.web", "v2")

    found = own(bench)
    assert found is not None
    assert (found["provenFor"], releases(found["proven"]), found["known"]) == (RULE, ["v2", "v1"], ["v1"])
    assert {"proven", "known"}.isdisjoint(shared(bench))
    assert shared(bench)["provenFor"] == RULE
    stored = raw(bench)
    assert stored is not None
    DeploymentStatus.model_validate(stored["status"])


async def test_evidence_moves_back_when_the_binding_goes() -> None:
    bench = await made()
    for binding in ("production.web", "live.web"):
        await deploy(bench, binding, "v1")
    await deploy(bench, "live.web", None)

    bench.store.remove(names.DEPLOYMENTS, SHOP, "live.web")
    await bench.settle()

    assert (releases(shared(bench)["proven"]["web"]), shared(bench)["known"]) == (["v1"], {"web": ["v1"]})


async def test_bindings_of_environments_without_rules_hold_no_evidence() -> None:
    bench = await made()
    await deploy(bench, "production.web", "v1")

    stored = raw(bench, environment="production")

    assert stored is not None
    assert "evidence" not in stored["status"]


@pytest.mark.parametrize("is_running", [True, False], ids=["seen", "unseen"])
async def test_a_rule_that_is_taken_away_takes_its_evidence_along(*, is_running: bool) -> None:
    bench = await made()
    for binding in ("production.web", "live.web"):
        await deploy(bench, binding, "v1")
    assert own(bench) is not None
    if not is_running:
        bench.replicas.clear()
        bench.store.watchers.clear()
    environment = bench.environment("live")
    del environment["spec"]["promotion"]

    bench.store.put(environment)
    if not is_running:
        await bench.replica().sweep.once()
    await bench.settle()

    assert own(bench) is None


async def test_a_rule_that_is_changed_changes_what_evidence_is_about() -> None:
    bench = await made()
    for binding in ("production.web", "live.web"):
        await deploy(bench, binding, "v1")
    environment = bench.environment("live")
    environment["spec"]["promotion"]["soak"] = "1h"

    bench.store.put(environment)
    await bench.settle()

    found = own(bench)
    assert found is not None
    assert (found["provenFor"]["soak"], found["proven"][0]["eligibleAt"]) == ("3600s", builders.at(3620))


async def test_an_approval_reaches_the_binding_and_leaves_it_with_the_change_that_uses_it() -> None:
    bench = await made(approvals={"required": 1})
    await deploy(bench, "live.web", "v1")
    bench.clock.advance(10)
    spec = {"environment": "live", "app": "web", "release": "v2", "decision": "Approve"}
    meta = {"name": "yes", "namespace": SHOP}
    bench.store.put({"metadata": meta, "spec": spec, "provenance": {"createdBy": "dave"}}, names.APPROVALS)
    await bench.settle()
    found = own(bench)
    assert found is not None
    assert found["approved"] == [{"release": "v2", "sequence": 1, "by": [{"user": "dave"}]}]

    await deploy(bench, "live.web", "v2")

    assert own(bench) == {"known": ["v2", "v1"]}


async def test_an_operator_that_has_just_started_leaves_evidence_as_it_is() -> None:
    bench = await made()
    for binding in ("production.web", "live.web"):
        await deploy(bench, binding, "v1")
    before = own(bench)
    bench.replicas.clear()
    bench.store.watchers.clear()
    writes = bench.store.writes

    await bench.replica().sweep.once()
    await bench.settle()

    assert own(bench) == before
    assert bench.store.writes == writes


async def test_both_places_together_say_what_one_of_them_would() -> None:
    """Random changes: what an app may do is the same as if the evidence about it had been worked out by itself."""
    chance = random.Random(DICE)  # noqa: S311 — nothing secret
    bench = await made(promotion={"from": "production", "soak": "10s"}, approvals={"required": 1})
    for number in range(60):
        app, environment = chance.choice(APPS), chance.choice(("production", "production", "live"))
        name = f"{environment}.{app}"
        is_there = raw(bench, app, environment) is not None
        if is_there and environment == "live" and chance.random() < 0.2:
            # A successor has another uid.
            await deploy(bench, name, None, after=3)
            bench.store.remove(names.DEPLOYMENTS, SHOP, name)
        elif is_there or chance.random() < 0.5:
            await deploy(bench, name, f"v{chance.randrange(5)}", after=chance.choice((1, 15)))
        else:
            spec = {"environment": "live", "app": app, "release": "v9", "decision": "Approve"}
            meta = {"name": f"yes-{number}", "namespace": SHOP}
            bench.store.put({"metadata": meta, "spec": spec, "provenance": {"createdBy": "dave"}}, names.APPROVALS)
        await bench.settle()

        for one in APPS:
            assert told(bench, one) == alone(bench.replicas[0], one), (DICE, number, one)


def told(bench: Bench, app: str) -> dict[str, Any]:
    """What both places say of an app; never both of them the same app."""
    binding, environment = own(bench, app), shared(bench)
    parts = {
        part: environment[part][app] for part in ("proven", "known", "approved") if app in environment.get(part, {})
    }
    assert not (binding and parts), (app, binding, parts)
    return {key: value for key, value in (binding or parts).items() if key != "provenFor"}


def alone(replica: Replica, app: str) -> dict[str, Any]:
    """The evidence about an app from what the operator remembers of records, without regard to where it is kept."""
    world = replica.world
    place = world.environments["shop", "live"].environment
    facts = AppFacts(
        protection=place.protection,
        stays=world.stays.of(("shop", "live")).get(app, ()),
        origin=world.stays.of(("shop", "production")).get(app, ()),
        binding=bindings_of(world, ("shop", "live")).get(app, BindingNow()),
        origin_healthy_since=None,
        approvals=[one for one in world.rules.approvals("shop", "live") if one.app == app],
        stored=None,
    )
    return {key: value for key, value in (wanted_evidence(facts) or {}).items() if key != "provenFor"}


PROTECTED = Protection(promotion=Promotion("staging"), approvals=Approvals(1))
FACTS = AppFacts(
    protection=PROTECTED,
    stays=(),
    origin=[Stay("v1", builders.at())],
    binding=BindingNow(),
    origin_healthy_since=None,
    approvals=(),
    stored=None,
)


@pytest.mark.parametrize("missing", ["stays", "origin"])
@pytest.mark.parametrize("stored", [None, {}, {"known": ["v1"]}])
def test_evidence_stays_what_it_was_while_the_history_is_not_known(missing: str, stored: Any) -> None:
    assert wanted_evidence(replace(FACTS, stored=stored, **{missing: None})) == stored


@pytest.mark.parametrize(
    ("stored", "protection", "holds"),
    [
        (None, PROTECTED, False),
        ({}, PROTECTED, False),
        ({"provenFor": {"from": "staging", "soak": "0s", "require": "Deployed"}}, PROTECTED, True),
        ({"provenFor": {"from": "staging", "soak": "1s", "require": "Deployed"}}, PROTECTED, False),
        ({}, Protection(approvals=Approvals(1)), True),
        (None, Protection(approvals=Approvals(1)), False),
    ],
)
def test_an_environment_keeps_evidence_until_the_binding_has_it(
    stored: Mapping[str, Any] | None, protection: Protection, *, holds: bool
) -> None:
    assert is_housed(stored, protection) is holds


def test_evidence_of_both_places_counts_and_people_count_once() -> None:
    said = {"provenFor": {"from": "staging", "soak": "0s", "require": "Deployed"}}
    yes = [{"release": "v2", "sequence": 0, "by": [{"user": "dave"}]}]
    in_environment = {
        **said,
        "proven": {"web": [{"release": "v2", "eligibleAt": builders.at(60)}]},
        "known": {"web": ["v0"]},
        "approved": {"web": yes},
    }
    in_binding = {
        **said,
        "proven": [{"release": "v2", "eligibleAt": builders.at(30)}],
        "known": ["v1"],
        "approved": yes,
    }

    promotion, approvals = gates_of("live", PROTECTED, in_environment, "web", in_binding)

    assert isinstance(promotion, PromotionGate)
    assert isinstance(approvals, ApprovalsGate)
    assert promotion.known == approvals.known == {"v0", "v1"}
    assert [len(found.by) for found in approvals.approved] == [1]
    assert promotion.proven == {"v2": parse(builders.at(30))}
