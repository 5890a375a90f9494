"""The facade on one page: every operation with its route, its rights, its models and its errors.

What happens before a handler runs stands in `middlewares`, in order.
"""

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.listeners import MAX_STREAMS
from moorage_api.contract import replies, schemas
from moorage_api.document.openapi import document
from moorage_api.edge.addresses import Proxies
from moorage_api.edge.metrics import Metrics
from moorage_api.edge.pipeline import Edge
from moorage_api.edge.router import Router
from moorage_api.edge.server import EdgeServer
from moorage_api.governance import governance_operations
from moorage_api.handlers import deployments, history, rollouts, service
from moorage_api.handlers.environments import Environments
from moorage_api.handlers.locks import Locks
from moorage_api.handlers.pages import PageFiles, built_page
from moorage_api.handlers.service import Documentation, Readiness
from moorage_api.integrations.argocd import ArgoCd, PluginReply, PluginRequest
from moorage_api.integrations.flux import Flux, InputsQuery, InputsReply
from moorage_api.integrations.inputs import Inputs
from moorage_api.operation import Facade, InCluster, InWorkspace, Operation, Permission, Public
from moorage_api.overview import overview_operations
from moorage_api.reads.presenter import Presenter
from moorage_api.site import site_operations
from moorage_crds.names import DEPLOYMENTS, ENVIRONMENTS, LOCKS, RECORDS

WORKSPACE = "/v1/orgs/{org_id}/workspaces/{workspace_id}"
BASE = f"{WORKSPACE}/environments"
ONE = f"{BASE}/{{environment_id}}"
#: The path that Argo CD has for plugin generators.
PLUGIN = "/api/v1/getparams.execute"
INPUTS = f"{WORKSPACE}/inputs"

LIST = Permission("environments:read", (("list", ENVIRONMENTS),))
READ = Permission("environments:read", (("get", ENVIRONMENTS),))
CREATE = Permission("environments:create", (("create", ENVIRONMENTS),))
UPDATE = Permission("environments:update", (("patch", ENVIRONMENTS),))
# Its bindings need more, which depends on whether there are any: the flow asks for that.
DELETE = Permission("environments:delete", (("delete", ENVIRONMENTS),))
DEPLOY = Permission("deployments:deploy", (("create", DEPLOYMENTS), ("patch", DEPLOYMENTS)))
UNDEPLOY = Permission("deployments:undeploy", (("patch", DEPLOYMENTS),))
HISTORY = Permission("deployments:read", (("list", RECORDS),))
APP_READ = Permission("deployments:read", (("get", DEPLOYMENTS), ("list", RECORDS)))
INPUTS_READ = Permission("deployments:read", (("list", ENVIRONMENTS), ("list", DEPLOYMENTS), ("list", RECORDS)))
LOCK = Permission("environments:lock", (("get", ENVIRONMENTS), ("create", LOCKS), ("patch", LOCKS)))
UNLOCK = Permission("environments:lock", (("get", ENVIRONMENTS), ("delete", LOCKS)))


def api_operations(environments: Environments, locks: Locks) -> list[Operation]:
    """The operations of the API."""
    return [
        Operation(
            name="listEnvironments",
            method="GET",
            path=BASE,
            summary="List environments",
            scope=InWorkspace(environments.list, LIST),
            query=schemas.ListQuery,
            success=(200, replies.EnvironmentList),
        ),
        Operation(
            name="createEnvironment",
            method="POST",
            path=BASE,
            summary="Create an environment",
            scope=InWorkspace(environments.create, CREATE),
            query=schemas.CreateQuery,
            body=schemas.EnvironmentCreate,
            success=(201, replies.EnvironmentCreated),
            errors=(409,),
        ),
        Operation(
            name="getEnvironment",
            method="GET",
            path=ONE,
            summary="Get an environment",
            description="With `at` its `active_deployments` are those of that moment.",
            scope=InWorkspace(environments.get, READ),
            query=schemas.EnvironmentQuery,
            success=(200, replies.EnvironmentReply),
            errors=(304,),
            headers=("If-None-Match",),
        ),
        Operation(
            name="updateEnvironment",
            method="PUT",
            path=ONE,
            summary="Update an environment",
            scope=InWorkspace(environments.update, UPDATE),
            query=schemas.WriteQuery,
            body=schemas.EnvironmentUpdate,
            success=(200, replies.EnvironmentUpdated),
            errors=(409, 412),
            headers=("If-Match",),
        ),
        Operation(
            name="deleteEnvironment",
            method="DELETE",
            path=ONE,
            summary="Delete an environment",
            description="Undeploys everything in it first, each with its line in the history.",
            scope=InWorkspace(environments.delete, DELETE),
            query=schemas.WriteQuery,
            success=(200, replies.EnvironmentDeleted),
            errors=(409, 412),
            headers=("If-Match",),
        ),
        Operation(
            name="deployRelease",
            method="POST",
            path=f"{ONE}/deploy",
            summary="Deploy a release",
            scope=InWorkspace(deployments.deploy, DEPLOY),
            query=schemas.WaitingQuery,
            body=schemas.DeployRequest,
            success=(200, replies.Deployed),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="getApp",
            method="GET",
            path=f"{ONE}/deploy/{{app_id}}",
            summary="One app in an environment",
            description="Its release, the line of history that put it there, and what became of it.",
            scope=InWorkspace(rollouts.state, APP_READ),
            success=(200, replies.AppState),
        ),
        Operation(
            name="undeployApp",
            method="DELETE",
            path=f"{ONE}/deploy/{{app_id}}",
            summary="Take an app out of an environment",
            scope=InWorkspace(deployments.undeploy, UNDEPLOY),
            query=schemas.UndeployQuery,
            success=(200, replies.Undeployed),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="rollbackApp",
            method="POST",
            path=f"{ONE}/deploy/{{app_id}}/rollback",
            summary="Go back to an earlier release",
            description="Without a target: to the last different release.",
            scope=InWorkspace(deployments.rollback, DEPLOY),
            query=schemas.WaitingQuery,
            body=schemas.RollbackRequest,
            success=(200, replies.RolledBack),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="listDeployments",
            method="GET",
            path=f"{ONE}/deployments",
            summary="History of an environment",
            description="Newest first. `total` counts all lines of the environment, `matching` those that match.",
            scope=InWorkspace(history.history, HISTORY),
            query=schemas.HistoryQuery,
            success=(200, replies.HistoryPage),
        ),
        Operation(
            name="lockEnvironment",
            method="PUT",
            path=f"{ONE}/lock",
            summary="Lock an environment",
            description="No release changes there until it is unlocked, for nobody. A second call replaces the reason.",
            scope=InWorkspace(locks.lock, LOCK),
            query=schemas.LockQuery,
            body=schemas.LockRequest,
            success=(200, replies.EnvironmentLocked),
            errors=(409,),
        ),
        Operation(
            name="unlockEnvironment",
            method="DELETE",
            path=f"{ONE}/lock",
            summary="Unlock an environment",
            scope=InWorkspace(locks.unlock, UNLOCK),
            query=schemas.WriteQuery,
            success=(200, replies.EnvironmentUnlocked),
            errors=(409,),
        ),
    ]


def flux_operations(flux: Flux) -> list[Operation]:
    """What Flux asks for, in its own form."""
    return [
        Operation(
            name="listInputs",
            method="GET",
            path=INPUTS,
            summary="Active releases for Flux",
            description="For a ResourceSetInputProvider of type `ExternalService`. An answer that is not certain is a "
            "503, because Flux prunes what is missing.",
            scope=InWorkspace(flux.inputs, INPUTS_READ),
            basic=True,
            query=InputsQuery,
            success=(200, InputsReply),
            errors=(304,),
            headers=("If-None-Match",),
        ),
    ]


def argocd_operations(argocd: ArgoCd) -> list[Operation]:
    """What Argo CD asks for, in its own form; the path is Argo CD's."""
    return [
        Operation(
            name="getParams",
            method="POST",
            path=PLUGIN,
            summary="Active releases for Argo CD",
            description="For the plugin generator of an ApplicationSet. Needs `list` on environments, deployments and "
            "deploymentrecords in every workspace that is asked for. An answer that is not certain is a 503, because "
            "Argo CD prunes what is missing.",
            scope=InCluster(argocd.parameters),
            body=PluginRequest,
            success=(200, PluginReply),
            errors=(304,),
            headers=("If-None-Match",),
        ),
    ]


def service_operations(readiness: Readiness, documentation: Documentation, page: PageFiles) -> list[Operation]:
    """The operations without authentication."""
    return [
        Operation(
            name="health",
            method="GET",
            path="/healthz",
            summary="The process lives",
            scope=Public(service.healthz),
            success=(200, replies.HealthReply),
        ),
        Operation(
            name="readiness",
            method="GET",
            path="/readyz",
            summary="The cache is filled and fresh enough",
            scope=Public(readiness.readyz),
            success=(200, replies.HealthReply),
            errors=(503,),
        ),
        Operation(
            name="version",
            method="GET",
            path="/version",
            summary="Which program answers",
            scope=Public(service.version_of),
            success=(200, replies.VersionReply),
        ),
        Operation(
            name="openapi",
            method="GET",
            path="/openapi.json",
            summary="This document",
            scope=Public(documentation.openapi),
            success=(200, None),
        ),
        Operation(
            name="docs",
            method="GET",
            path="/docs",
            summary="This document as a page",
            scope=Public(page.reference),
            success=(200, None),
        ),
    ]


def operations(
    presenter: Presenter, readiness: Readiness, documentation: Documentation, page: PageFiles
) -> list[Operation]:
    """Everything that can be asked for."""
    inputs = Inputs()
    in_workspaces = [
        *api_operations(Environments(presenter), Locks(presenter)),
        *flux_operations(Flux(inputs)),
        *governance_operations(),
    ]
    return [
        *in_workspaces,
        *overview_operations(in_workspaces, presenter.catalog),
        *argocd_operations(ArgoCd(inputs, INPUTS_READ)),
        *site_operations(page),
        *service_operations(readiness, documentation, page),
    ]


def document_text() -> str:
    """The OpenAPI document as it is committed, without any cluster."""
    presenter, readiness = Presenter(Catalog(())), Readiness()
    return document(operations(presenter, readiness, Documentation(b""), PageFiles(None))).decode() + "\n"


def create_app(facade: Facade, metrics: Metrics, readiness: Readiness) -> EdgeServer:
    """The server: operations → router → edge → connections. Needs a running event loop."""
    presenter = Presenter(facade.catalog)
    router = Router(operations(presenter, readiness, Documentation(document_text().encode()), PageFiles(built_page())))
    edge = Edge(facade, router, metrics)
    settings = facade.settings
    # A stream holds its connection: these are left for everything else.
    facade.catalog.history.journal.listeners.limit = min(MAX_STREAMS, settings.max_connections // 2)
    return EdgeServer(
        edge,
        max_connections=settings.max_connections,
        share=settings.max_connections_per_client,
        proxies=Proxies(settings.trusted_proxies),
    )
