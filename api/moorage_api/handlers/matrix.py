"""All apps in all environments in one answer, and two environments side by side."""

import asyncio
from datetime import timedelta
from typing import Any

from moorage_api.cache.views import EnvironmentView
from moorage_api.contract import errors, schemas
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import etag, packing, rights, time_travel
from moorage_api.reads.distance import Relation, State, distance
from moorage_api.reads.matrix import Matrix, MatrixSight, states_now, tag_of
from moorage_crds import names


class Overview:
    """Handlers of whole workspaces."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._packed = packing.Packed()

    async def matrix(self, facade: Facade, call: Call) -> Answer:
        """The matrix of a workspace."""
        query: schemas.MatrixQuery = call.query
        sight = await matrix_sight(facade, call)
        body = self._matrix.present(call.workspace, sight, query.slugs, facade.clock.now())
        packs = len(body) >= packing.LEAST_BYTES and packing.takes_gzip(call.headers.get("Accept-Encoding"))
        # Other bytes need another tag.
        plain = tag_of(body)
        tag = f'{plain[:-1]}-gzip"' if packs else plain
        headers = {"ETag": tag, "Vary": "Accept-Encoding"}
        if etag.unmodified(call.headers.get("If-None-Match"), tag):
            return Answer(b"", status=304, headers=headers)
        if packs:
            return Answer(self._packed.of(plain, body), headers={**headers, "Content-Encoding": "gzip"})
        return Answer(body, headers=headers)


async def matrix_sight(facade: Facade, call: Call) -> MatrixSight:
    """What of a matrix the caller may see. Raises StoreError without an answer."""
    return MatrixSight(
        *await asyncio.gather(
            rights.may(facade, call, "list", names.DEPLOYMENTS),
            rights.may(facade, call, "list", names.RECORDS),
            rights.may(facade, call, "get", names.LOCKS),
            rights.may(facade, call, "list", names.FREEZES),
        )
    )


async def compare(facade: Facade, call: Call) -> Answer:
    """Two environments, or one at two moments: app by app."""
    query: schemas.CompareQuery = call.query
    for field, at in (("from_at", query.from_at), ("to_at", query.to_at)):
        if at is not None:
            time_travel.require_past(schemas.moment(at), facade.clock.now(), field)
    before = _environment(facade, call, query.from_)
    after = _environment(facade, call, query.to)
    old, new = _states(facade, before, query.from_at, "from_at"), _states(facade, after, query.to_at, "to_at")
    apps = [_row(app, old.get(app), new.get(app)) for app in sorted({*old, *new})]
    same = sum(row["distance"]["relation"] == Relation.SAME.value for row in apps)
    return Answer(
        {
            "from": _side(before, query.from_at),
            "to": _side(after, query.to_at),
            "apps": apps,
            "same": same,
            "different": len(apps) - same,
        }
    )


def _environment(facade: Facade, call: Call, text: str) -> EnvironmentView:
    found = facade.catalog.environment(call.workspace.namespace, text)
    if found is None:
        raise errors.not_found("environment", text)
    return found


def _states(facade: Facade, view: EnvironmentView, at: str | None, field: str) -> dict[str, State]:
    """App → its line then, or now; apps without a release are left out. Raises ApiError 422."""
    if at is None:
        present = states_now(facade.catalog, view)
        return {app: state for app, state in present.items() if state.release is not None}
    chains = facade.catalog.history.chains(view, facade.catalog.birth(view))
    lines = time_travel.lines_at(
        view,
        chains,
        schemas.moment(at),
        now=facade.clock.now(),
        retention=timedelta(days=facade.settings.retention_days),
        field=field,
    )
    by_uid = {chain.uid: chain for chain in chains}
    return {app: State(line, by_uid[line.uid]) for app, line in lines.items()}


def _row(app: str, old: State | None, new: State | None) -> dict[str, Any]:
    far = distance(new, old)
    return {
        "app_id": app,
        "from": _state(old),
        "to": _state(new),
        "distance": far.body() if far is not None else None,
    }


def _state(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    line = state.line
    return {
        "release_id": line.release,
        "since": line.at,
        "by": line.by or names.UNKNOWN_USER,
        "deployment_id": names.record_name(line.uid, line.sequence),
    }


def _side(view: EnvironmentView, at: str | None) -> dict[str, Any]:
    moment = schemas.whole_second(schemas.moment(at)) if at is not None else None
    return {"environment_id": view.uid, "slug": view.name, "name": view.display_name, "at": moment}
