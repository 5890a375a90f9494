"""What the facade says of itself; no authentication."""

from importlib.metadata import version
from importlib.resources import files

from moorage_api import errors
from moorage_api.calls import Answer, Facade
from moorage_api.errors import UnavailableReason

PACKAGE_VERSION = version("moorage")


async def healthz(facade: Facade) -> Answer:
    """The process lives."""
    return Answer({"status": "ok"})


async def version_of(facade: Facade) -> Answer:
    """Which program answers."""
    return Answer({"name": "moorage", "version": PACKAGE_VERSION, "api": "v1"})


class Readiness:
    """Whether requests shall come here. `stopping` is set at the end of the process."""

    def __init__(self) -> None:
        self.stopping = False

    async def readyz(self, facade: Facade) -> Answer:
        """Synced, fresh enough, not stopping."""
        freshness = facade.freshness
        if self.stopping:
            raise errors.unavailable(UnavailableReason.NOT_SYNCED, "The facade is stopping")
        if not freshness.synced:
            missing = [feed.plural for feed in freshness.feeds if not feed.synced]
            raise errors.unavailable(UnavailableReason.NOT_SYNCED, "The cache is not filled yet", waiting_for=missing)
        if not freshness.usable:
            raise errors.unavailable(UnavailableReason.NOT_SYNCED, "The cache is too old")
        return Answer({"status": "ok"})


class Documentation:
    """The document of the API, and a page that shows it; the document is made once, at start."""

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._page = files("moorage_api").joinpath("docs.html").read_bytes()

    async def openapi(self, facade: Facade) -> Answer:
        """OpenAPI 3.1."""
        return Answer(self._document)

    async def page(self, facade: Facade) -> Answer:
        """A page that renders the document, without anything from elsewhere."""
        policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
        return Answer(self._page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})
