"""What the watches deliver goes in here: remembered at once, then handed to the loops that may have something to do.

Called by the kopf handlers and by the sweep. Dictionary work only: nothing is awaited, nothing is raised.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from moorage_crds import deployment as deployments
from moorage_crds import environment as environments
from moorage_crds import names
from moorage_crds import workspace as workspaces
from moorage_crds.deployment import Deployment
from moorage_crds.environment import Environment
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.workspace import Workspace
from moorage_operator.decisions.comparison import Finding
from moorage_operator.loops.cascade import Cascade
from moorage_operator.loops.reading import UNREADABLE
from moorage_operator.loops.recorder import Recorder
from moorage_operator.loops.seeding import Seeding
from moorage_operator.loops.status_writer import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.world import Chain, EnvironmentKey

DELETED = "DELETED"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loops:
    """Where news can go."""

    recorder: Recorder
    statuses: DeploymentStatusWriter
    environments: EnvironmentStatusWriter
    cascade: Cascade
    seeding: Seeding


class Intake:
    """Routes news to the loops. Until `open` is called it only remembers, because half a picture decides wrongly."""

    def __init__(self, around: Surroundings, loops: Loops) -> None:
        self._world = around.world
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock = around.clock
        self._recorder = loops.recorder
        self._statuses = loops.statuses
        self._environments = loops.environments
        self._cascade = loops.cascade
        self._seeding = loops.seeding
        self.is_open = False
        self.last_event: dict[str, float] = {}

    def open(self) -> None:
        """The picture is complete: from now on news is acted upon."""
        self.is_open = True

    def watched(self, plural: str, kind: str | None, raw: RawObject) -> None:
        """One event of a watch. `kind` is ADDED, MODIFIED, DELETED, or None for an object of its first list."""
        self.last_event[plural] = self._clock.monotonic()
        try:
            self._take_in(plural, raw, gone=kind == DELETED)
        except UNREADABLE:
            _log.exception("object left out", extra={"fields": {"kind": plural, "version": version_of(raw)}})

    def _take_in(self, plural: str, raw: RawObject, *, gone: bool) -> None:
        if plural == names.DEPLOYMENTS:
            self._deployment(deployments.from_object(raw), gone=gone)
        elif plural == names.ENVIRONMENTS:
            self._environment(environments.from_object(raw), gone=gone)
        elif plural == names.NAMESPACES:
            self.namespace(workspaces.from_object(raw), metadata(raw).get("name", ""), gone=gone)

    def _deployment(self, seen: Deployment, *, gone: bool) -> None:
        chain = self._world.see_deployment(seen)
        if gone:
            chain = chain or self._world.chains.get(seen.uid)
            if chain is not None:
                self.deployment_gone(chain)
        elif chain is not None:
            self.route(chain)

    def deployment_gone(self, chain: Chain) -> None:
        """A Deployment is not there any more: its chain gets its end."""
        self._world.mark_deleted(chain)
        self._recorder.offer(chain)
        self._mark_environment(chain)

    def listed_deployment(self, seen: Deployment) -> None:
        """A list or a read shows a Deployment; the sweep routes it afterwards."""
        self._world.see_deployment(seen, from_list=True)

    def review(self, chain: Chain) -> None:
        """Look at a chain as a whole: everything that differs from what it should be is put right."""
        if chain.arrivals or chain.incomplete or chain.deleted_at is not None:
            chain.homeless = False
            self._recorder.offer(chain)
        if not self._leadership.acts or chain.deleted_at is not None:
            return
        if self._cascade.concerns(chain):
            self._cascade.offer(chain)
        if not chain.arrivals and self._statuses.wanted(chain) is not None:
            self._measures.found(Finding.WRONG_STATUS)
            self._statuses.mark(chain.deployment.uid)

    def review_environment(self, key: EnvironmentKey) -> None:
        """Look at an Environment as a whole."""
        known = self._world.environments.get(key)
        if known is None or not self._leadership.acts or known.environment.deleting:
            return
        if self._environments.wanted(known) is not None:
            self._measures.found(Finding.WRONG_STATUS)
            self._environments.mark(key)

    def _environment(self, seen: Environment, *, gone: bool) -> None:
        if gone:
            self.environment_gone(seen)
        else:
            self.environment(seen)

    def environment(self, seen: Environment, *, from_list: bool = False) -> None:
        """An Environment is there."""
        key = (seen.namespace, seen.name)
        before = self._world.environment_uid(key)
        if self._world.see_environment(seen, from_list=from_list) and self.is_open and self._leadership.acts:
            self._environments.mark(key)
            if before != seen.uid:
                self._for_members(seen, self.route)

    def environment_gone(self, gone: Environment) -> None:
        """An Environment is not there any more."""
        if not self._world.drop_environment(gone) or not self.is_open:
            return
        self._for_members(gone, self.route)
        self._seed(gone.namespace)

    def namespace(self, seen: Workspace | None, name: str, *, gone: bool = False) -> None:
        """A Namespace is there (a workspace or not), or is gone."""
        if seen is None or gone:
            self._world.workspaces.pop(name, None)
            return
        before = self._world.workspaces.get(name)
        self._world.workspaces[name] = seen
        self._seed(name)
        if before is None or before.uid != seen.uid:
            self._welcome(seen)

    def _welcome(self, workspace: Workspace) -> None:
        """A Namespace is new: what arrived before it, and was taken for a part of a predecessor, has a home."""
        if not self.is_open:
            return
        waiting = [self._world.chains[uid] for uid in self._world.unrecorded]
        for chain in waiting:
            if chain.homeless and chain.deployment.namespace == workspace.namespace:
                chain.homeless = False
                self._recorder.offer(chain)

    def route(self, chain: Chain) -> None:
        """Hand a chain to every loop that may have something to do with it."""
        if not self.is_open:
            return
        if chain.arrivals or chain.incomplete:
            self._recorder.offer(chain)
        if not self._leadership.acts:
            return
        if self._cascade.concerns(chain):
            self._cascade.offer(chain)
        elif not chain.arrivals:
            self._statuses.mark(chain.deployment.uid)
        self._mark_environment(chain)

    def _mark_environment(self, chain: Chain) -> None:
        if self.is_open and self._leadership.acts:
            self._environments.mark(chain.environment)

    def _for_members(self, environment: Environment, act: Callable[[Chain], None]) -> None:
        for chain in self._world.members((environment.namespace, environment.name)):
            act(chain)

    def _seed(self, namespace: str) -> None:
        workspace = self._world.workspaces.get(namespace)
        if self.is_open and workspace is not None:
            self._seeding.offer(workspace)
