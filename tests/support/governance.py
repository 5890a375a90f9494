"""A workspace with rules: protected environments, their evidence, Approvals, and the people who take part."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from cluster import LiveCluster, Workspace, Workspaces
from identities import DEPLOYER, MEMBERS, Object, refused_by
from services import Operators
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH, Answer

APPROVER: Final = "dave"
OTHER_APPROVER: Final = "erin"
MANAGER: Final = "user-01"
"""May deploy, override and protect."""
MEMBERS_WITH_RULES: Final = MEMBERS | {
    APPROVER: "moorage-approver",
    OTHER_APPROVER: "moorage-approver",
    MANAGER: "moorage-release-manager",
}
NAME: Final = "production.web"
IDLE: Final = "production.idle"
"""Everything of it is recorded, so that nothing but a rule refuses to delete it."""
PAST: Final = "2026-01-01T00:00:00Z"
FUTURE: Final = "2999-01-01T00:00:00Z"
RULE: Final = {"from": "staging", "soak": "0s", "require": "Deployed"}

PLACES: Final = ("environment", "binding")
"""Where evidence stands: in the status of the environment, or in that of the binding that it is about."""
_BY_APP: Final = ("proven", "known", "approved")
_BOUND: Final = ("web", "idle")
"""The apps that have a binding in production."""


@contextmanager
def governed(cluster: LiveCluster, operators: Operators) -> Iterator[Workspace]:
    """A workspace in which no operator runs: what holds here, the API server holds by itself."""
    made = Workspaces(cluster)
    operators.stop()
    shop = made("production", "staging", members=MEMBERS_WITH_RULES)
    shop.create_deployment("production", "web", "v1")
    shop.create_deployment("production", "idle", "v1")
    recorded = {"status": {"recordedSequence": 1, "release": "v1"}}
    path = shop.path("deployments", IDLE) + "/status"
    assert cluster.raw("PATCH", path, body=recorded, content_type=MERGE_PATCH).status == 200
    yield shop
    made.clean()


class Rules:
    """Changes the rules of a workspace as its administrator, and waits until the API server acts on them.

    Args:
        shop: the workspace.
        place: where evidence about apps that have a binding is written, one of `PLACES`.
    """

    def __init__(self, shop: Workspace, place: str = "environment") -> None:
        self.shop = shop
        self.place = place
        self._raw = shop.cluster.raw

    def protect(self, **spec: Any) -> None:
        """Set fields of the spec of production; None takes one away."""
        assert self.edit("environments", "production", {"spec": spec}).status == 200

    def evidence(self, **gates: Any) -> None:
        """Write the evidence of production, as the operator would."""
        if self.place == "environment":
            self._told(gates)
            return
        for app in _BOUND:
            own = {part: (gates.get(part) or {}).get(app) for part in _BY_APP}
            told = {"provenFor": gates.get("provenFor"), **own}
            body = {"status": {"evidence": told if any(told.values()) else None}}
            assert self.edit("deployments", f"production.{app}/status", body).status == 200
        others = {part: {**(gates.get(part) or {}), **dict.fromkeys(_BOUND)} for part in _BY_APP}
        self._told({"provenFor": gates.get("provenFor"), **others})

    def _told(self, gates: Mapping[str, Any]) -> None:
        """Write `status.gates` of production."""
        clear = dict.fromkeys(("provenFor", *_BY_APP))
        body = {"status": {"gates": {"closed": False, **clear, **gates}}}
        answer = self.edit("environments", "production/status", body)
        assert answer.status == 200, answer.body

    def proven(self, release: str, eligible_at: str, *, rule: Mapping[str, str] = RULE, app: str = "web") -> None:
        """Evidence that a release ran in staging, under that rule."""
        self.evidence(provenFor=dict(rule), proven={app: [{"release": release, "eligibleAt": eligible_at}]})

    def edit(self, plural: str, name: str, body: Object, *, user: str = "admin") -> Answer:
        """A merge patch."""
        return self._raw("PATCH", self.shop.path(plural, name), user=user, body=body, content_type=MERGE_PATCH)

    def approval(self, decision: str, *, user: str, release: str = "v2", **more: Any) -> Answer:
        """Give an Approval for web in production."""
        spec = {"environment": "production", "app": "web", "release": release, "decision": decision, **more}
        metadata = {"generateName": "web-"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "Approval", "metadata": metadata, "spec": spec}
        return self._raw("POST", self.shop.path("approvals"), user=user, body=body)

    def clean(self) -> None:
        """Take all rules away."""
        for plural in ("approvals", "freezes", "environmentlocks"):
            assert self._raw("DELETE", self.shop.path(plural)).status == 200
        self.protect(promotion=None, approvals=None, enforcement=None)
        self.evidence()
        eventually(lambda: self.deploys("probe").status == 200)

    def deploys(self, release: str | None = "v2", *, user: str = DEPLOYER, dry: bool = True, **change: Any) -> Answer:
        """Whether a release would pass, or the deploy itself."""
        path = self.shop.path("deployments", NAME) + ("?dryRun=All" if dry else "")
        note = {"change": change} if change else {}
        body = {"spec": {"release": release, **note}}
        return self._raw("PATCH", path, user=user, body=body, content_type=MERGE_PATCH)

    def refuses(self, policy: str, release: str | None = "v2", **options: Any) -> Answer:
        """Waits until a policy refuses a release; its answer."""
        return eventually_answer(lambda: self.deploys(release, **options), lambda one: refused_by(one, policy))

    def passes(self, release: str | None = "v2", **options: Any) -> Answer:
        """Waits until a release passes; its answer."""
        return eventually_answer(lambda: self.deploys(release, **options), lambda one: one.status == 200)


def eventually_answer(ask: Callable[[], Answer], wanted: Callable[[Answer], bool]) -> Answer:
    """Asks until the answer is as wanted; returns it."""
    last: list[Answer] = []

    def holds() -> bool:
        last[:] = [ask()]
        return wanted(last[0])

    eventually(holds, 20)
    return last[0]


def message(answer: Answer) -> str:
    """What a refused user reads."""
    return str(answer.json()["message"])
