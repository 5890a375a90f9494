"""Argo CD: parameters of an ApplicationSet, for its plugin generator.

The protocol is that of Argo CD 3.2 to 3.6: a POST with `input.parameters` of the ApplicationSet, answered by
`{"output": {"parameters": […]}}`. What else Argo CD sends is not looked at, so that a newer one is understood, too.
An error is shown by the ApplicationSet as it is, and changes nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from moorage_api.contract import errors
from moorage_api.contract.replies import Reply
from moorage_api.integrations.inputs import Form, Inputs
from moorage_api.integrations.release import ActiveRelease
from moorage_api.integrations.selection import Selection
from moorage_api.operation import Answer, Asked, Facade, Permission
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.store import Right

#: Workspaces that can be asked for without the right to read all of them: each costs a review of each right.
MAX_REVIEWED: Final = 50
#: Selections whose workspaces are remembered until the next change.
MAX_SELECTIONS: Final = 64


_Name = Annotated[str, Field(min_length=1, max_length=63)]
Names = _Name | Annotated[list[_Name], Field(min_length=1, max_length=200)]


class Lenient(BaseModel):
    """A part of a request of Argo CD: unknown fields pass."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_extra={"additionalProperties": True})


class PluginParameters(Lenient):
    """Which releases; each a name or a list of names, and all without it."""

    org: Names | None = Field(default=None, description="Organisations.")
    workspace: Names | None = Field(default=None, description="Workspaces.")
    environment: Names | None = Field(default=None, description="Slugs or ids of environments.")
    app: Names | None = Field(default=None, description="App ids.")


class PluginInput(Lenient):
    """`spec.generators[].plugin.input`."""

    parameters: PluginParameters = Field(default_factory=PluginParameters)


class PluginRequest(Lenient):
    """What Argo CD asks."""

    input: PluginInput = Field(default_factory=PluginInput)


class PluginSet(ActiveRelease):
    """One active release."""


class PluginOutput(Reply):
    """All sets."""

    parameters: list[PluginSet]


class PluginReply(Reply):
    """What the plugin generator reads."""

    output: PluginOutput


@dataclass(frozen=True, slots=True)
class _Found:
    """What a selection names, as long as no workspace has changed.

    Attributes:
        moves: of the catalog.
        workspaces: the ones that are there.
        absent: an organisation or workspace that is named and not there.
        rights: what the caller needs in each of the workspaces, where it may not read the whole cluster.
    """

    moves: tuple[int, int]
    workspaces: Sequence[Workspace]
    absent: tuple[str, str] | None
    rights: Sequence[Sequence[Right]]


class ArgoCd:
    """Handler of the plugin generator.

    Args:
        inputs: says what is active, if that is certain.
        permission: what the caller needs in every workspace that is asked for.
    """

    def __init__(self, inputs: Inputs, permission: Permission) -> None:
        self._inputs = inputs
        self._permission = permission
        self._found: OrderedDict[Selection, _Found] = OrderedDict()

    async def parameters(self, facade: Facade, asked: Asked) -> Answer:
        """One set of parameters for each active release."""
        body: PluginRequest = asked.body
        named = body.input.parameters
        wanted = Selection(*(_sorted(one) for one in (named.org, named.workspace, named.environment, named.app)))
        found = self._look_up(facade, wanted)
        await self._require_rights(facade, asked, found)
        if found.absent is not None:
            raise errors.not_found(*found.absent)
        return self._inputs.answer(facade, asked.headers, found.workspaces, wanted, _FORM)

    def _look_up(self, facade: Facade, wanted: Selection) -> _Found:
        """What the selection names now; looked up again after any change."""
        moves = facade.catalog.moves
        known = self._found.get(wanted)
        if known is not None and known.moves == moves:
            return known
        workspaces = _workspaces(facade, wanted)
        rights = [self._permission.in_namespace(one.namespace) for one in workspaces]
        self._found[wanted] = made = _Found(moves, workspaces, _absent(workspaces, wanted), rights)
        self._found.move_to_end(wanted)
        if len(self._found) > MAX_SELECTIONS:
            self._found.popitem(last=False)
        return made

    async def _require_rights(self, facade: Facade, asked: Asked, found: _Found) -> None:
        """Raises ApiError 403 if the caller may not read one of the workspaces.

        Who asks for what does not exist needs the right to read everything: else an answer would tell outsiders what
        does exist.
        """
        missing = await self._missing(facade, asked, self._permission.in_namespace(""))
        if not missing:
            return
        if found.absent is not None or not found.workspaces or len(found.workspaces) > MAX_REVIEWED:
            raise errors.forbidden(self._permission.name, *missing)
        # Each question costs a task: what is known of the caller is not asked.
        known = facade.access.known_allowed
        unknown = [one for one in found.rights if not all(known(asked.caller, right) for right in one)]
        for one in await asyncio.gather(*(self._missing(facade, asked, rights) for rights in unknown)):
            if one:
                raise errors.forbidden(self._permission.name, *one)

    @staticmethod
    async def _missing(facade: Facade, asked: Asked, rights: Iterable[Right]) -> tuple[str, str] | None:
        for right in rights:
            if not await facade.access.allowed(asked.caller, right, asked.upstream):
                return right.verb, right.resource
        return None


def _sorted(named: str | list[str] | None) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else tuple(sorted(set(named or ())))


def _workspaces(facade: Facade, wanted: Selection) -> list[Workspace]:
    return [
        one
        for one in facade.catalog.workspaces()
        if (not wanted.orgs or one.org in wanted.orgs) and (not wanted.workspaces or one.workspace in wanted.workspaces)
    ]


def _absent(found: Sequence[Workspace], wanted: Selection) -> tuple[str, str] | None:
    """An organisation or workspace that is named and not there."""
    for kind, named, there in (
        ("org", wanted.orgs, {one.org for one in found}),
        ("workspace", wanted.workspaces, {one.workspace for one in found}),
    ):
        for name in named:
            if name not in there:
                return kind, name
    return None


def _body(_count: int, sets: bytes) -> bytes:
    return b'{"output":{"parameters":[' + sets + b"]}}"


_FORM: Final = Form("argocd", _body)
