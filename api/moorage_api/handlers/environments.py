"""List, create, read, update and delete environments."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import orjson

from moorage_api.cache.views import EnvironmentView
from moorage_api.changes.environments import EnvironmentChanges
from moorage_api.changes.removal import EnvironmentRemoval, Removal
from moorage_api.contract import errors, pages, schemas
from moorage_api.contract.errors import ApiError
from moorage_api.contract.parameters import NO_CURSOR
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import etag, rights, time_travel, translate
from moorage_api.reads.etag import Precondition
from moorage_api.reads.presenter import Presenter
from moorage_api.reads.sight import NOTHING, Sight
from moorage_crds import names

#: How many environments a list without `limit` answers: the documented call has no parameters.
MAX_LISTED: Final = 1_000


def environment_of(facade: Facade, call: Call) -> EnvironmentView:
    """The environment in the path, by uid or slug. Raises ApiError 404."""
    text = call.params["environment_id"]
    found = facade.catalog.environment(call.workspace.namespace, text)
    if found is None:
        raise errors.not_found("environment", text)
    return found


class Environments:
    """Handlers of environments."""

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    async def list(self, facade: Facade, call: Call) -> Answer:
        """A page of environments by slug."""
        query: schemas.ListQuery = call.query
        namespace = call.workspace.namespace
        scope = ["environments", call.workspace.uid]
        after = _slug_in(scope, query.cursor)
        limit = query.limit or MAX_LISTED
        found = list(islice(facade.catalog.environments_of(namespace, after=after), limit + 1))
        shown, more = found[:limit], len(found) > limit
        seen = await rights.sight_of(facade, call)
        bodies = b",".join(self._presenter.present(call.workspace, view, seen).body for view in shown)
        cursor = pages.encode(scope, shown[-1].name) if more else None
        head = orjson.dumps(
            {
                "total": facade.catalog.environment_count(namespace),
                "has_more": more,
                "next_cursor": cursor,
            }
        )
        # The environments are JSON already: they are put in, not decoded and encoded again.
        return Answer(head[:-1] + b',"environments":[' + bodies + b"]}")

    async def create(self, facade: Facade, call: Call) -> Answer:
        """A new environment."""
        body: schemas.EnvironmentCreate = call.body
        # Before the write: it is either answered or not made.
        seen = await rights.sight_of(facade, call)
        changes = EnvironmentChanges(facade, call, dry_run=call.query.dry_run)
        view = await changes.create(body.slug, body.name, body.description)
        answer = self._answer("Environment created successfully", facade, call, view, seen)
        answer.status = 201
        path = call.operation.path.format(**call.params)
        answer.headers["Location"] = f"{path}/{view.uid}"
        return answer

    async def get(self, facade: Facade, call: Call) -> Answer:
        """One environment, now or at an earlier moment."""
        if call.query.at is not None:
            # The right first, and then what is wrong with the moment whatever environment it is asked of.
            await rights.require_history(facade, call)
            time_travel.require_past(schemas.moment(call.query.at), facade.clock.now())
        view = environment_of(facade, call)
        seen = await rights.sight_of(facade, call)
        if call.query.at is not None:
            return self._at(facade, call, view, seen)
        presented = self._presenter.present(call.workspace, view, seen)
        headers = {"ETag": presented.tag}
        if etag.unmodified(call.headers.get("If-None-Match"), presented.tag):
            return Answer(b"", status=304, headers=headers)
        return Answer(presented.body, headers=headers)

    async def update(self, facade: Facade, call: Call) -> Answer:
        """Change name or description."""
        body: schemas.EnvironmentUpdate = call.body
        view = environment_of(facade, call)
        seen = await rights.sight_of(facade, call)
        precondition = Precondition.of(call.headers.get("If-Match"), self._tag(call, seen))

        def require(state: EnvironmentView) -> None:
            self._require_unchanged(call, state, body)
            precondition.require(state)

        wanted = {
            field: value
            for field, value in (("name", body.name), ("description", body.description))
            if value is not None
        }
        changes = EnvironmentChanges(facade, call, dry_run=call.query.dry_run)
        changed = await changes.update(view, wanted, require, override=call.query.override_ownership)
        return self._answer("Environment updated successfully", facade, call, changed, seen)

    async def delete(self, facade: Facade, call: Call) -> Answer:
        """Undeploy everything and delete the environment."""
        view = environment_of(facade, call)
        seen = await rights.sight_of(facade, call)
        precondition = Precondition.of(call.headers.get("If-Match"), self._tag(call, seen))
        removal = Removal(view, precondition, call.query.override_ownership)
        try:
            version = await EnvironmentRemoval(facade, call, dry_run=call.query.dry_run).remove(removal)
        except ApiError as refused:
            if not seen.releases:
                refused.hide("remaining")
            raise
        return Answer({"message": "Environment deleted successfully"}).at_version(names.ENVIRONMENTS, version)

    def _answer(self, message: str, facade: Facade, call: Call, view: EnvironmentView, seen: Sight) -> Answer:
        lock = facade.catalog.lock_of(view)
        body = self._presenter.body(call.workspace, view, seen, lock=lock)
        head = orjson.dumps({"message": message})
        answer = Answer(head[:-1] + b',"environment":' + body + b"}")
        answer.headers["ETag"] = etag.of(view, body)
        version = "" if call.query.dry_run else view.resource_version
        return answer.at_version(names.ENVIRONMENTS, version)

    def _at(self, facade: Facade, call: Call, view: EnvironmentView, seen: Sight) -> Answer:
        catalog = facade.catalog
        active = time_travel.active_at(
            view,
            catalog.history.chains(view, catalog.birth(view)),
            schemas.moment(call.query.at),
            now=facade.clock.now(),
            retention=timedelta(days=facade.settings.retention_days),
        )
        # What was active is history: a reader of the history may see it.
        seen = replace(seen, releases=True)
        lock = catalog.lock_of(view)
        schedule = self._presenter.schedules.of(call.workspace, view, lock)
        within = translate.Within(active, lock, schedule)
        return Answer(translate.environment(call.workspace, view, within, sight=seen))

    def _tag(self, call: Call, seen: Sight) -> Callable[[EnvironmentView], str]:
        return lambda view: self._presenter.tag(call.workspace, view, seen)

    def _require_unchanged(self, call: Call, view: EnvironmentView, body: schemas.EnvironmentUpdate) -> None:
        """What cannot be changed may be sent, but only as it is. Raises ApiError 422."""
        present: dict[str, Any] = orjson.loads(self._presenter.present(call.workspace, view, NOTHING).body)
        problems = [
            {"loc": ["body", field], "msg": f"{field} is read-only", "type": "read_only", "input": value}
            for field in schemas.READ_ONLY
            if (value := getattr(body, field)) is not None and value != present[field]
        ]
        if problems:
            raise errors.ValidationFailedError(problems)


def _slug_in(scope: list[str], cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        slug = pages.decode(scope, cursor)
    except pages.DamagedCursorError:
        raise damaged_cursor(cursor) from None
    if not isinstance(slug, str):
        raise damaged_cursor(cursor)
    return slug


def damaged_cursor(cursor: str) -> errors.ApiError:
    """422 for a cursor that is none, or one of another list."""
    return errors.invalid(["query", "cursor"], NO_CURSOR, value=cursor)
