"""What `verify` and `export` do, around a store in memory."""

import csv
import io
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import builders
import pytest
from builders import NAMESPACE
from fake_cluster import FakeCluster
from fixed_clock import START
from operator_bench import Bench

from moorage_cli.config import Format
from moorage_cli.export import COLUMNS, Choice, NoWorkspaceError, export
from moorage_cli.verification import PROGRESS_EVERY, Note, Report, Verification
from moorage_crds import names
from moorage_crds.anchors import Removable, Tip
from moorage_crds.chain import Flaw
from moorage_crds.identifiers import AppId, EnvironmentSlug
from moorage_crds.objects import RawObject


@pytest.fixture
async def bench() -> Bench:
    """Two bindings with recorded changes, and one that was deleted."""
    made = Bench()
    made.store.put(builders.environment())
    await made.replica().sweep.once()
    for app, releases in {"web": ("v1", "v2", "v1"), "api": ("v7",), "gone": ("v1",)}.items():
        for release in releases:
            made.clock.advance(10)
            made.release(release, app=app)
            await made.settle()
    made.store.remove(names.DEPLOYMENTS, NAMESPACE, "production.gone")
    await made.settle()
    return made


class Run:
    """One verification and what it said."""

    def __init__(self, anchors: dict[str, Tip] | None = None) -> None:
        self.flaws: list[Flaw] = []
        self.lines: list[str] = []
        self.tips: dict[str, Tip] = {}
        self.verification = Verification(
            found=self.flaws.extend,
            progress=self.lines.append,
            tip=lambda tip: self.tips.update({tip.uid: tip}),
            removable=Removable(START - timedelta(days=90), newer=1000),
            anchors=anchors or {},
        )

    async def of(self, store: FakeCluster) -> Report:
        return await self.verification.of_cluster(store)


async def test_a_whole_cluster_is_whole(bench: Bench) -> None:
    run = Run()
    assert await run.of(bench.store) == Report(records=6, chains=3)
    assert {tip.sequence for tip in run.tips.values()} == {1, 2, 3}


async def test_each_broken_chain_is_told_once(bench: Bench) -> None:
    for raw in bench.store.all(names.RECORDS):
        if raw["spec"]["app"] in {"web", "api"}:
            raw["spec"]["by"] = "mallory"
            bench.store.put(raw)
    run = Run()
    report = await run.of(bench.store)
    assert report.broken == 2
    assert {flaw.binding for flaw in run.flaws} == {"production.web", "production.api"}


async def test_a_deployment_that_lost_all_records_is_found(bench: Bench) -> None:
    for raw in bench.store.all(names.RECORDS):
        if raw["spec"]["app"] == "api":
            bench.store.remove(names.RECORDS, NAMESPACE, raw["metadata"]["name"])
    run = Run()
    assert (await run.of(bench.store)).broken == 1
    assert run.flaws[0].binding == "production.api"


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {}},
        {"status": "good"},
        {"status": {"history": "long"}},
        {"changeLog": {"entries": [{"sequence": 1, "action": "explode"}]}},
    ],
)
@pytest.mark.parametrize("has_records", [True, False])
async def test_an_unreadable_deployment_is_one_flaw(bench: Bench, change: RawObject, has_records: bool) -> None:
    raw = bench.store.one(names.DEPLOYMENTS, NAMESPACE, "production.api")
    assert raw is not None
    bench.store.put(raw | change)
    for record in bench.store.all(names.RECORDS):
        if record["spec"]["app"] == "api" and not has_records:
            bench.store.remove(names.RECORDS, NAMESPACE, record["metadata"]["name"])
    run = Run()
    assert (await run.of(bench.store)).broken == 1
    assert [(flaw.binding, flaw.sequence) for flaw in run.flaws] == [("production.api", 0)]


@pytest.mark.parametrize("spec", [None, "text", {"at": 7}, {"by": {"name": "mallory"}}])
async def test_an_unreadable_record_is_found_exported_and_found_there(bench: Bench, spec: Any) -> None:
    raw = next(raw for raw in bench.store.all(names.RECORDS) if raw["spec"]["app"] == "api")
    raw["spec"] = raw["spec"] | spec if isinstance(spec, dict) else spec
    bench.store.put(raw)
    run = Run()
    assert (await run.of(bench.store)).broken == 1
    lines = (await written(bench, Choice())).splitlines()
    assert Run().verification.of_file(json.loads(line) for line in lines).broken == 1
    assert len((await written(bench, Choice(), Format.CSV)).splitlines()) == len(lines) + 1
    await written(bench, Choice(since=START))


async def test_a_cluster_in_use_is_not_called_broken(bench: Bench) -> None:
    """Between the two lists a change is made and recorded: the status that was read first is old then."""
    listed = bench.store.pages
    moved = False

    async def pages(plural: str, **options: Any) -> Any:
        nonlocal moved
        if plural == names.RECORDS and not moved:
            moved = True
            bench.release("v9")
            await bench.settle()
        async for page in listed(plural, **options):
            yield page

    bench.store.pages = pages  # type: ignore[method-assign]
    run = Run()
    assert (await run.of(bench.store)).broken == 0


async def test_an_anchored_chain_that_vanished_is_found(bench: Bench) -> None:
    first = Run()
    await first.of(bench.store)
    for raw in [*bench.store.all(names.RECORDS), *bench.store.all(names.DEPLOYMENTS)]:
        plural = names.RECORDS if raw["kind"] == "DeploymentRecord" else names.DEPLOYMENTS
        bench.store.remove(plural, NAMESPACE, raw["metadata"]["name"])
    run = Run(first.tips)
    assert (await run.of(bench.store)).broken == 3


async def test_an_ended_chain_that_retention_removed_is_only_noted(bench: Bench) -> None:
    first = Run()
    await first.of(bench.store)
    ended = next(raw for raw in bench.store.all(names.RECORDS) if raw["spec"]["app"] == "gone")
    for raw in bench.store.all(names.RECORDS):
        if raw["spec"]["app"] == "gone":
            bench.store.remove(names.RECORDS, NAMESPACE, raw["metadata"]["name"])
    run = Run({ended["spec"]["deployment"]["uid"]: first.tips[ended["spec"]["deployment"]["uid"]]})
    run.verification.removable = Removable(START + timedelta(days=1), newer=1000)
    assert await run.of(bench.store) == Report(records=4, chains=2, notes=Counter({Note.RETENTION: 1}))


async def test_an_adopted_end_may_go_like_any_other(bench: Bench) -> None:
    """A release that was taken out while no policy watched leaves a chain whose newest record is not an undeploy."""
    bench.release(None, app="api", stamped=False)
    await bench.settle()
    bench.store.remove(names.DEPLOYMENTS, NAMESPACE, "production.api")
    await bench.settle()
    first = Run()
    await first.of(bench.store)
    api = next(tip for tip in first.tips.values() if tip.binding == "production.api")
    assert (api.action, api.ended) == ("adopt", True)
    for raw in bench.store.all(names.RECORDS):
        if raw["spec"]["app"] == "api":
            bench.store.remove(names.RECORDS, NAMESPACE, raw["metadata"]["name"])
    run = Run({api.uid: api})
    run.verification.removable = Removable(START + timedelta(days=1), newer=1000)
    assert await run.of(bench.store) == Report(records=5, chains=2, notes=Counter({Note.RETENTION: 1}))


def remove(bench: Bench, plural: str, *apps: str) -> None:
    for raw in bench.store.all(plural):
        if raw["spec"]["app"] in apps:
            bench.store.remove(plural, NAMESPACE, raw["metadata"]["name"])


def begin_deletion(bench: Bench) -> None:
    bench.store.put(builders.namespace(deleting=True))


async def test_what_lacks_in_a_namespace_that_is_being_deleted_is_a_note(bench: Bench) -> None:
    begin_deletion(bench)
    remove(bench, names.RECORDS, "api")
    bench.store.remove(names.RECORDS, NAMESPACE, next(r for r in bench.store.all(names.RECORDS))["metadata"]["name"])
    remove(bench, names.DEPLOYMENTS, "web")
    report = await Run().of(bench.store)
    assert (report.broken, set(report.notes)) == (0, {Note.NAMESPACE_GOING})


async def test_what_lacks_in_a_namespace_that_went_meanwhile_is_a_note(bench: Bench) -> None:
    listed = bench.store.pages

    async def pages(plural: str, **options: Any) -> Any:
        if plural == names.RECORDS:
            remove(bench, names.RECORDS, "api", "web", "gone")
            bench.store.remove(names.NAMESPACES, "", NAMESPACE)
        async for page in listed(plural, **options):
            yield page

    bench.store.pages = pages  # type: ignore[method-assign]
    report = await Run().of(bench.store)
    assert report.broken == 0


async def test_what_is_wrong_in_a_namespace_that_is_being_deleted_stays_a_flaw(bench: Bench) -> None:
    begin_deletion(bench)
    raw = bench.store.all(names.RECORDS)[0]
    raw["spec"]["by"] = "mallory"
    bench.store.put(raw)
    assert (await Run().of(bench.store)).broken == 1


async def restored(bench: Bench) -> Bench:
    """Another cluster, where all of it was restored into a new Namespace of the same name, as the docs say."""
    new = Bench()
    new.clock.advance(3600)
    new.store.remove(names.NAMESPACES, "", NAMESPACE)
    new.store.put(builders.namespace() | {"metadata": builders.namespace()["metadata"] | {"uid": "another"}})
    new.store.put(builders.environment())
    for raw in bench.store.all(names.RECORDS):
        raw["metadata"] = {key: raw["metadata"][key] for key in ("name", "namespace", "labels")}
        new.store.put(raw)
    replica = new.replica()
    for app in ("web", "api"):
        raw = builders.deployment(app=app, uid=builders.uid_of(f"restored {app}"))
        raw["metadata"]["creationTimestamp"] = builders.at(3600)
        new.store.put(raw)
        new.release("v1", app=app)
    await replica.sweep.once()
    await new.settle()
    return new


async def test_a_history_restored_into_a_new_namespace_is_whole(bench: Bench) -> None:
    new = await restored(bench)
    report = await Run().of(new.store)
    assert report == Report(records=8, chains=5, notes=Counter({Note.EARLIER_NAMESPACE: 2}))


async def test_a_restored_history_that_lacks_a_record_is_broken(bench: Bench) -> None:
    new = await restored(bench)
    web = [raw for raw in new.store.all(names.RECORDS) if raw["spec"]["sequence"] == 2]
    new.store.remove(names.RECORDS, NAMESPACE, web[0]["metadata"]["name"])
    assert (await Run().of(new.store)).broken == 1


async def test_a_restored_chain_gets_no_end_of_the_present(bench: Bench) -> None:
    new = await restored(bench)
    assert [spec["action"] for spec in new.records() if spec["action"] == "undeploy"] == ["undeploy"]


async def test_a_delete_that_is_just_being_recorded_is_no_flaw(bench: Bench) -> None:
    """Records are listed before the end of the chain is written, which is there when its Deployment is asked for."""
    listed = bench.store.pages
    bench.store.muted = True
    remove(bench, names.DEPLOYMENTS, "api")
    bench.store.muted = False

    async def pages(plural: str, **options: Any) -> Any:
        found = [page async for page in listed(plural, **options)]
        if plural == names.RECORDS:
            bench.store.pages = listed  # type: ignore[method-assign]
            await bench.replicas[0].sweep.once()
            await bench.settle()
        for page in found:
            yield page

    bench.store.pages = pages  # type: ignore[method-assign]
    assert (await Run().of(bench.store)).broken == 0


async def test_progress_is_told(bench: Bench) -> None:
    run = Run()
    run.verification.report.records = PROGRESS_EVERY - 1
    await run.of(bench.store)
    assert any(line.startswith(f"{PROGRESS_EVERY} records") for line in run.lines)


async def written(bench: Bench, choice: Choice, form: Format = Format.JSONL) -> str:
    out = io.StringIO()
    await export(bench.store, choice, out=out, form=form, progress=lambda _: None)
    return out.getvalue()


async def test_an_export_verifies(bench: Bench) -> None:
    lines = (await written(bench, Choice())).splitlines()
    run = Run()
    assert run.verification.of_file(json.loads(line) for line in lines) == Report(records=6, chains=3)


async def test_an_export_that_was_edited_or_shuffled_does_not(bench: Bench) -> None:
    records: list[RawObject] = [json.loads(line) for line in (await written(bench, Choice())).splitlines()]
    shuffled = [records[-1], *records[:-1]]
    assert Run().verification.of_file(iter(shuffled)).broken >= 1
    records[0]["spec"]["reason"] = "because"
    assert Run().verification.of_file(iter(records)).broken == 1


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (Choice(workspace="acme/shop"), 6),
        (Choice(app=AppId.parse("web")), 3),
        (Choice(environment=EnvironmentSlug.parse("staging")), 0),
        (Choice(since=START + timedelta(seconds=30)), 4),
        (Choice(until=START + timedelta(seconds=30)), 2),
        (Choice(since=START + timedelta(seconds=20), until=START + timedelta(seconds=40)), 2),
    ],
)
async def test_an_export_is_what_was_asked_for(bench: Bench, choice: Choice, count: int) -> None:
    assert len((await written(bench, choice)).splitlines()) == count


@pytest.mark.parametrize("forged", ["2001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "never"])
@pytest.mark.parametrize("since", [None, START])
@pytest.mark.parametrize("until", [None, START + timedelta(days=1)])
async def test_no_line_hides_behind_the_time_of_its_change(
    bench: Bench, forged: str, since: datetime | None, until: datetime | None
) -> None:
    for raw in bench.store.all(names.RECORDS):
        raw["spec"]["at"] = forged
        bench.store.put(raw)
    assert len((await written(bench, Choice(since=since, until=until))).splitlines()) == 6


async def test_an_unknown_workspace_is_said(bench: Bench) -> None:
    with pytest.raises(NoWorkspaceError, match="acme/none"):
        await written(bench, Choice(workspace="acme/none"))


async def test_a_table_has_a_column_for_everything_and_no_formulas(bench: Bench) -> None:
    raw = bench.store.all(names.RECORDS)[0]
    raw["spec"]["reason"] = "=HYPERLINK(1)"
    bench.store.put(raw)
    rows = list(csv.DictReader(io.StringIO(await written(bench, Choice(), Format.CSV))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["reason"] == "'=HYPERLINK(1)"
    assert {row["workspace"] for row in rows} == {"shop"}
