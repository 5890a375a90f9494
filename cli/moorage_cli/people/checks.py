"""What is wrong with words before anybody is asked: the same sentence by both ways. Pure."""

import re
from typing import Final

from moorage_cli.people.model import Change, Exit, Freezing, Opinion, Promoting, TroubleError
from moorage_crds import patterns
from moorage_crds.identifiers import AppId, EnvironmentSlug, InvalidIdentifierError, ReleaseId

#: As `spec.change.reason` of a Deployment and `spec.reason` of a lock have it.
MAX_REASON: Final = 512
_LINE: Final = re.compile(patterns.LINE_ECMA)


def slug(text: str) -> EnvironmentSlug:
    """The name of an environment. Raises TroubleError."""
    try:
        return EnvironmentSlug.parse(text)
    except InvalidIdentifierError as error:
        raise TroubleError(Exit.USAGE, f"{text!r} is {error}") from None


def app(text: str) -> AppId:
    """An app. Raises TroubleError."""
    try:
        return AppId.parse(text)
    except InvalidIdentifierError as error:
        raise TroubleError(Exit.USAGE, f"{text!r} is {error}") from None


def release(text: str) -> ReleaseId:
    """A release. Raises TroubleError."""
    try:
        return ReleaseId.parse(text)
    except InvalidIdentifierError as error:
        raise TroubleError(Exit.USAGE, f"{text!r} is {error}") from None


def reason(text: str) -> str:
    """A reason: one line of text. Raises TroubleError."""
    if not text or len(text) > MAX_REASON or _LINE.fullmatch(text) is None:
        message = f"not a possible reason: must be one line of 1 to {MAX_REASON} characters without control characters"
        raise TroubleError(Exit.USAGE, message)
    return text


def change(wanted: Change) -> None:
    """All words of a change. Raises TroubleError."""
    slug(wanted.environment)
    app(wanted.app)
    for one in (wanted.release, wanted.expected):
        if one is not None:
            release(one)
    if wanted.reason is not None:
        reason(wanted.reason)


def promotion(wanted: Promoting) -> None:
    """All words of a promotion. Raises TroubleError."""
    slug(wanted.environment)
    if wanted.origin is not None:
        slug(wanted.origin)
    if wanted.origin == wanted.environment:
        raise TroubleError(Exit.USAGE, f"releases of {wanted.environment} go on to another environment")
    if wanted.app is not None:
        app(wanted.app)
    if wanted.reason is not None:
        reason(wanted.reason)


def opinion(said: Opinion) -> None:
    """All words of a yes or no. Raises TroubleError."""
    question(said.environment, said.app, said.release)
    if said.comment is not None:
        reason(said.comment)


def freeze(wanted: Freezing) -> None:
    """All words of a Freeze. Raises TroubleError."""
    slug_of_freeze(wanted.name)
    reason(wanted.reason)
    for one in wanted.environments:
        slug(one)
    for one in wanted.apps:
        app(one)
    if wanted.until <= wanted.begins:
        raise TroubleError(Exit.USAGE, f"a Freeze ends after it begins: {wanted.until} is not after {wanted.begins}")


def slug_of_freeze(text: str) -> EnvironmentSlug:
    """The name of a Freeze. Raises TroubleError."""
    try:
        return EnvironmentSlug.parse(text)
    except InvalidIdentifierError:
        raise TroubleError(Exit.USAGE, f"{text!r} is not a possible name of a Freeze: must be a DNS label") from None


def question(environment: str, about: str | None, wanted: str | None) -> None:
    """All words of a question to the gates. Raises TroubleError."""
    slug(environment)
    if about is not None:
        app(about)
    if wanted is not None:
        release(wanted)
