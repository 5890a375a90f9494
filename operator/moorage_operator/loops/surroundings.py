"""What every loop works with, handed around as one."""

from dataclasses import dataclass

from moorage_crds.clock import Clock
from moorage_crds.store import ResourceStore
from moorage_operator.loops.ports import Leadership, Measures
from moorage_operator.loops.world import World


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The cluster, what is known of it, and who acts.

    Attributes:
        store: the cluster, as the operator's own account.
        world: what is remembered.
        leadership: whether this replica acts at once.
        measures: counts.
        clock: the time.
    """

    store: ResourceStore
    world: World
    leadership: Leadership
    measures: Measures
    clock: Clock
