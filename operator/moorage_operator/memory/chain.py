"""A chain as loops hold it: what is known of one binding now."""

from typing import Any

import orjson

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.store import ObjectRef
from moorage_operator.facts import Progress, Trouble
from moorage_operator.history.decisions import Due
from moorage_operator.memory.chain_state import Arrival, ChainState, Fact, Now

EnvironmentKey = tuple[str, str]
"""Namespace and slug."""


class Chain:
    """A chain as it is now. Loops hold it over many facts, so it is the state that is exchanged."""

    __slots__ = ("_state",)

    def __init__(self, state: ChainState) -> None:
        self._state = state

    def go_on(self, fact: Fact, now: Now) -> None:
        """Take in a fact. For `World` alone, which keeps what depends on it."""
        self._state = fact.after(self._state, now)

    @property
    def deployment(self) -> Deployment:
        """The newest view."""
        return self._state.deployment

    @property
    def progress(self) -> Progress:
        """How far the records go."""
        return self._state.progress

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Changes that are waiting, oldest first."""
        return self._state.arrivals

    @property
    def deleted_at(self) -> str | None:
        """When the Deployment was seen to be gone."""
        return self._state.deleted_at

    @property
    def trouble(self) -> Trouble | None:
        """Why the next change cannot be recorded."""
        return self._state.trouble

    @property
    def state(self) -> ChainState:
        """Everything else."""
        return self._state

    @property
    def incomplete(self) -> bool:
        """The status counts records without saying what the newest of them is: it has to be read."""
        progress = self._state.progress
        return progress.sequence > 0 and (progress.tip_hash is None or progress.last is None)

    @property
    def environment(self) -> EnvironmentKey:
        """The Environment that the binding names."""
        return (self.deployment.namespace, self.deployment.environment)

    @property
    def ref(self) -> ObjectRef:
        """Where the Deployment is."""
        view = self.deployment
        return ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(view.namespace), BindingName.parse(view.name))

    def due(self) -> tuple[Due, ...]:
        """The changes that have no record yet."""
        return self._state.due()

    def status(self) -> dict[str, Any]:
        """The stored status."""
        status: dict[str, Any] = orjson.loads(self._state.stored)
        return status
