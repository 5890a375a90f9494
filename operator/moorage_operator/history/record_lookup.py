"""Reading single records and the records of one chain: what several loops need of the history in the cluster."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import InvalidIdentifierError, NamespaceName, RecordId, Uid
from moorage_crds.kinds.record import Record, from_object
from moorage_crds.moments import parse
from moorage_crds.objects import RawObject, labels, metadata
from moorage_crds.reading import UNREADABLE, readable
from moorage_crds.store import ObjectRef, ResourceStore
from moorage_operator.facts import KeptRecord

_UNKNOWN_ACTION: Final = ""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def record_ref(namespace: str, uid: str, sequence: int) -> ObjectRef:
    """Where the record of a change is."""
    return ObjectRef(names.RECORDS, NamespaceName.parse(namespace), RecordId.of(Uid.parse(uid), sequence))


def record_id(raw: RawObject) -> RecordId | None:
    """The id of a listed record; None if its name is not one (the CRD refuses such names)."""
    try:
        return RecordId.parse(str(metadata(raw).get("name", "")))
    except InvalidIdentifierError:
        return None


def to_record(raw: RawObject) -> Record | None:
    """A stored record; None if its content is not that of one (only who edits the store itself gets it so far)."""
    return readable(from_object, raw, names.RECORDS)


def kept(raw: RawObject, sequence: int) -> KeptRecord:
    """What retention needs to know of a listed record. One that does not say when it was made is never old enough."""
    try:
        created_at = parse(metadata(raw)["creationTimestamp"])
    except UNREADABLE:
        created_at = _NEVER
    return KeptRecord(sequence, created_at)


def action_label(raw: RawObject) -> str:
    """The action of a listed record, as its label says."""
    return str(labels(raw).get(names.LABEL_ACTION, _UNKNOWN_ACTION))


async def chain_records(store: ResourceStore, namespace: str, uid: str) -> list[KeptRecord]:
    """The records of one chain, oldest first, without their content."""
    return [kept(raw, found.sequence) async for found, raw in _of_chain(store, namespace, uid)]


async def _of_chain(store: ResourceStore, namespace: str, uid: str) -> AsyncIterator[tuple[RecordId, RawObject]]:
    selector = f"{names.LABEL_DEPLOYMENT_UID}={Uid.parse(uid)}"
    pages = store.pages(names.RECORDS, namespace=NamespaceName.parse(namespace), selector=selector, metadata_only=True)
    async for page in pages:
        for raw in page.items:
            found = record_id(raw)
            if found is not None:
                yield found, raw
