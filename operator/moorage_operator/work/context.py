"""Everything that every loop works with, as one object."""

from dataclasses import dataclass, field

from moorage_crds.clock import Clock
from moorage_crds.store import ResourceStore
from moorage_operator.memory.notices import Notices
from moorage_operator.memory.outbox import Outbox
from moorage_operator.memory.publications import Publications
from moorage_operator.memory.refreshables import Refreshables
from moorage_operator.memory.targets import Targets
from moorage_operator.memory.world import World
from moorage_operator.work.ports import Leadership, Measures


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The cluster, what is known of it, and who acts.

    Attributes:
        store: the cluster, as the operator's own account.
        world: what is remembered.
        leadership: whether this replica acts at once.
        measures: counts.
        clock: the time.
        targets: what follows bindings.
        outbox: the EventSinks, and who sends for them.
        notices: what is to be told by Events of Kubernetes.
        publications: ConfigMaps that say what is active.
        refreshables: whose tools are told of new releases.
    """

    store: ResourceStore
    world: World
    leadership: Leadership
    measures: Measures
    clock: Clock
    targets: Targets = field(default_factory=Targets)
    outbox: Outbox = field(default_factory=Outbox)
    notices: Notices = field(default_factory=Notices)
    publications: Publications = field(default_factory=Publications)
    refreshables: Refreshables = field(default_factory=Refreshables)
