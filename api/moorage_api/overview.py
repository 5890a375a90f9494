"""The operations about the caller and about whole workspaces, beside those of one environment."""

from collections.abc import Sequence

from moorage_api.cache.catalog import Catalog
from moorage_api.contract import overviews, schemas
from moorage_api.handlers import history, matrix, workspaces
from moorage_api.handlers.callers import Callers
from moorage_api.handlers.events import Events
from moorage_api.handlers.matrix import Overview
from moorage_api.handlers.numbers import Numbers
from moorage_api.operation import InCluster, InWorkspace, Operation, Permission
from moorage_api.reads.matrix import Matrix
from moorage_crds.names import ENVIRONMENTS, RECORDS

WORKSPACE = "/v1/orgs/{org_id}/workspaces/{workspace_id}"

OVERVIEW = Permission("environments:read", (("list", ENVIRONMENTS),))
HISTORY = Permission("deployments:read", (("list", RECORDS),))
COMPARE = Permission("deployments:read", (("get", ENVIRONMENTS), ("list", RECORDS)))


def caller_operations(callers: Callers) -> list[Operation]:
    """The operations about the caller."""
    return [
        Operation(
            name="me",
            method="GET",
            path="/v1/me",
            summary="Who am I, and what may I do?",
            description="Each right is asked for in your name; the answers are those of the cluster, at most 10 s old.",
            scope=InCluster(callers.me),
            query=schemas.MeQuery,
            success=(200, overviews.Me),
        ),
        Operation(
            name="listWorkspaces",
            method="GET",
            path="/v1/workspaces",
            summary="List workspaces",
            description="Those in which you may list environments.",
            scope=InCluster(workspaces.list_workspaces),
            query=schemas.WorkspacesQuery,
            success=(200, overviews.WorkspaceList),
        ),
    ]


def workspace_operations(overview: Overview) -> list[Operation]:
    """The operations about one workspace with all its environments."""
    return [
        Operation(
            name="getMatrix",
            method="GET",
            path=f"{WORKSPACE}/matrix",
            summary="All apps in all environments",
            description="Which release is where, since when, by whom, how far behind, and what is locked or closed.",
            scope=InWorkspace(overview.matrix, OVERVIEW),
            query=schemas.MatrixQuery,
            success=(200, overviews.MatrixReply),
            errors=(304,),
            headers=("If-None-Match",),
        ),
        Operation(
            name="listWorkspaceDeployments",
            method="GET",
            path=f"{WORKSPACE}/deployments",
            summary="History of a workspace",
            description="Newest first, over all environments, with what deleted ones left.",
            scope=InWorkspace(history.workspace_history, HISTORY),
            query=schemas.WorkspaceHistoryQuery,
            success=(200, overviews.WorkspaceHistoryPage),
        ),
        Operation(
            name="compareEnvironments",
            method="GET",
            path=f"{WORKSPACE}/compare",
            summary="Compare two environments",
            description="App by app, each now or at an earlier moment; also one environment with itself.",
            scope=InWorkspace(matrix.compare, COMPARE),
            query=schemas.CompareQuery,
            success=(200, overviews.Comparison),
        ),
        Operation(
            name="getDeliveryNumbers",
            method="GET",
            path=f"{WORKSPACE}/metrics/dora",
            summary="The numbers of delivery",
            description="How often was deployed, how long it took, how often it failed, and for how long. From the "
            "lines of history that are kept; without `since` the 30 days before `until`, at most 400 days.",
            scope=InWorkspace(Numbers().numbers, HISTORY),
            query=schemas.NumbersQuery,
            success=(200, overviews.NumbersReply),
        ),
    ]


def event_operations(events: Events) -> list[Operation]:
    """Streams. The document of the API has no form for them; docs/rest.md describes them."""
    return [
        Operation(
            name="streamEvents",
            method="GET",
            path=f"{WORKSPACE}/events",
            summary="Changes as they happen",
            scope=InWorkspace(events.stream, OVERVIEW),
            query=schemas.EventsQuery,
            success=(200, None),
            documented=False,
        )
    ]


def overview_operations(operations: Sequence[Operation], catalog: Catalog) -> list[Operation]:
    """All of them. `operations`: those of environments, which the caller may do or not."""
    matrix = Matrix(catalog)
    of_workspaces = [*workspace_operations(Overview(matrix)), *event_operations(Events(catalog, matrix))]
    return [*caller_operations(Callers([*operations, *of_workspaces])), *of_workspaces]
