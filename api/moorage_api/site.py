"""The page: its files, and its login. They are not part of the API, so its document does not describe them."""

from moorage_api.contract import schemas
from moorage_api.handlers import sessions
from moorage_api.handlers.pages import PageFiles
from moorage_api.operation import Handling, InCluster, Operation, Public


def site_operations(page: PageFiles) -> list[Operation]:
    """Everything that a browser asks for beside the API."""
    return [
        _file("page", "/", page.index),
        _file("pageAt", "/w/{path...}", page.index),
        _file("asset", "/assets/{name}", page.asset),
        Operation(
            name="logIn",
            method="POST",
            path="/session",
            summary="Log in at the page",
            scope=Public(sessions.log_in),
            body=schemas.SessionRequest,
            success=(200, None),
            documented=False,
        ),
        Operation(
            name="session",
            method="GET",
            path="/session",
            summary="Who is logged in",
            scope=InCluster(sessions.show),
            success=(200, None),
            documented=False,
        ),
        Operation(
            name="logOut",
            method="DELETE",
            path="/session",
            summary="Log out",
            scope=Public(sessions.log_out),
            success=(200, None),
            documented=False,
        ),
        Operation(
            name="loginLink",
            method="POST",
            path="/session/links",
            summary="A link that logs in once",
            scope=InCluster(sessions.make_link),
            success=(200, None),
            documented=False,
        ),
    ]


def _file(name: str, path: str, handler: Handling) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=path,
        summary="The page",
        scope=Public(handler),
        success=(200, None),
        documented=False,
    )
