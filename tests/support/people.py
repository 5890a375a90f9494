"""Both ways of the commands of every day, over one cluster in memory: the facade's, and straight to the store."""

import httpx
from facade_world import NAMESPACE, ORG, WORKSPACE, World

from moorage_cli.people.cluster import ClusterRegister
from moorage_cli.people.rest import RestRegister
from moorage_client import AsyncMoorage

_OWN = ("authorization", "if-match", "if-none-match", "idempotency-key", "x-resource-version")


class Memory(httpx.AsyncBaseTransport):
    """The facade in memory instead of a network; remembers what was sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        self.sent.append(request)
        headers = {name.title(): request.headers[name] for name in _OWN if name in request.headers}
        content = await request.aread() or None
        path = request.url.raw_path.decode()
        reply = await self.world.call(request.method, path, content, user=None, headers=headers)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.content)


def by_rest(world: World, user: str = "alice") -> RestRegister:
    """The way of pipelines."""
    return RestRegister(AsyncMoorage("http://facade", user, transport=Memory(world)), ORG, WORKSPACE)


def by_kubeconfig(world: World, user: str = "alice") -> ClusterRegister:
    """The way of people."""
    return ClusterRegister(world.cluster.as_caller(user), NAMESPACE)
