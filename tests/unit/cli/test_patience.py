"""An import on a busy machine: what is not answered is asked again, and nothing is lost or written twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from facade_world import NAMESPACE, World

from moorage_cli.importing import patience
from moorage_cli.importing.patience import Patience
from moorage_cli.people import importing
from moorage_cli.people.model import Exit
from moorage_cli.people.ways import Where
from moorage_crds import names
from moorage_crds.store import ForbiddenError, ResourceStore, StoreError, ThrottledError, UnavailableError

SILENT = UnavailableError("POST: ConnectionTimeoutError")
#: More than any request would get if tries were counted.
MANY = 60


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """`moorage import` meets a cluster in memory, and does not pause between tries."""
    made = World()

    @asynccontextmanager
    async def opened(_where: Where, *, importing: bool) -> AsyncIterator[tuple[ResourceStore, str]]:
        yield made.cluster.as_caller("alice"), NAMESPACE

    monkeypatch.setattr(importing, "cluster", opened)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    return made


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Three changes of two apps, the last of which takes one out."""
    path = tmp_path / "past.csv"
    path.write_text(
        "time,app,environment,release\n"
        "2026-01-01T10:00:00Z,web,qa,1\n2026-01-01T10:00:00Z,api,qa,7\n2026-01-02T10:00:00Z,web,qa,\n"
    )
    return str(path)


def brought(world: World, file: str) -> Exit:
    return Exit(importing.run_import(["csv", file, "--history", "--yes"]))


@pytest.mark.parametrize("committed", [False, True], ids=["nothing arrived", "the answer was lost"])
@pytest.mark.parametrize("error", [SILENT, ThrottledError("too many", retry_after=0.0)], ids=["silent", "throttled"])
@pytest.mark.parametrize("plural", [names.RECORDS, names.ENVIRONMENTS, names.DEPLOYMENTS])
def test_an_import_continues_when_a_write_is_not_answered(
    world: World, file: str, plural: str, error: StoreError, committed: bool, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    world.cluster.fail("create", plural, error, times=1 if committed else MANY, committed=committed)
    assert brought(world, file) is Exit.DONE
    assert "3 records imported, 0 were there, 1 releases deployed" in capsys.readouterr().out
    assert len(world.cluster.all(names.RECORDS)) == 3
    assert [(one["spec"]["app"], one["spec"]["release"]) for one in world.cluster.all(names.DEPLOYMENTS)] == [
        ("api", "7")
    ]


def test_what_was_imported_before_is_read_again_when_the_list_breaks(world: World, file: str) -> None:
    world.cluster.fail("list", names.RECORDS, SILENT, times=MANY)
    assert brought(world, file) is Exit.DONE


def test_a_refusal_ends_it_at_once(world: World, file: str) -> None:
    world.cluster.fail("create", names.RECORDS, ForbiddenError("no", by_authorizer=True), times=1)
    assert brought(world, file) is Exit.NO_RIGHT


class Time:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_it_gives_up_when_nothing_succeeds_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    time, told = Time(), list[str]()

    async def silent() -> None:
        time.now += 10
        raise SILENT

    with pytest.raises(UnavailableError):
        await Patience(told.append, longest=100, clock=time).ask(silent)
    assert time.now == 100
    assert told == [f"the cluster gave no usable answer for {one} seconds; waiting for it" for one in (30, 60, 90)]


async def test_one_that_fails_waits_while_others_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that meets a bad connection again and again does not end an import that still succeeds elsewhere."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    time = Time()
    shared = Patience(lambda _: None, longest=100, clock=time)

    async def answered() -> None:
        pass

    async def unlucky() -> str:
        time.now += 60
        if time.now < 600:
            await shared.ask(answered)
            raise SILENT
        return "made"

    assert await shared.ask(unlucky) == "made"
