"""Checks arguments before any request, with the same sentence by both ways. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from moorage_cli.people.model import Asked, Change, Exit, Freezing, Locking, Opinion, Promoting, TroubleError
from moorage_crds import names, patterns
from moorage_crds.identifiers import AppId, EnvironmentSlug, InvalidIdentifierError, ReleaseId

#: As `spec.change.reason` of a Deployment and `spec.reason` of a lock have it.
MAX_REASON: Final = 512
_LINE: Final = re.compile(patterns.LINE_ECMA)
_GATE: Final = re.compile(patterns.GATE)


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


def asked(about: Asked) -> None:
    """All words of a question to the history. Raises TroubleError."""
    if about.environment is not None:
        slug(about.environment)
    if about.app is not None:
        app(about.app)


def lock(wanted: Locking) -> None:
    """All words of a lock. Raises TroubleError."""
    slug(wanted.environment)
    reason(wanted.reason)


def override(gates: Sequence[str], why: str | None) -> None:
    """Gates that shall be passed, and why. Raises TroubleError."""
    if gates and why is None:
        raise TroubleError(Exit.USAGE, "an override needs a reason")
    for one in gates:
        if _GATE.fullmatch(one) is None:
            message = f"{one!r} is not a gate: say freeze/NAME, clusterfreeze/NAME, promotion or approvals"
            raise TroubleError(Exit.USAGE, message)
    if len(gates) > names.MAX_OVERRIDE:
        raise TroubleError(Exit.USAGE, f"{len(gates)} gates are more than the {names.MAX_OVERRIDE} of one change")


def change(wanted: Change) -> None:
    """All words of a change. Raises TroubleError."""
    slug(wanted.environment)
    app(wanted.app)
    for one in (wanted.release, wanted.expected):
        if one is not None:
            release(one)
    if wanted.reason is not None:
        reason(wanted.reason)
    override(wanted.override, wanted.reason)


def promotion(wanted: Promoting) -> None:
    """All words of a promotion. Raises TroubleError."""
    slug(wanted.environment)
    if wanted.origin is not None:
        slug(wanted.origin)
    if wanted.origin == wanted.environment:
        raise TroubleError(Exit.USAGE, f"releases of {wanted.environment} are promoted to another environment")
    if wanted.app is not None:
        app(wanted.app)
    if wanted.reason is not None:
        reason(wanted.reason)
    override(wanted.override, wanted.reason)


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
