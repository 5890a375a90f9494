"""Who may do what in whose workspace: every answer of the facade equals what the cluster says about the caller."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import tokens
from cluster import ADMIN, LiveCluster, Workspace, Workspaces
from services import Facade
from tenant_accounts import APPROVALS, BINDINGS, ENVIRONMENTS, FREEZES, LOCKS, NARROW, identities, narrow_accounts
from waiting import eventually

from moorage_dev.rest_client import Answer


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of the contract with the rights that its table asks for.

    Attributes:
        path: below the environments of a workspace, or `/freezes`, which stand beside them; writes are dry runs, so
            that all cases meet the same state.
    """

    method: str
    path: str
    permission: str
    rights: tuple[tuple[str, str], ...]
    success: int = 200
    body: Any = None


#: A Freeze that holds nothing back during the tests.
RULE = {"reason": "inventory", "windows": [{"from": "2090-01-01T00:00:00Z", "until": "2090-01-02T00:00:00Z"}]}
OPERATIONS = (
    Operation("GET", "", "environments:read", (("list", ENVIRONMENTS),)),
    Operation(
        "POST",
        "?dry_run=true",
        "environments:create",
        (("create", ENVIRONMENTS),),
        success=201,
        body={"name": "New", "slug": "brand-new"},
    ),
    Operation("GET", "/prod", "environments:read", (("get", ENVIRONMENTS),)),
    Operation("PUT", "/prod?dry_run=true", "environments:update", (("patch", ENVIRONMENTS),), body={"name": "Renamed"}),
    Operation("DELETE", "/spare?dry_run=true", "environments:delete", (("delete", ENVIRONMENTS),)),
    Operation(
        "POST",
        "/prod/deploy?dry_run=true",
        "deployments:deploy",
        (("create", BINDINGS), ("patch", BINDINGS)),
        body={"app_id": "web", "release_id": "r3"},
    ),
    Operation("DELETE", "/prod/deploy/web?dry_run=true", "deployments:undeploy", (("patch", BINDINGS),)),
    Operation(
        "POST",
        "/prod/deploy/web/rollback?dry_run=true",
        "deployments:deploy",
        (("create", BINDINGS), ("patch", BINDINGS)),
        body={},
    ),
    Operation("GET", "/prod/deployments", "deployments:read", (("list", "deploymentrecords"),)),
    Operation(
        "PUT",
        "/prod/lock?dry_run=true",
        "environments:lock",
        (("get", ENVIRONMENTS), ("create", LOCKS), ("patch", LOCKS)),
        body={"reason": "freeze"},
    ),
    Operation("DELETE", "/frozen/lock?dry_run=true", "environments:lock", (("get", ENVIRONMENTS), ("delete", LOCKS))),
    Operation(
        "GET",
        "/prod/gates?app_id=web&release_id=r3",
        "gates:read",
        (("get", ENVIRONMENTS), ("list", BINDINGS), ("get", LOCKS), ("list", FREEZES)),
    ),
    Operation(
        "POST",
        "/prod/promote?dry_run=true",
        "deployments:deploy",
        (("list", BINDINGS), ("create", BINDINGS), ("patch", BINDINGS)),
        body={"from_environment_id": "frozen"},
    ),
    Operation("GET", "/prod/approvals", "approvals:read", (("get", ENVIRONMENTS), ("list", APPROVALS))),
    Operation(
        "POST",
        "/prod/approvals?dry_run=true",
        "approvals:create",
        (("get", ENVIRONMENTS), ("create", APPROVALS), ("approve", ENVIRONMENTS)),
        success=201,
        body={"app_id": "web", "release_id": "r3"},
    ),
    Operation("GET", "/freezes", "freezes:read", (("list", FREEZES),)),
    Operation("GET", "/freezes/frozen", "freezes:read", (("get", FREEZES),)),
    Operation(
        "PUT",
        "/freezes/frozen?dry_run=true",
        "freezes:update",
        (("create", FREEZES), ("patch", FREEZES)),
        body=RULE,
    ),
    Operation("DELETE", "/freezes/frozen?dry_run=true", "freezes:delete", (("delete", FREEZES),)),
)


def url(environments: str, path: str) -> str:
    """The address of an operation. `environments`: of those of a workspace."""
    return (environments.removesuffix("/environments") if path.startswith("/freezes") else environments) + path


class Truth:
    """What the cluster says, asked by the administrator: who a token is, and what that user may."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self._users: dict[str, dict[str, Any] | None] = {}
        self._rights: dict[tuple[str, str, str, str], bool] = {}

    def user(self, token: str | None) -> dict[str, Any] | None:
        """The user of a token, None if the cluster does not accept it."""
        if not token:
            return None
        if token not in self._users:
            status = self._review("authentication.k8s.io/v1", "TokenReview", {"token": token})
            self._users[token] = status["user"] if status.get("authenticated") else None
        return self._users[token]

    def missing(self, token: str | None, operation: Operation, namespace: str) -> tuple[str, str] | None:
        """The first right of the operation that the user of the token lacks."""
        for verb, resource in operation.rights:
            if not self._may(token, verb, resource, namespace):
                return verb, resource
        return None

    def _may(self, token: str | None, verb: str, resource: str, namespace: str) -> bool:
        user = self.user(token)
        assert user is not None
        key = (user["username"], verb, resource, namespace)
        if key not in self._rights:
            attributes = {"verb": verb, "group": "moorage.dev", "resource": resource, "namespace": namespace}
            spec = {
                "user": user["username"],
                "groups": user.get("groups", []),
                "uid": user.get("uid", ""),
                "extra": user.get("extra", {}),
                "resourceAttributes": attributes,
            }
            status = self._review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
            self._rights[key] = status.get("allowed") is True
        return self._rights[key]

    def _review(self, version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        answer = self._cluster.raw("POST", f"/apis/{version}/{kind.lower()}s", body=body)
        assert answer.status == 201, answer.body
        return dict(answer.json()["status"])


def furnish(space: Workspace, facade: Facade, secret: str) -> None:
    """The same state everywhere; `secret` stands where only readers of the workspace may see it."""
    for name in ("prod", "spare", "frozen"):
        space.create_environment(name, description=secret)
    # The last one: they come in their order.
    eventually(lambda: facade.call("GET", f"{space.rest}/frozen", user=ADMIN).status == 200)
    for release in ("r1", "r2"):
        body = {"app_id": "web", "release_id": release, "reason": secret}
        answer = facade.call("POST", f"{space.rest}/prod/deploy", user=ADMIN, body=body)
        assert answer.status == 200, answer.body
    for path, body in (("/frozen/lock", {"reason": secret}), ("/freezes/frozen", {**RULE, "reason": secret})):
        answer = facade.call("PUT", url(space.rest, path), user=ADMIN, body=body)
        assert answer.status == 200, answer.body


def mismatch(truth: Truth, token: str, operation: Operation, space: Workspace, answer: Answer) -> str | None:
    """What is wrong with an answer, None if it is what the cluster says."""
    if truth.user(token) is None:
        return None if answer.status == 401 else "must be 401"
    missing = truth.missing(token, operation, space.namespace)
    if missing is None:
        return None if answer.status == operation.success else f"must be {operation.success}"
    verb, resource = missing
    expected = {"required_permission": operation.permission, "verb": verb, "resource": resource}
    right = answer.status == 403 and answer.json()["details"] == expected
    return None if right else f"must be 403 with {expected}"


@pytest.fixture
def tenants(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces
) -> list[tuple[Workspace, dict[str, str], dict[str, str]]]:
    """Three workspaces, two of one organisation, each with its members and all identities."""
    members = [
        {"alice": "moorage-edit", "bob": "moorage-deployer", "viewer": "moorage-view", "élise": "moorage-edit"},
        {"carol": "moorage-edit", "alice": "moorage-view"},
        {"dave": "moorage-edit", "bob": "view"},
    ]
    first = workspace(members=members[0])
    spaces = [first, workspace(members=members[1], org=first.org), workspace(members=members[2])]
    for space in spaces:
        furnish(space, facade, f"secret-of-{space.name}")
    cases = []
    for number, space in enumerate(spaces):
        known = identities(cluster, space, spaces[(number + 1) % 3], members[number])
        cases.append((space, members[number], known))
    return cases


def test_every_answer_is_what_the_clusters_own_reviews_say(
    cluster: LiveCluster,
    facade: Facade,
    tenants: list[tuple[Workspace, dict[str, str], dict[str, str]]],
    figures: Callable[[str], None],
) -> None:
    truth = Truth(cluster)
    statuses: Counter[int] = Counter()
    wrong, leaks = [], []
    secrets = {f"secret-of-{space.name}" for space, _, _ in tenants}
    identified = [(space, name, token) for space, _, known in tenants for name, token in known.items()]
    for (space, identity, token), operation in itertools.product(identified, OPERATIONS):
        path = url(space.rest, operation.path)
        answer = facade.call(operation.method, path, user=None, token=token, body=operation.body)
        statuses[answer.status] += 1
        case = f"{identity} in {space.name}: {operation.method} {operation.path}"
        problem = mismatch(truth, token, operation, space, answer)
        if problem:
            wrong.append(f"{case}: {problem}, is {answer.status} {answer.body.decode()[:200]}")
        allowed = {f"secret-of-{space.name}"} if answer.status < 300 else set()
        leaks += [f"{case}: {secret}" for secret in secrets - allowed if secret.encode() in answer.body]
    assert wrong == []
    assert leaks == []
    assert statuses.total() >= 400
    # The control: the test signs tokens as the cluster does, so the expired one is refused for its age alone.
    assert all(truth.user(known["about to expire"]) and not truth.user(known["expired"]) for _, _, known in tenants)
    figures(
        f"{statuses.total()} cases of 3 tenants; answers {dict(sorted(statuses.items()))}; "
        f"mismatches {len(wrong)}, leaks {len(leaks)}"
    )


def test_outsiders_hear_the_same_of_what_is_there_and_what_is_not(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces
) -> None:
    space, home = workspace(), workspace(members={"mallory": "moorage-edit"})
    furnish(space, facade, "secret")
    account = tokens.create_account(cluster, home.namespace, "outsider")["metadata"]["name"]
    outsiders = [cluster.token("mallory"), cluster.service_account_token(home.namespace, account)]
    roots = [
        space.rest,
        space.rest.replace(space.name, "absent"),
        space.rest.replace(space.org, "absent"),
        space.rest.replace(space.name, home.name),
    ]
    for token in outsiders:
        for operation in OPERATIONS:
            paths = [operation.path]
            for name in ("prod", "spare", "frozen"):
                paths.append(operation.path.replace(f"/{name}", "/absent", 1))
            heard = {
                _without_time(
                    facade.call(operation.method, url(root, path), user=None, token=token, body=operation.body)
                )
                for root in roots
                for path in paths
            }
            assert len(heard) == 1, (operation, heard)
            assert next(iter(heard))[0] == 403


#: Where a secret may be read in the walk below: right → words that it opens.
OPENS = {
    ("list", BINDINGS): {b"present-secret"},
    ("get", LOCKS): {b"lock-secret"},
    ("list", FREEZES): {b"freeze-secret"},
    ("get", FREEZES): {b"freeze-secret"},
    ("list", "deploymentrecords"): {b"present-secret", b"past-secret", b"reason-secret"},
}


def test_no_answer_shows_more_than_its_caller_may_read(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    """Every operation, with and without dry run, its refusals too, for identities that have some rights alone."""
    space = workspace("prod", "frozen")
    for release in ("past-secret", "present-secret"):
        body = {"app_id": "web", "release_id": release, "reason": "reason-secret"}
        answer = facade.call("POST", f"{space.rest}/prod/deploy", user=ADMIN, body=body)
        assert answer.status == 200, answer.body
    answer = facade.call("PUT", f"{space.rest}/frozen/lock", user=ADMIN, body={"reason": "lock-secret"})
    assert answer.status == 200, answer.body
    rule = {**RULE, "reason": "freeze-secret"}
    assert facade.call("PUT", url(space.rest, "/freezes/frozen"), user=ADMIN, body=rule).status == 200
    moment = str(facade.call("GET", f"{space.rest}/prod", user=ADMIN).json()["updated_at"])
    expected = {"app_id": "web", "release_id": "x", "expected_release_id": "nope"}
    walk: list[tuple[str, str, Any]] = [
        ("GET", "", None), ("GET", "/prod", None), ("GET", "/frozen", None), ("GET", "/prod/deployments", None),
        ("GET", f"/prod?at={moment}", None), ("GET", "/prod?at=2020-01-01T00:00:00Z", None),
        ("PUT", "/prod", {}), ("PUT", "/frozen?dry_run=true", {"name": "N"}), ("PUT", "/prod", {"created_by": "x"}),
        ("POST", "/prod/deploy", expected), ("POST", "/prod/deploy?dry_run=true", expected),
        ("POST", "/prod/deploy/web/rollback", {"expected_release_id": "nope"}),
        ("POST", "/prod/deploy/web/rollback?dry_run=true", {}), ("DELETE", "/prod/deploy/web?dry_run=true", None),
        ("DELETE", "/prod/deploy/web?expected_release_id=nope", None),
        ("PUT", "/prod/lock?dry_run=true", {"reason": "mine"}),
        ("PUT", "/frozen/lock?dry_run=true", {"reason": "mine"}),
        ("DELETE", "/frozen/lock?dry_run=true", None), ("DELETE", "/prod?dry_run=true", None),
        ("POST", "?dry_run=true", {"name": "N", "slug": "prod"}),
        ("GET", "/prod/approvals", None), ("POST", "/prod/approvals", {"app_id": "web", "release_id": "x"}),
        ("GET", "/prod/gates", None), ("GET", "/freezes", None), ("GET", "/freezes/frozen", None),
        ("PUT", "/freezes/frozen?dry_run=true", RULE), ("DELETE", "/freezes/frozen?dry_run=true", None),
    ]  # fmt: skip
    leaks, shown = [], 0
    secrets = set().union(*OPENS.values())
    for title, token in narrow_accounts(cluster, space.namespace).items():
        opened: set[bytes] = set().union(*(OPENS.get(right, set()) for right in NARROW[title]))
        for method, path, body in walk:
            answer = facade.call(method, url(space.rest, path), user=None, token=token, body=body)
            assert answer.status < 500, answer.body
            seen = {secret for secret in secrets if secret in answer.body}
            shown += len(seen)
            leaks += [f"{title}: {method} {path}: {secret!r}" for secret in seen - opened]
    assert leaks == []
    # The control: those who may see something see it.
    assert shown >= 6
    figures(
        f"{len(NARROW)} narrow identities, {len(walk)} calls each; {shown} words shown to those who may, 0 to others"
    )


def _without_time(answer: Answer) -> tuple[int, bytes, str]:
    """Status and body as they are on the wire, but for the time; and the names of the headers."""
    timestamp = json.loads(answer.body)["timestamp"]
    return answer.status, answer.body.replace(timestamp.encode(), b"now"), ",".join(sorted(answer.headers))
