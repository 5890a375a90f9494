"""Changes as others read them: CDEvents in CloudEvents, a sentence for Slack, signatures of Standard Webhooks. Pure.

CDEvents 0.4.1 (https://cdevents.dev), CloudEvents 1.0 in structured mode. What CDEvents has no field for is in
`customData`. The bytes of an event are the same whenever it is sent; only its signature holds the time.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from standardwebhooks import Webhook

from moorage_crds import names
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Record

SPEC_VERSION: Final = "0.4.1"
_TYPE_VERSION: Final = "0.2.0"
#: Bytes of a secret, as Standard Webhooks recommends.
SECRET_BYTES: Final = (24, 64)
#: Secrets that sign at once, and characters of all of them: every event is signed by each.
MOST_SECRETS: Final = 4
MOST_CHARACTERS: Final = 1024
_PREFIX: Final = "whsec_"


class SecretError(ValueError):
    """The value is not a secret of Standard Webhooks. The text describes the right form and never holds the value."""


def type_of(change: Change) -> str:
    """The type of the event of a change, such as `service.deployed`."""
    if change.release is None:
        return "service.removed"
    if change.action is Action.ROLLBACK:
        return "service.rolledback"
    return "service.upgraded" if change.previous else "service.deployed"


def of_record(record: Record) -> dict[str, Any]:
    """The CDEvent of a change, in its CloudEvent."""
    change, binding = record.change, record.binding
    source = _source(binding.namespace)
    content: dict[str, Any] = {"environment": {"id": binding.environment, "source": source}}
    if change.release is not None:
        content["artifactId"] = f"pkg:generic/{quote(binding.app, safe='')}@{quote(change.release, safe='')}"
    details = {
        "app": binding.app,
        "release": change.release,
        "previousRelease": change.previous,
        "action": str(change.action),
        "deploymentId": record.name,
        "sequence": change.sequence,
        "by": change.by,
        "reason": change.reason,
        "requestId": change.request_id,
        "override": list(change.override) or None,
        "hash": record.hash,
    }
    subject = {"id": binding.name, "source": source, "type": "service", "content": content}
    return _event(record.name, type_of(change), source, str(change.at), subject, details)


def of_environment(namespace: str, name: str, uid: str, *, predicate: str, number: int, at: str) -> dict[str, Any]:
    """The CDEvent of an Environment.

    Args:
        namespace: where it is.
        name: its slug.
        uid: its uid.
        predicate: `created`, `modified` or `deleted`.
        number: its generation.
        at: when, RFC 3339.
    """
    source = _source(namespace)
    subject = {"id": name, "source": source, "type": "environment", "content": {"name": name}}
    details = {"uid": uid, "generation": number}
    return _event(
        environment_event_id(uid, predicate, number), f"environment.{predicate}", source, at, subject, details
    )


def environment_event_id(uid: str, predicate: str, number: int) -> str:
    """The id of an event of an Environment, the same whenever it is sent."""
    return f"{uid}-{predicate}-{number}" if predicate == "modified" else f"{uid}-{predicate}"


def _source(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}"


def _event(
    event_id: str, kind: str, source: str, at: str, subject: Mapping[str, Any], details: Mapping[str, Any]
) -> dict[str, Any]:
    full_type = f"dev.cdevents.{kind}.{_TYPE_VERSION}"
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": full_type,
        "subject": subject["id"],
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "context": {"version": SPEC_VERSION, "id": event_id, "source": source, "type": full_type, "timestamp": at},
            "subject": dict(subject),
            "customData": {key: value for key, value in details.items() if value is not None},
            "customDataContentType": "application/json",
        },
    }


def short_type(event: Mapping[str, Any]) -> str:
    """The type of an event as filters name it: `service.deployed`."""
    return ".".join(str(event["type"]).split(".")[2:4])


def sentence(event: Mapping[str, Any]) -> dict[str, str]:
    """An event as Slack's incoming webhooks take it."""
    data = event["data"]
    details, subject = data["customData"], data["subject"]
    kind = short_type(event)
    if subject["type"] == "environment":
        return {"text": f"Environment *{_plain(subject['id'])}* {kind.partition('.')[2]}"}
    place = f"*{_plain(details['app'])}* in *{_plain(subject['content']['environment']['id'])}*"
    verbs = {"service.removed": "removed", "service.rolledback": "rolled back to"}
    text = f"{place}: {verbs.get(kind, 'now')} {_plain(details.get('release') or '')}".rstrip()
    if details.get("previousRelease"):
        text += f" (was {_plain(details['previousRelease'])})"
    text += f", by {_plain(details.get('by') or names.UNKNOWN_USER)}"
    return {"text": text + (f": {_plain(details['reason'])}" if details.get("reason") else "")}


def _plain(text: str) -> str:
    """Slack's own escapes, so that a reason cannot call everybody or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body_of(event: Mapping[str, Any], form: str) -> tuple[bytes, str]:
    """The bytes that are sent, and their media type."""
    if form == "slack":
        return orjson.dumps(sentence(event)), "application/json"
    return orjson.dumps(event), "application/cloudevents+json"


def signers(value: str) -> tuple[Webhook, ...]:
    """What signs, of the value of a Secret: one secret of Standard Webhooks, or several while they are exchanged.

    Nothing else is taken, so that no other Secret can be made to sign what somebody knows.

    Raises:
        SecretError: the value is something else.
    """
    words = value.split(maxsplit=MOST_SECRETS) if len(value) <= MOST_CHARACTERS else ()
    if len(value) > MOST_CHARACTERS or len(words) > MOST_SECRETS:
        message = f"its value may hold {MOST_SECRETS} secrets and {MOST_CHARACTERS} characters at most"
        raise SecretError(message)
    found: list[Webhook] = []
    for word in words:
        if not word.startswith(_PREFIX) or not SECRET_BYTES[0] <= _size(word) <= SECRET_BYTES[1]:
            message = f"its value must be {_PREFIX} and the base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[1]} bytes"
            raise SecretError(message)
        found.append(Webhook(word))
    if not found:
        message = "its value is empty"
        raise SecretError(message)
    return tuple(found)


def _size(word: str) -> int:
    try:
        return len(b64decode(f"{word.removeprefix(_PREFIX)}=="))
    except ValueError:
        return 0


def signed(signing: Sequence[Webhook], event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    signatures = (one.sign(event_id, now, body.decode()) for one in signing)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
