"""A cluster that turns requests away: what a person hears, and when a command gives up."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from facade_world import NAMESPACE, ORG, WORKSPACE, World
from fake_store import FakeStore
from typing_extensions import override

from moorage_cli import busy
from moorage_cli.busy import Busy
from moorage_cli.people import passing
from moorage_cli.people.cluster import ClusterRegister
from moorage_cli.people.model import Exit, TroubleError
from moorage_cli.people.passing import Until, Waiting
from moorage_cli.people.register import Register
from moorage_cli.people.rest import RestRegister
from moorage_client import AsyncMoorage
from moorage_crds import names
from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef, ThrottledError


async def test_a_long_wait_is_said_once_and_a_short_one_never(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "TOLD_AFTER", 0.002)
    waiting, seen = Busy("the cluster"), []
    for _ in range(4):
        await waiting.sleep(0.001)
        seen.append(capsys.readouterr().err)
    assert [bool(one) for one in seen] == [False, True, False, False]
    assert seen[1].startswith("the cluster is busy: ")
    assert seen[1].count("\n") == 1


class Silent(FakeStore):
    """An API server that is asked again and again, and has no answer yet."""

    @override
    async def get(self, ref: ObjectRef) -> RawObject:
        return await asyncio.Future[RawObject]()


def by_kubeconfig() -> Register:
    """The API server turns every list away, again and again."""
    world = World()
    world.environment("staging")
    world.cluster.fail("list", names.ENVIRONMENTS, ThrottledError("storage is (re)initializing", retry_after=1.0))
    return ClusterRegister(world.cluster.as_caller("alice"), NAMESPACE)


def by_rest() -> Register:
    """So does the facade."""

    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "0"}, json={"error": "E", "message": "Too many requests"})

    return RestRegister(AsyncMoorage("http://facade", transport=httpx.MockTransport(refuse)), ORG, WORKSPACE)


@pytest.mark.parametrize("way", [by_kubeconfig, by_rest])
async def test_who_gives_up_says_what_to_do(way: Callable[[], Register]) -> None:
    with pytest.raises(TroubleError) as raised:
        await way().places()
    assert raised.value.code == Exit.TROUBLE
    assert str(raised.value).startswith("the cluster is too busy to do this now, repeat it in a minute: ")


async def test_a_wait_ends_in_time_although_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "LONGEST_LOOK", 0.0)
    register = ClusterRegister(Silent(World().cluster, "alice"), NAMESPACE)
    with pytest.raises(TroubleError) as raised:
        await passing.arrival(register, ("staging", "web"), Waiting(Until.RECORDED, 0.01))
    assert raised.value.code == Exit.TIMEOUT
    assert "no usable answer within 0.01 s" in str(raised.value)
