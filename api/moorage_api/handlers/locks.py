"""Lock and unlock environments."""

import orjson

from moorage_api import schemas
from moorage_api.calls import Answer, Call, Facade
from moorage_api.flows.environments import EnvironmentChanges
from moorage_api.flows.presenting import Presenter
from moorage_api.handlers.environments import environment_of
from moorage_api.views import LockView
from moorage_crds import names


class Locks:
    """Handlers of locks."""

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    async def lock(self, facade: Facade, call: Call) -> Answer:
        """Lock, or replace the reason."""
        body: schemas.LockRequest = call.body
        view = environment_of(facade, call)
        changes = EnvironmentChanges(facade, call, dry_run=call.query.dry_run)
        lock = await changes.lock(view, body.reason, override=call.query.override_ownership)
        answer = self._answer("Environment locked", facade, call, lock)
        return answer.at_version(names.LOCKS, "" if call.query.dry_run else lock.resource_version)

    async def unlock(self, facade: Facade, call: Call) -> Answer:
        """Remove the lock."""
        view = environment_of(facade, call)
        changes = EnvironmentChanges(facade, call, dry_run=call.query.dry_run)
        await changes.unlock(view, override=call.query.override_ownership)
        return self._answer("Environment unlocked", facade, call, None)

    def _answer(self, message: str, facade: Facade, call: Call, lock: LockView | None) -> Answer:
        body = self._presenter.body(call.workspace, environment_of(facade, call), lock=lock)
        return Answer(orjson.dumps({"message": message})[:-1] + b',"environment":' + body + b"}")
