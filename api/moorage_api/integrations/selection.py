"""The selection of a tool: workspaces, environments and apps. Everything that it names must exist."""

from collections.abc import Iterable
from dataclasses import dataclass

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import EnvironmentView
from moorage_api.contract import errors
from moorage_crds.kinds.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; an empty tuple means all.

    Attributes:
        orgs: organisations.
        workspaces: workspaces.
        environments: slugs or ids.
        apps: app ids.
    """

    orgs: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """An environment that is wanted, and its workspace."""

    workspace: Workspace
    environment: EnvironmentView


def places(catalog: Catalog, workspaces: Iterable[Workspace], wanted: Selection) -> list[Place]:
    """The environments that are wanted, by workspace and slug.

    Raises:
        ApiError: 404, one that is named is in none of the workspaces.
    """
    those = list(workspaces)
    if not wanted.environments:
        return [Place(one, view) for one in those for view in catalog.environments_of(one.namespace)]
    found: dict[str, Place] = {}
    for text in wanted.environments:
        named = [(one, catalog.environment(one.namespace, text)) for one in those]
        there = {view.uid: Place(one, view) for one, view in named if view is not None}
        if not there:
            raise errors.not_found("environment", text)
        found |= there
    return sorted(found.values(), key=_order)


def _order(place: Place) -> tuple[str, str, str]:
    return (place.workspace.org, place.workspace.workspace, place.environment.name)


def require_apps(catalog: Catalog, those: Iterable[Place], wanted: Selection) -> None:
    """Every app that is named must have, or have had, a place in one of the environments.

    Raises:
        ApiError: 404.
    """
    missing = set(wanted.apps)
    for place in those:
        if not missing:
            return
        missing -= {binding.app for binding in catalog.bindings_of(place.environment)}
        if missing:
            chains = catalog.history.chains(place.environment, catalog.birth(place.environment))
            missing -= {chain.app for chain in chains}
    for app in wanted.apps:
        if app in missing:
            raise errors.not_found("app", app)
