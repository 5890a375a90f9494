"""What goes along with a change, by both ways: overrides, waits, locks that end and locks of others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from facade_world import EDIT, World
from people import Memory, by_kubeconfig, by_rest

from moorage_cli.people import completion, passing, questions, shell
from moorage_cli.people.cluster import cluster_workspaces
from moorage_cli.people.model import (
    Asked,
    Change,
    Exit,
    Freezing,
    Locking,
    Rollout,
    State,
    TroubleError,
    to_json,
)
from moorage_cli.people.passing import Override, Until, Waiting
from moorage_cli.people.register import Register
from moorage_cli.people.rest import workspaces
from moorage_cli.people.ways import Where
from moorage_client import AsyncMoorage

#: Gives `shell` its commands.
MODULES = completion.MODULES
WAYS: dict[str, Callable[..., Register]] = {"rest": by_rest, "kubeconfig": by_kubeconfig}
BEGIN, END = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def world() -> World:
    made = World()
    made.environment("staging")
    made.environment("production", promotion={"from": "staging"})
    made.reviews.grant("alice", "override environments")
    return made


async def trouble(asked: Any) -> TroubleError:
    with pytest.raises(TroubleError) as raised:
        await asked
    return raised.value


def same(seen: list[Any]) -> Any:
    """What all ways have seen."""
    assert to_json(seen[0]) == to_json(seen[1])
    return seen[0]


class Policies:
    """Policies that refuse the changes of one register, each time with the next word; then they let them pass."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.named: list[Sequence[str]] = []

    async def make(self, gates: Sequence[str]) -> str:
        self.named.append(list(gates))
        return self.words.pop(0) if self.words else ""


async def passed(register: Register, override: Override, release: str | None, *words: str) -> Policies:
    policies = Policies(words)
    _, gates = await override.over(register, Change("production", "web", release), policies.make, str)
    assert list(gates) == policies.named[-1]
    return policies


async def test_an_override_names_what_refuses_and_nothing_else() -> None:
    seen = []
    for way in WAYS.values():
        register = way(world())
        await register.freeze(Freezing("sale", "black friday", BEGIN, END, ["production"]), dry_run=False)
        await register.freeze(Freezing("other", "elsewhere", BEGIN, END, ["staging"]), dry_run=False)
        override = Override("outage 4711")
        for release in ("9", None):
            seen.append((await passed(register, override, release, "EnvironmentFrozen")).named)
        seen.append((await passed(register, override, "9")).named)
        seen.append((await passed(register, replace(override, gates=["approvals"]), "9")).named)
    assert seen[:4] == seen[4:] == [[[], ["freeze/sale", "promotion"]], [[], ["freeze/sale"]], [[]], [["approvals"]]]


async def test_a_gate_that_refuses_a_moment_longer_than_it_says_is_passed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passing, "LOOK_SECONDS", 0.0)
    for way in WAYS.values():
        register = way(world())
        late = await passed(register, Override("outage"), "9", "NotPromoted", "NotPromoted", "NotPromoted")
        assert late.named == [[], ["promotion"], ["promotion"], ["promotion"]]
        other = await passed(register, Override("outage"), None, "EnvironmentFrozen", "EnvironmentFrozen")
        assert other.named == [[], [], []]


@pytest.mark.parametrize("word", ["PolicyRefused", "ReleaseMismatch"])
async def test_what_no_gate_has_refused_is_not_tried_again(word: str) -> None:
    for way in WAYS.values():
        assert (await passed(way(world()), Override("outage"), "9", word, word)).named == [[]]


async def test_a_lock_ends_the_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "LOOK_SECONDS", 0.0)
    for way in WAYS.values():
        register = way(world())
        await register.lock(Locking("production", "stocktaking", END))
        assert (await passed(register, Override("outage"), "9", *["EnvironmentLocked"] * 99)).named == [[]]


async def test_attempts_end_when_the_policies_never_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "LOOK_SECONDS", 0.0)
    for way in WAYS.values():
        found = await passed(way(world()), Override("outage"), "9", *["NotPromoted"] * 99)
        assert len(found.named) == 1 + passing.TRIES


async def test_what_was_overridden_stands_in_the_history_by_both_ways() -> None:
    seen = []
    for way in WAYS.values():
        made = world()
        register = way(made)
        await register.change(Change("staging", "web", "2", "x", override=["promotion", "freeze/a", "promotion"]))
        made.record("staging.web")
        seen.append([replace(one, deployment_id="") for one in await register.changes(Asked("staging"))])
    assert same(seen)[0].override == ("freeze/a", "promotion")


@pytest.mark.parametrize(("reason", "note", "gates"), [(None, None, ["promotion"]), ("a", "b", None)])
def test_an_override_that_does_not_fit_together_is_a_wrong_use(
    reason: str | None, note: str | None, gates: list[str] | None
) -> None:
    with pytest.raises(TroubleError) as raised:
        passing.override_of(reason, note, gates)
    assert raised.value.code is Exit.USAGE


async def test_a_lock_of_somebody_else_is_changed_only_if_it_is_taken_over() -> None:
    seen = []
    for way in WAYS.values():
        made = world()
        made.reviews.grant("bob", *EDIT)
        alice, bob = way(made), way(made, "bob")
        await alice.lock(Locking("staging", "stocktaking", END))
        said = await trouble(bob.lock(Locking("staging", "mine now")))
        seen.append([said.code, said.reason, str(said), (await bob.places())[1].lock])
        await alice.lock(Locking("staging", "still counting"))
        seen[-1].append((await bob.places())[1].lock)
        await bob.lock(Locking("staging", "mine now", take_over=True))
        seen[-1].append((await bob.places())[1].lock)
    code, reason, sentence, *locks = same(seen)
    assert (code, reason) == (Exit.REFUSED, "EnvironmentLocked")
    assert sentence == "this lock was set by alice: to change it, repeat with --take-over"
    assert [(one.by, one.reason, one.until) for one in locks] == [
        ("alice", "stocktaking", END),
        ("alice", "still counting", None),
        ("bob", "mine now", None),
    ]


async def test_a_lock_that_has_ended_is_anybodys() -> None:
    for way in WAYS.values():
        made = world()
        made.reviews.grant("bob", *EDIT)
        await way(made).lock(Locking("staging", "short", "2000-01-01T00:00:00Z"))
        await way(made, "bob").lock(Locking("staging", "mine now"))
        lock = (await way(made).places())[1].lock
        assert lock is not None
        assert lock.by == "bob"


NEWEST = "0e7b6d1c-0000-0000-0000-000000000000-00000002"
OLDER, NEWER = NEWEST[:-1] + "1", NEWEST[:-1] + "3"
HEALTHY = State("production", "web", "2", NEWEST, recorded=True, rollout=Rollout("Healthy", END, END))


def stands(**more: Any) -> State:
    return replace(HEALTHY, **more)


@pytest.mark.parametrize(
    ("state", "lacks"),
    [
        (HEALTHY, None),
        (stands(rollout=Rollout("Degraded", END, END, "it was healthy once")), None),
        (stands(rollout=Rollout("Progressing", END, None, "1 of 2 pods are ready")), "1 of 2 pods are ready"),
        (stands(rollout=Rollout("Waiting")), "Waiting"),
        (stands(rollout=None, recorded=False), "its record is not written yet; does the operator run?"),
        (stands(deployment_id=OLDER), "the change is not seen yet"),
        (State("production", "web"), "the change is not seen yet"),
    ],
)
def test_what_a_release_still_lacks(state: State, lacks: str | None) -> None:
    assert questions.missing(state, NEWEST, None, healthy=True, waited=60) == lacks


def test_what_follows_may_take_a_moment_to_be_found() -> None:
    lacks = questions.missing(stands(rollout=None), NEWEST, None, healthy=True, waited=1)
    assert lacks == "no object is seen yet that follows it"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (stands(rollout=Rollout("Failed", END, None, "timed out")), "RolloutFailed"),
        (stands(rollout=None), "NothingFollows"),
        (stands(release=None), "NoRelease"),
        (stands(deployment_id=NEWER, release="3"), "Superseded"),
    ],
)
def test_what_will_never_be_healthy_is_said_at_once(state: State, reason: str) -> None:
    with pytest.raises(TroubleError) as raised:
        questions.missing(state, NEWEST, None, healthy=True, waited=60)
    assert (raised.value.code, raised.value.reason) == (Exit.TROUBLE, reason)


@pytest.mark.parametrize("until", Until)
async def test_a_wait_that_is_too_long_says_what_is_missing_by_both_ways(until: Until) -> None:
    seen = []
    for way in WAYS.values():
        register = way(world())
        await register.change(Change("staging", "web", "1"))
        found = await trouble(passing.arrival(register, ("staging", "web"), Waiting(until, 0)))
        other = await trouble(passing.arrival(register, ("staging", "web"), Waiting(until, 0), release="2"))
        never = await trouble(passing.arrival(register, ("staging", "new"), Waiting(until, 0)))
        seen.append([(one.code, str(one)) for one in (found, other, never)])
    assert same(seen) == [
        (
            Exit.TIMEOUT,
            f"web in staging is not {until} after 0 s: its record is not written yet; does the operator run?",
        ),
        (Exit.TIMEOUT, f"web in staging is not {until} after 0 s: 1 is active, not 2"),
        (Exit.TIMEOUT, f"new in staging is not {until} after 0 s: it is not deployed there"),
    ]


async def test_a_release_that_nothing_follows_is_recorded_and_never_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "FINDING_SECONDS", 0.0)
    for way in WAYS.values():
        made = world()
        register = way(made)
        line = await register.change(Change("staging", "web", "1"))
        made.record("staging.web")
        waiting = Waiting(Until.RECORDED, 5)
        assert (await passing.arrival(register, ("staging", "web"), waiting, deployment_id=line)).recorded
        said = await trouble(Waiting(Until.HEALTHY, 5).after(register, "staging", "web", line))
        assert (said.code, said.reason) == (Exit.TROUBLE, "NothingFollows")


async def test_all_workspaces_are_the_same_by_both_ways() -> None:
    made = world()
    made.namespace("acme-other", "acme", "other")
    made.namespace("acme-other-too", "acme", "other")
    made.reviews.grant("alice", *EDIT, namespace="acme-other")
    made.deliver()
    await by_rest(made).change(Change("staging", "web", "1"))
    client = AsyncMoorage("http://facade", "alice", transport=Memory(made))
    seen = [await workspaces(client), await cluster_workspaces(made.cluster.as_caller("alice"))]

    names = [[name for name, _ in found] for found in seen]
    assert names == [["acme/other", "acme/shop"]] * 2
    states = [[to_json(await register.places()) for _, register in found] for found in seen]
    assert states[0] == states[1]
    assert [len(places) for places in states[0]] == [0, 2]


def test_rows_of_all_workspaces_carry_their_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = world()
    one = by_kubeconfig(made)

    @asynccontextmanager
    async def everywhere(_where: Where) -> AsyncIterator[list[tuple[str, Register]]]:
        yield [("acme/one", one), ("acme/two", one)]

    monkeypatch.setattr(shell, "everywhere", everywhere)
    asyncio.run(_twice(one))
    said = {}
    for words in (["get", "-A"], ["environments", "-A"], ["history", "-A", "--limit", "3"], ["history", "qa", "-A"]):
        assert shell.run(words[0], [*words[1:], "-o", "json"]) == Exit.DONE
        said[" ".join(words[:2])] = [row.get("workspace") for row in json.loads(capsys.readouterr().out)]
    assert said["get -A"] == ["acme/one", "acme/two"]
    assert sorted(said["environments -A"]) == ["acme/one"] * 2 + ["acme/two"] * 2
    assert len(said["history -A"]) == 3
    assert said["history qa"] == []


async def _twice(register: Register) -> None:
    for release in ("1", "2"):
        await register.change(Change("staging", "web", release))
