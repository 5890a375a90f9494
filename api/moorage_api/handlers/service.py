"""Health, version and documentation of the facade; no authentication."""

from importlib.metadata import version

from moorage_api.contract import errors
from moorage_api.contract.errors import UnavailableReason
from moorage_api.operation import Answer, Facade, Visit

PACKAGE_VERSION = version("moorage")


def alive() -> Answer:
    """The process lives."""
    return Answer({"status": "ok"})


async def healthz(facade: Facade, visit: Visit) -> Answer:
    """The process lives."""
    return alive()


async def version_of(facade: Facade, visit: Visit) -> Answer:
    """Which program answers."""
    return Answer({"name": "moorage", "version": PACKAGE_VERSION, "api": "v1"})


class Readiness:
    """Whether requests shall come here. `stopping` is set at the end of the process."""

    def __init__(self) -> None:
        self.stopping = False

    async def readyz(self, facade: Facade, visit: Visit) -> Answer:
        """Synced, fresh enough, not stopping."""
        return self.answer(facade)

    def answer(self, facade: Facade) -> Answer:
        """Ready; raises ApiError 503 where it is not."""
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
    """The document of the API, made once, at start."""

    def __init__(self, document: bytes) -> None:
        self._document = document

    async def openapi(self, facade: Facade, visit: Visit) -> Answer:
        """OpenAPI 3.1."""
        return Answer(self._document)
