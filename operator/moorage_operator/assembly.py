"""The loops of one replica and the one table of them. A new loop is its room, and one row in `table`.

Wiring runs the table, dispatch tells it of bindings, metrics watch its queues, the test bench drives it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from moorage_crds.objects import RawObject
from moorage_operator.carrying.carrier import Carrier
from moorage_operator.dispatch import Intake, Loops
from moorage_operator.environments.cascade import Cascade
from moorage_operator.environments.seeding import Seeding
from moorage_operator.events.ports import Courier
from moorage_operator.events.sender import Sender
from moorage_operator.gates.clearing import Clearing
from moorage_operator.gates.evidence import Evidence
from moorage_operator.history.recorder import Recorder
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.outbox import SinkKey
from moorage_operator.memory.refreshables import RefreshableKey
from moorage_operator.memory.targets import TargetKey
from moorage_operator.notices.teller import Teller
from moorage_operator.publishing.publisher import Publisher
from moorage_operator.refreshing.refresher import Refresher
from moorage_operator.retention.decisions import RetentionRule
from moorage_operator.retention.remover import ChainKey, Retention
from moorage_operator.statuses.writers import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.sweep.policy_check import Policies
from moorage_operator.sweep.repair import Repair
from moorage_operator.sweep.sweep import Sweep
from moorage_operator.sweep.watchdog import Watchdog
from moorage_operator.work.context import Surroundings
from moorage_operator.work.inquiry import Inquiry
from moorage_operator.work.loop import Loop
from moorage_operator.work.ports import Jitter
from moorage_operator.work.queue import KeyedQueue


@dataclass(frozen=True, slots=True)
class Tuning:
    """What differs between a process and a test.

    Attributes:
        jitter: of backoffs.
        request_id: makes the id of a write of ours.
        rule: which records may go.
        removals: records that may go in a second.
        rounds: seconds between the moments at which statuses are written.
        policies: the policies that should be there.
        writes: kinds of targets that may be written.
        courier: carries events; None: events are not switched on.
        tells: Events of Kubernetes are made.
        approvals_kept: how long an Approval is kept at least.
    """

    jitter: Jitter
    request_id: Callable[[], str]
    rule: RetentionRule
    removals: int
    rounds: float
    policies: Mapping[tuple[str, str], RawObject]
    writes: frozenset[str] = frozenset()
    courier: Courier | None = None
    tells: bool = True
    approvals_kept: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Machinery:
    """All that one replica is made of."""

    loops: Loops
    retention: Retention
    sender: Sender
    table: tuple[Loop, ...]
    intake: Intake
    sweep: Sweep
    watchdog: Watchdog


def assemble(around: Surroundings, tuning: Tuning) -> Machinery:
    """Build the loops, and tell each of those that it needs."""
    loops = _loops(around, tuning)
    retention = Retention(
        around,
        statuses=loops.statuses,
        rule=tuning.rule,
        per_second=tuning.removals,
        queue=KeyedQueue[ChainKey](tuning.jitter),
    )
    clearing = Clearing(around, kept=tuning.approvals_kept, queue=KeyedQueue[str](tuning.jitter))
    inquiry = Inquiry(around.store)
    carrier = Carrier(around, inquiry, KeyedQueue[TargetKey](tuning.jitter), tuning.writes)
    sender = Sender(around, KeyedQueue[SinkKey](tuning.jitter), tuning.courier, tuning.jitter)
    publisher = Publisher(
        around, inquiry, loops.environments, KeyedQueue[EnvironmentKey](tuning.jitter, rounds=tuning.rounds)
    )
    teller = Teller(around, KeyedQueue[str](tuning.jitter), enabled=tuning.tells)
    refresher = Refresher(around, KeyedQueue[RefreshableKey](tuning.jitter))

    def recorded(chain: Chain) -> None:
        refresher.recorded(chain)
        carrier.recorded(chain)
        publisher.recorded(chain)

    loops.recorder.told = recorded
    rows = (
        *table(loops, retention),
        Loop(
            "publisher",
            publisher.queue,
            publisher.step,
            4,
            hears=publisher.hears,
            hears_environment=publisher.hears_environment,
        ),
        Loop("approvals", clearing.queue, clearing.step, 1),
        Loop("carrier", carrier.queue, carrier.step, 4, hears=carrier.hears, of_targets=True),
        Loop("notices", teller.queue, teller.step, 2),
        Loop("refresher", refresher.queue, refresher.step, 4, hears=refresher.hears, of_targets=True),
        Loop("events", sender.queue, sender.step, 16, hears=sender.hears),
    )
    intake = Intake(around, loops, rows)
    inquiry.deployment_read, inquiry.environment_read = intake.read_deployment, intake.read_environment
    sweep = Sweep(
        around,
        intake,
        policies=Policies(around.store, tuning.policies, measures=around.measures),
        repair=Repair(around, intake),
        retention=retention,
        clearing=clearing,
    )
    watchdog = Watchdog(around, intake, recorder_queue=loops.recorder.queue)
    return Machinery(loops, retention, sender, rows, intake, sweep, watchdog)


def _loops(around: Surroundings, tuning: Tuning) -> Loops:
    jitter = tuning.jitter
    evidence = Evidence(around)
    statuses = DeploymentStatusWriter(around, evidence, KeyedQueue[str](jitter, rounds=tuning.rounds))
    environments = EnvironmentStatusWriter(
        around, evidence, statuses, KeyedQueue[EnvironmentKey](jitter, rounds=tuning.rounds)
    )
    return Loops(
        recorder=Recorder(around, statuses=statuses, environments=environments, queue=KeyedQueue[str](jitter)),
        statuses=statuses,
        environments=environments,
        cascade=Cascade(around, queue=KeyedQueue[str](jitter), request_id=tuning.request_id),
        seeding=Seeding(around, queue=KeyedQueue[str](jitter)),
    )


def table(loops: Loops, retention: Retention) -> tuple[Loop, ...]:
    """Every loop, in the order in which it hears of a binding."""
    recorder, statuses, environments, cascade = loops.recorder, loops.statuses, loops.environments, loops.cascade

    def to_be_recorded(chain: Chain) -> None:
        if chain.arrivals or chain.incomplete:
            recorder.offer(chain)

    def to_be_undeployed(chain: Chain) -> None:
        if cascade.concerns(chain):
            cascade.offer(chain)

    def to_be_told(chain: Chain) -> None:
        # What waits to be recorded, or will be deleted, gets its status afterwards.
        if not chain.arrivals and not cascade.concerns(chain):
            statuses.mark(chain.deployment.uid)

    def counted(chain: Chain) -> None:
        environments.mark(chain.environment)

    return (
        Loop("recorder", recorder.queue, recorder.step, 32, hears=to_be_recorded, always=True, drained=True),
        Loop("cascade", cascade.queue, cascade.step, 4, hears=to_be_undeployed),
        Loop("statuses", statuses.queue, statuses.step, 16, hears=to_be_told, drained=True),
        Loop("environments", environments.queue, environments.step, 4, hears=counted, drained=True),
        Loop("seeding", loops.seeding.queue, loops.seeding.step, 1),
        Loop("retention", retention.queue, retention.step, 1),
    )
