"""Takes what the watches deliver: remembers it at once, then hands it to the loops that may have work.

Called by the kopf handlers and by the sweep. Dictionary work only: nothing is awaited, nothing is raised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from moorage_crds import names
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds import workspace as workspaces
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.environment import NO_PROTECTION, Environment
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.objects import RawObject, metadata
from moorage_crds.reading import readable, sound
from moorage_operator.environments.cascade import Cascade
from moorage_operator.environments.seeding import Seeding
from moorage_operator.facts import Finding
from moorage_operator.gates import journal
from moorage_operator.history.recorder import Recorder
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.chain_state import HasHome
from moorage_operator.memory.rules import READERS, Rule
from moorage_operator.memory.targets import BindingPlace
from moorage_operator.statuses.writers import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.work.context import Surroundings
from moorage_operator.work.loop import Loop, News

DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops that are spoken to by name."""

    recorder: Recorder
    statuses: DeploymentStatusWriter
    environments: EnvironmentStatusWriter
    cascade: Cascade
    seeding: Seeding


class Intake:
    """Routes news to the loops. Until `open` is called it only remembers, because half a picture decides wrongly."""

    def __init__(self, around: Surroundings, loops: Loops, table: Sequence[Loop]) -> None:
        self._table = table
        self._world = around.world
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock = around.clock
        self._recorder = loops.recorder
        self._statuses = loops.statuses
        self._environments = loops.environments
        self._cascade = loops.cascade
        self._seeding = loops.seeding
        self._outbox = around.outbox
        around.targets.changed = self.targets_changed
        self.is_open = False
        self.last_event: dict[str, float] = {}
        #: plural → what takes in an object of it, for everything that the operator watches
        self.takes: Mapping[str, Callable[..., None]] = {
            names.DEPLOYMENTS: self._deployment_seen,
            names.ENVIRONMENTS: self._environment_seen,
            names.NAMESPACES: self._namespace_seen,
            **{plural: partial(self._rule_seen, plural) for plural in READERS},
            names.EVENT_SINKS: self._sink_seen,
        }

    def open(self) -> None:
        """The picture is complete: from now on news is acted upon."""
        self.is_open = self._outbox.is_open = True

    def watched(self, plural: str, kind: str | None, raw: RawObject) -> None:
        """One event of a watch. `kind` is ADDED, MODIFIED, DELETED, or None for an object of its first list."""
        self.last_event[plural] = self._clock.monotonic()
        readable(partial(self._take_in, plural, gone=kind == DELETED), raw, plural)

    def _take_in(self, plural: str, raw: RawObject, *, gone: bool) -> None:
        self.takes[plural](raw, gone=gone)

    def _deployment_seen(self, raw: RawObject, *, gone: bool) -> None:
        self._deployment(sound(deployments.from_object(raw)), gone=gone)

    def _environment_seen(self, raw: RawObject, *, gone: bool) -> None:
        self._environment(sound(environments.from_object(raw)), gone=gone)

    def _namespace_seen(self, raw: RawObject, *, gone: bool) -> None:
        self.namespace(sound(workspaces.from_object(raw)), str(metadata(raw).get("name", "")), gone=gone)

    def _rule_seen(self, plural: str, raw: RawObject, *, gone: bool) -> None:
        if gone:
            self.rule_gone(plural, str(metadata(raw).get("uid", "")))
        else:
            self.rule(plural, raw)

    def _sink_seen(self, raw: RawObject, *, gone: bool) -> None:
        if gone:
            self.sink_gone(*(str(metadata(raw).get(key, "")) for key in ("namespace", "name", "uid")))
        else:
            self.sink(raw)

    def sink(self, raw: RawObject, *, from_list: bool = False) -> None:
        """An EventSink is there."""
        if not (from_list and self._world.is_buried(str(metadata(raw).get("uid", "")))):
            self._outbox.see(raw)

    def sink_gone(self, namespace: str, name: str, uid: str) -> None:
        """An EventSink is not there any more."""
        self._world.bury(uid)
        self._outbox.drop(namespace, name, uid)

    def rule(self, plural: str, raw: RawObject, *, from_list: bool = False) -> None:
        """A lock, a Freeze or an Approval is there."""
        if from_list and self._world.is_buried(str(metadata(raw).get("uid", ""))):
            return
        before = self._world.rules.get(plural, str(metadata(raw).get("uid", "")))
        rule = self._world.rules.see(plural, raw)
        if rule is not None and self._speaks:
            journal.rule_changed(plural, before, rule)
        self._rule_changed(plural, rule)

    def rule_gone(self, plural: str, uid: str) -> None:
        """A lock, a Freeze or an Approval is not there any more."""
        self._world.bury(uid)
        rule = self._world.rules.drop(plural, uid)
        if rule is not None and plural == names.LOCKS:
            self._world.lock_gone(rule.view)
        if rule is not None and self._speaks:
            journal.rule_changed(plural, rule, None)
        self._rule_changed(plural, rule)

    @property
    def _speaks(self) -> bool:
        """Whether this replica writes down what becomes of rules: it acts, and knows what was there before."""
        return self.is_open and self._leadership.acts

    def _rule_changed(self, plural: str, rule: Rule | None) -> None:
        if rule is None or not self._speaks:
            return
        environment = {names.LOCKS: rule.name, names.APPROVALS: getattr(rule.view, "environment", "")}.get(plural)
        for namespace, slug in list(self._world.environments):
            if rule.namespace in {"", namespace} and environment in {None, slug}:
                self._environments.mark((namespace, slug))

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

    def read_deployment(self, seen: Deployment) -> None:
        """A read shows a Deployment: what no watch has told of yet is acted upon."""
        chain = self._world.see_deployment(seen, from_list=True)
        if chain is not None:
            self.route(chain)

    def read_environment(self, seen: Environment) -> None:
        """A read shows an Environment."""
        self.environment(seen, from_list=True)

    def review(self, chain: Chain) -> None:
        """Look at a chain as a whole: everything that differs from what it should be is put right."""
        if chain.arrivals or chain.incomplete or chain.deleted_at is not None:
            self._world.tell(chain, HasHome(True))
            self._recorder.offer(chain)
        if not self._leadership.acts or chain.deleted_at is not None:
            return
        if self._cascade.concerns(chain):
            self._cascade.offer(chain)
        if not chain.arrivals and self._statuses.wanted(chain) is not None:
            self._measures.found(Finding.WRONG_STATUS)
            self._statuses.mark(chain.deployment.uid)
        # Targets that were known before this replica acted are heard of here.
        self._tell_of_targets(chain)

    def review_environment(self, key: EnvironmentKey) -> None:
        """Look at an Environment as a whole."""
        known = self._world.environments.get(key)
        if known is None or not self._leadership.acts:
            return
        self._tell_of(known.environment, News.REVIEWED)
        if not self._environments.is_behind(known):
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
        known = self._world.environments.get(key)
        namespaces = known.environment.delivery_namespaces if known is not None else ()
        protection = known.environment.protection if known is not None else NO_PROTECTION
        if not self._world.see_environment(seen, from_list=from_list):
            return
        self._outbox.moved(seen.namespace)
        if self._speaks:
            journal.protection_changed(known.environment if known is not None else None, seen)
            self._environments.mark(key)
            self._tell_of(seen, News.CHANGED)
            # Other Namespaces: objects there that follow the bindings begin or cease to count; other rules: evidence.
            if (before, namespaces, protection) != (seen.uid, seen.delivery_namespaces, seen.protection):
                self._for_members(seen, self.route)

    def environment_gone(self, gone: Environment) -> None:
        """An Environment is not there any more."""
        if not self._world.drop_environment(gone) or not self.is_open:
            return
        if self._leadership.acts:
            self._tell_of(gone, News.GONE)
        self._for_members(gone, self.route)
        self._outbox.moved(gone.namespace)
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
            if chain.state.homeless and chain.deployment.namespace == workspace.namespace:
                self._world.tell(chain, HasHome(True))
                self._recorder.offer(chain)

    def route(self, chain: Chain) -> None:
        """Tell every loop of a chain that has changed."""
        if not self.is_open:
            return
        for loop in self._table:
            if loop.always or self._leadership.acts:
                loop.hears(chain)

    def targets_changed(self, place: BindingPlace | None) -> None:
        """What follows a binding has changed; None: what follows all of them is known from now on."""
        if not self.is_open or not self._leadership.acts:
            return
        for chain in self._world.chains.values() if place is None else self._world.at(*place):
            if chain.deleted_at is not None or chain.arrivals:
                continue
            if self._statuses.wanted(chain) is not None:
                self._statuses.mark(chain.deployment.uid)
            self._tell_of_targets(chain)

    def _tell_of_targets(self, chain: Chain) -> None:
        for loop in self._table:
            if loop.of_targets:
                loop.hears(chain)

    def _tell_of(self, environment: Environment, news: News) -> None:
        for loop in self._table:
            loop.hears_environment(environment, news)

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
