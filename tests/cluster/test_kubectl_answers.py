"""What kubectl answers to the questions of every day: who, when, why, what is left out; mostly with no operator."""

import json
import random
import re

import pytest
from cluster import Workspace, Workspaces
from oracles import settled
from policy_switch import without_change_log
from services import Operators
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH, Answer

NAME = "staging.web"
WARNING = "recorded without a reason"


@pytest.fixture
def shop(no_operator: Operators, workspace: Workspaces) -> Workspace:
    """A workspace in which nobody records anything."""
    return workspace("staging")


def _change(shop: Workspace, release: str | None, note: dict[str, str] | None, *, user: str = "bob") -> Answer:
    body = {"spec": {"release": release, **({"change": note} if note is not None else {})}}
    path = shop.path("deployments", NAME)
    answer = shop.cluster.raw("PATCH", path, user=user, body=body, content_type=MERGE_PATCH)
    assert answer.status == 200, answer.body
    return answer


def _row(shop: Workspace, *flags: str) -> dict[str, str]:
    """The one row of `kubectl get mdep`: column → cell, by where the columns begin."""
    listed = shop.cluster.kubectl("get", "mdep", "-n", shop.namespace, *flags)
    assert listed.returncode == 0, listed.stderr
    header, row = listed.stdout.splitlines()
    columns = [(found.group(), found.start()) for found in re.finditer(r"\S+( \S+)*", header)]
    ends = [*(start for _, start in columns[1:]), len(row)]
    return {name: row[start:end].strip() for (name, start), end in zip(columns, ends, strict=True)}


def test_the_user_beside_a_release_is_the_one_who_put_it_there(shop: Workspace) -> None:
    shop.create_deployment("staging", "web", "1", user="alice")
    for release, user in (("2", "bob"), ("3", "alice"), (None, "bob")):
        _change(shop, release, {"reason": f"because of {release}"}, user=user)
        row = _row(shop, "-o", "wide")
        assert row["CHANGED BY"] == shop.cluster.username(user)
        assert row["WHY"] == f"because of {release}"
        assert row["RELEASE"] == (release or "")
        # Of two changes within one second the second one may have no time (ADR 0008), and then the cell is empty.
        stamp = (shop.get("deployments", NAME) or {})["changeLog"]["entries"][-1]
        assert bool(row["CHANGED"]) == ("at" in stamp)


def test_what_is_not_recorded_yet_can_be_seen(shop: Workspace, no_operator: Operators) -> None:
    shop.create_deployment("staging", "web", "1")
    no_operator.ensure()
    eventually(lambda: settled(shop))
    recorded = _row(shop, "-o", "wide")
    no_operator.stop()
    _change(shop, "2", None)
    waiting = _row(shop, "-o", "wide")

    assert (recorded["CHANGES"], recorded["RECORDED"], recorded["STATE"]) == ("1", "1", "Recorded")
    assert (waiting["CHANGES"], waiting["RECORDED"]) == ("2", "1")


def test_records_are_found_by_user_and_by_release(shop: Workspace, no_operator: Operators) -> None:
    no_operator.ensure()
    shop.create_deployment("staging", "web", "1", user="alice")
    for release, user in (("2", "bob"), ("1", "alice"), ("2", "alice")):
        _change(shop, release, None, user=user)
    eventually(lambda: settled(shop))

    def found(selector: str) -> list[int]:
        listed = shop.cluster.kubectl("get", "drec", "-n", shop.namespace, f"--field-selector={selector}", "-o", "json")
        return sorted(item["spec"]["sequence"] for item in json.loads(listed.stdout)["items"])

    assert found(f"spec.by={shop.cluster.username('bob')}") == [2]
    assert found("spec.release=2") == [2, 4]
    assert found(f"spec.by={shop.cluster.username('alice')},spec.release=1") == [1, 3]


def test_the_category_shows_what_is_there_and_no_records(shop: Workspace, no_operator: Operators) -> None:
    shop.create_deployment("staging", "web", "1")
    no_operator.ensure()
    eventually(lambda: settled(shop))

    listed = shop.cluster.kubectl("get", "moorage", "-n", shop.namespace, "-o", "name")

    assert listed.returncode == 0, listed.stderr
    found = {line.partition(".")[0] for line in listed.stdout.split()}
    assert {"environment", "deployment"} <= found
    assert "deploymentrecord" not in found
    assert shop.cluster.kubectl("get", "drec", "-n", shop.namespace, "-o", "name").stdout.count("\n") == 1


def test_a_warning_comes_when_a_reason_is_left_out(shop: Workspace) -> None:
    """Random writes of notes, held against what the API server stamped.

    The API server may try a patch on an older state first and again on the present one, and keeps the warnings of both:
    so one warning too many is possible where the reason is that of the change before the last.
    """
    rng = random.Random(20261201)  # noqa: S311 — the same notes in every run
    shop.create_deployment("staging", "web", "0", change={"reason": "a"})
    left_out, reasons = 0, ["a", "a"]
    for number in range(1, 16):
        note: dict[str, str] = {"reason": rng.choice("ab")}
        if rng.random() < 0.4:
            note |= {"requestId": f"id-{number}"}
        if rng.random() < 0.4:
            note |= {"completeFor": note.get("requestId", "id-0")}
        answer = _change(shop, str(number), note)
        stamped = answer.json()["changeLog"]["entries"][-1]
        warned = WARNING in answer.headers.get("warning", "")
        is_left_out = "reason" not in stamped
        assert warned == is_left_out or (warned and note["reason"] == reasons[-2]), (note, stamped)
        reasons.append(note["reason"])
        left_out += is_left_out
    assert 0 < left_out < 15


def test_a_write_that_changes_no_release_is_never_warned(shop: Workspace) -> None:
    shop.create_deployment("staging", "web", "1", change={"reason": "first"})
    path = shop.path("deployments", NAME)
    answer = shop.cluster.raw(
        "PATCH", path, user="alice", body={"metadata": {"labels": {"team": "web"}}}, content_type=MERGE_PATCH
    )
    assert answer.status == 200
    assert "warning" not in answer.headers


PLACE = {"moorage.dev/environment": "staging", "moorage.dev/app": "web"}


def test_what_is_where_is_found_by_label_whatever_a_manifest_says(shop: Workspace) -> None:
    path = shop.path("deployments", NAME)

    def labels() -> dict[str, str]:
        return dict((shop.get("deployments", NAME) or {})["metadata"].get("labels", {}))

    lie = {"moorage.dev/app": "other", "team": "web"}
    spec = {"environment": "staging", "app": "web", "release": "1"}
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": lie},
        "spec": spec,
    }
    assert shop.cluster.raw("POST", shop.path("deployments"), user="alice", body=body).status == 201
    assert labels() == {**PLACE, "team": "web"}

    for told in (
        {"moorage.dev/app": None},
        {"moorage.dev/environment": None, "team": None},
        {"moorage.dev/app": "x"},
        None,
    ):
        patch = {"metadata": {"labels": told}}
        answer = shop.cluster.raw("PATCH", path, user="alice", body=patch, content_type=MERGE_PATCH)
        # A write that sets nothing but what is put back may be refused, as one that sets a stamp is.
        assert answer.status == 200 or (answer.status == 403 and told == {"moorage.dev/app": "x"}), answer.body
        assert labels().items() >= PLACE.items()

    replaced = dict(shop.get("deployments", NAME) or {})
    replaced["metadata"] = {key: replaced["metadata"][key] for key in ("name", "resourceVersion")}
    assert shop.cluster.raw("PUT", path, user="alice", body=replaced).status == 200
    _change(shop, None, None)
    assert labels() == PLACE
    found = shop.cluster.kubectl(
        "get", "mdep", "-n", shop.namespace, "-l", "moorage.dev/environment=staging", "-o", "name"
    )
    assert found.stdout == f"deployment.moorage.dev/{NAME}\n"


def test_a_binding_from_before_its_labels_gets_them_with_its_next_release(shop: Workspace) -> None:
    with without_change_log(shop.cluster, shop):
        shop.create_deployment("staging", "web", "1")
    assert "labels" not in (shop.get("deployments", NAME) or {})["metadata"]
    _change(shop, None, None)
    assert "labels" not in (shop.get("deployments", NAME) or {})["metadata"]

    _change(shop, "2", None)

    assert (shop.get("deployments", NAME) or {})["metadata"]["labels"] == PLACE
