"""Lock and unlock environments."""

import orjson

from moorage_api.cache.views import EnvironmentView, LockView
from moorage_api.changes.locks import LockChanges, WantedLock
from moorage_api.contract import schemas
from moorage_api.handlers.environments import environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import rights
from moorage_api.reads.presenter import Presenter
from moorage_api.reads.sight import Sight
from moorage_crds import names


class Locks:
    """Handlers of locks."""

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    async def lock(self, facade: Facade, call: Call) -> Answer:
        """Lock, or replace the reason."""
        body: schemas.LockRequest = call.body
        view = environment_of(facade, call)
        seen = await rights.sight_of(facade, call)
        changes = LockChanges(facade, call, dry_run=call.query.dry_run)
        wanted = WantedLock(body.reason, body.until, call.query.override_ownership, call.query.take_over)
        lock = await changes.lock(view, wanted)
        answer = _answer("Environment locked", self._body(facade, call, view, seen, lock))
        return answer.at_version(names.LOCKS, "" if call.query.dry_run else lock.resource_version)

    async def unlock(self, facade: Facade, call: Call) -> Answer:
        """Remove the lock."""
        view = environment_of(facade, call)
        seen = await rights.sight_of(facade, call)
        changes = LockChanges(facade, call, dry_run=call.query.dry_run)
        version = await changes.unlock(view, override=call.query.override_ownership)
        body = self._body(facade, call, view, seen, None)
        return _answer("Environment unlocked", body).at_version(names.LOCKS, version)

    def _body(self, facade: Facade, call: Call, view: EnvironmentView, seen: Sight, lock: LockView | None) -> bytes:
        # The lock was written, and may be there without its environment: should that have gone meanwhile, it is shown
        # as it was, so that the answer says what was done.
        present = facade.catalog.environment(view.namespace, view.uid) or view
        return self._presenter.body(call.workspace, present, seen, lock=lock)


def _answer(message: str, environment: bytes) -> Answer:
    return Answer(orjson.dumps({"message": message})[:-1] + b',"environment":' + environment + b"}")
