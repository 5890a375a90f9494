"""Gather → decide → answer: which release belongs where, for tools that make objects of it.

What was answered is remembered for each selection, so that an answer which has lost too much is not given.
The memory is this process's own: after a restart there is no last answer to compare with.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.line import NO_TIME, Line
from moorage_api.cache.views import BindingView
from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError, UnavailableReason
from moorage_api.integrations import decisions, selection
from moorage_api.integrations.decisions import Trace
from moorage_api.integrations.selection import Place, Selection
from moorage_api.operation import Answer, Facade
from moorage_api.reads import etag
from moorage_crds import names
from moorage_crds.kinds.workspace import Workspace

#: How many places of last answers are remembered, in all selections together.
MAX_REMEMBERED: Final = 200_000
#: How many bytes of answers are kept as they were sent.
MAX_KEPT_BYTES: Final = 32 * 1024 * 1024
#: Of how many releases the JSON is kept for the next answer; each has about 350 bytes, once by itself and once in the
#: text of its environment for each tool.
MAX_PIECES: Final = 50_000

#: Watches prove something every second or two at most: a bound below this cannot be kept. Seconds.
SHORTEST_PROOF_SECONDS: Final = 5.0

#: Kinds that an answer is made of. A record that cannot be read leaves a history that has not arrived.
_MADE_OF: Final = frozenset({names.ENVIRONMENTS, names.DEPLOYMENTS})

_Places = Mapping[decisions.Place, str]
"""Place of each binding that was answered → its uid."""

_Environment = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Item:
    """One active release, where it is and the line of history that put it there."""

    place: Place
    binding: BindingView
    line: Line


def plain(_item: Item, piece: bytes) -> bytes:
    """An item as it is, without anything that only one tool asks for."""
    return piece


@dataclass(frozen=True, slots=True)
class Form:
    """How a tool wants its answer.

    Attributes:
        name: two forms of one name make the same of the same items.
        encode: how many items there are, and the JSON of all of them with commas between → body.
        item: an item and the JSON of its fields → its JSON. What it returned is kept: it is a function of a module.
    """

    name: str
    encode: Callable[[int, bytes], bytes]
    item: Callable[[Item, bytes], bytes] = plain


@dataclass(frozen=True, slots=True)
class _Had:
    """What an answer had: environment → its places, the same object as before if nothing has changed there."""

    places: Mapping[_Environment, _Places]
    count: int

    def gone(self, now: "_Had") -> dict[decisions.Place, str]:
        """What is in this one and not in that one."""
        found: dict[decisions.Place, str] = {}
        for environment, places in self.places.items():
            there = now.places.get(environment, {})
            if there is not places:
                found |= {place: uid for place, uid in places.items() if place not in there}
        return found


_NOTHING: Final = _Had({}, 0)


class Memory:
    """The last answers: selection → what it had. Bounded; the selection that was asked for longest ago goes first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Selection, _Had] = OrderedDict()
        self._size = 0

    def last(self, wanted: Selection) -> _Had:
        """What the last answer to that selection had; nothing if there was none."""
        return self._answers.get(wanted, _NOTHING)

    def keep(self, wanted: Selection, had: _Had) -> None:
        """An answer was given."""
        self._size += had.count + 1 - self._drop(wanted)
        self._answers[wanted] = had
        while self._size > MAX_REMEMBERED and len(self._answers) > 1:
            self._size -= self._drop(next(iter(self._answers)))

    def _drop(self, wanted: Selection) -> int:
        gone = self._answers.pop(wanted, None)
        return 0 if gone is None else gone.count + 1


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, and what was known when it was made."""

    moves: tuple[int, int]
    had: _Had
    body: bytes
    tag: str


class _Answers:
    """The newest answers as they were sent, so that nothing is made twice of a cache in which nothing has moved."""

    def __init__(self) -> None:
        self._told: OrderedDict[Hashable, _Told] = OrderedDict()
        self._size = 0

    def get(self, question: Hashable, moves: tuple[int, int]) -> _Told | None:
        """The answer to that question, if it would be the same now."""
        told = self._told.get(question)
        return told if told is not None and told.moves == moves else None

    def keep(self, question: Hashable, told: _Told) -> None:
        """An answer was made."""
        before = self._told.pop(question, None)
        self._size += len(told.body) - (len(before.body) if before is not None else 0)
        self._told[question] = told
        while self._size > MAX_KEPT_BYTES and len(self._told) > 1:
            self._size -= len(self._told.popitem(last=False)[1].body)


@dataclass(frozen=True, slots=True)
class _Part:
    """What an answer says of one environment: its JSON with commas between, a hash of that, and what it has."""

    text: bytes
    digest: bytes
    places: _Places


def _part(texts: Iterable[bytes], places: _Places) -> _Part:
    text = b",".join(texts)
    return _Part(text, blake2b(text, digest_size=16).digest(), places)


@dataclass(frozen=True, slots=True)
class _Section:
    """What is active in one environment, and how it was said: made again only after a change in that environment.

    Attributes:
        place: the environment and its workspace; views are never changed, only replaced.
        revision: of the history of that name, which moves with its Deployments, too.
        found: every active binding with the newest line of its history.
        items: the same, if each history reaches its release.
        pieces: the JSON of the fields of each item.
        places: where each item is.
        said: what an answer for all apps says of it, by what each tool makes of an item.
    """

    place: Place
    revision: int
    found: Sequence[tuple[BindingView, Line | None]]
    items: Sequence[Item]
    pieces: Sequence[bytes]
    places: _Places
    said: dict[Callable[[Item, bytes], bytes], _Part] = field(default_factory=dict)

    def part(self, form: Form, apps: Collection[str]) -> _Part:
        """What an answer for these apps (none: all) says of it."""
        if apps:
            chosen = [number for number, item in enumerate(self.items) if item.binding.app in apps]
            texts = [form.item(self.items[number], self.pieces[number]) for number in chosen]
            return _part(texts, _places(self.items[number] for number in chosen))
        known = self.said.get(form.item)
        if known is None:
            known = self.said[form.item] = _part(map(form.item, self.items, self.pieces), self.places)
        return known

    def is_of(self, place: Place, revision: int) -> bool:
        """Whether it would be the same now."""
        known = self.place
        return (
            self.revision == revision and known.environment is place.environment and known.workspace is place.workspace
        )

    def doubt(self, apps: Collection[str]) -> str | None:
        """Why these apps (none: all) cannot be answered for; None if nothing is wrong."""
        if len(self.items) == len(self.found):
            return None
        return decisions.unproved(one for one in self.found if not apps or one[0].app in apps)


class _Sections:
    """The newest section of each environment."""

    def __init__(self) -> None:
        self._made: dict[decisions.Place, _Section] = {}
        self._size = 0

    def of(self, catalog: Catalog, place: Place) -> _Section:
        """What is active in an environment."""
        environment = place.environment
        key = (environment.namespace, environment.name)
        revision = catalog.history.revision(*key)
        known = self._made.get(key)
        if known is not None and known.is_of(place, revision):
            return known
        made = _section(catalog, place, revision)
        self._size += len(made.items) - (len(known.items) if known is not None else 0)
        self._made[key] = made
        if self._size > MAX_PIECES:
            self._made, self._size = {key: made}, len(made.items)
        return made


def _section(catalog: Catalog, place: Place, revision: int) -> _Section:
    active = [one for one in catalog.bindings_of(place.environment) if one.release is not None]
    found = [(binding, _last_line(catalog, binding.uid)) for binding in active]
    items = [
        Item(place, binding, line) for binding, line in found if line is not None and line.release == binding.release
    ]
    return _Section(place, revision, found, items, [dumps(fields(item)) for item in items], _places(items))


def _places(items: Iterable[Item]) -> dict[decisions.Place, str]:
    return {(item.binding.namespace, item.binding.name): item.binding.uid for item in items}


class Inputs:
    """Answers with what is active, if that is certain."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._answers = _Answers()
        self._sections = _Sections()

    def answer(
        self, facade: Facade, headers: Mapping[str, str], workspaces: Sequence[Workspace], wanted: Selection, form: Form
    ) -> Answer:
        """The active releases of a selection, in the form of a tool.

        Args:
            facade: what is known.
            headers: of the request, whose caller may read all of that.
            workspaces: the ones that are wanted, sorted.
            wanted: the rest of the selection.
            form: how the tool wants them.

        Raises:
            ApiError: 404 for what is named and not there; 503 while it is not certain.
        """
        bound = facade.settings.max_input_staleness_seconds
        _require(decisions.too_old(facade.freshness.stale_seconds, bound))
        _require(decisions.too_old(facade.freshness.unproved_seconds, max(bound, SHORTEST_PROOF_SECONDS)))
        namespaces = frozenset(one.namespace for one in workspaces)
        _require(decisions.spoiled(facade.freshness.left_out(_MADE_OF, namespaces)))
        moves = facade.catalog.moves
        question = (wanted, tuple(one.namespace for one in workspaces), form.name)
        told = self._answers.get(question, moves)
        if told is None:
            told = self._made(facade.catalog, workspaces, wanted, form)
            self._answers.keep(question, told)
        self._memory.keep(wanted, told.had)
        if etag.unmodified(headers.get("If-None-Match"), told.tag):
            return Answer(b"", status=304, headers={"ETag": told.tag})
        return Answer(told.body, headers={"ETag": told.tag})

    def _made(self, catalog: Catalog, workspaces: Sequence[Workspace], wanted: Selection, form: Form) -> _Told:
        places = selection.places(catalog, workspaces, wanted)
        selection.require_apps(catalog, places, wanted)
        parts = dict(self._parts(catalog, places, wanted.apps, form))
        had = _Had({environment: one.places for environment, one in parts.items()}, _count(parts.values()))
        before = self._memory.last(wanted)
        namespaces = {one.namespace for one in workspaces}
        gone = [_trace(catalog, place, uid, namespaces) for place, uid in before.gone(had).items()]
        _require(decisions.vanished(gone))
        _require(decisions.shrunken(before.count, gone))
        known = {(one.environment.namespace, one.environment.name) for one in places}
        _require(decisions.orphaned(gone, known, namespaces))
        body = form.encode(had.count, b",".join(one.text for one in parts.values()))
        return _Told(catalog.moves, had, body, _tag(parts.values()))

    def _parts(
        self, catalog: Catalog, places: Iterable[Place], apps: Collection[str], form: Form
    ) -> Iterator[tuple[_Environment, _Part]]:
        """The environments with active releases of these apps (none: all), in the order of `places`."""
        for place in places:
            section = self._sections.of(catalog, place)
            _require(section.doubt(apps))
            part = section.part(form, apps)
            if part.places:
                yield (place.environment.namespace, place.environment.name), part


def _count(parts: Iterable[_Part]) -> int:
    return sum(len(one.places) for one in parts)


def _tag(parts: Iterable[_Part]) -> str:
    """The ETag: a hash of what each environment's part is hashed to, so that what has not changed is not read again."""
    return f'"{blake2b(b"".join(one.digest for one in parts), digest_size=16).hexdigest()}"'


def _last_line(catalog: Catalog, uid: str) -> Line | None:
    chain = catalog.history.chain(uid)
    return chain.last() if chain is not None else None


def _trace(catalog: Catalog, place: decisions.Place, uid: str, namespaces: Collection[str]) -> Trace:
    namespace, name = place
    binding = catalog.bindings.get(namespace, name)
    vanished = binding is None and namespace in namespaces and not catalog.bindings.was_told_gone(namespace, name)
    return Trace(binding, _last_line(catalog, uid), name, vanished or _has_vanished(catalog, namespace))


def _has_vanished(catalog: Catalog, namespace: str) -> bool:
    known = catalog.namespaces.get("", namespace)
    return known is None and not catalog.namespaces.was_told_gone("", namespace)


def _require(doubt: str | None) -> None:
    if doubt is not None:
        raise uncertain(doubt)


def uncertain(doubt: str) -> ApiError:
    """503 in place of an answer that might leave something out."""
    return errors.unavailable(UnavailableReason.NOT_SYNCED, doubt)


def fields(item: Item) -> dict[str, Any]:
    """One release as every tool gets it: texts, and the parameters of the environment."""
    workspace, environment = item.place.workspace, item.place.environment
    binding, line = item.binding, item.line
    return {
        "org": workspace.org,
        "workspace": workspace.workspace,
        "namespace": workspace.namespace,
        "environment": environment.name,
        "environment_id": environment.uid,
        "app": binding.app,
        "release": binding.release,
        "previous_release": line.previous or "",
        "deployment_id": names.record_name(line.uid, line.sequence),
        "sequence": str(line.sequence),
        "deployed_by": line.by or names.UNKNOWN_USER,
        # A line without a time of its own shows when this replica saw it, and another replica saw it at another time.
        "deployed_at": line.at if line.own != NO_TIME else "",
        "parameters": dict(environment.parameters),
    }


def dumps(value: Any) -> bytes:
    """JSON, the same bytes for the same values."""
    return orjson.dumps(value)
