"""Terminals in which people type commands on a real cluster: by a client certificate, by a token, and by REST."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster import LiveCluster, Workspace
from services import Facade

from moorage_cli.people import completion, shell
from moorage_cli.people.model import Exit
from moorage_dev import kubeconfigs, pki

#: Differ from workspace to workspace.
OWN = ("deployment_id", "at", "since", "healthy_at")
WAYS = ("certificate", "token", "rest")
#: An end that no test lives to see.
END = "2999-01-01T00:00:00Z"
#: Of a workspace with rules.
MEMBERS = {"alice": "moorage-deployer", "user-01": "moorage-release-manager"}
MANAGER = "user-01"
#: The modules that give `shell` its commands.
MODULES = completion.MODULES


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a user types commands.

    Attributes:
        environ: what its environment says about the cluster.
        flags: what is said with every command.
        capsys: takes what the commands write.
    """

    environ: Mapping[str, str]
    flags: tuple[str, ...]
    capsys: pytest.CaptureFixture[str]

    def __call__(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        self.capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("KUBECONFIG", "MOORAGE_URL", "MOORAGE_TOKEN", "MOORAGE_WORKSPACE"):
                patch.delenv(name, raising=False)
            for name, value in self.environ.items():
                patch.setenv(name, value)
            code = shell.run(verb, [*arguments, *self.flags])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def rows(self, verb: str, *arguments: str) -> list[dict[str, Any]]:
        """The rows of an answer, without what differs from workspace to workspace."""
        code, out, err = self(verb, *arguments, "-o", "json")
        assert code == Exit.DONE, err
        return [{key: value for key, value in row.items() if key not in OWN} for row in json.loads(out)]


Terminals = Callable[..., Terminal]


def terminals(cluster: LiveCluster, facade: Facade, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Terminals:
    """Makes the terminal of a user for one way; a fixture."""

    def make(way: str, space: Workspace, user: str = "alice") -> Terminal:
        if way == "rest":
            environ = {"MOORAGE_URL": facade.service.url, "MOORAGE_TOKEN": cluster.token(user)}
            return Terminal(environ, ("-w", f"{space.org}/{space.name}"), capsys)
        config = tmp_path / f"{way}-{user}"
        if way == "token":
            kubeconfigs.with_token(config, cluster.endpoint, user=user, token=cluster.token(user))
        else:
            # The cluster's own authority, as an administrator has it who signs certificates for people.
            authority = pki.Authority(cluster.control_plane.folder / "pki")
            certificate, key = authority.issue_client(f"client-{user}", user=user)
            kubeconfigs.with_certificate(config, cluster.endpoint, user=user, certificate=certificate, key=key)
        return Terminal({"KUBECONFIG": str(config)}, ("-n", space.namespace), capsys)

    return make


def parts(rows: list[dict[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    """Some keys of rows."""
    return [tuple(row[key] for key in keys) for row in rows]


def answered(found: tuple[int, str, str], *keys: str) -> tuple[int, list[tuple[Any, ...]], str]:
    """Exit code, some keys of the JSON that was answered, errors."""
    code, out, err = found
    return code, parts(json.loads(out), *keys), err
