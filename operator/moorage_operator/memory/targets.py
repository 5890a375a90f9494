"""The objects that follow bindings, as the watches deliver them: by place, and by the binding that they name.

One `KindSink` for each kind fills it. It is complete once every kind has been listed or is known not to be there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from moorage_operator.facts import Target
from moorage_operator.memory.kind_sink import KindSink

BindingPlace = tuple[str, str]
"""Namespace and name of a binding."""

TargetKey = tuple[str, str, str]
"""Kind (`<plural>.<group>`), Namespace and name of a target."""


class Targets:
    """All targets.

    Args:
        resources: the kinds that are watched, as `<plural>.<group>`.
    """

    def __init__(self, resources: Sequence[str] = ()) -> None:
        self._missing = set(resources)
        self._known: dict[TargetKey, Target] = {}
        self._following: dict[BindingPlace, dict[TargetKey, Target]] = {}
        #: Told of every binding whose targets have changed, and once with None when all kinds are known.
        self.changed: Callable[[BindingPlace | None], None] = lambda _place: None

    @property
    def complete(self) -> bool:
        """Every kind has been listed, or is not served."""
        return not self._missing

    def following(self, place: BindingPlace) -> tuple[Target, ...]:
        """The targets that name a binding, its own and those of other Namespaces."""
        return tuple(self._following.get(place, {}).values())

    def sink(self, resource: str) -> KindSink[Target]:
        """What the reflector of a kind fills."""
        return KindSink(self, resource)

    def listed(self, resource: str) -> None:
        """A kind has been listed, or is not served."""
        if resource in self._missing:
            self._missing.discard(resource)
            if self.complete:
                self.changed(None)

    def of(self, resource: str) -> list[Target]:
        """All targets of a kind."""
        return [target for target in self._known.values() if target.resource == resource]

    def put(self, target: Target) -> None:
        """A target is there, or has changed."""
        key = target.key
        before = self._known.get(key)
        if before == target:
            return
        self._known[key] = target
        if before is not None and before.binding != target.binding:
            self._leave(key, before)
        self._following.setdefault(target.binding, {})[key] = target
        if before is None or not before.same_as(target):
            self.changed(target.binding)

    def get(self, key: TargetKey) -> Target | None:
        """The target of that kind, Namespace and name."""
        return self._known.get(key)

    def refuse(self, target: Target, change: str, why: str, *, also: str = "") -> bool:
        """A release could not be brought into that version of a target; the next version may be tried again.

        Args:
            target: what was to be written.
            change: the `deployment_id` of the release.
            why: a sentence.
            also: a version that our own request has made of it meanwhile, and that the watch may have shown already.

        Returns:
            False if another version is there by now: it has to be tried.
        """
        known = self._known.get(target.key)
        if known is None or known.uid != target.uid or known.resource_version not in {target.resource_version, also}:
            return False
        self.put(replace(known, refused_for=change, refusal=why))
        return True

    def drop(self, target: Target) -> None:
        """A target is gone, or follows nothing any more."""
        key = target.key
        before = self._known.pop(key, None)
        if before is not None:
            self._leave(key, before)

    def _leave(self, key: TargetKey, target: Target) -> None:
        following = self._following[target.binding]
        del following[key]
        if not following:
            del self._following[target.binding]
        self.changed(target.binding)
