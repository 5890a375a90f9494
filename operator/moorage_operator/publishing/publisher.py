"""Keeps the ConfigMaps that Environments ask for: what is active there, for tools that read ConfigMaps.

One server-side apply for all that has changed meanwhile, never forced. Keys of others stay, and when the Environment
asks no more, ours go. After a start, and in every sweep, the ConfigMap is read, and written only if it differs.

What memory says is asked for again before each write, because the watches that fed it may lag: the Environment, and
the bindings of apps of which it might say something older. So nothing is written over what came after it.
"""

import logging
from collections.abc import Set
from typing import Any, Final

import orjson

from moorage_crds import names
from moorage_crds.conditions import Reason
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.environment import Environment
from moorage_crds.objects import RawObject, mapping, metadata, version_of
from moorage_crds.store import ConflictError, ForbiddenError, InvalidError, NotFoundError, ObjectRef
from moorage_operator.facts import Published
from moorage_operator.history.decisions import latest_time
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.world import KnownEnvironment
from moorage_operator.publishing import decisions
from moorage_operator.publishing.decisions import Active
from moorage_operator.statuses.writers import ENVIRONMENT_SECONDS, EnvironmentStatusWriter
from moorage_operator.work.context import Surroundings
from moorage_operator.work.inquiry import Inquiry
from moorage_operator.work.loop import News
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

#: Until the next look at an Environment some of whose histories are being read, or whose ConfigMap somebody changed in
#: that moment. Seconds.
SOON_SECONDS: Final = 1.0
#: Of more apps than that the bindings are asked for by one list instead of one by one.
MOST_ASKED: Final = 32
#: Of what the API server says in a refusal, in characters.
_MOST: Final = 300

_log = logging.getLogger(__name__)


class Publisher:
    """Writes ConfigMaps. `queue` holds places of Environments.

    Args:
        around: the cluster and what is known of it.
        inquiry: asks the cluster before a write.
        statuses: told of what became of a ConfigMap.
        queue: places of Environments.
    """

    def __init__(
        self,
        around: Surroundings,
        inquiry: Inquiry,
        statuses: EnvironmentStatusWriter,
        queue: KeyedQueue[EnvironmentKey],
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._leadership = around.leadership
        self._publications = around.publications
        self._inquiry = inquiry
        self._statuses = statuses
        self._written_at: dict[EnvironmentKey, float] = {}
        self._to_compare: set[EnvironmentKey] = set()
        self._of_gone: dict[EnvironmentKey, set[str]] = {}
        self.queue = queue

    def hears(self, chain: Chain) -> None:
        """A binding has changed."""
        known = self._world.environments.get(chain.environment)
        if known is not None and known.environment.delivery_config_map:
            self._put(chain.environment)

    def recorded(self, chain: Chain) -> None:
        """A change of a binding is in the history, of which no watch may have told."""
        if self._leadership.acts:
            self.hears(chain)

    def hears_environment(self, environment: Environment, news: News) -> None:
        """An Environment has changed, is looked at in a sweep, or is gone."""
        key = (environment.namespace, environment.name)
        if news is News.GONE:
            published = self._publications.of(key)
            held = {environment.delivery_config_map, _held(environment.status), published.name if published else ""}
            if held - {""}:
                self._of_gone.setdefault(key, set()).update(held - {""})
                self._put(key)
            return
        known = self._world.environments.get(key)
        if environment.delivery_config_map or (known is not None and _held(orjson.loads(known.stored))):
            if news is News.REVIEWED:
                self._to_compare.add(key)
            self._put(key)

    def _put(self, key: EnvironmentKey) -> None:
        first, between = ENVIRONMENT_SECONDS
        written_at = self._written_at.get(key)
        pause = 0.0 if written_at is None else written_at + between - self._clock.monotonic()
        self.queue.put(key, max(first, pause))

    async def step(self, key: EnvironmentKey) -> float | None:
        """Bring one Environment's ConfigMap up to date; seconds until the next look, if it has to wait.

        Raises:
            StoreError: try again.
            RefusedError: somebody has to change something first; the Environment's status says what.
        """
        if not self._leadership.acts:
            return None
        known = self._world.environments.get(key)
        wanted = known.environment.delivery_config_map if known is not None else ""
        for name in sorted(self._superfluous(key, known) - {wanted}):
            if not await self._leave(key, name):
                return SOON_SECONDS
        self._of_gone.pop(key, None)
        if known is None or not wanted:
            return None
        if any(chain.incomplete for chain in self._world.members(key)):
            return SOON_SECONDS
        return await self._publish(key, known, wanted)

    def _superfluous(self, key: EnvironmentKey, known: KnownEnvironment | None) -> set[str]:
        """ConfigMaps in which something of ours may be."""
        published = self._publications.of(key)
        found = {*self._of_gone.get(key, ()), published.name if published else ""}
        if known is not None:
            stored = _held(orjson.loads(known.stored))
            found.add("" if self._publications.is_left(key, stored) else stored)
        return found - {""}

    async def _publish(self, key: EnvironmentKey, known: KnownEnvironment, name: str) -> float | None:
        ref = ObjectRef(names.CONFIG_MAPS, NamespaceName.parse(key[0]), ClusterObjectName.parse(name))
        body = self._body(known, name)
        digest = decisions.digest_of(body)
        before = self._publications.of(key)
        is_known = before is not None and before.name == name and key not in self._to_compare
        if is_known and before is not None and (before.digest, before.reason) == (digest, Reason.PUBLISHED):
            return None
        try:
            # The version that is written is of a time before the questions, see `inquiry`.
            stored = await self._stored(ref)
            if stored is None or not decisions.says(stored, body, manager=decisions.manager_of(key[1])):
                if not await self._is_certain(key, stored, body):
                    return SOON_SECONDS
                self._written_at[key] = self._clock.monotonic()
                if not await self._write(key, ref, stored, body):
                    return SOON_SECONDS
        except ConflictError as error:
            said = f"somebody else owns a key of the ConfigMap {name}: {error.message}"
            self._refused(key, Published(name, digest, Reason.CONFIG_MAP_CONFLICT, _short(said)))
        except ForbiddenError as error:
            hint = "; the chart value delivery.configMaps gives the right" if error.by_authorizer else ""
            said = _short(f"the ConfigMap {name} cannot be written: {error.message}")
            self._refused(key, Published(name, digest, Reason.CONFIG_MAP_REFUSED, said + hint))
        except InvalidError as error:
            said = f"the ConfigMap {name} cannot be written: {error.message}"
            self._refused(key, Published(name, digest, Reason.CONFIG_MAP_REFUSED, _short(said)))
        self._to_compare.discard(key)
        self._tell(key, Published(name, digest, Reason.PUBLISHED, f"the ConfigMap {name} says what is deployed here"))
        return None

    def _body(self, known: KnownEnvironment, name: str) -> RawObject:
        environment = known.environment
        workspace = self._world.workspaces.get(environment.namespace)
        active = self._active((environment.namespace, environment.name))
        return decisions.config_map(name, environment, workspace, active)

    async def _stored(self, ref: ObjectRef) -> RawObject | None:
        try:
            return await self._store.get(ref)
        except NotFoundError:
            return None

    async def _is_certain(self, key: EnvironmentKey, stored: RawObject | None, body: RawObject) -> bool:
        """Whether the cluster knows nothing later than what is to be written.

        Raises:
            RefusedError: the cluster no longer has what memory says; nothing is written before that is explained.
        """
        if await self._inquiry.environment(key) is None:
            message = f"there is no Environment {'/'.join(key)} any more; no watch has told of that yet"
            raise RefusedError(message)
        reached = {chain.deployment.uid: chain.progress.sequence for chain in self._world.members(key)}
        apps = decisions.doubtful(stored, body, reached)
        there = await self._bindings(key, {names.binding_name(key[1], app) for app in apps})
        known, name = self._world.environments.get(key), body["metadata"]["name"]
        if known is None or known.environment.delivery_config_map != name:
            return False
        if not decisions.agree(body, self._body(known, name), apps):
            return False
        concerned = [chain for chain in self._world.members(key) if chain.deployment.app in apps]
        for chain in concerned:
            binding = chain.deployment
            if (
                chain.progress.release is not None
                and chain.deleted_at is None
                and there.get(binding.name) != binding.uid
            ):
                message = f"the binding {binding.name} is gone; no watch has told of that yet"
                raise RefusedError(message)
        # What cannot be recorded is not waited for: nobody else has recorded it either.
        return not any(chain.arrivals and chain.trouble is None for chain in concerned)

    async def _bindings(self, key: EnvironmentKey, wanted: Set[str]) -> dict[str, str]:
        """Those of these bindings that are there, each with its uid."""
        if len(wanted) > MOST_ASKED:
            return await self._inquiry.deployments(key)
        found = [await self._inquiry.deployment(key[0], name) for name in sorted(wanted)]
        return {seen.name: seen.uid for seen in found if seen is not None}

    async def _write(self, key: EnvironmentKey, ref: ObjectRef, stored: RawObject | None, body: RawObject) -> bool:
        """Whether it was written; False if somebody has changed the ConfigMap meanwhile."""
        manager = decisions.manager_of(key[1])
        if stored is None:
            await self._store.apply(ref, body, manager=manager)
            # What is not there has no version to hold on to. Whatever came in between is found by asking once more,
            # and written then.
            await self._inquiry.environment(key)
            await self._inquiry.deployments(key)
            return True
        try:
            await self._store.apply(ref, decisions.held_at(body, stored), manager=manager)
        except ConflictError:
            present = await self._stored(ref)
            if present is None or version_of(present) != version_of(stored):
                return False
            raise
        return True

    def _refused(self, key: EnvironmentKey, published: Published) -> None:
        self._tell(key, published)
        raise RefusedError(published.message)

    def _tell(self, key: EnvironmentKey, published: Published) -> None:
        before = self._publications.of(key)
        self._publications.put(key, published)
        if before is None or (before.name, before.message) != (published.name, published.message):
            self._statuses.mark(key)

    async def _leave(self, key: EnvironmentKey, name: str) -> bool:
        """Take out what is ours; False if somebody has changed the ConfigMap in that moment, or asks for it again."""
        ref = ObjectRef(names.CONFIG_MAPS, NamespaceName.parse(key[0]), ClusterObjectName.parse(name))
        try:
            stored = await self._store.get(ref)
            manager = decisions.manager_of(key[1])
            if decisions.owned(stored, manager=manager):
                asking = await self._inquiry.environment(key)
                if asking is not None and asking.delivery_config_map == name:
                    return False
                await self._empty(ref, name, stored, manager)
        except NotFoundError:
            pass
        except ConflictError:
            return False
        except (ForbiddenError, InvalidError) as error:
            message = f"the ConfigMap {name} cannot be left: {error.message}"
            raise RefusedError(message) from error
        self._publications.leave(key, name)
        self._statuses.mark(key)
        return True

    async def _empty(self, ref: ObjectRef, name: str, stored: RawObject, manager: str) -> None:
        if decisions.is_of(stored, manager=manager):
            uid = str(metadata(stored)["uid"])
            await self._store.delete(ref, uid=uid, resource_version=version_of(stored))
        else:
            await self._store.apply(ref, decisions.nothing(name, stored), manager=manager)
        _log.info("config map left", extra={"fields": {"namespace": str(ref.namespace), "config_map": name}})

    def _active(self, key: EnvironmentKey) -> list[Active]:
        return [
            Active(
                app=chain.deployment.app,
                release=chain.progress.release,
                sequence=chain.progress.sequence,
                deployment_id=names.record_name(chain.deployment.uid, chain.progress.sequence),
                deployed_by=chain.progress.last.by if chain.progress.last else None,
                deployed_at=latest_time(chain.progress),
            )
            for chain in self._world.members(key)
            if chain.progress.release is not None and chain.deleted_at is None
        ]


def _held(status: Any) -> str:
    """The ConfigMap that a status names."""
    return str(mapping(mapping(status).get("delivery")).get("configMap") or "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
