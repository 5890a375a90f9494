"""When may an answer be given to a tool that prunes what is missing in it? Pure.

Argo CD and Flux delete what an empty or short 200 leaves out, and change nothing after an error.
So whatever is not certain is an error: every function here returns the sentence of a 503, or None.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from moorage_api.cache.line import Line
from moorage_api.cache.views import BindingView

#: Place of a binding: Namespace and name. A binding that is made again has the same one.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a binding that was in the last answer and is not in this one.

    Attributes:
        binding: the Deployment of that name, if there is one.
        last: the newest line of the history of the Deployment that was answered.
        name: of the Deployment.
        vanished: a list does not show it or its Namespace any more, and no watch said that this was deleted.
    """

    binding: BindingView | None
    last: Line | None
    name: str = ""
    vanished: bool = False

    @property
    def explained(self) -> bool:
        """The history says that somebody took the release out.

        A line without a record counts only while the Deployment is there: then the API server stamped it.
        Without the Deployment it is a guess of this cache, made because a list did not show it any more.
        """
        if self.binding is not None and self.binding.release is not None:
            return False
        return self.last is not None and self.last.release is None and (self.last.recorded or self.binding is not None)


def too_old(stale_seconds: float, bound: float) -> str | None:
    """Whether the cache is older than an answer may be.

    Args:
        stale_seconds: how old it may be.
        bound: seconds.
    """
    if stale_seconds <= bound:
        return None
    return f"The cluster has not been heard of for {stale_seconds:.0f} s; the bound for this answer is {bound:.0f} s"


def spoiled(left_out: Sequence[tuple[str, str, str]]) -> str | None:
    """Whether something is there that cannot be read, so that a release may be missing.

    Args:
        left_out: kind, Namespace and name of each.
    """
    if not left_out:
        return None
    kind, namespace, name = left_out[0]
    return f"{kind}/{name} in {namespace} cannot be read, so a release may be missing; the facade's log says why"


def unproved(bindings: Iterable[tuple[BindingView, Line | None]]) -> str | None:
    """Why an answer would be a stale read: the history of a binding does not yet reach its release. None if all do.

    Args:
        bindings: the active ones, each with the newest line of its history.
    """
    for binding, line in bindings:
        if line is None or line.release != binding.release:
            return f"The history of {binding.name} does not reach its release here yet; try again"
    return None


def shrunken(before: int, gone: Iterable[Trace]) -> str | None:
    """Whether more than half of the last answer is gone without the history saying why.

    Args:
        before: how many releases the last answer to the same selection had.
        gone: traces of those that this one would not have.
    """
    unexplained = sum(1 for one in gone if not one.explained)
    if 2 * unexplained <= before:
        return None
    return (
        f"{unexplained} of {before} releases of the last answer are gone, and the history does not say that they "
        "were undeployed; nothing is answered until it does, or until this facade is restarted"
    )


def vanished(gone: Iterable[Trace]) -> str | None:
    """Whether a release is missing only because a list does not show it, or not its Namespace.

    Neither a watch nor the history says why. A list that is wrong (of a cluster that has lost data, say) is followed by
    a watch that brings some of it back; so no share of it may be missing.

    Args:
        gone: traces of those that the last answer had and this one would not have.
    """
    for one in gone:
        if one.vanished and not one.explained:
            return (
                f"A list of the cluster does not show {one.name} any more, or not its Namespace, and neither a watch "
                "nor the history says that it was deleted; nothing is answered until an operator records it, or this "
                "facade is restarted"
            )
    return None


def orphaned(gone: Iterable[Trace], known: Collection[Place], namespaces: Collection[str]) -> str | None:
    """Whether a release is missing only because its Environment is: the Deployment still has it.

    Args:
        gone: traces of those that the last answer had and this one would not have.
        known: Namespace and name of the environments that this one is made of.
        namespaces: of the workspaces that are asked for.
    """
    for one in gone:
        binding = one.binding
        if binding is None or binding.release is None or binding.namespace not in namespaces:
            continue
        if (binding.namespace, binding.environment) not in known:
            return (
                f"The Environment {binding.environment} is gone, and {binding.name} still has a release in it: "
                "undeploy it, make the Environment again, or restart this facade"
            )
    return None
