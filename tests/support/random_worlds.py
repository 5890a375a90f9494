"""Random rules in random places, and the changes that somebody may ask for there.

Every edge of a window lies hours away from the present moment, so that a verdict stays the same while a test asks.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cluster import Workspace
from governance import MANAGER
from identities import DEPLOYER, EDITOR, OWNER, Object

from moorage_crds.gates.calendar import DAYS
from moorage_crds.moments import to_text
from moorage_dev.rest_client import MERGE_PATCH

ENVIRONMENTS: Final = ("dev", "staging", "production", "live")
APPS: Final = ("web", "api", "idle", "new")
RELEASES: Final = ("r1", "r2", "r3", "r4", "r5", "r6")
USERS: Final = (DEPLOYER, EDITOR, MANAGER, OWNER)
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
SOAKS: Final = ("0s", "10m", "1h30m")
_KINDS: Final = {
    "environmentlocks": "EnvironmentLock",
    "freezes": "Freeze",
    "clusterfreezes": "ClusterFreeze",
    "approvals": "Approval",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A change of a release that somebody asks for.

    Attributes:
        release: None takes the app out.
        override: the gates that the write names.
        reason: for people; an override needs one.
        dated: whether the write brings a note, and with it a time even where it takes the release away.
    """

    environment: str
    app: str
    release: str | None
    user: str
    override: tuple[str, ...]
    reason: str | None
    dated: bool

    @property
    def spec(self) -> Object:
        """The part of the spec of the binding that the write sends."""
        note = {"reason": self.reason, "override": list(self.override) or None}
        sent = {key: value for key, value in note.items() if value is not None}
        if self.dated and not sent:
            sent = {"requestId": "asked-for-by-a-test"}
        return {"release": self.release, **({"change": sent} if sent else {})}


class World:
    """A workspace with rules of every kind; the same seed makes the same one."""

    def __init__(self, shop: Workspace, seed: int, now: datetime) -> None:
        self.shop = shop
        self._random = random.Random(seed)  # noqa: S311 — nothing secret
        self._now = now
        self.cluster_freezes: list[str] = []

    def make(self) -> None:
        """Bindings with some history first, then the rules."""
        for environment in ENVIRONMENTS:
            for release in ("r1", "r2", "r3"):
                self._deploy(environment, "web", release)
            self._deploy(environment, "api", "r2")
            self._deploy(environment, "idle", "r1")
            self.shop.set_release(f"{environment}.idle", None, change={"reason": "not needed"})
        for environment in ENVIRONMENTS:
            self._protect(environment)
            for rule in self._rules(environment):
                self._create(*rule)

    def changes(self, count: int) -> Iterator[Asked]:
        """Some that are asked for, at random."""
        for _ in range(count):
            override = self._some(("promotion", "approvals", "freeze/all", *self.cluster_freezes), 0.25)
            yield Asked(
                environment=self._random.choice(ENVIRONMENTS),
                app=self._random.choice(APPS),
                release=self._random.choice((*RELEASES, None)),
                user=self._random.choice(USERS),
                override=override,
                reason=None if self._chance(0.3) else "because",
                dated=self._chance(0.7),
            )

    def _deploy(self, environment: str, app: str, release: str) -> None:
        if self.shop.get("deployments", f"{environment}.{app}") is None:
            self.shop.create_deployment(environment, app, release)
        else:
            self.shop.set_release(f"{environment}.{app}", release)

    def _rules(self, environment: str) -> Iterator[tuple[str, str, Object]]:
        if self._chance(0.2):
            until = {"until": to_text(self._now + timedelta(hours=self._hours()))} if self._chance(0.5) else {}
            yield "environmentlocks", environment, {"reason": "audit", **until}
        if self._chance(0.3):
            yield "freezes", f"of-{environment}", self._freeze(environment)
        if environment == ENVIRONMENTS[0] and self._chance(0.4):
            yield "freezes", "all", self._freeze(None)
        if environment == ENVIRONMENTS[-1] and self._chance(0.4):
            name = self.shop.namespace
            self.cluster_freezes.append(f"clusterfreeze/{name}")
            spec = {"workspaces": [f"{self.shop.org}/{self.shop.name}"], **self._freeze(environment)}
            yield "clusterfreezes", name, spec
        for release in self._some(RELEASES, 0.15):
            decision = self._random.choice(("Approve", "Reject"))
            asked = {"environment": environment, "app": self._random.choice(APPS), "release": release}
            yield "approvals", f"{environment}-{release}", {**asked, "decision": decision}

    def _protect(self, environment: str) -> None:
        promotion = {"from": "staging" if environment != "staging" else "dev", "soak": self._random.choice(SOAKS)}
        spec: Object = {}
        if self._chance(0.5):
            spec["promotion"] = promotion
        if self._chance(0.4):
            spec["approvals"] = {"required": self._random.randint(1, 2)}
        if self._chance(0.2):
            spec["enforcement"] = "Warn"
        path = self.shop.path("environments", environment)
        self._patch(path, {"spec": spec})
        # As the operator would write it; sometimes about a rule that has been changed since.
        by_app = {app: self._evidence(promotion) for app in APPS if self._chance(0.7)}
        parts = {part: {app: one[part] for app, one in by_app.items()} for part in ("proven", "known", "approved")}
        gates: Object = {"closed": False, "provenFor": self._evidence(promotion)["provenFor"], **parts}
        self._patch(f"{path}/status", {"status": {"gates": gates}})
        for app in APPS:
            binding = f"{environment}.{app}"
            if self._chance(0.7) and self.shop.get("deployments", binding) is not None:
                body = {"status": {"evidence": self._evidence(promotion)}}
                self._patch(f"{self.shop.path('deployments', binding)}/status", body)

    def _evidence(self, promotion: Object) -> Object:
        """About one app."""
        return {
            "provenFor": {"require": "Deployed", **promotion, **({"soak": "45m"} if self._chance(0.15) else {})},
            "proven": [
                {"release": one, "eligibleAt": to_text(self._now + timedelta(hours=self._hours()))}
                for one in self._some(RELEASES, 0.4)
            ],
            "known": list(self._some(RELEASES, 0.1)),
            "approved": [
                {"release": one, "sequence": self._random.choice((0, 1, 2, 3)), "by": self._approvers()}
                for one in self._some(RELEASES, 0.4)[:3]
            ],
        }

    def _approvers(self) -> list[Object]:
        users = self._some(("dave", "erin", *USERS), 0.4) or ("dave",)
        return [
            {"user": user, **({"until": to_text(self._now + timedelta(hours=self._hours()))} if two else {})}
            for user in users
            for two in [self._chance(0.4)]
        ]

    def _freeze(self, environment: str | None) -> Object:
        """Windows of one of the three kinds, closed or open now, whatever the zone shows."""
        begins, ends = self._now - timedelta(hours=self._random.randint(5, 40)), self._now + timedelta(hours=9)
        spec: Object = {"reason": "quiet", "timeZone": self._random.choice(ZONES)}
        kind = self._random.randrange(3)
        if kind == 0:
            shift = timedelta(0) if self._chance(0.6) else timedelta(days=30)
            spec["windows"] = [{"from": to_text(begins + shift), "until": to_text(ends + shift)}]
        elif kind == 1:
            # Whole days, so that no edge is near: midnight of a zone may be, and then both of its days are listed.
            spec["weekly"] = [{"days": self._days(), "from": "00:00", "until": "24:00"}]
        else:
            near = self._chance(0.5)
            day = self._now + timedelta(days=0 if near else 60)
            spec["yearly"] = [{"from": f"{day - timedelta(days=5):%m-%d}", "until": f"{day + timedelta(days=5):%m-%d}"}]
        if environment is not None:
            spec["environments"] = [environment]
        if apps := self._some(APPS, 0.3):
            spec["apps"] = list(apps)
        spec["mode"] = self._random.choice(("Closed", "Closed", "OpenOnly"))
        spec["allowRollback"] = self._chance(0.4)
        spec["enforcement"] = "Warn" if self._chance(0.2) else "Deny"
        return spec

    def _days(self) -> list[str]:
        """Three days around this one, or three that are far from it."""
        today = self._now.weekday() + (0 if self._chance(0.5) else 3)
        return [DAYS[(today + step) % 7] for step in (-1, 0, 1)]

    def _hours(self) -> int:
        return self._random.choice((-48, -7, 7, 48))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _some(self, of: tuple[str, ...], share: float) -> tuple[str, ...]:
        return tuple(one for one in of if self._chance(share))

    def _create(self, plural: str, name: str, spec: Object) -> None:
        body: Object = {"apiVersion": "moorage.dev/v1", "kind": _KINDS[plural], "metadata": {"name": name}}
        place = f"/apis/moorage.dev/v1/{plural}" if plural == "clusterfreezes" else self.shop.path(plural)
        answer = self.shop.cluster.raw("POST", place, body=body | {"spec": spec})
        assert answer.status == 201, (spec, answer.body)

    def _patch(self, path: str, body: Any) -> None:
        answer = self.shop.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, (body, answer.body)

    def leave(self) -> None:
        """Remove what stands outside of the Namespace."""
        for gate in self.cluster_freezes:
            self.shop.cluster.raw("DELETE", f"/apis/moorage.dev/v1/clusterfreezes/{gate.partition('/')[2]}")
