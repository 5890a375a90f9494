"""Writes records of the past, many at a time, each exactly once. Called by `moorage import`.

An import may be repeated: it skips a record that exists with the same content. A record that exists with other content
stops it, before the first write if the record is there by then.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from moorage_cli.importing.past import PastError
from moorage_cli.importing.patience import Patience
from moorage_crds import names
from moorage_crds.identifiers import NamespaceName, RecordId
from moorage_crds.kinds.registry import kind_of
from moorage_crds.objects import RawObject, mapping, metadata
from moorage_crds.store import AlreadyExistsError, ObjectRef, ResourceStore

#: Requests in flight at a time.
WRITERS: Final = 32
PROGRESS_EVERY: Final = 5_000


@dataclass(slots=True)
class Written:
    """What an import did.

    Attributes:
        made: records that it wrote.
        there: records that were there already, and say the same.
    """

    made: int = 0
    there: int = 0

    @property
    def count(self) -> int:
        """All records that are there now."""
        return self.made + self.there


async def known_hashes(store: ResourceStore, namespace: str) -> dict[str, str]:
    """Name → hash of what was imported into a Namespace before. Raises StoreError."""
    found: dict[str, str] = {}
    selector = f"{names.LABEL_IMPORTED}=true"
    async for page in store.pages(names.RECORDS, namespace=NamespaceName.parse(namespace), selector=selector):
        found |= {str(metadata(raw).get("name")): _hash(raw) for raw in page.items}
    return found


def compare(records: Iterator[RawObject], known: Mapping[str, str]) -> None:
    """Raise PastError if another past was imported before; nothing is asked where nothing was."""
    if not known:
        return
    for raw in records:
        _must_be(raw, known.get(str(metadata(raw)["name"])))


async def write(
    store: ResourceStore,
    records: Iterator[RawObject],
    known: Mapping[str, str],
    *,
    patience: Patience,
    progress: Callable[[str], None],
) -> Written:
    """Create all records that are not there.

    Raises:
        StoreError: the cluster refuses, or does not answer any more; the next import resumes where this one stopped.
        PastError: another record has the name of one of these.
    """
    done = Written()

    async def work() -> None:
        # All share one iterator: a free worker takes the next record.
        for raw in records:
            name = str(metadata(raw)["name"])
            if name in known:
                _must_be(raw, known[name])
                done.there += 1
            else:
                await patience.ask(partial(_create, store, raw))
                done.made += 1
            if done.count % PROGRESS_EVERY == 0:
                progress(f"{done.count} records imported")

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(work())
    except ExceptionGroup as errors:
        # All stop for the first; what the others say of it is the same.
        raise errors.exceptions[0] from errors
    return done


async def _create(store: ResourceStore, raw: RawObject) -> None:
    """Create one record. It may be there already, by a request whose answer was lost."""
    namespace = NamespaceName.parse(str(metadata(raw)["namespace"]))
    body = {**kind_of(names.RECORDS).header, **raw}
    try:
        await store.create(names.RECORDS, namespace, body)
    except AlreadyExistsError:
        ref = ObjectRef(names.RECORDS, namespace, RecordId.parse(str(metadata(raw)["name"])))
        _must_be(raw, _hash(await store.get(ref)))


def _must_be(raw: RawObject, there: str | None) -> None:
    if there is None or there == _hash(raw):
        return
    spec = mapping(raw.get("spec"))
    message = (
        f"another past of {spec.get('app')} in {spec.get('environment')} was imported before: "
        f"its record {spec.get('sequence')} says something else; remove that first "
        f"(kubectl delete drec -l {names.LABEL_IMPORTED}=true,{names.LABEL_APP}={spec.get('app')})"
    )
    raise PastError(message)


def _hash(raw: RawObject) -> str:
    return str(mapping(raw.get("spec")).get("hash"))
