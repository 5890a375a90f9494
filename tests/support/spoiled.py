"""Objects that no API server would take: what somebody who edits the store itself can leave there."""

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from moorage_crds.objects import RawObject

#: What may stand in the place of anything.
WRONG: tuple[Any, ...] = (
    *(None, True, -1, 7.5, 10**18),
    *("", "odd", "0001-01-01T00:00:00+05:00"),
    *([], ["odd"], [[]], {}, {"odd": []}),
)

Path = tuple[str | int, ...]


def paths(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """Where something stands in a JSON value, from the outside in; the value as a whole left out."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, below in inside:
        yield (*so_far, key)
        yield from paths(below, (*so_far, key))


def spoiled(raw: RawObject, path: Path, wrong: Any) -> RawObject:
    """A copy of an object with something else at one place."""
    made: Any = copy.deepcopy(raw)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = copy.deepcopy(wrong)
    return dict(made)


def without(raw: RawObject, path: Path) -> RawObject:
    """A copy of an object that lacks one place."""
    made: Any = copy.deepcopy(raw)
    place = made
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return dict(made)


def every_way_to_spoil(make: Callable[[int], RawObject]) -> Iterator[RawObject]:
    """An object with each of its places missing, and with each of `WRONG` there. `make` makes the one of a number."""
    number = itertools.count()
    for path in list(paths(make(0))):
        yield without(make(next(number)), path)
        for wrong in WRONG:
            yield spoiled(make(next(number)), path, wrong)


def spoiled_twice(raw: RawObject) -> st.SearchStrategy[RawObject]:
    """The object with two places at once that are not as they should be."""
    once = st.builds(spoiled, st.just(raw), st.sampled_from(list(paths(raw))), st.sampled_from(WRONG))
    return once.flatmap(
        lambda one: st.builds(spoiled, st.just(one), st.sampled_from(list(paths(one))), st.sampled_from(WRONG))
    )
