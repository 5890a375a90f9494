"""Where `--output` and `--write-anchor` write: whole files, and whatever else there is under that name."""

import os
import stat
import threading
from pathlib import Path

import pytest

from moorage_cli.commands import InputError, _written
from moorage_dev import patience


def write(path: Path, text: str) -> None:
    with _written(path) as out:
        out.write(text)


def break_off(path: Path) -> None:
    with _written(path) as out:
        out.write("half of the n")
        raise RuntimeError


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "history.jsonl"
    with _written(target) as out:
        out.write("one\n")
        assert not target.exists()
    assert target.read_text() == "one\n"
    assert [one.name for one in tmp_path.iterdir()] == ["history.jsonl"]


def test_a_file_stays_what_it_was_if_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "tips.jsonl"
    target.write_text("old\n")
    with pytest.raises(RuntimeError):
        break_off(target)
    assert target.read_text() == "old\n"
    assert [one.name for one in tmp_path.iterdir()] == ["tips.jsonl"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "tips-1.jsonl", tmp_path / "tips.jsonl"
    target.write_text("old\n")
    link.symlink_to(target)
    write(link, "new\n")
    assert link.is_symlink()
    assert target.read_text() == "new\n"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe, "one\n")
    reader.join(patience.scaled(5))
    assert heard == ["one\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("path", ["/no/such/folder/x.csv", "/dev/null/x"])
def test_where_nothing_can_be_written_is_said(path: str) -> None:
    with pytest.raises(InputError, match=path):
        write(Path(path), "")
