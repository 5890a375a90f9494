"""Login and logout of the page."""

from datetime import UTC, datetime, timedelta

from moorage_api.access import Caller
from moorage_api.contract import errors, schemas
from moorage_api.operation import Answer, Asked, Facade, Visit
from moorage_api.session import cookies
from moorage_api.session.sessions import LINK_SECONDS
from moorage_crds.moments import to_text


async def log_in(facade: Facade, visit: Visit) -> Answer:
    """Take a token, or the code of a link, and keep it in cookies from now on."""
    _require_own_origin(visit)
    body: schemas.SessionRequest = visit.body
    token = body.token if body.token is not None else facade.sessions.redeem(body.code or "")
    caller = await facade.access.authenticate(token, visit.upstream, address=visit.client)
    if caller is None:
        raise errors.unauthenticated()
    session = facade.sessions.begin(token)
    answer = _shown(caller, session.ends)
    answer.cookies = facade.sessions.cookies(session, visit.headers)
    return answer


async def show(facade: Facade, asked: Asked) -> Answer:
    """Who is logged in; until when is null if the token came in `Authorization`."""
    session = facade.sessions.of(asked.headers) if "Authorization" not in asked.headers else None
    return _shown(asked.caller, session.ends if session is not None else None)


async def log_out(facade: Facade, visit: Visit) -> Answer:
    """Forget the token."""
    _require_own_origin(visit)
    return Answer({"message": "Logged out"}, cookies=cookies.removed(visit.headers))


async def make_link(facade: Facade, asked: Asked) -> Answer:
    """A code that logs in as the caller, once, for a person who should not have to paste a token."""
    ends = facade.clock.now() + timedelta(seconds=LINK_SECONDS)
    code = facade.sessions.link(asked.caller.token)
    return Answer({"code": code, "path": f"/#login={code}", "expires_at": to_text(ends)})


def _shown(caller: Caller, ends: int | None) -> Answer:
    identity = caller.identity
    moment = to_text(datetime.fromtimestamp(ends, UTC)) if ends is not None else None
    return Answer({"username": identity.username, "groups": list(identity.groups), "expires_at": moment})


def _require_own_origin(visit: Visit) -> None:
    """Raises ApiError 403 for what a browser sends on behalf of another origin.

    Old browsers do not say `Sec-Fetch-Site`; they do say `Origin`. Programs say neither.
    """
    site, origin = visit.headers.get("Sec-Fetch-Site"), visit.headers.get("Origin")
    if site is None and origin is not None:
        own = origin.partition("://")[2] == visit.headers.get("Host")
    else:
        own = site in {"same-origin", None}
    if not own:
        raise errors.cross_origin()
