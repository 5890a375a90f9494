"""The policy of ClusterFreezes, made from the one of Freezes: the same windows, but also the workspaces it is about."""

from typing import Final

SOURCE: Final = "freezes.yaml"
NAME: Final = "clusterfreezes.yaml"

_NOTE: Final = "# Generated from freezes.yaml by `make generate`. Do not edit.\n"
_ABOUT: Final = "      (!has(params.spec.environments)"
_LABELS: Final = "namespaceObject.metadata.labels"
_CLAIM: Final = f"{_LABELS}['moorage.dev/org'] + '/' + {_LABELS}['moorage.dev/workspace']"
_WORKSPACES: Final = (
    f"      (!has(params.spec.workspaces) || has({_LABELS}) && 'moorage.dev/org' in {_LABELS} && "
    f"'moorage.dev/workspace' in {_LABELS}\n      && ({_CLAIM}) in params.spec.workspaces)\n"
    "      && (!has(params.spec.environments)"
)
#: What differs, in the order in which it is replaced.
_CHANGES: Final = (
    ("freezes.moorage.dev", "clusterfreezes.moorage.dev"),
    ("freezes-observed.moorage.dev", "clusterfreezes-observed.moorage.dev"),
    ("kind: Freeze}", "kind: ClusterFreeze}"),
    ("'freeze/'", "'clusterfreeze/'"),
    ("frozen by freeze/", "frozen by clusterfreeze/"),
    (_ABOUT, _WORKSPACES),
)


def text(source: str) -> str:
    """The policy of ClusterFreezes.

    Args:
        source: the policy of Freezes, YAML.

    Raises:
        ValueError: something that has to differ is not there any more.
    """
    for before, after in _CHANGES:
        if before not in source:
            message = f"{SOURCE} does not say {before!r} any more, which {NAME} has to say differently"
            raise ValueError(message)
        source = source.replace(before, after)
    return _NOTE + source
