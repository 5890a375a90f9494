"""Translates errors of the cluster into answers of REST: the one table between the two.

Upstream text never gets through, except the message of an admission policy, which is meant for people.
"""

import re
from dataclasses import dataclass

from moorage_api.contract import echo, errors
from moorage_api.contract.errors import ApiError, ConflictReason, UnavailableReason
from moorage_crds import names, store
from moorage_crds.kinds import registry


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was being tried when the cluster refused: needed to say so in the documented words.

    Attributes:
        permission: `resource:action` of the call.
        verb: verb of the Kubernetes right that the write needed.
        resource: plural of the Kubernetes resource.
        resource_type: the REST word of the object, for a 404.
        resource_id: its id, for a 404.
    """

    permission: str
    verb: str
    resource: str
    resource_type: str
    resource_id: str


#: Fields of our custom resources → fields of our bodies, for a 422 that only the cluster can give.
_FIELDS = {
    "metadata.name": "slug",
    "spec.displayName": "name",
    "spec.description": "description",
    "spec.release": "release_id",
    "spec.app": "app_id",
    "spec.reason": "reason",
    "spec.change.reason": "reason",
}


def _place(field: str) -> list[str | int]:
    """Where a field of ours stands in a body: `spec.weekly[0].until` → weekly, 0, until."""
    known = _FIELDS.get(field)
    if known is not None or not field.startswith("spec."):
        return [known or echo.printable(field)]
    parts = re.findall(r"\w+|\[\d+\]", field.removeprefix("spec."))
    return [int(part[1:-1]) if part[0] == "[" else _snake(echo.printable(part)) for part in parts]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def from_store(error: store.StoreError, attempt: Attempt) -> ApiError:
    """The answer for what the cluster said. Upstream text never gets through, except a policy's own message."""
    if isinstance(error, store.ForbiddenError):
        return _from_refusal(error, attempt)
    if isinstance(error, store.InvalidError):
        return _from_invalid(error)
    if isinstance(error, store.AlreadyExistsError):
        return errors.already_exists(attempt.resource_type, attempt.resource_id)
    if isinstance(error, store.NotFoundError):
        return errors.not_found(attempt.resource_type, attempt.resource_id)
    return _plain_answer(error)


def _plain_answer(error: store.StoreError) -> ApiError:
    if isinstance(error, store.UnauthenticatedError):
        return errors.unauthenticated()
    if isinstance(error, store.ConflictError):
        return errors.busy("Others are changing the same object; try again")
    if isinstance(error, store.UnavailableError):
        return errors.cluster_unavailable(error.retry_after, webhook=error.webhook)
    if isinstance(error, store.TransientError):
        return errors.cluster_unavailable(error.retry_after)
    return errors.cluster_unavailable(None) if isinstance(error, store.GoneError) else errors.internal()


def _from_refusal(error: store.ForbiddenError, attempt: Attempt) -> ApiError:
    if error.by_authorizer:
        return errors.forbidden(attempt.permission, attempt.verb, attempt.resource)
    refusal = registry.refusal_by(error.policy or "")
    message = echo.printable(refusal.message or error.message, 1024)
    if refusal.retryable:
        return errors.unavailable(UnavailableReason(refusal.reason), message)
    return errors.conflict(ConflictReason(refusal.reason), message)


def _from_invalid(error: store.InvalidError) -> ApiError:
    if any(cause.reason == "FieldValueForbidden" and cause.field == "spec.release" for cause in error.causes):
        return errors.unavailable(
            UnavailableReason.HISTORY_FULL,
            f"{names.MAX_UNRECORDED} changes of this app are not recorded yet; try again a little later",
            retry_after=2,
        )
    if not error.causes:
        return errors.invalid(["body"], "the cluster refuses this as invalid")
    return errors.ValidationFailedError(
        [
            {
                "loc": ["body", *_place(cause.field)],
                "msg": echo.printable(cause.message, 512),
                "type": "value_error",
                "input": None,
                "ctx": {},
            }
            for cause in error.causes
        ]
    )
