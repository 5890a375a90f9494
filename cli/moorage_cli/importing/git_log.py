"""The past out of a Git history: each commit that changed a file of a pattern is a change of a release.

The pattern says where environment and app stand in a path: `envs/{environment}/{app}.yaml`. In the files a regular
expression finds the release; without one it is the value of `tag`, `version` or `release`, or the tag of `image`.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage_cli.replay import Line
from moorage_crds.moments import parse

#: How a release stands in most files: YAML or JSON, quoted or not.
RELEASE: Final = (
    r"""^\s*["']?(?:(?:[a-z_]*tag|version|release|newTag)["']?\s*:\s*["']?|image["']?\s*:\s*["']?\S+:)"""
    r"""([A-Za-z0-9][-+_.:@/A-Za-z0-9]*)["']?,?\s*$"""
)
_PLACES: Final = {"{environment}": r"(?P<environment>[^/]+?)", "{app}": r"(?P<app>[^/]+?)", "*": r"[^/]*?"}
_HEAD: Final = "\x1e"
_FORMAT: Final = "%x1e%H%x1f%cI%x1f%an%x1f%s"
#: How many lines of the old and of the new file follow.
_HUNK: Final = re.compile(r"@@ -[0-9]+(?:,([0-9]+))? \+[0-9]+(?:,([0-9]+))? @@")
_MOST: Final = 512


class GitError(Exception):
    """The history cannot be read. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where releases stand.

    Attributes:
        path: pattern of a whole path, with the groups `environment` and `app`.
        release: finds the release in one line, as its first group.
    """

    path: re.Pattern[str]
    release: re.Pattern[str]


def pattern_of(text: str, release: str | None = None) -> Pattern:
    """Read a pattern. Raises GitError: it lacks a place, or the expression is none."""
    missing = [place for place in ("{environment}", "{app}") if place not in text]
    if missing:
        message = (
            f"the pattern {text!r} has no {' and no '.join(missing)}: say --path 'envs/{{environment}}/{{app}}.yaml'"
        )
        raise GitError(message)
    parts = re.split(r"(\{environment\}|\{app\}|\*)", text)
    try:
        found = re.compile(release or RELEASE)
    except re.error as error:
        message = f"--release {release!r} is not a regular expression: {error}"
        raise GitError(message) from None
    if found.groups < 1:
        message = f"--release {release!r} has no group: put what is the release into parentheses"
        raise GitError(message)
    return Pattern(re.compile("".join(_PLACES.get(part, re.escape(part)) for part in parts)), found)


def log_of(repository: Path) -> Iterator[str]:
    """What Git says of its history, oldest first, line by line.

    Raises:
        GitError: there is no Git, or no repository.
    """
    command = ["git", "-C", str(repository), "log", "--reverse", "--first-parent", "--no-renames", "-m", "-p", "-U0"]
    # Whatever the configuration of the user or of the repository says, this is the form that is read below.
    command += ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    command += [f"--format={_FORMAT}"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as git:  # noqa: S603 — fixed words
            for line in git.stdout or ():
                yield line.decode("utf-8", "replace").rstrip("\n")
            said = git.stderr.read().decode("utf-8", "replace").strip() if git.stderr else ""
    except OSError as error:
        message = f"git cannot be started: {error.strerror}"
        raise GitError(message) from error
    if git.returncode != 0:
        message = f"git cannot read {repository}: {(said.splitlines() or ['unknown'])[-1]}"
        raise GitError(message)


def lines_of(log: Iterable[str], pattern: Pattern) -> Iterator[Line]:
    """The changes of releases in a log, oldest first; a file that goes takes its app out."""
    commit: tuple[str, ...] = ()
    place: re.Match[str] | None = None
    newest = ""
    for text, is_content in _told_apart(log):
        if is_content:
            if place is not None and text.startswith("+") and (found := pattern.release.search(text[1:])):
                yield _line(newest, place, found[1], commit)
        elif text.startswith(_HEAD):
            commit = tuple(text.removeprefix(_HEAD).split("\x1f", 3))
            # Clocks of machines differ: what comes later in the history is not earlier.
            newest = max(newest, parse(commit[1]).isoformat())
        elif text.startswith("--- "):
            place = pattern.path.fullmatch(text.removeprefix("--- a/"))
        elif text.startswith("+++ "):
            gone, place = (place, None) if text == "+++ /dev/null" else (None, _place(text, pattern))
            if gone is not None:
                yield _line(newest, gone, None, commit)


def _told_apart(log: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is content of a file.

    A hunk says how many lines it has. Content may look like a header: `++ b/envs/production/web.yaml` does, once added.
    """
    old = new = 0
    for text in log:
        if old + new > 0:
            old, new = old - text.startswith("-"), new - text.startswith("+")
            yield text, True
            continue
        if hunk := _HUNK.match(text):
            old, new = (int(count) if count is not None else 1 for count in hunk.groups())
        yield text, False


def _place(text: str, pattern: Pattern) -> re.Match[str] | None:
    return pattern.path.fullmatch(text.removeprefix("+++ b/").partition("\t")[0])


def _line(at: str, place: re.Match[str], release: str | None, commit: tuple[str, ...]) -> Line:
    _, _, author, subject = commit
    reason = " ".join("".join(one if one.isprintable() else " " for one in subject).split())[:_MOST]
    return Line(parse(at), place["app"], place["environment"], release, _name(author), reason or None)


def _name(author: str) -> str | None:
    return "".join(one for one in author if one.isprintable()).strip()[:_MOST] or None
