"""The records of a Namespace, for sinks that begin: listed seldom, and once for all that wait."""

from collections.abc import AsyncIterator
from typing import Final

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kinds.record import is_imported
from moorage_crds.objects import labels, metadata
from moorage_crds.store import ResourceStore
from moorage_operator.events.beginning import ListedRecord
from moorage_operator.history.record_lookup import record_id
from moorage_operator.memory.outbox import SinkKey

#: Seconds between two lists of one Namespace, at least: the editor of a sink must not make the operator list at will.
LIST_SECONDS: Final = 10.0


class Listings:
    """Lists for sinks.

    Args:
        store: the cluster.
        clock: tells when the next list may be made.
    """

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._next: dict[str, float] = {}
        self._wanted: dict[str, dict[SinkKey, tuple[ListedRecord, ...] | None]] = {}

    async def take(self, key: SinkKey) -> tuple[ListedRecord, ...] | float:
        """The records of the sink's Namespace, of a list that began after the sink first asked; or seconds to wait.

        Raises:
            StoreError: the cluster did not answer as hoped.
        """
        wanted = self._wanted.setdefault(key[0], {})
        ready = wanted.setdefault(key, None)
        if ready is None:
            now = self._clock.monotonic()
            self._next = {namespace: at for namespace, at in self._next.items() if at > now}
            if key[0] in self._next:
                return self._next[key[0]] - now
            self._next[key[0]] = now + LIST_SECONDS
            waiting = [one for one, has in wanted.items() if has is None]
            ready = tuple([one async for one in self._listed(key[0])])
            wanted |= {one: ready for one in waiting if one in wanted}
        self.forget(key)
        return ready

    def forget(self, key: SinkKey) -> None:
        """The sink has stopped waiting."""
        wanted = self._wanted.get(key[0], {})
        wanted.pop(key, None)
        if not wanted:
            self._wanted.pop(key[0], None)

    async def _listed(self, namespace: str) -> AsyncIterator[ListedRecord]:
        pages = self._store.pages(names.RECORDS, namespace=NamespaceName.parse(namespace), metadata_only=True)
        async for page in pages:
            for raw in page.items:
                found, words = record_id(raw), labels(raw)
                # Imported records are not news.
                if found is not None and not is_imported(raw):
                    made = str(metadata(raw).get("creationTimestamp", ""))
                    place = str(words.get(names.LABEL_ENVIRONMENT, "")), str(words.get(names.LABEL_APP, ""))
                    yield ListedRecord(str(found.deployment_uid), found.sequence, made, *place)
