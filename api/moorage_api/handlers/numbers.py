"""The numbers of delivery of a workspace."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.journal import JournalQuery
from moorage_api.cache.line import Line
from moorage_api.cache.lines import Filters, Position
from moorage_api.contract import errors, schemas
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import translate
from moorage_api.reads.numbers import Entry, Key, Tally, body, in_steps, starts_of, together
from moorage_crds import moments
from moorage_crds.identifiers import Uid

#: Without `since`, and at most.
DEFAULT_TIME: Final = timedelta(days=30)
LONGEST_TIME: Final = timedelta(days=400)
#: Steps that a time can be divided into, and how many at most.
STEPS: Final[Mapping[str, timedelta]] = {"day": timedelta(days=1), "week": timedelta(days=7)}
MOST_STEPS: Final = 100
#: Users who ask at once, each once; each gets the answer when it is their turn.
MOST_WAITING: Final = 8
#: Lines that are looked at before others get their turn.
AT_ONCE: Final = 1_000

_FAILED: Final = "failed"


class Numbers:
    """Handler of the numbers: one answer after the other, because each holds a copy of the history for a moment."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting: set[str] = set()

    async def numbers(self, facade: Facade, call: Call) -> Answer:
        """The numbers of a time, by environment. Raises ApiError 503 if the caller or many others wait for theirs."""
        user = call.caller.username
        if user in self._waiting:
            raise errors.busy("You wait for numbers already; try again when they are there")
        if len(self._waiting) >= MOST_WAITING:
            raise errors.busy("Many others ask for numbers; try again")
        self._waiting.add(user)
        try:
            async with self._turn:
                return await _numbers(facade, call)
        finally:
            self._waiting.discard(user)


async def _numbers(facade: Facade, call: Call) -> Answer:
    query: schemas.NumbersQuery = call.query
    since, until = _time(query, facade.clock.now())
    starts = _starts(query.step, since, until)
    slug = _slug(facade.catalog, call, query.environment_id)
    entries = await _entries(facade.catalog, call.workspace.namespace, until, query.app_id)
    # In a thread, so that others are answered meanwhile: 100,000 lines take half a second.
    found = await asyncio.to_thread(in_steps, entries, starts, until)
    present = {view.name: view.uid for view in facade.catalog.environments_of(call.workspace.namespace)}
    slugs = [slug] if slug is not None else sorted({*present, *(environment for environment, _ in found)})
    wanted = _Wanted(starts, until, apps=slug is not None, steps=query.step is not None)
    return Answer(
        {
            "since": schemas.whole_second(since),
            "until": schemas.whole_second(until),
            "environments": [
                {"environment": one, "environment_id": present.get(one), **_of_environment(one, found, wanted)}
                for one in slugs
            ],
        }
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which time, divided how, and whether its apps and its steps are told."""

    starts: Sequence[datetime]
    until: datetime
    apps: bool
    steps: bool


def _of_environment(slug: str, found: Mapping[Key, Mapping[int, Tally]], wanted: _Wanted) -> dict[str, Any]:
    since, until = wanted.starts[0], wanted.until
    by_step = {app: steps for (environment, app), steps in sorted(found.items()) if environment == slug}
    apps = {app: together(steps.values()) for app, steps in by_step.items()}
    return {
        "total": body(together(apps.values()), since, until),
        "apps": {app: body(tally, since, until) for app, tally in apps.items()} if wanted.apps else None,
        "steps": _steps(list(by_step.values()), wanted) if wanted.steps else None,
    }


def _steps(parts: Sequence[Mapping[int, Tally]], wanted: _Wanted) -> list[dict[str, Any]]:
    return [
        {
            "since": schemas.whole_second(since),
            "until": schemas.whole_second(until),
            "numbers": body(together(steps[number] for steps in parts if number in steps), since, until),
        }
        for number, (since, until) in enumerate(pairwise((*wanted.starts, wanted.until)))
    ]


def _starts(step: str | None, since: datetime, until: datetime) -> tuple[datetime, ...]:
    """First moments of the steps; one without a step. Raises ApiError 422."""
    starts = starts_of(since, until, STEPS[step]) if step is not None else (since,)
    if len(starts) > MOST_STEPS:
        raise errors.invalid(["query", "step"], f"gives {len(starts)} steps, at most {MOST_STEPS} are told", value=step)
    return starts


def _time(query: schemas.NumbersQuery, now: datetime) -> tuple[datetime, datetime]:
    """The first and the last moment. Raises ApiError 422."""
    until = min(schemas.moment(query.until), now) if query.until is not None else now
    since = schemas.moment(query.since) if query.since is not None else until - DEFAULT_TIME
    if since >= until:
        raise errors.invalid(["query", "since"], "must be before `until`, and in the past", value=query.since)
    if until - since > LONGEST_TIME:
        message = f"must be at most {LONGEST_TIME.days} days before `until`"
        raise errors.invalid(["query", "since"], message, value=query.since)
    return since, until


def _slug(catalog: Catalog, call: Call, text: str | None) -> str | None:
    """The slug that an id or a slug means. Raises ApiError 404 for an id that no environment has."""
    found = catalog.environment(call.workspace.namespace, text) if text is not None else None
    if found is not None:
        return found.name
    if text is not None and Uid.pattern.fullmatch(text):
        raise errors.not_found("environment", text)
    return text


async def _entries(catalog: Catalog, namespace: str, until: datetime, app: str | None) -> list[Entry]:
    """All lines up to a moment that are kept; in parts, so that one who asks holds up nobody."""
    wanted = JournalQuery(
        Filters(None, None, None, schemas.whole_second(until)), lambda line: app is None or line.app == app
    )
    entries: list[Entry] = []
    after: Position | None = None
    while True:
        part = catalog.history.journal.page(namespace, wanted, after=after, limit=AT_ONCE)
        entries += _read(catalog, part.lines)
        if part.last is None:
            return entries
        after = part.last
        await asyncio.sleep(0)


def _read(catalog: Catalog, lines: Iterable[Line]) -> Iterable[Entry]:
    for line in lines:
        if line.claim is not None:
            continue  # nobody here saw what an import says
        chain = catalog.history.chain(line.uid)
        ended, healthy_at = translate.outcome(chain.live if chain is not None else None, line.sequence)
        yield Entry(
            line.uid,
            line.sequence,
            line.environment,
            line.app,
            line.action,
            line.release,
            moments.parse(line.moment),
            failed=ended == _FAILED,
            healthy_at=moments.to_moment(healthy_at),
        )
