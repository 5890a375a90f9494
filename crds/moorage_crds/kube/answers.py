"""HTTP answers of the API server → objects, or the `StoreError` that they mean."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from moorage_crds.kube import wording
from moorage_crds.kube.paths import UrlPath
from moorage_crds.kube.wording import Refuser
from moorage_crds.objects import RawObject
from moorage_crds.store import (
    AlreadyExistsError,
    Cause,
    ConflictError,
    FailedAnswer,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    StoreError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

#: One warning of a header that may hold several.
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_PLAIN_ERRORS: Final[Mapping[int, type[StoreError]]] = {
    401: UnauthenticatedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
}


def decode(method: str, path: UrlPath, status: int, retry_after: str | None, content: bytes) -> RawObject:
    """Turn an HTTP answer into an object.

    Args:
        method: of the request, for the error.
        path: of the request, for the error.
        status: of the answer.
        retry_after: the header of that name.
        content: the body.

    Raises:
        StoreError: every answer that is not a 2xx with a JSON object.
    """
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if status < 300 and isinstance(answer, dict):
        return answer
    raise error_for(method, path.template, status, answer if isinstance(answer, dict) else {}, retry_after)


def error_for(verb: str, path: str, code: int, status: Mapping[str, Any], retry_after: str | None = None) -> StoreError:
    """The error that a `Status` object means. A no of admission is a ForbiddenError always.

    Args:
        verb: the HTTP method, or `WATCH`.
        path: the template of the path.
        code: the HTTP status; of an ERROR line in a watch what the object says.
        status: the object; empty if there was none.
        retry_after: the header of that name.
    """
    text = str(status.get("message") or "")
    said = wording.read(text)
    answer = FailedAnswer(verb=verb, path=path, status=code, reason=str(status.get("reason") or ""), text=text)
    # Said with 403 or, where the policy gives no reason, with 422, and refuses nothing.
    is_undecided = wording.is_undecided(said)
    if not is_undecided and (code == 403 or said.refuser in {Refuser.POLICY, Refuser.WEBHOOK}):
        by_authorizer = said.refuser is Refuser.AUTHORIZER
        return ForbiddenError(said.message, policy=said.policy, by_authorizer=by_authorizer, answer=answer)
    if code == 409 and answer.reason == "AlreadyExists":
        return AlreadyExistsError(text, answer)
    if code in {400, 422} and not is_undecided:
        return InvalidError(text, _causes(status), answer)
    plain = _PLAIN_ERRORS.get(code)
    if plain is not None:
        return plain(text, answer)
    if code == 429:
        return ThrottledError(text, answer, retry_after=_seconds(retry_after))
    webhook = wording.unreachable_webhook(text)
    return UnavailableError(text, answer, retry_after=_seconds(retry_after), webhook=webhook)


def warnings_of(values: Iterable[str]) -> Iterator[str]:
    """The texts of `Warning` headers, as policies and the API server write them: `299 - "text"`."""
    for value in values:
        for found in _WARNING.finditer(value):
            yield found[1].replace('\\"', '"').replace("\\\\", "\\")


def _causes(status: Mapping[str, Any]) -> list[Cause]:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [
        Cause(str(cause.get("reason", "")), str(cause.get("message", "")), str(cause.get("field", "")))
        for cause in causes or ()
    ]


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:  # an HTTP date: our own backoff is as good
        return None
