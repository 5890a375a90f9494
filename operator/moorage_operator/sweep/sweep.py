"""Compares what is remembered with full lists, at start and every few minutes, and repairs whatever differs.

Its lists are its own: it believes neither the watches nor the memory that they fed. The first part (policies,
Namespaces, Environments, Deployments) is for every replica; the second (records) for the one that acts.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from typing import Final

from moorage_crds import names
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds import workspace as workspaces
from moorage_crds.kinds.record import is_imported
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject, is_newer, metadata
from moorage_crds.reading import UNREADABLE, readable, sound
from moorage_crds.store import Page, StoreError
from moorage_operator.dispatch import Intake
from moorage_operator.facts import Finding
from moorage_operator.gates.clearing import Clearing
from moorage_operator.history.record_lookup import action_label, kept, record_id
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.chain_state import Listed
from moorage_operator.memory.rules import READERS
from moorage_operator.retention.remover import Retention
from moorage_operator.sweep.decisions import ChainSummary, findings_alive, findings_gone, missing_sequences
from moorage_operator.sweep.policy_check import Policies
from moorage_operator.sweep.repair import ChainEnd, Repair
from moorage_operator.work.context import Surroundings
from moorage_operator.work.worker import lost_replies_as_errors

#: Seconds until a sweep that failed is tried again.
RETRY_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Sweep:
    """The loop that repairs.

    Args:
        around: the cluster and what is remembered of it.
        intake: where what was found goes.
        policies: looks whether the admission policies are there.
        repair: writes missing records.
        retention: told which chains have records that may go.
        clearing: looks which Approvals may go.
    """

    def __init__(
        self,
        around: Surroundings,
        intake: Intake,
        *,
        policies: Policies,
        repair: Repair,
        retention: Retention,
        clearing: Clearing,
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock = around.clock
        self._outbox = around.outbox
        self._intake = intake
        self._policies = policies
        self._repair = repair
        self._removals = retention.queue
        self._rule = retention.rule
        self._clearing = clearing
        self._wanted = asyncio.Event()
        #: (uid, newest record) of chains that are known to have ended without an undeploy. Their records' labels do
        #: not say it, so without this each of them would cost two requests in every sweep until retention takes it.
        self._ended: set[tuple[str, int]] = set()

    def want(self) -> None:
        """Sweep soon: this replica has begun to act."""
        self._wanted.set()

    async def run(self, interval_seconds: float) -> None:
        """Sweep now, at intervals, and when wanted; until cancelled."""
        while True:
            self._wanted.clear()
            pause = interval_seconds if await self._succeeds() else RETRY_SECONDS
            # No `wait_for`: it makes a task, and kopf waits at its end for tasks that are younger than itself.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    async def _succeeds(self) -> bool:
        """One sweep; False if it has to be repeated."""
        try:
            with lost_replies_as_errors():
                await self.once()
        except StoreError as error:
            _log.warning("sweep failed, it will be repeated", extra={"fields": {"error": str(error)}})
            return False
        return True

    async def once(self) -> None:
        """One sweep.

        Raises:
            StoreError: a list failed; nothing was concluded from the part that was read.
        """
        started = self._clock.monotonic()
        await self._policies.look()
        await self._namespaces()
        await self._rules()
        await self._sinks()
        await self._environments()
        await self._deployments()
        self._intake.open()
        await self._route_all()
        if self._leadership.acts:
            self._clearing.look()
            await self._records()
        seconds = round(self._clock.monotonic() - started, 3)
        fields = {
            "deployments": len(self._world.chains),
            "environments": len(self._world.environments),
            "seconds": seconds,
        }
        _log.info("sweep done", extra={"fields": fields})

    # What is there

    async def _namespaces(self) -> None:
        present: set[str] = set()
        async for page in self._pages(names.NAMESPACES):
            for raw in page.items:
                name = str(metadata(raw).get("name", ""))
                present.add(name)
                self._intake.namespace(readable(workspaces.from_object, raw, names.NAMESPACES), name)
        for name in self._world.workspaces.keys() - present:
            self._intake.namespace(None, name, gone=True)

    async def _rules(self) -> None:
        for plural in READERS:
            before = self._world.rules.all(plural)
            present: set[str] = set()
            version = ""
            async for page in self._pages(plural):
                version = page.resource_version
                for raw in page.items:
                    present.add(str(metadata(raw).get("uid")))
                    readable(partial(self._intake.rule, plural, from_list=True), raw, plural)
            for known in before:
                if known.uid not in present and not is_newer(known.version, version):
                    self._ghost(plural, known.namespace, known.name)
                    self._intake.rule_gone(plural, known.uid)

    async def _sinks(self) -> None:
        before = self._outbox.all()
        present: set[str] = set()
        version = ""
        async for page in self._pages(names.EVENT_SINKS):
            version = page.resource_version
            for raw in page.items:
                present.add(str(metadata(raw).get("uid")))
                readable(partial(self._intake.sink, from_list=True), raw, names.EVENT_SINKS)
        for known in before:
            if known.uid not in present and not is_newer(known.resource_version, version):
                self._ghost(names.EVENT_SINKS, known.namespace, known.name)
                self._intake.sink_gone(known.namespace, known.name, known.uid)

    async def _environments(self) -> None:
        present: set[str] = set()
        version = ""
        async for page in self._pages(names.ENVIRONMENTS):
            version = page.resource_version
            for raw in page.items:
                # An unreadable object exists nevertheless.
                present.add(str(metadata(raw).get("uid")))
                readable(self._take_in_environment, raw, names.ENVIRONMENTS)
        for known in list(self._world.environments.values()):
            view = known.environment
            if view.uid not in present and not is_newer(view.resource_version, version):
                self._ghost(names.ENVIRONMENTS, view.namespace, view.name)
                self._intake.environment_gone(view)

    def _take_in_environment(self, raw: RawObject) -> None:
        self._intake.environment(sound(environments.from_object(raw)), from_list=True)

    async def _deployments(self) -> None:
        present: set[str] = set()
        version = ""
        began = to_text(self._clock.now())
        async for page in self._pages(names.DEPLOYMENTS):
            version = page.resource_version
            for raw in page.items:
                present.add(str(metadata(raw).get("uid")))
                readable(partial(self._take_in_deployment, began), raw, names.DEPLOYMENTS)
        for uid, chain in list(self._world.chains.items()):
            fresh = is_newer(chain.deployment.resource_version, version)
            if uid not in present and chain.deleted_at is None and not fresh:
                self._ghost(names.DEPLOYMENTS, chain.deployment.namespace, chain.deployment.name)
                self._intake.deployment_gone(chain)

    def _take_in_deployment(self, began: str, raw: RawObject) -> None:
        seen = sound(deployments.from_object(raw))
        self._intake.listed_deployment(seen)
        chain = self._world.chains.get(seen.uid)
        if chain is not None:
            # Only now: what this list itself brought was there before it began.
            self._world.tell(chain, Listed(seen.recorded, began))

    async def _pages(self, plural: str, *, metadata_only: bool = False) -> AsyncIterator[Page]:
        """All pages of a kind; other tasks get their turn after each."""
        async for page in self._store.pages(plural, metadata_only=metadata_only):
            yield page
            await asyncio.sleep(0)

    def _ghost(self, plural: str, namespace: str, name: str) -> None:
        self._measures.found(Finding.GHOST)
        _log.warning("remembered, but gone", extra={"fields": {"kind": plural, "namespace": namespace, "name": name}})

    async def _route_all(self) -> None:
        """Everything that needs something gets it: due changes, wrong statuses, cascade, seeding."""
        for number, chain in enumerate(list(self._world.chains.values())):
            _leave_out(partial(self._intake.review, chain), chain.deployment.namespace, chain.deployment.name)
            if number % 200 == 0:
                await asyncio.sleep(0)
        for key in list(self._world.environments):
            _leave_out(partial(self._intake.review_environment, key), *key)
            await asyncio.sleep(0)
        for workspace in list(self._world.workspaces.values()):
            self._intake.namespace(workspace, workspace.namespace)
        self._outbox.review()

    # What is recorded

    async def _records(self) -> None:
        limit = self._clock.now() - self._rule.age
        seen: set[str] = set()
        summary: ChainSummary | None = None
        async for page in self._pages(names.RECORDS, metadata_only=True):
            for raw in page.items:
                found = record_id(raw)
                # The past that was imported follows no Deployment: nothing ends it, and retention leaves it alone.
                if found is None or is_imported(raw):
                    continue
                uid, namespace = str(found.deployment_uid), str(metadata(raw).get("namespace", ""))
                if summary is None or (summary.uid, summary.namespace) != (uid, namespace):
                    await self._conclude(summary, limit)
                    summary = ChainSummary(namespace, uid)
                    seen.add(uid)
                summary.add(kept(raw, found.sequence), action_label(raw), limit=limit)
        await self._conclude(summary, limit)
        self._ended = {(uid, newest) for uid, newest in self._ended if uid in seen}
        for uid, chain in list(self._world.chains.items()):
            if uid not in seen and chain.state.listed > 0:
                await self._conclude(ChainSummary(chain.deployment.namespace, uid), limit)

    async def _conclude(self, summary: ChainSummary | None, limit: datetime) -> None:
        """Act on one chain. What fails is left to the next sweep: one chain must not hold up all others."""
        if summary is None:
            return
        # What nobody told of: an end that another replica wrote, or this one before it stopped.
        self._outbox.has_records(summary.namespace, summary.uid, summary.newest)
        chain = self._world.chains.get(summary.uid)
        try:
            if chain is not None:
                await self._conclude_alive(chain, summary)
            elif not self._world.is_buried(summary.uid):
                await self._conclude_gone(summary, limit)
        except StoreError as error:
            fields = {"namespace": summary.namespace, "uid": summary.uid, "error": str(error)}
            _log.warning("chain left to the next sweep", extra={"fields": fields})
        except UNREADABLE:
            fields = {"namespace": summary.namespace, "uid": summary.uid}
            _log.exception("chain left to the next sweep", extra={"fields": fields})

    async def _conclude_alive(self, chain: Chain, summary: ChainSummary) -> None:
        if chain.deleted_at is not None:
            return
        found = findings_alive(summary, listed=chain.state.listed, progress=chain.progress, rule=self._rule)
        if Finding.MISSING_RECORD in found:
            floor = chain.progress.floor_sequence
            await self._repair.remake(chain, missing_sequences(summary, listed=chain.state.listed, floor=floor))
        if Finding.STATUS_BEHIND in found and not chain.arrivals:
            self._measures.found(Finding.UNKNOWN_RECORD)
            fields = {"namespace": summary.namespace, "uid": summary.uid, "sequence": summary.newest}
            _log.error("a record that its Deployment does not know of", extra={"fields": fields})
        if Finding.RETENTION in found or Finding.LEFTOVER in found:
            self._remove(summary)

    async def _conclude_gone(self, summary: ChainSummary, limit: datetime) -> None:
        chain = (summary.uid, summary.newest)
        found = findings_gone(summary, limit=limit, ended=chain in self._ended)
        if Finding.UNENDED_CHAIN in found:
            end = await self._repair.end_chain(summary.namespace, summary.uid, summary.newest)
            if end is ChainEnd.WRITTEN:
                self._measures.found(Finding.UNENDED_CHAIN)
                self._outbox.has_records(summary.namespace, summary.uid, summary.newest + 1)
            if end is ChainEnd.THERE:
                self._ended.add(chain)
                found = findings_gone(summary, limit=limit, ended=True)
        if Finding.RETENTION in found:
            self._remove(summary)

    def _remove(self, summary: ChainSummary) -> None:
        self._measures.found(Finding.RETENTION)
        self._removals.put((summary.namespace, summary.uid))


def _leave_out(look: Callable[[], None], namespace: str, name: str) -> None:
    """Look at one object. What is spoiled inside (its status) is left to the next sweep, and stops no other."""
    try:
        look()
    except UNREADABLE:
        _log.exception("left to the next sweep", extra={"fields": {"namespace": namespace, "name": name}})
