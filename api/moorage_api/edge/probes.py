"""Metrics and probes on a port of their own, which clients of the API neither see nor fill."""

from typing import Final

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError
from moorage_api.edge.heads import request_id, target
from moorage_api.edge.metrics import Metrics
from moorage_api.edge.pipeline import Edge
from moorage_api.handlers.service import Readiness, alive
from moorage_api.operation import Answer, Facade

#: Connections to this port: the kubelet and a few collectors of metrics.
MAX_CONNECTIONS: Final = 100
SHARE: Final = 25


class Probes:
    """Answers requests to that port.

    Args:
        facade: whose state is told.
        edge: makes HTTP of answers.
        metrics: what is counted.
        readiness: whether requests shall come.
    """

    def __init__(self, facade: Facade, edge: Edge, metrics: Metrics, readiness: Readiness) -> None:
        self._facade = facade
        self._edge = edge
        self._metrics = metrics
        self._readiness = readiness

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """One request, one answer."""
        name = request_id(request.headers)
        try:
            return self._edge.response(self._answer(request), name)
        except ApiError as error:
            return self._edge.error(error, name)

    def _answer(self, request: web.BaseRequest) -> Answer:
        path = target(request).partition("?")[0]
        if path not in {"/metrics", "/healthz", "/readyz"}:
            raise errors.not_found("path", path)
        if request.method not in {"GET", "HEAD"}:
            raise errors.method_not_allowed(["GET", "HEAD"])
        if path == "/healthz":
            return alive()
        if path == "/readyz":
            return self._readiness.answer(self._facade)
        return Answer(generate_latest(self._metrics.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
