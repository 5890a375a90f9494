"""The past as records: claims of a file in chains of their own. Pure.

The record of a claim says who, when and whence in fields that no stamp ever fills, has the action `import`, and stands
in a chain that follows from the names of workspace and binding alone. So the same file makes the same bytes wherever
and whenever it is imported, and an interrupted import resumes where it stopped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moorage_cli.replay import Line
from moorage_crds import names
from moorage_crds.identifiers import AppId, BindingName, EnvironmentSlug, InvalidIdentifierError, ReleaseId
from moorage_crds.kinds.deployment import Action, Change, Claim
from moorage_crds.kinds.record import Binding, genesis_hash, imported_uid, to_object
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject, metadata
from moorage_crds.reading import UNREADABLE

Key = tuple[str, str]
"""Environment and app."""

_KEPT: Final = ("name", "namespace", "labels")


class PastError(Exception):
    """What is to be imported cannot be. The text is one sentence that names the place."""


@dataclass(frozen=True, slots=True)
class Past:
    """The changes of each binding, oldest first.

    Attributes:
        chains: by environment and app.
    """

    chains: Mapping[Key, Sequence[Line]]

    @property
    def count(self) -> int:
        """How many changes there are."""
        return sum(map(len, self.chains.values()))

    def standing(self) -> dict[Key, str]:
        """What is active after all of it: the releases that are there now."""
        newest = {key: lines[-1].release for key, lines in self.chains.items()}
        return {key: release for key, release in newest.items() if release is not None}


def past_of(lines: Iterable[Line], *, now: datetime) -> Past:
    """Sort lines of a file by their bindings.

    Raises:
        PastError: a name is none, two apps have one binding, or a line is from the future.
    """
    chains: dict[Key, list[Line]] = {}
    for number, line in enumerate(lines, 1):
        known = chains.get((line.environment, line.app))
        if known is None:
            _check_names(number, line)
            known = chains[line.environment, line.app] = []
        _check(number, line, now)
        known.append(line)
    bindings: dict[str, Key] = {}
    for key in chains:
        other = bindings.setdefault(names.binding_name(*key), key)
        if other != key:
            message = f"the apps {other[1]} and {key[1]} would have one name in {key[0]}: import them apart"
            raise PastError(message)
    return Past(chains)


def _check_names(number: int, line: Line) -> None:
    try:
        EnvironmentSlug.parse(line.environment)
        AppId.parse(line.app)
    except InvalidIdentifierError as error:
        message = f"change {number} ({line.environment}, {line.app}): {error}"
        raise PastError(message) from None


def _check(number: int, line: Line, now: datetime) -> None:
    try:
        if line.release is not None:
            ReleaseId.parse(line.release)
    except InvalidIdentifierError as error:
        message = f"change {number}: {line.release!r} is {error}"
        raise PastError(message) from None
    if line.at > now:
        message = f"change {number}: {to_text(line.at)} is still to come"
        raise PastError(message)


def records_of(past: Past, *, namespace: str, source: str) -> Iterator[RawObject]:
    """The records of all claims, chain by chain, each chain from its beginning."""
    for (environment, app), lines in sorted(past.chains.items()):
        name = names.binding_name(environment, app)
        binding = Binding(namespace, name, imported_uid(namespace, name), environment, app)
        previous, before = genesis_hash(binding), None
        for sequence, line in enumerate(lines, 1):
            made = to_object(binding, _change(sequence, before, line, source), previous_hash=previous)
            yield made
            previous, before = made["spec"]["hash"], line.release


def _change(sequence: int, before: str | None, line: Line, source: str) -> Change:
    return Change(
        sequence=sequence,
        action=Action.IMPORT,
        previous=before,
        release=line.release,
        reason=line.reason or None,
        claim=Claim(at=to_text(line.at), source=source, by=line.by or None),
    )


def restored(lines: Iterable[RawObject], *, namespace: str) -> Iterator[RawObject]:
    """Records of an export as they are created elsewhere: the same content, and the label that tells them apart.

    Raises:
        PastError: a line is not a record of that Namespace.
    """
    for number, line in enumerate(lines, 1):
        meta = metadata(line)
        if meta.get("namespace") != namespace:
            message = (
                f"record {number} belongs to the Namespace {meta.get('namespace')}, which its hash binds it to: "
                f"import it there (-n {meta.get('namespace')})"
            )
            raise PastError(message)
        kept = {key: meta[key] for key in _KEPT if key in meta}
        labels = {**(kept.get("labels") or {}), names.LABEL_IMPORTED: "true"}
        yield {"metadata": {**kept, "labels": labels}, "spec": line.get("spec")}


def standing_of(records: Iterable[RawObject]) -> dict[Key, str]:
    """What is active after the records of an export: of each binding, the newest change of all its chains.

    Raises:
        PastError: one cannot be read.
    """
    newest: dict[Key, tuple[str, int, str | None]] = {}
    for number, raw in enumerate(records, 1):
        try:
            spec = raw["spec"]
            key = (str(spec["environment"]), str(spec["app"]))
            place = (str(spec.get("at") or spec["claimedAt"]), int(spec["sequence"]), spec.get("release"))
        except UNREADABLE:
            message = f"record {number} is not readable"
            raise PastError(message) from None
        if key not in newest or place[:2] >= newest[key][:2]:
            newest[key] = place
    return {key: release for key, (_, _, release) in newest.items() if release is not None}


def binding_of(key: Key) -> BindingName:
    """The name of the binding."""
    return BindingName.of(EnvironmentSlug(key[0]), AppId(key[1]))
