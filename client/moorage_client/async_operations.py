"""Every operation as a method. Generated from docs/openapi.json by `make generate`. Do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

from moorage_client import models
from moorage_client.events import Event
from moorage_client.requests import Request, request


class AsyncOperations(ABC):
    """The operations of the API; a subclass sends them."""

    @abstractmethod
    async def _call(self, sent: Request) -> Any: ...

    @abstractmethod
    def _pages(self, ask: Callable[[str | None], Awaitable[Any]], items: str) -> AsyncIterator[Any]: ...

    @abstractmethod
    def _events(self, sent: Request) -> AsyncIterator[Event]: ...

    async def list_environments(
        self,
        org_id: str,
        workspace_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.EnvironmentList:
        """List environments. Needs `environments:read` (`list environments`)."""
        found: models.EnvironmentList = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={"limit": limit, "cursor": cursor},
                headers={},
            )
        )
        return found

    def all_environments(
        self,
        org_id: str,
        workspace_id: str,
        *,
        limit: int | None = None,
    ) -> AsyncIterator[models.EnvironmentReply]:
        """List environments: every item of all pages. `limit` is the size of a page."""
        return self._pages(
            lambda cursor: self.list_environments(org_id, workspace_id, limit=limit, cursor=cursor), "environments"
        )

    async def create_environment(
        self,
        org_id: str,
        workspace_id: str,
        body: models.EnvironmentCreate,
        *,
        dry_run: bool | None = None,
    ) -> models.EnvironmentCreated:
        """Create an environment. Needs `environments:create` (`create environments`)."""
        found: models.EnvironmentCreated = await self._call(
            request(
                "POST",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={"dry_run": dry_run},
                headers={},
                body=body,
            )
        )
        return found

    async def get_environment(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        at: str | None = None,
        if_none_match: str | None = None,
    ) -> models.EnvironmentReply | None:
        """Get an environment. With `at` its `active_deployments` are those of that moment. Needs `environments:read` (`get environments`)."""
        found: models.EnvironmentReply | None = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"at": at},
                headers={"If-None-Match": if_none_match},
            )
        )
        return found

    async def update_environment(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        body: models.EnvironmentUpdate,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        if_match: str | None = None,
    ) -> models.EnvironmentUpdated:
        """Update an environment. Needs `environments:update` (`patch environments`)."""
        found: models.EnvironmentUpdated = await self._call(
            request(
                "PUT",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run, "override_ownership": override_ownership},
                headers={"If-Match": if_match},
                body=body,
            )
        )
        return found

    async def delete_environment(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        if_match: str | None = None,
    ) -> models.EnvironmentDeleted:
        """Delete an environment. Undeploys everything in it first, each with its line in the history. Needs `environments:delete` (`delete environments`)."""
        found: models.EnvironmentDeleted = await self._call(
            request(
                "DELETE",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run, "override_ownership": override_ownership},
                headers={"If-Match": if_match},
            )
        )
        return found

    async def deploy_release(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        body: models.DeployRequest,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        override: list[str] | None = None,
        wait: str | None = None,
        timeout: int | None = None,
        idempotency_key: str | None = None,
    ) -> models.Deployed:
        """Deploy a release. Needs `deployments:deploy` (`create deployments`, `patch deployments`)."""
        found: models.Deployed = await self._call(
            request(
                "POST",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={
                    "dry_run": dry_run,
                    "override_ownership": override_ownership,
                    "override": override,
                    "wait": wait,
                    "timeout": timeout,
                },
                headers={"Idempotency-Key": idempotency_key},
                body=body,
            )
        )
        return found

    async def get_app(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        app_id: str,
    ) -> models.AppState:
        """One app in an environment. Its release, the line of history that put it there, and what became of it. Needs `deployments:read` (`get deployments`, `list deploymentrecords`)."""
        found: models.AppState = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy/{app_id}",
                path={
                    "org_id": org_id,
                    "workspace_id": workspace_id,
                    "environment_id": environment_id,
                    "app_id": app_id,
                },
                query={},
                headers={},
            )
        )
        return found

    async def undeploy_app(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        app_id: str,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        override: list[str] | None = None,
        reason: str | None = None,
        expected_release_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.Undeployed:
        """Take an app out of an environment. Needs `deployments:undeploy` (`patch deployments`)."""
        found: models.Undeployed = await self._call(
            request(
                "DELETE",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy/{app_id}",
                path={
                    "org_id": org_id,
                    "workspace_id": workspace_id,
                    "environment_id": environment_id,
                    "app_id": app_id,
                },
                query={
                    "dry_run": dry_run,
                    "override_ownership": override_ownership,
                    "override": override,
                    "reason": reason,
                    "expected_release_id": expected_release_id,
                },
                headers={"Idempotency-Key": idempotency_key},
            )
        )
        return found

    async def rollback_app(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        app_id: str,
        *,
        body: models.RollbackRequest | None = None,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        override: list[str] | None = None,
        wait: str | None = None,
        timeout: int | None = None,
        idempotency_key: str | None = None,
    ) -> models.RolledBack:
        """Go back to an earlier release. Without a target: to the last different release. Needs `deployments:deploy` (`create deployments`, `patch deployments`)."""
        found: models.RolledBack = await self._call(
            request(
                "POST",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy/{app_id}/rollback",
                path={
                    "org_id": org_id,
                    "workspace_id": workspace_id,
                    "environment_id": environment_id,
                    "app_id": app_id,
                },
                query={
                    "dry_run": dry_run,
                    "override_ownership": override_ownership,
                    "override": override,
                    "wait": wait,
                    "timeout": timeout,
                },
                headers={"Idempotency-Key": idempotency_key},
                body=body,
            )
        )
        return found

    async def list_deployments(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        app_id: str | None = None,
        action: Literal["deploy", "undeploy", "rollback", "adopt", "import"] | None = None,
    ) -> models.HistoryPage:
        """History of an environment. Newest first. `total` counts all lines of the environment, `matching` those that match. Needs `deployments:read` (`list deploymentrecords`)."""
        found: models.HistoryPage = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deployments",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={
                    "since": since,
                    "until": until,
                    "limit": limit,
                    "cursor": cursor,
                    "app_id": app_id,
                    "action": action,
                },
                headers={},
            )
        )
        return found

    def all_deployments(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        app_id: str | None = None,
        action: Literal["deploy", "undeploy", "rollback", "adopt", "import"] | None = None,
    ) -> AsyncIterator[models.HistoryLine]:
        """History of an environment: every item of all pages. `limit` is the size of a page."""
        return self._pages(
            lambda cursor: self.list_deployments(
                org_id,
                workspace_id,
                environment_id,
                since=since,
                until=until,
                limit=limit,
                app_id=app_id,
                action=action,
                cursor=cursor,
            ),
            "deployments",
        )

    async def lock_environment(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        body: models.LockRequest,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        take_over: bool | None = None,
    ) -> models.EnvironmentLocked:
        """Lock an environment. No release changes there until it is unlocked, for nobody. A second call replaces the reason. Needs `environments:lock` (`get environments`, `create environmentlocks`, `patch environmentlocks`)."""
        found: models.EnvironmentLocked = await self._call(
            request(
                "PUT",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/lock",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run, "override_ownership": override_ownership, "take_over": take_over},
                headers={},
                body=body,
            )
        )
        return found

    async def unlock_environment(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
    ) -> models.EnvironmentUnlocked:
        """Unlock an environment. Needs `environments:lock` (`get environments`, `delete environmentlocks`)."""
        found: models.EnvironmentUnlocked = await self._call(
            request(
                "DELETE",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/lock",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run, "override_ownership": override_ownership},
                headers={},
            )
        )
        return found

    async def list_inputs(
        self,
        org_id: str,
        workspace_id: str,
        *,
        environment: str | None = None,
        app: str | None = None,
        limit: int | None = None,
        if_none_match: str | None = None,
    ) -> models.InputsReply | None:
        """Active releases for Flux. For a ResourceSetInputProvider of type `ExternalService`. An answer that is not certain is a 503, because Flux prunes what is missing. Needs `deployments:read` (`list environments`, `list deployments`, `list deploymentrecords`)."""
        found: models.InputsReply | None = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/inputs",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={"environment": environment, "app": app, "limit": limit},
                headers={"If-None-Match": if_none_match},
            )
        )
        return found

    async def list_approvals(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        app_id: str | None = None,
        release_id: str | None = None,
    ) -> models.ApprovalList:
        """List Approvals, and what may come next. What runs in the environment before and differs here stands among the candidates, with what it lacks when you deploy it. Needs `approvals:read` (`get environments`, `list approvals`)."""
        found: models.ApprovalList = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/approvals",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"app_id": app_id, "release_id": release_id},
                headers={},
            )
        )
        return found

    async def give_approval(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        body: models.ApprovalRequest,
        *,
        dry_run: bool | None = None,
    ) -> models.ApprovalGiven:
        """Say yes or no to a release. In your name. Needs the right to the verb `approve` on the environment, too. Saying again what still counts changes nothing. Needs `approvals:create` (`get environments`, `create approvals`)."""
        found: models.ApprovalGiven = await self._call(
            request(
                "POST",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/approvals",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run},
                headers={},
                body=body,
            )
        )
        return found

    async def delete_approval(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        approval_name: str,
        *,
        dry_run: bool | None = None,
    ) -> models.ApprovalDeleted:
        """Take an Approval back. A no is taken back by its author, or with the right to the verb `protect`. Needs `approvals:delete` (`get environments`, `delete approvals`)."""
        found: models.ApprovalDeleted = await self._call(
            request(
                "DELETE",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/approvals/{approval_name}",
                path={
                    "org_id": org_id,
                    "workspace_id": workspace_id,
                    "environment_id": environment_id,
                    "approval_name": approval_name,
                },
                query={"dry_run": dry_run},
                headers={},
            )
        )
        return found

    async def explain_gates(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        app_id: str | None = None,
        release_id: str | None = None,
        at: str | None = None,
    ) -> models.GatesReply:
        """What every gate says of a change. With `at` in the future: would it pass then? Needs `gates:read` (`get environments`, `list deployments`, `get environmentlocks`, `list freezes`)."""
        found: models.GatesReply = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/gates",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"app_id": app_id, "release_id": release_id, "at": at},
                headers={},
            )
        )
        return found

    async def promote_releases(
        self,
        org_id: str,
        workspace_id: str,
        environment_id: str,
        *,
        body: models.PromoteRequest | None = None,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
        override: list[str] | None = None,
    ) -> models.Promoted:
        """Take releases on from the environment before. Each app by an ordinary deploy, with a line of its own; a dry run is the prognosis. Needs `deployments:deploy` (`list deployments`, `create deployments`, `patch deployments`)."""
        found: models.Promoted = await self._call(
            request(
                "POST",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/promote",
                path={"org_id": org_id, "workspace_id": workspace_id, "environment_id": environment_id},
                query={"dry_run": dry_run, "override_ownership": override_ownership, "override": override},
                headers={},
                body=body,
            )
        )
        return found

    async def list_freezes(
        self,
        org_id: str,
        workspace_id: str,
    ) -> models.FreezeList:
        """List the Freezes of a workspace. Needs `freezes:read` (`list freezes`)."""
        found: models.FreezeList = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={},
                headers={},
            )
        )
        return found

    async def get_freeze(
        self,
        org_id: str,
        workspace_id: str,
        freeze_name: str,
    ) -> models.FreezeReply:
        """Get a Freeze. Needs `freezes:read` (`get freezes`)."""
        found: models.FreezeReply = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes/{freeze_name}",
                path={"org_id": org_id, "workspace_id": workspace_id, "freeze_name": freeze_name},
                query={},
                headers={},
            )
        )
        return found

    async def put_freeze(
        self,
        org_id: str,
        workspace_id: str,
        freeze_name: str,
        body: models.FreezeRequest,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
    ) -> models.FreezeSaved:
        """Create a Freeze, or replace what it says. Needs `freezes:update` (`create freezes`, `patch freezes`)."""
        found: models.FreezeSaved = await self._call(
            request(
                "PUT",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes/{freeze_name}",
                path={"org_id": org_id, "workspace_id": workspace_id, "freeze_name": freeze_name},
                query={"dry_run": dry_run, "override_ownership": override_ownership},
                headers={},
                body=body,
            )
        )
        return found

    async def delete_freeze(
        self,
        org_id: str,
        workspace_id: str,
        freeze_name: str,
        *,
        dry_run: bool | None = None,
        override_ownership: bool | None = None,
    ) -> models.FreezeDeleted:
        """Delete a Freeze. Needs `freezes:delete` (`delete freezes`)."""
        found: models.FreezeDeleted = await self._call(
            request(
                "DELETE",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes/{freeze_name}",
                path={"org_id": org_id, "workspace_id": workspace_id, "freeze_name": freeze_name},
                query={"dry_run": dry_run, "override_ownership": override_ownership},
                headers={},
            )
        )
        return found

    async def me(
        self,
        *,
        workspace: str | None = None,
    ) -> models.Me:
        """Who am I, and what may I do?. Each right is asked for in your name; the answers are those of the cluster, at most 10 s old. Needs a token."""
        found: models.Me = await self._call(
            request(
                "GET",
                "/v1/me",
                path={},
                query={"workspace": workspace},
                headers={},
            )
        )
        return found

    async def list_workspaces(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.WorkspaceList:
        """List workspaces. Those in which you may list environments. Needs a token."""
        found: models.WorkspaceList = await self._call(
            request(
                "GET",
                "/v1/workspaces",
                path={},
                query={"limit": limit, "cursor": cursor},
                headers={},
            )
        )
        return found

    def all_workspaces(
        self,
        *,
        limit: int | None = None,
    ) -> AsyncIterator[models.WorkspaceEntry]:
        """List workspaces: every item of all pages. `limit` is the size of a page."""
        return self._pages(lambda cursor: self.list_workspaces(limit=limit, cursor=cursor), "workspaces")

    async def get_matrix(
        self,
        org_id: str,
        workspace_id: str,
        *,
        order: str | None = None,
        if_none_match: str | None = None,
    ) -> models.MatrixReply | None:
        """All apps in all environments. Which release is where, since when, by whom, how far behind, and what is locked or closed. Needs `environments:read` (`list environments`)."""
        found: models.MatrixReply | None = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/matrix",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={"order": order},
                headers={"If-None-Match": if_none_match},
            )
        )
        return found

    async def list_workspace_deployments(
        self,
        org_id: str,
        workspace_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        app_id: str | None = None,
        action: Literal["deploy", "undeploy", "rollback", "adopt", "import"] | None = None,
        environment_id: str | None = None,
        user: str | None = None,
        outcome: Literal["healthy", "failed", "superseded"] | None = None,
    ) -> models.WorkspaceHistoryPage:
        """History of a workspace. Newest first, over all environments, with what deleted ones left. Needs `deployments:read` (`list deploymentrecords`)."""
        found: models.WorkspaceHistoryPage = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/deployments",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={
                    "since": since,
                    "until": until,
                    "limit": limit,
                    "cursor": cursor,
                    "app_id": app_id,
                    "action": action,
                    "environment_id": environment_id,
                    "user": user,
                    "outcome": outcome,
                },
                headers={},
            )
        )
        return found

    def all_workspace_deployments(
        self,
        org_id: str,
        workspace_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        app_id: str | None = None,
        action: Literal["deploy", "undeploy", "rollback", "adopt", "import"] | None = None,
        environment_id: str | None = None,
        user: str | None = None,
        outcome: Literal["healthy", "failed", "superseded"] | None = None,
    ) -> AsyncIterator[models.WorkspaceHistoryLine]:
        """History of a workspace: every item of all pages. `limit` is the size of a page."""
        return self._pages(
            lambda cursor: self.list_workspace_deployments(
                org_id,
                workspace_id,
                since=since,
                until=until,
                limit=limit,
                app_id=app_id,
                action=action,
                environment_id=environment_id,
                user=user,
                outcome=outcome,
                cursor=cursor,
            ),
            "deployments",
        )

    async def compare_environments(
        self,
        org_id: str,
        workspace_id: str,
        *,
        from_: str | None = None,
        to: str | None = None,
        from_at: str | None = None,
        to_at: str | None = None,
    ) -> models.Comparison:
        """Compare two environments. App by app, each now or at an earlier moment; also one environment with itself. Needs `deployments:read` (`get environments`, `list deploymentrecords`)."""
        found: models.Comparison = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/compare",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={"from": from_, "to": to, "from_at": from_at, "to_at": to_at},
                headers={},
            )
        )
        return found

    async def get_delivery_numbers(
        self,
        org_id: str,
        workspace_id: str,
        *,
        since: str | None = None,
        until: str | None = None,
        environment_id: str | None = None,
        app_id: str | None = None,
        step: Literal["day", "week"] | None = None,
    ) -> models.NumbersReply:
        """The numbers of delivery. How often was deployed, how long it took, how often it failed, and for how long. From the lines of history that are kept; without `since` the 30 days before `until`, at most 400 days. Needs `deployments:read` (`list deploymentrecords`)."""
        found: models.NumbersReply = await self._call(
            request(
                "GET",
                "/v1/orgs/{org_id}/workspaces/{workspace_id}/metrics/dora",
                path={"org_id": org_id, "workspace_id": workspace_id},
                query={
                    "since": since,
                    "until": until,
                    "environment_id": environment_id,
                    "app_id": app_id,
                    "step": step,
                },
                headers={},
            )
        )
        return found

    async def get_params(
        self,
        body: models.PluginRequest,
        *,
        if_none_match: str | None = None,
    ) -> models.PluginReply | None:
        """Active releases for Argo CD. For the plugin generator of an ApplicationSet. Needs `list` on environments, deployments and deploymentrecords in every workspace that is asked for. An answer that is not certain is a 503, because Argo CD prunes what is missing. Needs a token."""
        found: models.PluginReply | None = await self._call(
            request(
                "POST",
                "/api/v1/getparams.execute",
                path={},
                query={},
                headers={"If-None-Match": if_none_match},
                body=body,
            )
        )
        return found

    async def get_health(
        self,
    ) -> models.HealthReply:
        """The process lives. Needs no token."""
        found: models.HealthReply = await self._call(
            request(
                "GET",
                "/healthz",
                path={},
                query={},
                headers={},
            )
        )
        return found

    async def get_readiness(
        self,
    ) -> models.HealthReply:
        """The cache is filled and fresh enough. Needs no token."""
        found: models.HealthReply = await self._call(
            request(
                "GET",
                "/readyz",
                path={},
                query={},
                headers={},
            )
        )
        return found

    async def get_version(
        self,
    ) -> models.VersionReply:
        """Which program answers. Needs no token."""
        found: models.VersionReply = await self._call(
            request(
                "GET",
                "/version",
                path={},
                query={},
                headers={},
            )
        )
        return found

    async def get_openapi_document(
        self,
    ) -> dict[str, Any]:
        """This document. Needs no token."""
        found: dict[str, Any] = await self._call(
            request(
                "GET",
                "/openapi.json",
                path={},
                query={},
                headers={},
            )
        )
        return found

    async def get_reference_page(
        self,
    ) -> str:
        """This document as a page. Needs no token."""
        found: str = await self._call(
            request(
                "GET",
                "/docs",
                path={},
                query={},
                headers={},
            )
        )
        return found
