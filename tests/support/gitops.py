"""A workspace whose environments are declared in Git, as the examples do it."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from cluster import Workspace
from git_server import Repository

from moorage_dev.layout import ROOT

Object = dict[str, Any]
EXAMPLES = ROOT / "examples"
ENVIRONMENTS = ("development", "production")
#: App → release, in every environment at first.
FIRST: Mapping[str, str | None] = {"web-shop": "1", "checkout": "1"}


class DeclaredShop:
    """A workspace, and a repository with the folders of examples/kustomize for it.

    Args:
        here: the workspace; nothing is in it yet.
        repository: the one that is served.
    """

    def __init__(self, here: Workspace, repository: Repository) -> None:
        self.here = here
        self.repository = repository
        #: Folder in the repository: several workspaces may share it.
        self.folder = f"shop-{secrets.token_hex(3)}"
        for environment in ENVIRONMENTS:
            source = EXAMPLES / "kustomize" / environment
            files = {
                f"{self.folder}/{environment}/{path.name}": self._text(path)
                for path in sorted(source.iterdir())
                if path.name != "releases.yaml"
            }
            repository.commit({**files, **self._releases(environment, FIRST)})

    def declare(self, environment: str, releases: Mapping[str, str | None], *, extra: str = "") -> str:
        """Commit which release of which app is there, and nothing else; the id of the commit.

        Args:
            environment: one of `ENVIRONMENTS`.
            releases: app → release; None leaves the Deployment without one.
            extra: lines at the end of each Deployment.
        """
        return self.repository.commit(self._releases(environment, releases, extra))

    def declare_everywhere(self, releases: Mapping[str, str | None]) -> str:
        """`declare` for all environments in one commit; its id."""
        files: dict[str, str] = {}
        for environment in ENVIRONMENTS:
            files |= self._releases(environment, releases)
        return self.repository.commit(files)

    def unite(self) -> str:
        """Commit one unit for both environments, which the examples advise against; the id of the commit."""
        unit = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        text = yaml.safe_dump({**unit, "resources": list(ENVIRONMENTS)})
        return self.repository.commit({f"{self.folder}/kustomization.yaml": text})

    def head(self) -> str:
        """Id of the last commit."""
        return self.repository.head()

    def change(self, environment: str, why: str) -> str:
        """Commit something that Moorage does not look at; the id of the commit."""
        return self.repository.commit({f"{self.folder}/{environment}/README.md": why})

    def release(self, name: str) -> str | None:
        """Release of a Deployment as the cluster has it now; None without one."""
        found = self.here.get("deployments", name)
        return found["spec"].get("release") if found else None

    def history(self, name: str) -> list[tuple[str | None, str | None]]:
        """(release, by whom) of each record of a Deployment, oldest first."""
        return [(spec.get("release"), spec.get("by")) for spec in self.here.records(name)]

    def _releases(self, environment: str, releases: Mapping[str, str | None], extra: str = "") -> dict[str, str]:
        documents = [
            {
                "apiVersion": "moorage.dev/v1",
                "kind": "Deployment",
                "metadata": {"name": f"{environment}.{app}"},
                "spec": {"environment": environment, "app": app, **({"release": release} if release else {})},
            }
            for app, release in releases.items()
        ]
        text = "---\n".join(yaml.safe_dump(document, sort_keys=False) + extra for document in documents)
        return {f"{self.folder}/{environment}/releases.yaml": text}

    def _text(self, path: Path) -> str:
        return path.read_text(encoding="utf-8").replace("example-shop", self.here.namespace)


def example(path: str, kind: str, name: str) -> Object:
    """One object of a file below examples/."""
    documents = yaml.safe_load_all((EXAMPLES / path).read_text(encoding="utf-8"))
    [found] = [one for one in documents if one["kind"] == kind and one["metadata"]["name"] == name]
    return dict(found)
