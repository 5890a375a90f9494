"""Keeps the ConfigMaps that Environments ask for: what is active there, for tools that read ConfigMaps.

One server-side apply for all that has changed meanwhile, never forced. Keys of others stay, and when the Environment
asks no more, ours go. After a start, and in every sweep, the ConfigMap is read first, and written only if it differs.
"""

import logging
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
from moorage_operator.work.loop import News
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

#: Until the next look at an Environment some of whose histories are being read, or whose ConfigMap somebody changed in
#: that moment. Seconds.
SOON_SECONDS: Final = 1.0
#: Of what the API server says in a refusal, in characters.
_MOST: Final = 300

_log = logging.getLogger(__name__)


class Publisher:
    """Writes ConfigMaps. `queue` holds places of Environments.

    Args:
        around: the cluster and what is known of it.
        statuses: told of what became of a ConfigMap.
        queue: places of Environments.
    """

    def __init__(
        self, around: Surroundings, statuses: EnvironmentStatusWriter, queue: KeyedQueue[EnvironmentKey]
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._leadership = around.leadership
        self._publications = around.publications
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
        await self._publish(key, known, wanted)
        return None

    def _superfluous(self, key: EnvironmentKey, known: KnownEnvironment | None) -> set[str]:
        """ConfigMaps in which something of ours may be."""
        published = self._publications.of(key)
        found = {*self._of_gone.get(key, ()), published.name if published else ""}
        if known is not None:
            stored = _held(orjson.loads(known.stored))
            found.add("" if self._publications.is_left(key, stored) else stored)
        return found - {""}

    async def _publish(self, key: EnvironmentKey, known: KnownEnvironment, name: str) -> None:
        place, environment = NamespaceName.parse(key[0]), known.environment
        ref = ObjectRef(names.CONFIG_MAPS, place, ClusterObjectName.parse(name))
        body = decisions.config_map(name, environment, self._world.workspaces.get(key[0]), self._active(key))
        digest = decisions.digest_of(body)
        before = self._publications.of(key)
        is_known = before is not None and before.name == name and key not in self._to_compare
        if is_known and before is not None and (before.digest, before.reason) == (digest, Reason.PUBLISHED):
            return
        try:
            if is_known or not await self._says(ref, body, environment.name):
                self._written_at[key] = self._clock.monotonic()
                await self._store.apply(ref, body, manager=decisions.manager_of(environment.name))
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

    async def _says(self, ref: ObjectRef, body: RawObject, environment: str) -> bool:
        try:
            return decisions.says(await self._store.get(ref), body, manager=decisions.manager_of(environment))
        except NotFoundError:
            return False

    def _refused(self, key: EnvironmentKey, published: Published) -> None:
        self._tell(key, published)
        raise RefusedError(published.message)

    def _tell(self, key: EnvironmentKey, published: Published) -> None:
        before = self._publications.of(key)
        self._publications.put(key, published)
        if before is None or (before.name, before.message) != (published.name, published.message):
            self._statuses.mark(key)

    async def _leave(self, key: EnvironmentKey, name: str) -> bool:
        """Take out what is ours; False if somebody has changed the ConfigMap in that moment."""
        ref = ObjectRef(names.CONFIG_MAPS, NamespaceName.parse(key[0]), ClusterObjectName.parse(name))
        try:
            stored = await self._store.get(ref)
            manager = decisions.manager_of(key[1])
            if decisions.owned(stored, manager=manager):
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
