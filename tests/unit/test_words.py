"""The words of the project: a reader understands each sentence at first reading, and Markdown shows its diff.

All texts that people write here are searched: code, policies, charts, pages. Lock files are other people's.
"""

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Files with sentences of ours.
WRITTEN = (".py", ".md", ".yaml", ".yml", ".ts", ".tsx", ".mjs", ".css", ".html", ".toml", ".txt", ".tpl", ".patch")
NAMED = ("Makefile", "Dockerfile", "CODEOWNERS", ".editorconfig", ".dockerignore", ".gitignore")
#: The policies as an earlier edition shipped them: an upgrade begins from these bytes.
FROZEN = "tests/chart/data/first-edition/"
#: This file names the words that it looks for.
OWN = "tests/unit/test_words.py"
#: Expression → how to say it. Each is old English, or word for word from another language, and stops the reader.
UNWANTED = {
    r"so many": "give the number, or name what is counted",
    r"for ever": "say until when, or 'without end'",
    r"anew": "say 'again', or what restarts",
    r"whoever": "name the person or the process",
    r"as far as": "say 'if', 'where', 'up to' or 'within'",
    r"(?:goes|go|went|going) on": "say 'continue', 'resume', 'retry' or 'keep …ing'",
    r"without a word": "say 'silently'",
    r"(?<!there )(?<!answer )(?:is|are|was|were) no (?!more|less|exception|[a-z]+er\b)": "say 'is not a …'",
}
_MARKER = re.compile(r"\s*(?:\d+\.\s+|[-*]\s+|>\s+)?")
_ENDED = re.compile(r"[.!?:…][)\"*_`\]]*$")
_NEXT = re.compile(r"[.!?][)\"*_\]]*\s+(?=[\"(*\[_]*[A-Z0-9])")
_SHORTENED = re.compile(r"\b(?:e\.g|i\.e|vs|etc|cf)\.$")


def _files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    ours = (name for name in done.stdout.split("\0") if name.endswith(WRITTEN) or Path(name).name in NAMED)
    return [name for name in sorted(ours) if not name.startswith(FROZEN) and name != OWN and (ROOT / name).is_file()]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sentences() -> dict[str, str]:
    """File → its text in one line, because a sentence may be wrapped within a comment."""
    return {name: re.sub(r"\s*\n\s*(?:#:?|//|\*)?\s*", " ", _text(name)) for name in _files()}


@pytest.mark.parametrize(("unwanted", "instead"), UNWANTED.items(), ids=UNWANTED)
def test_no_sentence_is_read_twice(sentences: dict[str, str], unwanted: str, instead: str) -> None:
    pattern = re.compile(rf"\b(?:{unwanted})\b", re.IGNORECASE)
    found = [
        (name, text[max(0, one.start() - 40) : one.end() + 40])
        for name, text in sentences.items()
        for one in pattern.finditer(text)
    ]
    assert found == [], instead


def test_all_texts_of_ours_are_searched() -> None:
    found = _files()
    folders = {name.partition("/")[0] for name in found if "/" in name}
    assert {"api", "charts", "cli", "client", "crds", "dev", "docs", "examples", "operator", "tests", "web"} <= folders
    assert {"README.md", "Makefile", "crds/policies/metadata.yaml", "web/src/texts.ts"} <= set(found)


def test_markdown_has_one_sentence_in_each_line() -> None:
    pages = [name for name in _files() if name.endswith(".md") and name != "charts/moorage/README.md"]
    found = [f"{name}: {line}" for name in pages for line in _run_together(_text(name))]
    assert found == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("One sentence. And another one.", 1),
        ("A sentence that is\nwrapped at a column.", 1),
        ("- A point. With two sentences.", 1),
        ('It says `a. B` and "No. Never.", see [x](a.md. B).\nNext, with e.g. A in it.', 0),
        ("- **Point.**\n  It continues:\n\n```sh\nA. B\n```\n\n| A. B | C. D |\n|---|---|", 0),
    ],
)
def test_run_together_sentences_are_seen(text: str, wrong: int) -> None:
    assert len(list(_run_together(text))) == wrong


def _run_together(text: str) -> Iterator[str]:
    """Lines with more than one sentence, or with the beginning of one that ends in the next line."""
    lines = [*_prose(text), ""]
    for line, following in itertools.pairwise(lines):
        body = _without_code(line[len(_MARKER.match(line)[0]) :])  # type: ignore[index]  # it matches everything
        if any(not _inside(body, one) for one in _NEXT.finditer(body)):
            yield line
        elif line and following and not _MARKER.match(following)[0].strip() and not _ENDED.search(line):  # type: ignore[index]
            yield f"{line} / {following}"


def _prose(text: str) -> Iterator[str]:
    """The lines of sentences; an empty one for everything else."""
    is_code = False
    for line in re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).splitlines():
        is_fence = line.lstrip().startswith("```")
        is_code ^= is_fence
        is_other = is_code or is_fence or line.lstrip().startswith(("|", "<", "#", "---"))
        yield "" if is_other else line.rstrip()


def _without_code(line: str) -> str:
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "X", line))


def _inside(line: str, end: re.Match[str]) -> bool:
    """Whether the sentence ends inside a quotation, or with an abbreviation."""
    is_quoted = line[: end.start()].count('"') % 2 == 1 and '"' not in end[0] and '"' in line[end.end() :]
    return is_quoted or _SHORTENED.search(line[: end.start() + 1]) is not None
