"""A right or an account that is taken away works no longer than 11 s, and when the reviews are down nobody may."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import tokens
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from cluster import ADMIN, LiveCluster, Workspace, Workspaces
from services import Facade, Facades
from waiting import eventually

from moorage_dev import patience
from moorage_dev.installation import NAMESPACE

#: Seconds for which the facade may believe an answer about rights; a second for the way comes on top.
LIMIT = 10.0
RBAC = "rbac.authorization.k8s.io"

TOKEN_REVIEWS, ACCESS_REVIEWS = "tokenreviews", "subjectaccessreviews"
YES_WITHOUT_NAME = b'{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":" "}}}'
#: What a review may answer when it is down or out of its mind. None of it is a yes.
FAULTS: dict[str, tuple[str, Fault]] = {
    "tokens: 500": (TOKEN_REVIEWS, Fault(500)),
    "tokens: 503": (TOKEN_REVIEWS, Fault(503, headers=(("Retry-After", "1"),))),
    "tokens: 429": (TOKEN_REVIEWS, Fault(429, headers=(("Retry-After", "1"),))),
    "tokens: 403": (TOKEN_REVIEWS, Fault(403)),
    "tokens: 401": (TOKEN_REVIEWS, Fault(401)),
    "tokens: connection closed": (TOKEN_REVIEWS, Fault(0)),
    "tokens: HTML": (TOKEN_REVIEWS, Fault(200, b"<html>welcome</html>")),
    "tokens: empty": (TOKEN_REVIEWS, Fault(201, b"")),
    "tokens: no status": (TOKEN_REVIEWS, Fault(201, b"{}")),
    "tokens: a list": (TOKEN_REVIEWS, Fault(201, b"[]")),
    "tokens: a word instead of true": (TOKEN_REVIEWS, Fault(201, b'{"status":{"authenticated":"true"}}')),
    "tokens: yes without a name": (TOKEN_REVIEWS, Fault(201, YES_WITHOUT_NAME)),
    "tokens: yes with an error": (
        TOKEN_REVIEWS,
        Fault(201, b'{"status":{"authenticated":false,"user":{"username":"admin"},"error":"down"}}'),
    ),
    "rights: 500": (ACCESS_REVIEWS, Fault(500)),
    "rights: 503": (ACCESS_REVIEWS, Fault(503)),
    "rights: 403": (ACCESS_REVIEWS, Fault(403)),
    "rights: connection closed": (ACCESS_REVIEWS, Fault(0)),
    "rights: HTML": (ACCESS_REVIEWS, Fault(200, b"<html>welcome</html>")),
    "rights: no status": (ACCESS_REVIEWS, Fault(201, b"{}")),
    "rights: a word instead of true": (ACCESS_REVIEWS, Fault(201, b'{"status":{"allowed":"true"}}')),
    "rights: allowed and denied": (ACCESS_REVIEWS, Fault(201, b'{"status":{"allowed":true,"denied":true}}')),
}
#: Faults after which the facade knows that it got no answer: it must say so.
DOWN = {"500", "503", "429", "403", "401", "connection closed", "HTML", "empty"}


@pytest.fixture
def blind_account(cluster: LiveCluster) -> Iterator[str]:
    """A service account with the facade's rights to read, but without the right to ask for reviews; its name."""
    name = f"blind-{secrets.token_hex(3)}"
    tokens.create_account(cluster, NAMESPACE, name)
    rules = cluster.raw("GET", f"/apis/{RBAC}/v1/clusterroles/moorage-api").json()["rules"]
    reads = [rule for rule in rules if "create" not in rule["verbs"]]
    metadata = {"name": name}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": reads}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    for plural, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        assert cluster.raw("POST", f"/apis/{RBAC}/v1/{plural}", body=body).status == 201
    yield name
    for plural in ("clusterrolebindings", "clusterroles"):
        cluster.raw("DELETE", f"/apis/{RBAC}/v1/{plural}/{name}")
    tokens.delete_account(cluster, NAMESPACE, name)


def seconds_until(status: int, ask: Callable[[], int], *, meanwhile: set[int]) -> float:
    """How long until `ask` answers that status; before, only statuses of `meanwhile` may come."""
    begun = time.monotonic()

    def is_there() -> bool:
        answered = ask()
        assert answered in meanwhile | {status}
        return answered == status

    eventually(is_there, 15)
    return time.monotonic() - begun


def deploy(facade: Facade, space: Workspace, *, user: str | None = None, token: str | None = None) -> int:
    body = {"app_id": "web", "release_id": "r1"}
    return facade.call("POST", f"{space.rest}/prod/deploy", user=user, token=token, body=body).status


def test_rights_and_accounts_that_are_taken_away_are_gone_within_eleven_seconds(
    cluster: LiveCluster,
    facade: Facade,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    roles = {"viewer": "view", "bob": "deployer", "alice": "edit", "user-01": "edit", "user-02": "edit"}
    space = workspace("prod", members={user: f"moorage-{role}" for user, role in roles.items()})
    tokens.create_account(cluster, space.namespace, "robot")
    robot = cluster.service_account_token(space.namespace, "robot")
    # Reviews that fail are one more way to lose a right: what was believed is not believed longer than that.
    proxied = facades.start(proxy.settings(cluster))

    def read(asked: Facade, user: str) -> int:
        return asked.call("GET", f"{space.rest}/prod", user=user).status

    assert (read(facade, "viewer"), deploy(facade, space, user="bob"), read(proxied, "alice")) == (200, 200, 200)
    assert deploy(facade, space, token=robot) == 403
    cluster.revoke(space.namespace, "viewer", "moorage-view")
    cluster.revoke(space.namespace, "bob", "moorage-deployer")
    tokens.delete_account(cluster, space.namespace, "robot")
    proxy.fault = _reviews_down(cluster)
    with ThreadPoolExecutor(6) as pool:
        waiting = {
            "reading": pool.submit(seconds_until, 403, lambda: read(facade, "viewer"), meanwhile={200}),
            "deploying": pool.submit(seconds_until, 403, lambda: deploy(facade, space, user="bob"), meanwhile={200}),
            "account": pool.submit(seconds_until, 401, lambda: deploy(facade, space, token=robot), meanwhile={403}),
            "reviews": pool.submit(seconds_until, 503, lambda: read(proxied, "alice"), meanwhile={200}),
            "no answer who it is": pool.submit(seconds_until, 503, lambda: read(proxied, "user-01"), meanwhile=set()),
            "no answer whether": pool.submit(seconds_until, 503, lambda: read(proxied, "user-02"), meanwhile=set()),
        }
        gone = {name: future.result() for name, future in waiting.items()}
    # Where a review never answers, nothing was believed: there the limit is that of a call to the API server.
    assert max(
        seconds for name, seconds in gone.items() if not name.startswith("no answer")
    ) <= LIMIT + patience.scaled(1), gone
    figures("gone after " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in gone.items()))


def test_reviews_that_are_down_are_never_a_yes(
    cluster: LiveCluster,
    facades: Facades,
    proxy: ApiServerProxy,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    members = [f"user-{number:02}" for number in range(1, len(FAULTS) + 1)]
    space = workspace("prod", members=dict.fromkeys(members, "moorage-edit"))
    facade = facades.start(proxy.settings(cluster))
    statuses: dict[str, set[int]] = {}

    def ask(case: str, user: str) -> None:
        read = facade.call("GET", f"{space.rest}/prod", user=user)
        statuses[case] = {read.status, deploy(facade, space, user=user)}
        if read.status == 503:
            assert read.json()["details"]["reason"] == "ClusterUnavailable"
            assert int(read.headers["retry-after"]) >= 1

    for (case, (plural, fault)), user in zip(FAULTS.items(), members, strict=True):
        proxy.fault = lambda seen, plural=plural, fault=fault: fault if plural in seen.path else None  # type: ignore[misc]
        ask(case, user)
    proxy.fault = no_fault
    for case, answered in statuses.items():
        down = any(case.endswith(f": {kind}") for kind in DOWN)
        assert answered <= ({503} if down else {401, 403, 503}), (case, answered)
    assert space.list("deployments") == []
    # And the control: the same users may, as soon as the reviews answer.
    assert all(facade.call("GET", f"{space.rest}/prod", user=user).status == 200 for user in members[:1])
    figures(f"{len(FAULTS)} ways of failing, 2 requests each: {sorted(set(itertools.chain(*statuses.values())))}")


def _reviews_down(cluster: LiveCluster) -> Callable[[Seen], Fault | None]:
    """Reviews answer 500, but there is no answer at all who user-01 is, nor what user-02 may."""
    first, second = (cluster.token(user).encode() for user in ("user-01", "user-02"))

    def fault(seen: Seen) -> Fault | None:
        if "reviews" not in seen.path or second in seen.body:
            return None
        return Fault(hang=True) if first in seen.body or b'"user-02"' in seen.body else Fault(500)

    return fault


def test_facade_whose_right_to_ask_is_taken_away_lets_nobody_in(
    cluster: LiveCluster, facades: Facades, workspace: Workspaces, blind_account: str
) -> None:
    space = workspace("prod")
    kubeconfig = cluster.kubeconfig(blind_account, cluster.service_account_token(NAMESPACE, blind_account))
    blind = facades.start({"MOORAGE_KUBECONFIG": str(kubeconfig)})
    for user in ("alice", ADMIN):
        read = blind.call("GET", f"{space.rest}/prod", user=user)
        assert (read.status, read.json()["details"]) == (503, {"reason": "ClusterUnavailable"})
        assert deploy(blind, space, user=user) == 503
