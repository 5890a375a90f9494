"""Which context of which kubeconfig is meant, and which Namespace: as kubectl has it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from moorage_crds.kube.session import ClusterConfigError, connect


def _written(path: Path, current: str | None, **namespaces: str | None) -> Path:
    """A kubeconfig of contexts by name, each of a cluster whose address is that of the file."""
    cluster = f"in-{path.name}"
    contexts = {
        name: {"cluster": cluster, "user": cluster, **({"namespace": namespace} if namespace else {})}
        for name, namespace in namespaces.items()
    }
    content: Mapping[str, Any] = {
        **({"current-context": current} if current else {}),
        "clusters": [{"name": cluster, "cluster": {"server": f"https://{path.name}.example.com"}}],
        "users": [{"name": cluster, "user": {"token": "secret"}}],
        "contexts": [{"name": name, "context": context} for name, context in contexts.items()],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(("context", "namespace"), [(None, "shop"), ("other", "default")])
async def test_the_namespace_is_the_one_of_the_context(tmp_path: Path, context: str | None, namespace: str) -> None:
    path = _written(tmp_path / "one", "mine", mine="shop", other=None)
    async with connect(path, context=context) as cluster:
        assert cluster.namespace == namespace


async def test_a_context_that_is_not_there_is_no_way_to_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(ClusterConfigError, match="unknown"):
        async with connect(_written(tmp_path / "one", "mine", mine="shop"), context="unknown"):
            pass


@pytest.mark.parametrize(
    ("first", "second", "server", "namespace"),
    [("a", "b", "one", "shop"), (None, "b", "two", "bar"), ("b", "a", "two", "bar"), (None, "a", "one", "shop")],
)
async def test_of_several_files_the_first_that_names_a_context_wins(
    tmp_path: Path, first: str | None, second: str | None, server: str, namespace: str
) -> None:
    files = [
        tmp_path / "gone",
        _written(tmp_path / "one", first, a="shop"),
        _written(tmp_path / "two", second, b="bar"),
    ]
    async with connect(Path(os.pathsep.join(map(str, files)))) as cluster:
        assert (cluster.server, cluster.namespace) == (f"https://{server}.example.com", namespace)


async def test_of_two_contexts_of_one_name_the_first_counts(tmp_path: Path) -> None:
    files = [_written(tmp_path / "one", None, mine="shop"), _written(tmp_path / "two", "mine", mine="other")]
    async with connect(Path(os.pathsep.join(map(str, files)))) as cluster:
        assert (cluster.server, cluster.namespace) == ("https://one.example.com", "shop")
