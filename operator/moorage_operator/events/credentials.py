"""A sink's Secret: the keys that sign events, or their address. Read by name, with the consent of the workspace."""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

from standardwebhooks import Webhook

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.event_sink import MAX_URL, URL, EventSink
from moorage_crds.objects import mapping
from moorage_crds.store import ForbiddenError, NotFoundError, ObjectRef, ResourceStore
from moorage_operator.events import messages

#: For so long a Secret is believed. Seconds.
FRESH_SECONDS: Final = 30.0
#: Characters of a value in base64; what is longer is not even decoded.
_MOST_BASE64: Final = 4096


class SecretProblemError(Exception):
    """The Secret cannot be used. The text says why and what to do, and holds nothing of its value."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where events go, and what signs them."""

    url: str
    signing: tuple[Webhook, ...] = ()


class Secrets:
    """Reads the Secrets of sinks, and knows each for a moment."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, int, Way]] = {}

    async def way(self, sink: EventSink) -> Way:
        """Where a sink's events go.

        Raises:
            SecretProblemError: its Secret cannot be used.
            StoreError: the cluster did not answer as hoped.
        """
        if sink.secret is None:
            return Way(sink.url)
        now = self._clock.monotonic()
        self._known = {uid: one for uid, one in self._known.items() if now - one[0] < FRESH_SECONDS}
        known = self._known.get(sink.uid)
        if known is not None and known[1] == sink.generation:
            return known[2]
        way = _way(sink, await self._value(sink, *sink.secret))
        self._known[sink.uid] = (now, sink.generation, way)
        return way

    async def _value(self, sink: EventSink, name: str, key: str) -> str:
        place = f"Secret {sink.namespace}/{name}"
        ref = ObjectRef(names.SECRETS, NamespaceName.parse(sink.namespace), ClusterObjectName.parse(name))
        try:
            raw = await self._store.get(ref)
        except NotFoundError as error:
            message = f"{place} does not exist"
            raise SecretProblemError(message) from error
        except ForbiddenError as error:
            message = f"{place} may not be read: give the operator's account the right to get it (docs/events.md)"
            raise SecretProblemError(message) from error
        value = mapping(raw.get("data")).get(key)
        if value is None:
            message = f"{place} has no key {key}"
            raise SecretProblemError(message)
        if len(str(value)) > _MOST_BASE64:
            message = f"{place}, key {key}: its value is too long for secrets of Standard Webhooks or a url"
            raise SecretProblemError(message)
        try:
            return b64decode(str(value)).decode().strip()
        except ValueError as error:
            message = f"{place}, key {key}: its value is not text"
            raise SecretProblemError(message) from error


def _way(sink: EventSink, value: str) -> Way:
    if sink.format == "slack":
        if not value.startswith("https://") or len(value) > MAX_URL or re.fullmatch(URL, value) is None:
            message = "the value of the Secret must be the https url of a Slack webhook"
            raise SecretProblemError(message)
        return Way(value)
    try:
        return Way(sink.url, messages.signers(value))
    except messages.SecretError as error:
        message = f"the Secret cannot sign: {error}"
        raise SecretProblemError(message) from error
