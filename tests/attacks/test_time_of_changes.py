"""The time of a change, and who made it: true or absent, whatever managedFields anybody sends, by any kind of write."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from dice import DICE
from forged_fields import Forger
from identities import DEPLOYER, EDITOR, MEMBERS, Object, refused_by
from oracles import CLOCK_SLACK, in_parallel, time_is_true
from policy_switch import without
from services import Operators
from time_forgery import MANAGERS_OF_CLIENTS, Target, attack, honest, target_body, target_spec
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import JSON, MERGE_PATCH

#: Objects of the campaign; it takes about half a minute for 120.
CAMPAIGN = int(os.environ.get("MOORAGE_FORGED_OBJECTS", "6000"))
#: Threads that attack at once.
THREADS = 4
#: Objects that grow old together.
BATCH = 30


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """A workspace; no operator runs, so that nothing but the tests writes."""
    made = Workspaces(cluster)
    _operators.stop()
    yield made("production", members=MEMBERS)
    made.clean()


def _made(shop: Workspace, forger: Forger, unique: str) -> Target:
    """A fresh object, made with forged fields where the API server takes them."""
    plural = forger.random.choice(["deployments", "deployments", "environments", "environmentlocks"])
    target = Target(shop, plural, f"production.{unique}" if plural == "deployments" else unique)
    fields = forger.random.choice([None, forger.payload([]), [forger.entry() for _ in range(12)]])
    query = f"?fieldManager={forger.random.choice(MANAGERS_OF_CLIENTS)}"
    made = target.send("POST", target_body(target, fields), JSON, user=_user(target), query=query)
    if made.status >= 300:
        assert target.send("POST", target_body(target), JSON, user=_user(target)).status == 201
    return target


def _user(target: Target) -> str:
    return DEPLOYER if target.plural == "deployments" else EDITOR


def _grow_old() -> None:
    """Wait until the time of every earlier write would be seen to be wrong."""
    since = time.monotonic()
    eventually(lambda: time.monotonic() > since + CLOCK_SLACK + 1.5)


def _campaign(shop: Workspace, seed: int, rounds: int) -> Target:
    """Attack fresh objects again and again, old ones and such that were just written; returns the sums."""
    forger, total = Forger(Random(seed)), Target(shop, "", "")  # noqa: S311 — nothing secret, and to be repeated
    for first in range(0, rounds, BATCH):
        targets = [_made(shop, forger, f"f{seed}-{number}") for number in range(first, min(first + BATCH, rounds))]
        for _ in range(2):
            _grow_old()
            attacks = [target for target in targets for _ in range(forger.random.choice([1, 2, 5]))]
            for target in attacks:
                attack(target, forger, user=_user(target))
        _grow_old()
        for target in targets:
            honest(target, user=_user(target))
            shop.cluster.raw("DELETE", shop.path(target.plural, target.name))
            total.accepted += target.accepted
            total.timed += target.timed
            total.changes += target.changes
    return total


def _run(shop: Workspace, rounds: int, figures: Callable[[str], None]) -> None:
    sums: list[Target] = []
    jobs = [lambda job=job: sums.append(_campaign(shop, DICE + job, rounds // THREADS)) for job in range(THREADS)]
    try:
        in_parallel(THREADS, jobs)
    except BaseException as error:
        error.add_note(f"MOORAGE_DICE={DICE}")
        raise
    accepted, timed, changes = (sum(getattr(one, key) for one in sums) for key in ("accepted", "timed", "changes"))
    # The attacks get through, and so do the times of most honest writers: else this test would show nothing.
    assert accepted > rounds / 2
    assert timed > changes / 2
    figures(f"{rounds} objects, {accepted} hostile writes accepted, {changes} changes, {timed} with a time, 0 untrue")


def test_random_managed_fields_give_no_wrong_time(shop: Workspace, figures: Callable[[str], None]) -> None:
    _run(shop, 120, figures)


@pytest.mark.parametrize("plural", ["deployments", "environments", "environmentlocks"])
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON])
def test_fields_that_the_api_server_cannot_follow_keep_no_old_time(
    shop: Workspace, plural: str, content_type: str
) -> None:
    """It leaves all managedFields as they were then, with the time of the last change."""
    name = f"untracked-{secrets.token_hex(4)}"
    target = Target(shop, plural, f"production.{name}" if plural == "deployments" else name)
    assert target.send("POST", target_body(target), JSON, user=EDITOR).status == 201
    _grow_old()
    before = target.stored["metadata"]["managedFields"]
    alien: Object = {**before[0], "manager": "alien", "apiVersion": "moorage.dev/v0"}
    fields = [*before, alien]

    wanted = {**target.stored["spec"], **target_spec(target)}
    body = {**target.stored, "metadata": {**target.stored["metadata"], "managedFields": fields}, "spec": wanted}
    answer = target.send("PUT" if content_type == JSON else "PATCH", body, content_type, user=EDITOR)

    assert answer.status == 200, answer.body
    assert answer.json()["metadata"]["managedFields"] == before
    if plural == "deployments":
        assert "at" not in answer.json()["changeLog"]["entries"][-1]
    else:
        assert "updatedAt" not in answer.json()["provenance"]


def _managers(count: int, when: str) -> list[Object]:
    """Entries of field managers that own what does not exist, so that nobody ever takes it from them."""
    return [
        {
            "manager": f"m{number}",
            "operation": "Update",
            "apiVersion": names.API_VERSION,
            "time": when,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {f"f:p{number}": {}}}},
        }
        for number in range(count)
    ]


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "2020-01-02T03:04:05Z", "2099-01-01T00:00:00Z"])
@pytest.mark.parametrize("plural", ["deployments", "environments", "environmentlocks"])
def test_more_managers_than_the_api_server_keeps_give_no_other_time(shop: Workspace, plural: str, when: str) -> None:
    """It merges the oldest into `ancient-changes`, with the time of any of them: a writer of that name had any time."""
    unique = f"m{secrets.token_hex(4)}"
    target = Target(shop, plural, f"production.{unique}" if plural == "deployments" else unique)
    user = DEPLOYER if plural == "deployments" else EDITOR
    query = "?fieldManager=ancient-changes"
    many = target.send("POST", target_body(target, _managers(12, when)), JSON, user=user, query=query)
    assert refused_by(many, names.POLICY_METADATA), many.body
    assert target.send("POST", target_body(target, _managers(1, when)), JSON, user=user, query=query).status in {
        201,
        403,
    }
    if not target.stored:
        assert target.send("POST", target_body(target), JSON, user=user, query=query).status == 201
    for number in range(12):
        # One after the other; a refused one may be the last.
        fields = [*target.stored["metadata"]["managedFields"], _managers(number + 1, when)[-1]]
        for part in ({}, {"labels": {"x": None}}, {"labels": {"x": str(number)}}):
            brought = {"metadata": {"managedFields": fields, **part}}
            answer = target.send("PATCH", brought, MERGE_PATCH, user=user, query=query)
            assert refused_by(answer, names.POLICY_METADATA), answer.body
        target.send("PATCH", {"spec": target_spec(target)}, MERGE_PATCH, user=user, query=query)
    honest(target, user=user)


@pytest.mark.parametrize("emptied", [[{}], []], ids=str)
@pytest.mark.parametrize("spec", [{}, {"release": "v9"}], ids=["alone", "with a release"])
def test_managed_fields_are_not_emptied(shop: Workspace, emptied: list[Object], spec: Object) -> None:
    target = _deployed(shop)
    body = {"metadata": {"managedFields": emptied}, "spec": spec}
    target.send("PATCH", body, MERGE_PATCH, user=DEPLOYER)
    target.send("PUT", target.stored | {"metadata": target.stored["metadata"] | body["metadata"]}, JSON, user=DEPLOYER)
    assert (shop.get("deployments", target.name) or {})["metadata"]["managedFields"]
    started = time.time()
    # Another manager: of one that writes twice in a second nothing proves the second time.
    answer = target.send("PATCH", {"spec": {"release": "v10"}}, MERGE_PATCH, user=EDITOR, query="?fieldManager=other")
    time_is_true(answer.json()["changeLog"]["entries"][-1]["at"], started=started, ended=time.time())


def _deployed(shop: Workspace, **spec: object) -> Target:
    target = Target(shop, "deployments", f"production.a{secrets.token_hex(4)}")
    body = target_body(target)
    body["spec"] |= spec
    assert target.send("POST", body, JSON, user=DEPLOYER, query="?fieldManager=kubectl-create").status == 201
    return target


def test_a_path_below_the_release_takes_nobodys_time_away(shop: Workspace) -> None:
    target = _deployed(shop)
    child = _managers(1, "2020-01-02T03:04:05Z")[0] | {"fieldsV1": {"f:spec": {"f:release": {"f:x": {}}}}}
    fields = [*target.stored["metadata"]["managedFields"], child]
    answer = target.send("PATCH", {"metadata": {"managedFields": fields}}, MERGE_PATCH, user=DEPLOYER)
    assert refused_by(answer, names.POLICY_METADATA), answer.body
    # In the entry of the write itself nobody can tell it apart.
    own = child | {"manager": "m0", "fieldsV1": {"f:spec": {"f:release": {".": {}, "f:x": {}}}}}
    body = {
        "metadata": {"managedFields": [*target.stored["metadata"]["managedFields"], own]},
        "spec": target_spec(target),
    }
    answer = target.send("PATCH", body, MERGE_PATCH, user=DEPLOYER, query="?fieldManager=m0")
    assert answer.status == 200, answer.body
    for query in ("?fieldManager=kubectl-patch", "?fieldManager=m0"):
        started = time.time()
        stamped = target.send("PATCH", {"spec": target_spec(target)}, MERGE_PATCH, user=EDITOR, query=query).json()
        time_is_true(stamped["changeLog"]["entries"][-1]["at"], started=started, ended=time.time())


def test_a_note_of_before_lends_an_undeploy_no_time(shop: Workspace) -> None:
    target = _deployed(shop, change={"reason": "first", "requestId": "r1"})
    eventually(lambda: time.time() > _accepted(target) + 2 * CLOCK_SLACK)
    left = target.send("PATCH", {"spec": {"release": None}}, MERGE_PATCH, user=EDITOR).json()
    assert "at" not in left["changeLog"]["entries"][-1]


def _accepted(target: Target) -> float:
    return datetime.fromisoformat(target.stored["changeLog"]["entries"][-1]["at"]).timestamp()


def test_each_part_of_a_note_counts_only_in_the_write_that_sets_it(shop: Workspace) -> None:
    """Else "approved by CAB-1" would stand under the name of the next user, who only adds a request id."""
    target = _deployed(shop, change={"reason": "approved by CAB-1", "requestId": "r1", "action": "rollback"})

    def patched(change: Object) -> Object:
        body = {"spec": {**target_spec(target), "change": change}}
        answer = target.send("PATCH", body, MERGE_PATCH, user=EDITOR)
        assert answer.status == 200, answer.body
        return dict(answer.json()["changeLog"]["entries"][-1])

    only_id = patched({"requestId": "r2"})
    assert (only_id.get("reason"), only_id["requestId"], only_id["action"]) == (None, "r2", "deploy")
    only_reason = patched({"reason": "hotfix"})
    assert (only_reason["reason"], only_reason.get("requestId"), only_reason["action"]) == ("hotfix", None, "deploy")
    repeated = {"reason": "hotfix", "requestId": "r3", "completeFor": "r3", "action": "rollback"}
    whole = patched(repeated)
    assert (whole["reason"], whole["requestId"], whole["action"]) == ("hotfix", "r3", "rollback")
    sticking = patched({"requestId": "r4"})
    assert (sticking.get("reason"), sticking["action"]) == (None, "deploy")


@pytest.mark.parametrize("plural", ["deployments", "environments", "environmentlocks"])
def test_names_that_cannot_be_told_apart_are_refused(shop: Workspace, plural: str) -> None:
    unique = f"u{secrets.token_hex(4)}"
    target = Target(shop, plural, f"production.{unique}" if plural == "deployments" else unique)
    base = "n" * 1024
    for name, expected in ((base, 201), (base + "1", 403), (base + "2", 403)):
        headers = {"Impersonate-User": name, "Impersonate-Group": "system:masters"}
        path = shop.path(plural)
        answer = shop.cluster.raw("POST", path + "?dryRun=All", body=target_body(target), headers=headers)
        assert answer.status == expected, answer.body
        assert expected == 201 or "1,024" in answer.json()["message"]


def test_a_name_with_a_line_break_leaves_the_refusal_of_a_lock_readable(shop: Workspace, cluster: LiveCluster) -> None:
    """No header can hold such a name, but a certificate can: here it comes into the lock while nobody stamps."""
    unique, path = f"e{secrets.token_hex(4)}", shop.path("environmentlocks")
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "EnvironmentLock",
        "metadata": {"name": unique},
        "spec": {"reason": "audit"},
        "provenance": {"updatedBy": "mal\nlory"},
    }
    probe = body | {"metadata": {"name": f"{unique}-probe"}}

    def checks() -> bool:
        return cluster.raw("POST", path + "?dryRun=All", body=probe).status == 403

    def stamps() -> bool:
        answer = cluster.raw("POST", path + "?dryRun=All", body=probe)
        return answer.status == 201 and answer.json()["provenance"]["updatedBy"] != "mal\nlory"

    with without(cluster, "mutating", names.POLICY_PROVENANCE, stamps):
        eventually(checks)
        with without(cluster, "validating", names.POLICY_PROVENANCE_STAMPS, checks):
            assert cluster.raw("POST", path, body=body).status == 201
    eventually(stamps)
    wanted = target_body(Target(shop, "deployments", f"{unique}.web"))
    wanted["spec"]["environment"] = unique
    answer = cluster.raw("POST", shop.path("deployments"), user=DEPLOYER, body=wanted)
    assert refused_by(answer, names.POLICY_DEPLOYMENT_LOCKS), answer.body
    assert "by mal lory: audit" in answer.json()["message"]


@pytest.mark.campaign
@pytest.mark.timeout(4 * 3600)
def test_thousands_of_random_managed_fields_give_no_wrong_time(shop: Workspace, figures: Callable[[str], None]) -> None:
    _run(shop, CAMPAIGN, figures)
