"""Which Environment a line of a workspace belongs to: the one that has the name now, or one that is gone."""

from typing import Any

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.line import Line
from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.reads import translate
from moorage_crds.kinds.workspace import Workspace


class Owners:
    """Answers for one request: what it has decided about an environment holds for its whole answer.

    Args:
        catalog: the cache.
        workspace: whose lines are asked about.
    """

    def __init__(self, catalog: Catalog, workspace: Workspace) -> None:
        self._catalog = catalog
        self._namespace = workspace.namespace
        #: slug → the Environment, and the uids of the chains that belong to it
        self._known: dict[str, tuple[EnvironmentView | None, frozenset[str]]] = {}

    def environment(self, text: str) -> EnvironmentView | None:
        """The environment with that id or slug."""
        return self._catalog.environment(self._namespace, text)

    def owner(self, line: Line) -> EnvironmentView | None:
        """The Environment that the line belongs to; None if it is gone."""
        known = self._known.get(line.environment)
        if known is None:
            known = self._known[line.environment] = self._settled(line.environment)
        view, chains = known
        return view if line.uid in chains else None

    def line(self, line: Line) -> dict[str, Any]:
        """The line as REST shows it in a history of many environments."""
        owner = self.owner(line)
        shown = translate.history_line("", line, self._binding(line))
        return {**shown, "environment_id": owner.uid if owner is not None else None, "environment": line.environment}

    def outcome(self, line: Line) -> str | None:
        """How the change of the line ended; None if that is not known or not decided."""
        return translate.outcome(self._binding(line), line.sequence)[0]

    def _binding(self, line: Line) -> BindingView | None:
        chain = self._catalog.history.chain(line.uid)
        return chain.live if chain is not None else None

    def _settled(self, slug: str) -> tuple[EnvironmentView | None, frozenset[str]]:
        catalog = self._catalog
        view = catalog.environments.get(self._namespace, slug)
        if view is None:
            return None, frozenset()
        return view, catalog.history.belonging(view, catalog.birth(view))
