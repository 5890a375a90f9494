"""The plain client that the operator is compared with: it makes the writes that a backlog needs, and nothing else.

What has to be written is worked out before the clock starts (so thinking costs it nothing), there is no watch, no
queue, no retry. Each worker takes one Deployment: its records in order, then its status once.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson

from moorage_crds import names
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds import record
from moorage_crds.moments import to_text
from moorage_dev.bench.load import wire
from moorage_operator.facts import ActiveApp, DeploymentFacts, EnvironmentFacts
from moorage_operator.history import decisions as history
from moorage_operator.statuses.decisions import wanted_deployment_status, wanted_environment_status

_GROUP: Final = "/apis/moorage.dev/v1"


@dataclass(frozen=True, slots=True)
class _Step:
    """One write."""

    method: str
    path: str
    body: bytes
    content_type: str


async def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write what is due in `namespace`, with `workers` at once; seconds and number of records."""
    target = wire.target(job["target"])
    context = ssl.create_default_context(cadata=target.ca)
    connector = aiohttp.TCPConnector(limit=job["workers"], ssl=context)
    headers = {"Authorization": f"Bearer {target.token}"}
    async with aiohttp.ClientSession(target.url, headers=headers, connector=connector) as session:
        chains, last = await _plan(session, job["namespace"])
        left = iter(chains)
        refused: list[str] = []

        async def worker() -> None:
            for steps in left:
                for step in steps:
                    await _write(session, step, refused)

        before, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(job["workers"])))
        for step in last:
            await _write(session, step, refused)
        seconds, cpu = time.perf_counter() - began, time.process_time() - before
    records = sum(step.method == "POST" for steps in chains for step in steps)
    return {"seconds": seconds, "records": records, "write_cpu_seconds": cpu, "refused": refused[:5]}


async def _write(session: aiohttp.ClientSession, step: _Step, refused: list[str]) -> None:
    headers = {"Content-Type": step.content_type}
    async with session.request(step.method, step.path, data=step.body, headers=headers) as answer:
        content = await answer.read()
        if answer.status >= 300:
            refused.append(f"{step.method} {step.path}: {answer.status} {content[:200].decode(errors='replace')}")


async def _plan(session: aiohttp.ClientSession, namespace: str) -> tuple[list[list[_Step]], list[_Step]]:
    """The writes of each Deployment, and those of the Environments at the end."""
    places = {raw["metadata"]["name"]: raw for raw in await _list(session, namespace, names.ENVIRONMENTS)}
    active: dict[str, list[ActiveApp]] = {name: [] for name in places}
    chains: list[list[_Step]] = []
    now = to_text(datetime.now(UTC))
    for raw in await _list(session, namespace, names.DEPLOYMENTS):
        view = deployments.from_object(raw)
        due = deployments.due_changes(view)
        if due:
            chains.append(_steps(view, due, environment_uid=places[view.environment]["metadata"]["uid"], now=now))
        if view.release:
            moment = due[-1].at if due else (view.status.get("lastChange") or {}).get("at")
            active[view.environment].append(ActiveApp(view.app, view.release, moment))
    return chains, [_environment(raw, active[name], now) for name, raw in places.items()]


async def _list(session: aiohttp.ClientSession, namespace: str, plural: str) -> list[dict[str, Any]]:
    async with session.get(f"{_GROUP}/namespaces/{namespace}/{plural}") as answer:
        items: list[dict[str, Any]] = orjson.loads(await answer.read())["items"]
        return items


def _steps(
    view: deployments.Deployment, due: tuple[deployments.Change, ...], *, environment_uid: str, now: str
) -> list[_Step]:
    base = f"{_GROUP}/namespaces/{view.namespace}"
    binding = history.binding_of(view)
    progress = history.progress_of(view)
    steps: list[_Step] = []
    for change in due:
        previous = progress.tip_hash or record.genesis_hash(binding)
        timed = change if change.at else replace(change, at=now)
        body = record.to_object(binding, timed, previous_hash=previous)
        progress = history.advanced(progress, timed, body["spec"]["hash"])
        query = f"?fieldManager={names.MANAGER_OPERATOR}"
        steps.append(_Step("POST", f"{base}/{names.RECORDS}{query}", orjson.dumps(body), "application/json"))
    facts = DeploymentFacts(view, view.status, progress, environment_uid, True, None, now)
    place = f"{base}/{names.DEPLOYMENTS}/{view.name}"
    return [*steps, _status(place, view.uid, wanted_deployment_status(facts))]


def _environment(raw: dict[str, Any], active: list[ActiveApp], now: str) -> _Step:
    view = environments.from_object(raw)
    facts = EnvironmentFacts(view, raw.get("status") or {}, tuple(active), now)
    place = f"{_GROUP}/namespaces/{view.namespace}/{names.ENVIRONMENTS}/{view.name}"
    return _status(place, view.uid, wanted_environment_status(facts))


def _status(place: str, uid: str, status: Mapping[str, Any]) -> _Step:
    body = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": status},
    ]
    path = f"{place}/status?fieldManager={names.MANAGER_OPERATOR}"
    return _Step("PATCH", path, orjson.dumps(body), "application/json-patch+json")
