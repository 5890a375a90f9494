"""kopf as a shell: only event handlers, only ours, and no write of its own."""

import asyncio
import base64
import json
import logging

import aiohttp
import kopf
import pytest
from builders import at
from fixed_clock import START, FixedClock
from operator_bench import Bench, hurry

from moorage_operator.handlers import kopf_settings as lifecycle
from moorage_operator.handlers import watching
from moorage_operator.handlers.kopf_logs import OnceInAWhile


async def test_only_our_kinds_and_namespaces_are_watched_and_by_events_only() -> None:
    registry = kopf.OperatorRegistry()
    intake = Bench().replica().intake
    watching.register(registry, intake, interrupted=lambda: None)
    watched = {
        (handler.selector.group, handler.selector.version, str(handler.selector.plural))
        for handler in registry._watching.get_all_handlers()
    }
    ours = ("deployments", "environments", "environmentlocks", "freezes", "clusterfreezes", "approvals", "eventsinks")
    assert watched == {*(("moorage.dev", "v1", plural) for plural in ours), ("", "v1", "namespaces")}
    assert {plural for _, _, plural in watched} == set(intake.takes)
    others = (registry._changing, registry._spawning, registry._indexing, registry._webhooks)
    assert not any(one.get_all_handlers() for one in others)


def test_a_list_in_the_middle_of_a_watch_is_noticed_once() -> None:
    lists = watching.Lists(now=0.0)
    kinds = [None, None, "ADDED", "MODIFIED", None, None, "DELETED", None]
    seen = [lists.begins_again(kind, now) for now, kind in enumerate(kinds)]
    assert seen == [False, False, False, False, True, False, False, True]


def test_a_list_long_after_the_first_one_is_noticed_in_a_quiet_cluster() -> None:
    lists = watching.Lists(now=0.0)
    assert not lists.begins_again(None, 1.0)
    assert not lists.begins_again(None, 1.0 + watching.LIST_SECONDS)
    assert lists.begins_again(None, 2.0 + 2 * watching.LIST_SECONDS)


def test_kopf_keeps_nothing_in_the_cluster() -> None:
    settings = kopf.OperatorSettings()
    lifecycle.apply_settings(settings, streaming=True)
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert not settings.posting.enabled
    assert isinstance(settings.persistence.diffbase_storage, lifecycle.NoDiff)
    assert isinstance(settings.persistence.progress_storage, lifecycle.NoProgress)
    assert settings.queueing.worker_limit is None


def token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{payload}.c2ln"


def test_credentials_are_renewed_before_the_token_ends() -> None:
    expiration = lifecycle._expiration(token({"exp": START.timestamp() + 600}), START)
    assert expiration is not None
    assert expiration.strftime("%Y-%m-%dT%H:%M:%SZ") == at(480)


@pytest.mark.parametrize("header", [None, "Bearer opaque", "Bearer a.b.c", token([]), token({}), token({"exp": "x"})])
def test_tokens_that_do_not_say_when_they_end_are_used_as_they_are(header: str | None) -> None:
    assert lifecycle._expiration(header, START) is None


@pytest.mark.parametrize("seconds", [119, 0, -3600])
def test_a_token_near_its_end_is_used_on_and_asked_for_again(seconds: float) -> None:
    """In the past it would be asked for without a pause, and nothing could be watched meanwhile."""
    expiration = lifecycle._expiration(token({"exp": START.timestamp() + seconds}), START)
    assert expiration == START + lifecycle.AT_LEAST


class StaticCluster:
    """Credentials that never change."""

    server = "https://127.0.0.1"

    def new_session(self, *, limit: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def authorization(self, *, renew: bool) -> str:
        return "Bearer refused"


async def test_logins_that_are_refused_leave_pauses() -> None:
    loop = asyncio.get_running_loop()
    hurry(loop)
    logins = lifecycle.Logins(StaticCluster(), FixedClock())  # type: ignore[arg-type]
    began = loop.time()
    sessions = [await logins.next() for _ in range(3)]
    assert loop.time() - began >= 2 * lifecycle.LOGIN_SECONDS
    for session in sessions:
        await session.aiohttp_session.close()


def line(name: str, created: float, lineno: int = 1) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "api.py", lineno, "failed", None, None)
    record.created = created
    return record


def test_kopf_says_the_same_once_in_a_while_and_how_often_it_left_it_out() -> None:
    lines = OnceInAWhile()
    written = [record for tenth in range(300) if lines.filter(record := line("kopf.objects", tenth / 10))]
    assert [record.created for record in written] == [0.0, 10.0, 20.0]
    assert [record.fields["similar_lines_left_out"] for record in written[1:]] == [99, 99]  # type: ignore[attr-defined]


def test_other_lines_are_written_beside_it() -> None:
    lines = OnceInAWhile()
    assert all(lines.filter(line("moorage_operator", 0.0)) for _ in range(5))
    assert [lines.filter(line("kopf", 0.0, lineno)) for lineno in (1, 2, 1)] == [True, True, False]
