"""Files and functions stay small enough to be read at one sitting (`make measures` prints the sizes)."""

from pathlib import Path

import pytest

from moorage_dev import measures
from moorage_dev.failures import DevError

STATEMENTS, NESTING, LINES = 25, 3, 400
MODULES = list(measures.present())
#: ruff holds the functions of tests to its own count, which leaves inner functions out.
PRODUCT = [module for module in MODULES if not module.path.startswith("tests/")]

_SOURCE = '''
"""A module."""


def outer(rows):
    """Not a statement."""
    for row in rows:
        if row:
            yield row
        elif rows:
            def inner():
                while True:
                    pass
        else:
            yield inner


class Port:
    def promised(self):
        """Nothing but words."""
'''


def test_every_package_is_measured() -> None:
    assert all(any(module.path.startswith(f"{folder}/") for module in MODULES) for folder in measures.PARTS.values())


def test_files_are_short() -> None:
    assert {module.path: module.lines for module in MODULES if module.lines > LINES} == {}


def test_functions_have_few_statements() -> None:
    functions = [function for module in PRODUCT for function in module.functions]
    assert [function for function in functions if function.statements > STATEMENTS] == []


def test_blocks_are_not_deep() -> None:
    functions = [function for module in MODULES for function in module.functions]
    assert [function for function in functions if function.nesting > NESTING] == []


def test_sizes_are_those_of_the_source() -> None:
    module = measures.measured("crds/moorage_crds/x.py", _SOURCE)

    assert module.lines == _SOURCE.count("\n")
    # outer: for, if, yield, elif, def, while, pass, yield; inner counts from nothing.
    assert [(one.statements, one.nesting, one.lines) for one in module.functions] == [(8, 2, 9), (2, 1, 2)]
    assert (
        measures.table([module]).splitlines()[2]
        == "| crds | 1 | 20 / 20 / 20 | 2 | 2 / 9 / 9 | 2 / 8 / 8 | 1 / 2 / 2 |"
    )


def test_an_unknown_commit_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevError, match="0123456 is not a commit"):
        list(measures.committed("0123456", tmp_path))
