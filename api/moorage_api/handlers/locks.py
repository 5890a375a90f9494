"""Lock and unlock environments."""

import orjson

from moorage_api import schemas
from moorage_api.calls import Answer, Call, Facade
from moorage_api.flows.environments import EnvironmentChanges
from moorage_api.flows.presenting import Presenter
from moorage_api.handlers.environments import environment_of
from moorage_api.views import EnvironmentView, LockView
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
        answer = self._answer("Environment locked", facade, call, view, lock)
        return answer.at_version(names.LOCKS, "" if call.query.dry_run else lock.resource_version)

    async def unlock(self, facade: Facade, call: Call) -> Answer:
        """Remove the lock."""
        view = environment_of(facade, call)
        changes = EnvironmentChanges(facade, call, dry_run=call.query.dry_run)
        version = await changes.unlock(view, override=call.query.override_ownership)
        return self._answer("Environment unlocked", facade, call, view, None).at_version(names.LOCKS, version)

    def _answer(self, message: str, facade: Facade, call: Call, view: EnvironmentView, lock: LockView | None) -> Answer:
        # The lock was written, and may be there without its environment: should that have gone meanwhile, it is shown
        # as it was, so that the answer says what was done.
        present = facade.catalog.environment(view.namespace, view.uid) or view
        body = self._presenter.body(call.workspace, present, lock=lock)
        return Answer(orjson.dumps({"message": message})[:-1] + b',"environment":' + body + b"}")
