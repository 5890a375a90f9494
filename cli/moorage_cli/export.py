"""Writes the history as JSON Lines or CSV, record by record. Called by `moorage export`.

A JSON line is the record itself with the names of its workspace beside it: `moorage verify --file` reads it again.
"""

import csv
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TextIO

import orjson

from moorage_cli.config import Format
from moorage_crds import names
from moorage_crds.identifiers import AppId, EnvironmentSlug, NamespaceName
from moorage_crds.kinds import workspace as workspaces
from moorage_crds.kinds.record import is_imported
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, mapping, metadata
from moorage_crds.store import ResourceStore

PROGRESS_EVERY: Final = 1000
COLUMNS: Final = (
    "org",
    "workspace",
    "namespace",
    "deployment",
    "deployment_uid",
    "environment",
    "app",
    "sequence",
    "action",
    "release",
    "previous_release",
    "by",
    "at",
    "reason",
    "request_id",
    "record",
    "previous_hash",
    "hash",
    "claimed_by",
    "claimed_at",
    "source",
    "imported",
)
#: A cell that begins so is a formula to a spreadsheet; an apostrophe in front keeps it a text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class NoWorkspaceError(Exception):
    """There is no workspace of that name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records are wanted; None means all.

    A record counts as old as its change and as old as itself: it is wanted if either time is within the bounds. The
    first began as something that clients write with, and nothing may be hidden by it. So ranges side by side can both
    have a record; its name tells that it is one.

    Attributes:
        workspace: `<org>/<workspace>`.
        since: not older than this.
        until: older than this.
    """

    workspace: str | None = None
    environment: EnvironmentSlug | None = None
    app: AppId | None = None
    since: datetime | None = None
    until: datetime | None = None

    def selector(self) -> str | None:
        """Label selector of environment and app."""
        wanted = {names.LABEL_ENVIRONMENT: self.environment, names.LABEL_APP: self.app}
        return ",".join(f"{label}={value}" for label, value in wanted.items() if value) or None

    def takes(self, raw: RawObject) -> bool:
        """Whether one of the times of a record is within the bounds, or it has none that could be read."""
        if self.since is None and self.until is None:
            return True
        spec = _content(raw)
        times = (to_moment(spec.get("at") or spec.get("claimedAt")), to_moment(metadata(raw).get("creationTimestamp")))
        known = [time for time in times if time is not None]
        return not known or any(map(self._holds, known))

    def _holds(self, moment: datetime) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


async def export(
    store: ResourceStore, choice: Choice, *, out: TextIO, form: Format, progress: Callable[[str], None]
) -> int:
    """Write the records of `choice` to `out`, in the order of namespace, Deployment and sequence; returns their number.

    Raises:
        StoreError: the cluster does not answer.
        NoWorkspaceError: the workspace of `choice` does not exist.
    """
    known = await _workspaces(store)
    writer = csv.writer(out, lineterminator="\n") if form is Format.CSV else None
    if writer is not None:
        writer.writerow(COLUMNS)
    count = 0
    async for raw in _records(store, choice, known):
        place = known.get(str(metadata(raw).get("namespace", "")))
        if writer is not None:
            writer.writerow(_row(raw, place))
        else:
            out.write(orjson.dumps(_line(raw, place)).decode() + "\n")
        count += 1
        if count % PROGRESS_EVERY == 0:
            progress(f"{count} records written")
    return count


async def _workspaces(store: ResourceStore) -> Mapping[str, Workspace]:
    found: dict[str, Workspace] = {}
    async for page in store.pages(names.NAMESPACES):
        for raw in page.items:
            workspace = workspaces.from_object(raw)
            if workspace is not None:
                found[workspace.namespace] = workspace
    return found


async def _records(store: ResourceStore, choice: Choice, known: Mapping[str, Workspace]) -> AsyncIterator[RawObject]:
    for namespace in _places(choice, known):
        async for page in store.pages(names.RECORDS, namespace=namespace, selector=choice.selector()):
            for raw in filter(choice.takes, page.items):
                yield raw


def _places(choice: Choice, known: Mapping[str, Workspace]) -> list[NamespaceName | None]:
    if choice.workspace is None:
        return [None]
    claims = [one for one in known.values() if f"{one.org}/{one.workspace}" == choice.workspace]
    if not claims:
        message = f"there is no workspace {choice.workspace} (a Namespace with both labels)"
        raise NoWorkspaceError(message)
    return [NamespaceName.parse(one.namespace) for one in sorted(claims, key=lambda one: one.namespace)]


def _content(raw: RawObject) -> Mapping[str, Any]:
    """What the record says; nothing if it is spoiled: `moorage verify --file` then names it."""
    return mapping(raw.get("spec"))


def _line(raw: RawObject, place: Workspace | None) -> RawObject:
    meta = metadata(raw)
    kept = ("namespace", "name", "uid", "creationTimestamp", "labels")
    return {
        "org": place.org if place else None,
        "workspace": place.workspace if place else None,
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": _content(raw),
    }


def _row(raw: RawObject, place: Workspace | None) -> list[str]:
    meta, spec = metadata(raw), _content(raw)
    of = mapping(spec.get("deployment"))
    values: tuple[Any, ...] = (
        place.org if place else "",
        place.workspace if place else "",
        meta.get("namespace"),
        of.get("name"),
        of.get("uid"),
        *(spec.get(key) for key in ("environment", "app", "sequence", "action", "release", "previousRelease")),
        *(spec.get(key) for key in ("by", "at", "reason", "requestId")),
        meta.get("name"),
        *(spec.get(key) for key in ("previousHash", "hash", "claimedBy", "claimedAt", "source")),
        "true" if is_imported(raw) else "",
    )
    return [_cell(value) for value in values]


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
