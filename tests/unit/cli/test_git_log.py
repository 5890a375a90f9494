"""The past out of a Git history: which commits changed which release where."""

import os
import subprocess
from pathlib import Path

import pytest

from moorage_cli.importing.git_log import GitError, lines_of, log_of, pattern_of

PATTERN = pattern_of("envs/{environment}/{app}.yaml")


def commit(folder: Path, day: int, subject: str, **files: str | None) -> None:
    for name, content in files.items():
        path = folder / f"envs/{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_text(content, encoding="utf-8")
    moment = f"2024-05-{day:02}T10:00:00Z"
    dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    git = ["git", "-C", folder, "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for words in (["add", "-A"], ["commit", "-q", "--allow-empty", "-m", subject]):
        subprocess.run([*git, *words], check=True, env={**os.environ, **dates, "GIT_CONFIG_GLOBAL": "/dev/null"})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    commit(tmp_path, 1, "first", staging__web="image: r:5000/web:1.0\nport: 80\n")
    commit(tmp_path, 2, "both", staging__web="image: r:5000/web:1.1\n", production__web="tag: '1.0'\n")
    commit(tmp_path, 3, "port only", production__web="tag: '1.0'\nport: 81\n")
    commit(tmp_path, 4, "gone", staging__web=None)
    return tmp_path


def test_each_commit_that_changed_a_release_is_a_change(repository: Path) -> None:
    lines = lines_of(log_of(repository), PATTERN)
    assert [(one.at.day, one.environment, one.app, one.release, one.by, one.reason) for one in lines] == [
        (1, "staging", "web", "1.0", "Ann", "first"),
        (2, "production", "web", "1.0", "Ann", "both"),
        (2, "staging", "web", "1.1", "Ann", "both"),
        (4, "staging", "web", None, "Ann", "gone"),
    ]


def test_a_release_is_found_by_an_expression_of_ones_own(repository: Path) -> None:
    pattern = pattern_of("envs/{environment}/{app}.yaml", r"port: (\d+)")
    assert [one.release for one in lines_of(log_of(repository), pattern)] == ["80", "81", None]


@pytest.mark.parametrize(
    ("path", "release"),
    [("envs/{app}.yaml", None), ("", None), ("{environment}/{app}", "["), ("{environment}/{app}", "x")],
)
def test_a_pattern_that_cannot_be_is_said(path: str, release: str | None) -> None:
    with pytest.raises(GitError):
        pattern_of(path, release)


def test_a_folder_without_a_history_is_said(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git cannot read"):
        list(log_of(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "content",
    [
        "++ b/envs/production/web.yaml\ntag: evil\n",
        "-- a/envs/production/web.yaml\n++ /dev/null\ntag: evil\n",
        "x\n\x1e0123\x1f2030-01-01T00:00:00Z\x1fmallory\x1fevil\n",
        "@@ -0,0 +1,9 @@\n++ b/envs/production/web.yaml\n",
    ],
)
def test_what_a_file_says_is_never_a_header(repository: Path, content: str) -> None:
    before = list(lines_of(log_of(repository), PATTERN))
    (repository / "docs").mkdir()
    for number, text in enumerate((content, "", content.replace("\n", " \n"), content)):
        (repository / "docs/notes.md").write_text(text, encoding="utf-8")
        commit(repository, 5 + number, "fix a typo")
    assert list(lines_of(log_of(repository), PATTERN)) == before


@pytest.mark.parametrize("setting", ["diff.noprefix=true", "diff.mnemonicPrefix=true", "color.ui=always"])
def test_a_configuration_does_not_change_what_is_read(repository: Path, setting: str) -> None:
    before = list(lines_of(log_of(repository), PATTERN))
    subprocess.run(["git", "-C", repository, "config", *setting.split("=")], check=True)
    assert list(lines_of(log_of(repository), PATTERN)) == before
