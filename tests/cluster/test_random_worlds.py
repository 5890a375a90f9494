"""Random rules, and random changes: what the engine says, the API server does, in a dry run, for real and by REST."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from dice import DICE
from governance import MANAGER, MEMBERS_WITH_RULES
from identities import DEPLOYER, OWNER, Object, refused_by
from random_worlds import Asked, World
from services import Facade, Operators
from waiting import eventually

from moorage_crds.gates import engine
from moorage_crds.gates.lock import Lock
from moorage_crds.gates.verdict import AskedChange, Code, Gate, Verdict
from moorage_crds.kinds import approval, cluster_freeze, deployment, environment, evidence, freeze, lock
from moorage_crds.moments import to_moment
from moorage_crds.names import binding_name
from moorage_dev.rest_client import MERGE_PATCH, Answer

OVERRIDES: Final = "overrides.moorage.dev"
MAY_OVERRIDE: Final = frozenset({MANAGER, OWNER})
#: Changes in each of the worlds, and how many of them there are for each real write and each one by REST.
CHANGES: Final = int(os.environ.get("MOORAGE_WORLD_CHANGES", "200"))
WORLDS: Final = 10
REAL: Final = 20
BY_REST: Final = 10


def policy_of(verdict: Verdict) -> str:
    """The policy that refuses where that verdict does."""
    if verdict.code is Code.REJECTED:
        return "rejections.moorage.dev"
    kind = verdict.gate.partition("/")[0]
    policies = {"lock": "deployments-locks", "freeze": "freezes", "clusterfreeze": "clusterfreezes"}
    return f"{policies.get(kind, kind)}.moorage.dev"


@dataclass(slots=True)
class Known:
    """The rules of a workspace as they are stored, and what the engine makes of them."""

    shop: Workspace
    gates: list[Gate] = field(init=False)
    environments: dict[str, environment.Environment] = field(init=False)
    bindings: dict[str, deployment.Deployment] = field(init=False)

    def __post_init__(self) -> None:
        shop = self.shop
        locks = map(lock.from_object, shop.list("environmentlocks"))
        shared = shop.cluster.raw("GET", "/apis/moorage.dev/v1/clusterfreezes").json()["items"]
        stored = map(cluster_freeze.from_object, shared)
        self.gates = [
            *(Lock(one.name, one.reason, one.locked_by, to_moment(one.until)) for one in locks),
            *(freeze.from_object(one).gate for one in shop.list("freezes")),
            *(one.gate for one in stored if one.is_about(shop.org, shop.name)),
            *evidence.rejections_of(map(approval.from_object, shop.list("approvals"))),
        ]
        self.environments = {one.name: one for one in map(environment.from_object, shop.list("environments"))}
        self.look()

    def look(self) -> None:
        """Read the bindings again."""
        self.bindings = {one.name: one for one in map(deployment.from_object, self.shop.list("deployments"))}

    def verdicts(self, asked: Asked, moment: datetime | None) -> tuple[Verdict, ...]:
        """What each gate says of a change at a moment; None: of a write that leaves none."""
        place = self.environments[asked.environment]
        binding = self.bindings.get(binding_name(asked.environment, asked.app))
        told = binding.status.get("evidence") if binding is not None else None
        own = evidence.gates_of(place.name, place.protection, place.status.get("gates") or {}, asked.app, told)
        return engine.verdicts((*self.gates, *own), self._change(asked), moment)

    def is_change(self, asked: Asked) -> bool:
        """Whether another release would be active afterwards."""
        binding = self.bindings.get(binding_name(asked.environment, asked.app))
        return asked.release != (binding.release if binding is not None else None)

    def _change(self, asked: Asked) -> AskedChange:
        user = self.shop.cluster.username(asked.user)
        override = frozenset(asked.override)
        binding = self.bindings.get(binding_name(asked.environment, asked.app))
        if binding is None:
            return AskedChange(asked.environment, asked.app, asked.release, override=override, user=user)
        logged = {release for one in binding.log for release in (one.previous, one.release) if release is not None}
        sequence = max(binding.logged, binding.recorded)
        return AskedChange(
            asked.environment, asked.app, asked.release, binding.release, sequence, frozenset(logged), override, user
        )


def ask(shop: Workspace, asked: Asked, *, is_there: bool, dry: bool = True) -> Answer:
    """The write itself."""
    query = "?dryRun=All" if dry else ""
    name = binding_name(asked.environment, asked.app)
    if is_there:
        path = shop.path("deployments", name) + query
        body: Any = {"spec": asked.spec}
        return shop.cluster.raw("PATCH", path, user=asked.user, body=body, content_type=MERGE_PATCH)
    spec = {"environment": asked.environment, "app": asked.app, **asked.spec}
    body = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return shop.cluster.raw("POST", shop.path("deployments") + query, user=asked.user, body=body)


def agrees(known: Known, asked: Asked, answer: Answer) -> bool:
    """Whether the API server did what the engine says, and named a gate that refuses, in its words."""
    has_time = asked.release is not None or "change" in asked.spec
    refusing = [one for one in known.verdicts(asked, datetime.now(UTC) if has_time else None) if one.refuses]
    overrides = bool(asked.override) and known.is_change(asked)
    misused = overrides and (asked.reason is None or asked.user not in MAY_OVERRIDE)
    if answer.status in {200, 201}:
        return not refusing and not misused
    if misused and refused_by(answer, OVERRIDES):
        return True
    said = str(answer.json().get("message"))
    return any(refused_by(answer, policy_of(one)) and one.message in said for one in refusing)


def agrees_by_rest(known: Known, asked: Asked, answer: Answer) -> bool:
    """Whether REST lists every gate that refuses, and no other one. A note, and with it a time, it always brings."""
    refusing = sorted(one.gate for one in known.verdicts(asked, datetime.now(UTC)) if one.refuses)
    if answer.status == 409:
        return sorted(one["gate"] for one in answer.json()["details"]["gates"]) == refusing
    return answer.status == 200 and not refusing


@contextmanager
def in_force(cluster: LiveCluster) -> Iterator[None]:
    """Wait until the API server acts on all rules made so far: those of each kind come in the order they were made."""
    made = Workspaces(cluster)
    marker = made("lock", "freeze", "clusterfreeze", "promotion", "approvals", "rejection", members=MEMBERS_WITH_RULES)
    always = {"reason": "marker", "windows": [{"from": "2001-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}]}
    mine = {"workspaces": [f"{marker.org}/{marker.name}"], "environments": ["clusterfreeze"]}
    shared = "/apis/moorage.dev/v1/clusterfreezes"

    def create(path: str, kind: str, name: str, spec: Object) -> None:
        body = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        assert cluster.raw("POST", path, body=body).status == 201

    for name, spec in (("promotion", {"promotion": {"from": "lock"}}), ("approvals", {"approvals": {"required": 1}})):
        path = marker.path("environments", name)
        assert cluster.raw("PATCH", path, body={"spec": spec}, content_type=MERGE_PATCH).status == 200
    create(marker.path("environmentlocks"), "EnvironmentLock", "lock", {"reason": "marker"})
    create(marker.path("freezes"), "Freeze", "marker", {**always, "environments": ["freeze"]})
    create(shared, "ClusterFreeze", marker.namespace, {**always, **mine})
    no = {"environment": "rejection", "app": "web", "release": "r1", "decision": "Reject"}
    create(marker.path("approvals"), "Approval", "marker", no)
    policies = {
        "lock": "deployments-locks",
        "freeze": "freezes",
        "clusterfreeze": "clusterfreezes",
        "promotion": "promotion",
        "approvals": "approvals",
        "rejection": "rejections",
    }
    for place, policy in policies.items():
        probe = Asked(place, "web", "r1", DEPLOYER, (), None, dated=True)
        eventually(lambda: refused_by(ask(marker, probe, is_there=False), f"{policy}.moorage.dev"), 30)  # noqa: B023
    try:
        yield
    finally:
        cluster.raw("DELETE", f"{shared}/{marker.namespace}")
        made.clean()


@pytest.mark.timeout(1200 + 2 * CHANGES)
def test_engine_dry_run_write_and_rest_agree_in_random_worlds(
    cluster: LiveCluster, operators: Operators, facade: Facade
) -> None:
    """Edges of windows are tested to the second elsewhere; here no edge is near, so that one moment serves all."""
    operators.stop()
    made = Workspaces(cluster)
    now = datetime.now(UTC).replace(microsecond=0)
    shops = [made("dev", "staging", "production", "live", members=MEMBERS_WITH_RULES) for _ in range(WORLDS)]
    worlds = [World(shop, DICE + number, now) for number, shop in enumerate(shops)]
    counts: Counter[str] = Counter()
    wrong: list[tuple[str, Asked, bytes]] = []
    try:
        for world in worlds:
            world.make()
        with in_force(cluster):
            for world in worlds:
                _compare(world, facade, counts, wrong)
    finally:
        for world in worlds:
            world.leave()
        made.clean()
    print(f"MOORAGE_DICE={DICE}: {dict(counts)}")
    assert wrong == [], DICE
    assert min(counts[key] for key in ("dry run", "write", "REST", "passes", "refused")) > 0


def _compare(world: World, facade: Facade, counts: Counter[str], wrong: list[tuple[str, Asked, bytes]]) -> None:
    known = Known(world.shop)
    written: set[str] = set()

    def count(door: str, asked: Asked, answer: Answer, *, right: bool) -> None:
        counts[door] += 1
        counts["passes" if answer.status in {200, 201} else "refused"] += 1
        if not right:
            wrong.append((door, asked, answer.body))

    for number, asked in enumerate(world.changes(CHANGES)):
        name = binding_name(asked.environment, asked.app)
        if name in written:
            # In the second of the write before a change may leave no time, and nothing is known of it then.
            continue
        dry = ask(world.shop, asked, is_there=name in known.bindings)
        count("dry run", asked, dry, right=agrees(known, asked, dry))
        if number % BY_REST == 0 and asked.release is not None and not asked.override and known.is_change(asked):
            body = {"app_id": asked.app, "release_id": asked.release}
            path = f"{world.shop.rest}/{asked.environment}/deploy?dry_run=true"
            answer = facade.call("POST", path, user=asked.user, body=body)
            count("REST", asked, answer, right=agrees_by_rest(known, asked, answer))
        if number % REAL == 0 and number > CHANGES // 2:
            real = ask(world.shop, asked, is_there=name in known.bindings, dry=False)
            count("write", asked, real, right=real.status == dry.status)
            written.add(name)
