"""The image runs as a locked-down cluster runs it: not root, nothing to write to, no shell, no right to gain."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import LiveCluster, Workspaces
from waiting import eventually

from moorage_dev import children, foreign, patience, ports
from moorage_dev.buildah import Buildah, Container
from moorage_dev.layout import ROOT
from moorage_dev.rest_client import RestClient

NAMESPACE = "moorage-system"


def run(container: Container, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `moorage …` in the container until it ends."""
    environment = {"MOORAGE_KUBECONFIG": str(kubeconfig)} if kubeconfig else {}
    command = container.command(*arguments, environment=environment, files=[kubeconfig] if kubeconfig else [])
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience.scaled(60))


def python(container: Container, script: str) -> str:
    """What a script prints that the image's Python runs."""
    configuration = {**container.configuration, "Entrypoint": ["python", "-c"]}
    command = Container(container.root, configuration).command(script, environment={})
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience.scaled(60)).stdout


@pytest.fixture
def kubeconfig(cluster: LiveCluster) -> Path:
    """The operator's own account, readable for the user of the image."""
    token = cluster.service_account_token(NAMESPACE, "moorage-operator")
    path = cluster.kubeconfig("in-image-operator", token)
    path.chmod(0o644)
    return path


@pytest.fixture
def facade_kubeconfig(cluster: LiveCluster) -> Path:
    """The facade's own account, readable for the user of the image."""
    token = cluster.service_account_token(NAMESPACE, "moorage-api")
    path = cluster.kubeconfig("in-image-api", token)
    path.chmod(0o644)
    return path


def test_configuration_says_who_runs_and_what(container: Container) -> None:
    configuration = container.configuration
    user, _, group = configuration["User"].partition(":")
    assert min(int(user), int(group)) >= 10000
    assert configuration["Entrypoint"] == ["moorage"]
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.version"] == "0.1.0-test"
    assert labels["org.opencontainers.image.revision"] == "abcdef"


def test_programs_are_of_the_architecture_that_was_asked_for(container: Container, buildah: Buildah) -> None:
    asked = buildah.architecture
    wanted = foreign.machine(asked) if asked else os.uname().machine
    assert python(container, "import os; print(os.uname().machine)").strip() == wanted


def test_version_needs_neither_shell_nor_disk_nor_cluster(container: Container) -> None:
    done = run(container, "version")
    assert (done.returncode, done.stdout) == (0, "moorage 0.1.0\n"), done.stderr


def test_the_only_program_is_python_and_what_it_runs(container: Container) -> None:
    """So there is neither a shell nor a package manager, whatever they may be called."""
    folders = [container.root / name for name in ("usr/bin", "usr/sbin", "usr/local/bin", "opt/moorage/bin")]
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if not path.is_symlink()]
    programs = {path.name: path.read_bytes()[:64] for path in found if path.stat().st_mode & 0o111}
    assert "moorage" in programs
    others = {name for name, start in programs.items() if not re.match(rb"#![^\n]*python", start)}
    assert [name for name in others if not re.fullmatch(r"python3\.\d+", name)] == []
    assert len(others) == 1


def test_it_is_locked_down_as_the_other_tests_believe(container: Container) -> None:
    script = (
        "import os, subprocess\n"
        "print(os.getuid(), os.getgid(), os.getgroups())\n"
        "for path in ('/opt/moorage/x', '/etc/x', '/x'):\n"
        "    try: open(path, 'w'); print('wrote', path)\n"
        "    except OSError as error: print(error.strerror)\n"
        "try: subprocess.run(['/bin/sh', '-c', 'true'])\n"
        "except OSError as error: print(error.strerror)\n"
        "print([line for line in open('/proc/self/status') if line.startswith(('CapEff', 'NoNewPrivs'))])\n"
    )
    assert python(container, script).splitlines() == [
        "10001 10001 []",
        *["Read-only file system"] * 3,
        "No such file or directory",
        "['CapEff:\\t0000000000000000\\n', 'NoNewPrivs:\\t1\\n']",
    ]


def test_preflight_finds_everything_in_place(
    container: Container, kubeconfig: Path, cluster: LiveCluster, workspace: Workspaces
) -> None:
    workspace("production")
    done = run(container, "preflight", kubeconfig=kubeconfig)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deployments-changelog.moorage.dev" in done.stdout


def test_preflight_says_which_rights_are_missing(container: Container, facade_kubeconfig: Path) -> None:
    done = run(container, "preflight", kubeconfig=facade_kubeconfig)
    assert done.returncode == 1
    assert "it lacks" in done.stdout


@pytest.fixture
def processes(
    container: Container, kubeconfig: Path, facade_kubeconfig: Path, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Operator and facade out of the image: name → URL of its probes."""
    operator, facade, metrics = ports.free(3)
    accounts = {"operator": (kubeconfig, operator, operator), "api": (facade_kubeconfig, facade, metrics)}
    started = []
    for name, (path, port, metrics_port) in accounts.items():
        settings = {
            "MOORAGE_KUBECONFIG": str(path),
            "MOORAGE_NAMESPACE": NAMESPACE,
            "MOORAGE_BIND_HOST": "127.0.0.1",
            "MOORAGE_METRICS_PORT": str(metrics_port),
            **({"MOORAGE_PORT": str(port)} if name == "api" else {}),
        }
        command = container.command(name, environment=settings, files=[path])
        started.append(children.spawn(f"image-{name}", command, log=tmp_path / f"{name}.log"))
    yield {name: f"http://127.0.0.1:{port}" for name, (_, port, _) in accounts.items()}
    for child in started:
        children.stop(child)


def test_both_processes_become_ready(processes: dict[str, str]) -> None:
    clients = [RestClient(url, None, timeout=3) for url in processes.values()]
    for client in clients:
        eventually(client.ready, 60)
        client.close()


def test_what_is_installed_is_what_is_locked(container: Container) -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    [site] = (container.root / "opt/moorage/lib").glob("python3.*/site-packages")
    present = {path.name.split("-")[0].lower().replace("_", "-").replace(".", "-") for path in site.glob("*.dist-info")}
    # Some of what is locked is for other systems.
    assert present - locked == {"moorage"}
    assert {"aiohttp", "kopf", "kubernetes", "pydantic"} <= present
