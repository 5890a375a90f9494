"""A stranger's first steps, in copies of this tree: `make demo`, the README's commands as written, `make down`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.cluster


class Checkout:
    """A copy of the tree with the virtual environment of the original."""

    def __init__(self, place: Path) -> None:
        self.place = place
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            source = ROOT / name
            if source.is_file():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place / name)
        (place / ".venv").symlink_to(ROOT / ".venv")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a bash command as a person would who has no settings of ours."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "KUBE", "PYTHON"))}
        return subprocess.run(
            ["bash", "-c", command], cwd=self.place, env=mine, capture_output=True, text=True, check=False
        )

    def make(self, target: str, settings: str = "") -> subprocess.CompletedProcess[str]:
        """Run a make target without touching the shared virtual environment."""
        return self.run(f"{settings} make --no-print-directory -o .venv/.installed {target}")

    def pids(self) -> dict[str, int]:
        """The processes that `make up` names in its pid files."""
        run = self.place / "dev/.run"
        return {name: int((run / f"{name}.pid").read_text()) for name in ("etcd", "apiserver", "operator", "api")}


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def shell_blocks(page: str) -> list[str]:
    """The commands of a page; what is fenced as `console` is output and not run."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    if os.environ.get("MOORAGE_KUBECONFIG"):
        pytest.skip("MOORAGE_KUBECONFIG is set: the demo of a new user is only played on a control plane of its own")
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    yield made
    made.make("down")


@pytest.fixture(scope="module")
def demo(checkout: Checkout) -> str:
    return checked(checkout.make("demo"))


def test_demo_plays_its_story_to_the_end_and_leaves_everything_running(checkout: Checkout, demo: str) -> None:
    assert_story(demo)
    assert all(alive(pid) for pid in checkout.pids().values())


def assert_story(demo: str) -> None:
    """Releases came by three doors, one was refused, one failed and went, and the history says so."""
    came = [
        ("alice", "rollback", "2.6.0", "2.5.0", "healthy"),
        ("alice", "deploy", "2.5.0", "2.6.0", "failed"),
        ("ci-bot", "deploy", "2.4.2", "2.5.0", "healthy"),
        ("alice", "deploy", "2.4.1", "2.4.2", "healthy"),
        ("bob", "deploy", "2.4.0", "2.4.1", "healthy"),
    ]
    moment = r"\n\d{4}-\d\d-\d\dT\S+Z +"
    assert re.search("".join(moment + " +".join(map(re.escape, line)) + " .*" for line in came), demo), demo
    assert demo.count("production is frozen by freeze/weekend: nobody is on call") >= 2
    assert "Stop it with: make down" in demo


def test_demo_is_short_and_plain(demo: str) -> None:
    assert len(demo.splitlines()) <= 120
    assert "\033" not in demo


def test_pods_of_the_demo_roll(demo: str) -> None:
    if "and a node" not in demo:
        pytest.skip("NOT RUN: no node can run here, and what the demo says without one is tested below")
    running = re.findall(r"^web-shop-\S+ +localhost/northwind/web-shop:(\S+) +true ", demo, re.MULTILINE)
    assert running == [release for release in ("2.4.0", "2.4.1", "2.4.2", "2.5.0", "2.5.0", "2.5.0") for _ in range(2)]
    assert len(re.findall(r":2\.6\.0 +false +ErrImageNeverPull", demo)) == 1


def test_second_up_changes_nothing_and_says_so(checkout: Checkout, demo: str) -> None:
    before = checkout.pids()
    assert "running" in checked(checkout.make("up"))
    assert checkout.pids() == before


def test_second_demo_works_too(checkout: Checkout, demo: str) -> None:
    assert "Stop it with: make down" in checked(checkout.make("demo"))


def test_commands_of_the_readme_run_as_written(checkout: Checkout, demo: str) -> None:
    two_commands, by_kubectl, by_rest = shell_blocks("README.md")
    assert "make demo" in two_commands
    assert "make test" in two_commands
    output = checked(checkout.run(f"set -e\n{by_kubectl}\n{by_rest}"))
    assert '"error"' not in output
    assert "Environment deleted successfully" in output


@pytest.mark.parametrize("page", ["docs/rest.md", "docs/kubectl.md", "docs/everyday.md"])
def test_commands_of_the_guides_run_as_written(page: str, checkout: Checkout, demo: str) -> None:
    checked(checkout.run("set -e\n" + "\n".join(shell_blocks(page))))


def test_commands_that_the_demo_suggests_work(checkout: Checkout, demo: str) -> None:
    suggested = demo.split("Try next (in this folder):", 1)[1].split("Stop it with", 1)[0]
    commands = "\n".join(line for line in suggested.splitlines() if "--watch" not in line)
    checked(checkout.run(f"set -e\n{commands}"))


def test_two_checkouts_do_not_collide_and_down_stops_exactly_its_own(
    checkout: Checkout, demo: str, tmp_path: Path
) -> None:
    first = checkout.pids()
    other = Checkout(tmp_path / "other")
    try:
        by_hand = checked(other.make("demo", "NODE=0"))
        assert "No pods run here" in by_hand
        assert_story(by_hand)
        second = other.pids()
        assert not set(first.values()) & set(second.values())
    finally:
        checked(other.make("down"))
    assert not any(alive(pid) for pid in second.values())
    assert all(alive(pid) for pid in first.values())
    checked(other.make("down"))


def test_down_stops_everything(checkout: Checkout, demo: str) -> None:
    pids = checkout.pids()
    assert "deleted" in checked(checkout.make("down"))
    assert not any(alive(pid) for pid in pids.values())
