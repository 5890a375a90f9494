"""The facade on one page: every operation with its route, its rights, its models and its errors.

What happens before a handler runs stands in `middlewares`, in order.
"""

from moorage_api import schemas
from moorage_api.cache.catalog import Catalog
from moorage_api.calls import Facade, Operation, Permission
from moorage_api.flows.presenting import Presenter
from moorage_api.handlers import deployments, history, service
from moorage_api.handlers.environments import Environments
from moorage_api.handlers.locks import Locks
from moorage_api.handlers.service import Documentation, Readiness
from moorage_api.metrics import Metrics
from moorage_api.middlewares import Edge
from moorage_api.openapi import document
from moorage_api.protocol import EdgeServer
from moorage_api.router import Router
from moorage_crds.names import DEPLOYMENTS, ENVIRONMENTS, LOCKS, RECORDS

BASE = "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments"
ONE = f"{BASE}/{{environment_id}}"

LIST = Permission("environments:read", (("list", ENVIRONMENTS),))
READ = Permission("environments:read", (("get", ENVIRONMENTS),))
CREATE = Permission("environments:create", (("create", ENVIRONMENTS),))
UPDATE = Permission("environments:update", (("patch", ENVIRONMENTS),))
# Its bindings need more, which depends on whether there are any: the flow asks for that.
DELETE = Permission("environments:delete", (("delete", ENVIRONMENTS),))
DEPLOY = Permission("deployments:deploy", (("create", DEPLOYMENTS), ("patch", DEPLOYMENTS)))
UNDEPLOY = Permission("deployments:undeploy", (("patch", DEPLOYMENTS),))
HISTORY = Permission("deployments:read", (("list", RECORDS),))
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
            handler=environments.list,
            permission=LIST,
            query=schemas.ListQuery,
            success=(200, schemas.EnvironmentList),
        ),
        Operation(
            name="createEnvironment",
            method="POST",
            path=BASE,
            summary="Create an environment",
            handler=environments.create,
            permission=CREATE,
            query=schemas.CreateQuery,
            body=schemas.EnvironmentCreate,
            success=(201, schemas.EnvironmentCreated),
            errors=(409,),
        ),
        Operation(
            name="getEnvironment",
            method="GET",
            path=ONE,
            summary="Get an environment",
            description="With `at` its `active_deployments` are those of that moment.",
            handler=environments.get,
            permission=READ,
            query=schemas.EnvironmentQuery,
            success=(200, schemas.EnvironmentReply),
            errors=(304,),
            headers=("If-None-Match",),
        ),
        Operation(
            name="updateEnvironment",
            method="PUT",
            path=ONE,
            summary="Update an environment",
            handler=environments.update,
            permission=UPDATE,
            query=schemas.WriteQuery,
            body=schemas.EnvironmentUpdate,
            success=(200, schemas.EnvironmentUpdated),
            errors=(409, 412),
            headers=("If-Match",),
        ),
        Operation(
            name="deleteEnvironment",
            method="DELETE",
            path=ONE,
            summary="Delete an environment",
            description="Undeploys everything in it first, each with its line in the history.",
            handler=environments.delete,
            permission=DELETE,
            query=schemas.WriteQuery,
            success=(200, schemas.EnvironmentDeleted),
            errors=(409, 412),
            headers=("If-Match",),
        ),
        Operation(
            name="deployRelease",
            method="POST",
            path=f"{ONE}/deploy",
            summary="Deploy a release",
            handler=deployments.deploy,
            permission=DEPLOY,
            query=schemas.WriteQuery,
            body=schemas.DeployRequest,
            success=(200, schemas.Deployed),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="undeployApp",
            method="DELETE",
            path=f"{ONE}/deploy/{{app_id}}",
            summary="Take an app out of an environment",
            handler=deployments.undeploy,
            permission=UNDEPLOY,
            query=schemas.UndeployQuery,
            success=(200, schemas.Undeployed),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="rollbackApp",
            method="POST",
            path=f"{ONE}/deploy/{{app_id}}/rollback",
            summary="Go back to an earlier release",
            description="Without a target: to the last different release.",
            handler=deployments.rollback,
            permission=DEPLOY,
            query=schemas.WriteQuery,
            body=schemas.RollbackRequest,
            success=(200, schemas.RolledBack),
            errors=(409,),
            headers=("Idempotency-Key",),
        ),
        Operation(
            name="listDeployments",
            method="GET",
            path=f"{ONE}/deployments",
            summary="History of an environment",
            description="Newest first. `total` counts all lines that match, not only this page.",
            handler=history.history,
            permission=HISTORY,
            query=schemas.HistoryQuery,
            success=(200, schemas.HistoryPage),
        ),
        Operation(
            name="lockEnvironment",
            method="PUT",
            path=f"{ONE}/lock",
            summary="Lock an environment",
            description="No release changes there until it is unlocked, whoever tries. Again: replaces the reason.",
            handler=locks.lock,
            permission=LOCK,
            query=schemas.WriteQuery,
            body=schemas.LockRequest,
            success=(200, schemas.EnvironmentLocked),
            errors=(409,),
        ),
        Operation(
            name="unlockEnvironment",
            method="DELETE",
            path=f"{ONE}/lock",
            summary="Unlock an environment",
            handler=locks.unlock,
            permission=UNLOCK,
            query=schemas.WriteQuery,
            success=(200, schemas.EnvironmentUnlocked),
            errors=(409,),
        ),
    ]


def service_operations(readiness: Readiness, documentation: Documentation) -> list[Operation]:
    """What needs no authentication."""
    return [
        Operation(
            name="health",
            method="GET",
            path="/healthz",
            summary="The process lives",
            public=service.healthz,
            success=(200, schemas.HealthReply),
        ),
        Operation(
            name="readiness",
            method="GET",
            path="/readyz",
            summary="The cache is filled and fresh enough",
            public=readiness.readyz,
            success=(200, schemas.HealthReply),
            errors=(503,),
        ),
        Operation(
            name="version",
            method="GET",
            path="/version",
            summary="Which program answers",
            public=service.version_of,
            success=(200, schemas.VersionReply),
        ),
        Operation(
            name="openapi",
            method="GET",
            path="/openapi.json",
            summary="This document",
            public=documentation.openapi,
            success=(200, None),
        ),
        Operation(
            name="docs",
            method="GET",
            path="/docs",
            summary="This document as a page",
            public=documentation.page,
            success=(200, None),
        ),
    ]


def operations(presenter: Presenter, readiness: Readiness, documentation: Documentation) -> list[Operation]:
    """Everything that can be asked for."""
    return [
        *api_operations(Environments(presenter), Locks(presenter)),
        *service_operations(readiness, documentation),
    ]


def document_text() -> str:
    """The OpenAPI document as it is committed, without any cluster."""
    presenter, readiness = Presenter(Catalog(())), Readiness()
    return document(operations(presenter, readiness, Documentation(b""))).decode() + "\n"


def create_app(facade: Facade, metrics: Metrics, readiness: Readiness) -> EdgeServer:
    """The server: operations → router → edge → connections. Needs a running event loop."""
    presenter = Presenter(facade.catalog)
    router = Router(operations(presenter, readiness, Documentation(document_text().encode())))
    edge = Edge(facade, router, metrics)
    return EdgeServer(edge, max_connections=facade.settings.max_connections)
