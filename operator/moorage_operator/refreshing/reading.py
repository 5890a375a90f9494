"""Raw object → what asks to be told of new releases. Pure."""

from moorage_crds.kinds.refresh import followed
from moorage_crds.objects import RawObject, mapping, metadata
from moorage_operator.facts import Refreshable


def refreshable_of(resource: str, raw: RawObject) -> Refreshable:
    """Read an object that carries the label of refreshes.

    Args:
        resource: `<plural>.<group>`.
        raw: as the API server sent it.

    Raises:
        KeyError, TypeError: it is not an object of Kubernetes.
    """
    meta = metadata(raw)
    follows, problem = followed(meta["namespace"], mapping(meta.get("annotations")))
    return Refreshable(resource, meta["namespace"], meta["name"], meta["uid"], follows, problem)
