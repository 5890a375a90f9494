"""kopf as a shell: only event handlers, only ours, and no write of its own."""

import base64
import json

import kopf
import pytest
from builders import at
from fakes import START
from operator_bench import Bench

from moorage_operator.handlers import lifecycle, watching


async def test_only_our_kinds_and_namespaces_are_watched_and_by_events_only() -> None:
    registry = kopf.OperatorRegistry()
    watching.register(registry, Bench().replica().intake)
    watched = {
        (handler.selector.group, handler.selector.version, str(handler.selector.plural))
        for handler in registry._watching.get_all_handlers()
    }
    assert watched == {
        ("moorage.dev", "v1", "deployments"),
        ("moorage.dev", "v1", "environments"),
        ("", "v1", "namespaces"),
    }
    others = (registry._changing, registry._spawning, registry._indexing, registry._webhooks)
    assert not any(one.get_all_handlers() for one in others)


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
    expiration = lifecycle._expiration(token({"exp": START.timestamp() + 600}))
    assert expiration is not None
    assert expiration.strftime("%Y-%m-%dT%H:%M:%SZ") == at(480)


@pytest.mark.parametrize("header", [None, "Bearer opaque", "Bearer a.b.c", token([]), token({}), token({"exp": "x"})])
def test_tokens_that_do_not_say_when_they_end_are_used_as_they_are(header: str | None) -> None:
    assert lifecycle._expiration(header) is None
