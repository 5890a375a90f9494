"""`moorage import`: what tools say of what runs, and the past as claims that nobody takes for stamps."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from facade_world import NAMESPACE, World
from people import by_kubeconfig, by_rest

from moorage_cli.importing import found
from moorage_cli.importing.found import FoundError
from moorage_cli.importing.past import Past, PastError, past_of, records_of, restored, standing_of
from moorage_cli.importing.plan import Planned, Step, planned
from moorage_cli.importing.writing import compare
from moorage_cli.people import importing, questions
from moorage_cli.people.model import Exit, TroubleError, to_json
from moorage_cli.people.ways import Where
from moorage_cli.replay import Line
from moorage_crds import names
from moorage_crds.chain import ChainWalk, Flaw
from moorage_crds.kinds.record import imported_claim, imported_uid, spec_hash
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import ResourceStore

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(days=30)
PLACE = "shop"


def line(minute: int, environment: str, release: str | None, app: str = "web", **more: Any) -> Line:
    return Line(BEGIN + timedelta(minutes=minute), app, environment, release, **more)


def past(*lines: Line) -> Past:
    return past_of(lines, now=NOW)


STORY = past(
    line(0, "staging", "1", by="alice", reason="first"),
    line(5, "production", "1"),
    line(9, "staging", "2"),
    line(10, "staging", None),
    line(11, "staging", "3", app="Api_2"),
)


def records(of: Past = STORY) -> list[RawObject]:
    return list(records_of(of, namespace=PLACE, source="git log"))


def flaws(raws: list[RawObject], made: str = "2026-12-01T00:00:00Z") -> list[Flaw]:
    raws = [{**raw, "metadata": {**raw["metadata"], "resourceVersion": "1", "creationTimestamp": made}} for raw in raws]
    walk = ChainWalk(PLACE, str(metadata(raws[0])["name"])[:36])
    return [flaw for raw in raws for flaw in walk.step(raw, None)] + list(walk.ends(None))


def test_every_line_becomes_a_record_of_what_is_claimed_and_nothing_is_stamped() -> None:
    made = records()
    assert len(made) == STORY.count == 5
    first = next(raw["spec"] for raw in made if raw["spec"].get("claimedBy"))
    assert (first["claimedAt"], first["claimedBy"], first["source"], first["reason"]) == (
        "2026-03-01T00:00:00Z", "alice", "git log", "first",
    )  # fmt: skip
    assert all(raw["spec"]["action"] == "import" and not {"at", "by"} & raw["spec"].keys() for raw in made)
    assert all(raw["metadata"]["labels"][names.LABEL_IMPORTED] == "true" for raw in made)
    assert all(spec_hash(raw["spec"]) == raw["spec"]["hash"] for raw in made)


def test_imported_chains_are_whole_and_need_no_deployment() -> None:
    staging = [raw for raw in records() if raw["spec"]["deployment"]["name"] == "staging.web"]
    assert [raw["spec"].get("release") for raw in staging] == ["1", "2", None]
    assert flaws(staging) == []
    assert flaws(staging[:2]) == [], "an import may end with a release: its Deployment is another one"


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda raw: raw["metadata"]["labels"].pop(names.LABEL_IMPORTED), id="label taken away"),
        pytest.param(lambda raw: raw["spec"].update(claimedBy="mallory"), id="another user"),
        pytest.param(lambda raw: raw["spec"].update(claimedAt="2027-01-01T00:00:00Z"), id="a time to come"),
    ],
)
def test_a_claim_that_was_edited_is_a_flaw(forge: Callable[[RawObject], object]) -> None:
    staging = [raw for raw in records() if raw["spec"]["deployment"]["name"] == "staging.web"]
    forge(staging[1])
    assert flaws(staging)


def test_a_claim_in_the_chain_of_a_deployment_is_a_flaw() -> None:
    made = records(past(line(0, "staging", "1")))
    own = imported_uid(PLACE, "staging.web")
    assert own[14] == "5", "uids of objects are version 4"
    text = json.dumps(made).replace(own, "8b441a92-ba68-49a4-9cae-f047a2c9ab25")
    assert "none of imports" in " ".join(flaw.what for flaw in flaws(json.loads(text)))


def test_the_same_file_makes_the_same_bytes_and_another_one_is_refused() -> None:
    known = {raw["metadata"]["name"]: raw["spec"]["hash"] for raw in records()}
    compare(iter(records()), known)
    compare(iter(records(past(line(0, "qa", "1")))), known)
    with pytest.raises(PastError, match="another past of web in staging"):
        compare(iter(records(past(line(1, "staging", "1")))), known)


def test_an_export_comes_back_with_its_hashes_and_is_told_apart() -> None:
    stamped: RawObject = {
        "metadata": {"name": "x", "namespace": PLACE, "uid": "old", "labels": {"moorage.dev/app": "web"}},
        "spec": {
            "environment": "staging", "app": "web", "action": "deploy", "sequence": 1, "release": "1",
            "at": "2026-03-01T00:00:00Z", "by": "alice", "hash": "h",
        },
    }  # fmt: skip
    (again,) = restored([stamped], namespace=PLACE)
    assert again["spec"] == stamped["spec"]
    assert again["metadata"]["labels"] == {"moorage.dev/app": "web", names.LABEL_IMPORTED: "true"}
    assert "uid" not in again["metadata"]
    claim = imported_claim(again)
    assert claim is not None
    assert (claim.by, claim.source) == ("alice", "export")
    assert imported_claim(stamped) is None
    with pytest.raises(PastError, match="-n shop"):
        list(restored([stamped], namespace="elsewhere"))


def test_what_stands_at_the_end_is_the_present() -> None:
    assert STORY.standing() == {("production", "web"): "1", ("staging", "Api_2"): "3"}
    assert standing_of(records()) == STORY.standing()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([line(0, "Not A Slug", "1")], "Not A Slug"),
        ([line(0, "staging", "not a release")], "not a release"),
        ([line(60 * 24 * 31, "staging", "1")], "still to come"),
        ([line(0, "staging", "1", app="a_b"), line(1, "staging", "1", app="a-b")], "a-b"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(lines: list[Line], says: str) -> None:
    with pytest.raises(PastError, match=says):
        past(*lines)


def test_a_plan_creates_what_is_missing_and_touches_nothing_else() -> None:
    found_now = {("staging", "web"): "2", ("staging", "api"): "7", ("qa", "web"): "1", ("staging", "old"): "1"}
    there = {"staging": {"web": "2", "api": "8"}}
    assert planned(found_now, {("qa", "web"): 3}, there) == [
        Planned(Step.CREATE, "qa"),
        Planned(Step.IMPORT, "qa", "web", changes=3),
        Planned(Step.DEPLOY, "qa", "web", "1"),
        Planned(Step.KEEP, "staging", "api", "7", "8"),
        Planned(Step.DEPLOY, "staging", "old", "1"),
    ]


def helm_secret(name: str, version: str) -> RawObject:
    release = {"name": name, "chart": {"metadata": {"version": version}}}
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    return {"metadata": {"name": f"sh.helm.release.v1.{name}.v1", "namespace": "x"}, "data": {"release": packed}}


def workload(name: str, image: str, **meta: Any) -> RawObject:
    containers = [{"name": "sidecar", "image": "proxy:9"}, {"name": name, "image": image}]
    return {"metadata": {"name": name, **meta}, "spec": {"template": {"spec": {"containers": containers}}}}


ARGO = {"metadata": {"name": "web-staging"}, "spec": {"source": {"targetRevision": "main"}}}
FLUX = {"metadata": {"name": "web"}, "spec": {"chart": {"spec": {"version": "1.x"}}}}


@pytest.mark.parametrize(
    ("reader", "raw", "expected"),
    [
        (found.of_argocd, {**ARGO, "status": {"summary": {"images": ["r:5000/web:1.2"]}}}, ("web-staging", "1.2")),
        (found.of_argocd, {**ARGO, "status": {"sync": {"revision": "4f2a"}}}, ("web-staging", "4f2a")),
        (found.of_argocd, ARGO, ("web-staging", "main")),
        (found.of_flux, FLUX, ("web", "1.x")),
        (found.of_flux, {**FLUX, "status": {"history": [{"chartVersion": "1.4.2"}]}}, ("web", "1.4.2")),
        (found.of_helm, helm_secret("web", "3.1.0"), ("web", "3.1.0")),
        (found.of_workload, workload("web", "r:5000/a/web:2.4.1"), ("web", "2.4.1")),
        (found.of_workload, workload("web", "r:5000/web"), ("web", None)),
        (found.of_workload, workload("web", "web@sha256:ab"), ("web", "sha256:ab")),
        (found.of_workload, workload("x", "web:1", labels={"app.kubernetes.io/name": "web"}), ("web", "1")),
    ],
)
def test_what_tools_say_of_what_runs(reader: found.Reader, raw: RawObject, expected: tuple[str, str | None]) -> None:
    assert reader(raw) == expected


def test_apps_are_called_as_they_are_everywhere() -> None:
    objects = [workload("staging-web", "web:1"), workload("api-staging", "api:2")]
    assert found.sorted_out(objects, "staging", found.of_workload) == {("staging", "web"): "1", ("staging", "api"): "2"}


@pytest.mark.parametrize(
    "objects",
    [
        [workload("web", "web")],
        [workload("web", "web:1"), workload("web", "web:2")],
        [{"metadata": {"name": "x"}, "data": {"release": "?"}}],
    ],
)
def test_what_says_no_release_stops_the_import(objects: list[RawObject]) -> None:
    with pytest.raises(FoundError):
        found.sorted_out(objects, "staging", found.of_helm if "data" in objects[0] else found.of_workload)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """`moorage import` meets a cluster in memory."""
    made = World()

    @asynccontextmanager
    async def opened(_where: Where, *, importing: bool) -> AsyncIterator[tuple[ResourceStore, str]]:
        yield made.cluster.as_caller("alice"), NAMESPACE

    monkeypatch.setattr(importing, "cluster", opened)
    return made


def imported(world: World, *arguments: str) -> int:
    return importing.run_import([*arguments])


def told(tmp_path: Path) -> Path:
    path = tmp_path / "past.csv"
    path.write_text(
        "time,app,environment,release,by\n2026-01-01T10:00:00Z,web,staging,1,bob\n2026-01-02T10:00:00Z,web,staging,2,\n"
    )
    return path


def test_a_plan_is_shown_and_carried_out_when_somebody_says_yes(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(told(tmp_path))
    assert imported(world, "csv", file, "--history") == Exit.DONE
    said = capsys.readouterr()
    assert ("create environment" in said.out, "nothing was changed" in said.err) == (True, True)
    assert world.cluster.all(names.RECORDS) == []

    assert imported(world, "csv", file, "--history", "--yes") == Exit.DONE
    assert "2 records imported, 0 were there, 1 releases deployed" in capsys.readouterr().out
    claims = [one["spec"] for one in world.cluster.all(names.RECORDS)]
    assert [(one["release"], one.get("claimedBy"), one["source"]) for one in claims] == [
        ("1", "bob", "past.csv"), ("2", None, "past.csv"),
    ]  # fmt: skip
    (binding,) = world.cluster.all(names.DEPLOYMENTS)
    assert binding["spec"]["release"] == "2"
    assert binding["changeLog"]["entries"][0]["reason"] == "imported from past.csv"


async def test_both_ways_show_what_was_imported(world: World, tmp_path: Path) -> None:
    await asyncio.to_thread(imported, world, "csv", str(told(tmp_path)), "--history", "--yes")
    ways = [by_rest(world), by_kubeconfig(world)]
    seen = [to_json(await way.history("staging")) for way in ways]
    assert seen[0] == seen[1]
    assert [(one["release"], one["action"], one["imported"], one["by"], one["claimed_by"]) for one in seen[0]] == [
        ("2", "deploy", False, "alice", None),
        ("2", "import", True, None, None),
        ("1", "import", True, None, "bob"),
    ]
    lines = await ways[0].history("staging")
    assert [one.release for one in questions.standing(lines, datetime(2026, 1, 1, 12, tzinfo=UTC))] == ["1"]
    with pytest.raises(TroubleError, match="no earlier release"):
        questions.earlier_releases(lines)


async def test_both_ways_show_that_an_app_was_taken_out_in_the_past(world: World, tmp_path: Path) -> None:
    file = tmp_path / "past.csv"
    file.write_text(
        "time,app,environment,release\n2026-01-01T10:00:00Z,web,staging,1\n2026-01-02T10:00:00Z,web,staging,\n"
    )
    await asyncio.to_thread(imported, world, "csv", str(file), "--history", "--yes")
    seen = [to_json(await way.history("staging")) for way in (by_rest(world), by_kubeconfig(world))]
    assert seen[0] == seen[1]
    assert [(one["previous"], one["release"]) for one in seen[0]] == [("1", None), (None, "1")]
    assert world.cluster.all(names.DEPLOYMENTS) == []


def test_what_is_there_is_passed_over_and_what_differs_stops_it(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = told(tmp_path)
    assert imported(world, "csv", str(file), "--history", "--no-present", "--yes") == Exit.DONE
    assert imported(world, "csv", str(file), "--history", "--no-present", "--yes") == Exit.DONE
    assert "0 records imported, 2 were there" in capsys.readouterr().out
    file.write_text(file.read_text().replace(",1,bob", ",1,carol"))
    assert imported(world, "csv", str(file), "--history", "--no-present", "--yes") == Exit.USAGE
    assert "another past of web in staging" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("csv",), ("records",), ("csv", "/no/file"), ("argocd",), ("flux", "-e", "x")])
def test_what_is_missing_is_said(world: World, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(world, *arguments) == Exit.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_runs_is_read_and_deployed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.cluster.put(workload("web", "web:7", namespace="shop-prod"), "deployments.apps")
    assert imported(world, "kubectl", "-e", "production", "--from", "shop-prod", "--yes") == Exit.DONE
    assert [one["spec"]["release"] for one in world.cluster.all(names.DEPLOYMENTS)] == ["7"]
