"""Taking a binding out of an environment that goes: undeploy it, wait for the record, delete it; in the caller's name.

Used by the removal of an environment, and by a deploy that came too late for its environment.
"""

from collections.abc import Callable, Iterable
from typing import Final

from moorage_api.cache.views import BindingView
from moorage_api.changes.fresh_reads import Found, Live
from moorage_api.changes.writer import MAX_TRIES, Writer, ref
from moorage_api.contract import errors, idempotency
from moorage_api.operation import Facade
from moorage_api.reads import translate
from moorage_crds.store import ConflictError, NotFoundError

REMOVAL_REASON: Final = "environment deleted"
#: A DELETE that means a state of an object names its version, and labels change the version too: attempts
#: before the answer is "busy". A client that changes labels all the time loses most of these races.
DELETE_TRIES: Final = 25


class Emptying:
    """The steps of one call."""

    def __init__(self, facade: Facade, writer: Writer) -> None:
        self._catalog = facade.catalog
        self._clock = facade.clock
        self._writer = writer
        self._live = Live(facade.catalog, writer)

    async def undeploy(self, found: Found, *, dry_run: bool = False) -> None:
        """Take the release out, whichever it is by now. Raises ApiError."""
        current = found
        for _ in range(MAX_TRIES):
            view = current.view
            if view is None or view.release is None:
                return
            if view.deleting:
                raise errors.being_deleted(f"The Deployment {view.name}", view.finalizers)
            try:
                await self.undeploy_exactly(view, current, dry_run=dry_run)
            except (ConflictError, NotFoundError):
                current = await self._live.binding(ref(view), view)
                continue
            return
        raise errors.busy("Others are changing an app of this environment; try again")

    async def undeploy_exactly(self, view: BindingView, found: Found, *, dry_run: bool = False) -> BindingView:
        """Take out the release of exactly that state.

        Raises:
            ConflictError, NotFoundError: it is in another state.
            ApiError: every other refusal.
        """
        note = translate.note(reason=REMOVAL_REASON, request_id=idempotency.random_request_id(), action=None)
        raw = await self._writer.change_release(view, None, note, tests=found.tests, dry_run=dry_run)
        changed = self._catalog.read.binding(raw)
        if not dry_run:
            self._catalog.bindings.wrote(changed)
        return changed

    async def delete(self, binding: BindingView) -> None:
        """Delete it, unless somebody deployed in between: that needs an undeploy with a name first. Raises ApiError."""
        current: BindingView | None = binding
        for _ in range(DELETE_TRIES):
            if current is None or current.release is not None or current.deleting:
                return
            try:
                held = await self._writer.delete(current, exact=True, dry_run=False)
            except ConflictError:
                current = (await self._live.binding(ref(current), current)).view
                continue
            except NotFoundError:
                held = None
            if held is None:
                self._catalog.bindings.deleted(current)
            else:
                self._catalog.bindings.wrote(self._catalog.read.binding(held))
            return

    async def wait(
        self, bindings: Callable[[], Iterable[BindingView]], pending: Callable[[BindingView], bool], *, patience: float
    ) -> bool:
        """Wait until none of the bindings is `pending`, as our own watch tells.

        Args:
            bindings: the bindings as they are by now.
            pending: what is waited for, of one of them.
            patience: how long nothing may come nearer, in seconds.

        Returns:
            False if some still are.
        """
        versions = self._catalog.bindings.versions
        left = _count(bindings(), pending)
        deadline = self._clock.monotonic() + patience
        while left:
            seconds = deadline - self._clock.monotonic()
            if seconds <= 0:
                return False
            await versions.wait_for_next(seconds)
            now = _count(bindings(), pending)
            if now < left:
                deadline = self._clock.monotonic() + patience
            left = now
        return True


def unrecorded(binding: BindingView) -> bool:
    """Whether changes of it have no record yet: it cannot be deleted before."""
    return binding.last_sequence > binding.recorded


def _count(bindings: Iterable[BindingView], pending: Callable[[BindingView], bool]) -> int:
    return sum(1 for binding in bindings if pending(binding))
