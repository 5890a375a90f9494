"""A plain client for comparison: lists the same objects in pages, decodes them and keeps them as they are."""

import os
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from moorage_dev.bench import usage
from moorage_dev.bench.load import wire


class ListingError(Exception):
    """The API server did not answer a LIST."""


async def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """List `plurals` in pages of 500 and keep the raw objects; seconds, objects, resident memory in MiB."""
    target = wire.target(job["target"])
    began = time.perf_counter()
    headers = {"Authorization": f"Bearer {target.token}"}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=target.ca))
    async with aiohttp.ClientSession(target.url, headers=headers, connector=connector) as session:
        kept = [item for plural in job["plurals"] for item in await _list(session, plural)]
    return {
        "seconds": time.perf_counter() - began,
        "objects": len(kept),
        "memory_mib": usage.memory_mib(os.getpid()),
    }


async def _list(session: aiohttp.ClientSession, plural: str) -> list[Any]:
    kept: list[Any] = []
    query = {"limit": "500"}
    while True:
        async with session.get(f"/apis/moorage.dev/v1/{plural}", params=query) as answer:
            page = orjson.loads(await answer.read())
            if answer.status != 200:
                raise ListingError(f"LIST {plural} {query}: {answer.status} {page.get('message')}")
        kept += page["items"]
        if not page["metadata"].get("continue"):
            return kept
        query["continue"] = page["metadata"]["continue"]
