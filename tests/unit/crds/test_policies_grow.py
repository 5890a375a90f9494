"""Policies of an earlier version are replaced by whatever way somebody applies the new ones.

`kubectl apply` without the annotation of the last apply, and server-side apply by another field manager, keep what the
new manifest does not name: conditions by their names, and whole fields. So nothing that a version has shipped may be
left out of a later one. What has to lose its effect stays, and says so: a matchCondition with the expression `true`.
"""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage_crds import drift, schema
from moorage_dev.layout import ROOT

#: What the versions before have shipped, one folder for each.
SHIPPED = sorted((ROOT / "tests/chart/data").glob("*-edition/policies"))

Object = dict[str, Any]


def shipped(folder: Path) -> list[Object]:
    """The policies and bindings of one version."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def left_out(before: Object, now: Object) -> list[str]:
    """What stays in force after an apply of `now` over `before`. Lists without names are replaced as a whole."""
    missing = (one.path for one in drift.differences(before, now) if one.what == "is missing")
    return [path for path in missing if not re.search(r"\[\d+\]", path) and not path.startswith("spec.variables")]


def test_there_is_a_version_to_compare_with() -> None:
    assert SHIPPED
    assert all(shipped(folder) for folder in SHIPPED)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.parent.name)
def test_no_policy_leaves_out_what_an_earlier_version_said(folder: Path) -> None:
    now = {(one["kind"], one["metadata"]["name"]): one for one in schema.wanted_policies().values()}
    for before in shipped(folder):
        key = (before["kind"], before["metadata"]["name"])
        assert key in now, "`kubectl apply` removes no policy: keep it under its name, in a form that refuses nothing"
        assert left_out(before, now[key]) == [], key


@pytest.mark.parametrize("path", ["matchConditions", "paramKind", "matchConstraints"])
def test_whatever_is_left_out_is_found(path: str) -> None:
    before = next(one for one in shipped(SHIPPED[0]) if one["spec"].keys() >= {"paramKind", "matchConditions"})
    now = copy.deepcopy(before)
    del now["spec"][path]
    assert left_out(before, now) == [f"spec.{path}"]


def test_condition_that_is_left_out_is_found_among_others() -> None:
    before = next(one for one in shipped(SHIPPED[0]) if len(one["spec"].get("matchConditions", ())) > 1)
    now = copy.deepcopy(before)
    gone = now["spec"]["matchConditions"].pop(0)
    assert left_out(before, now) == [f"spec.matchConditions[{gone['name']}]"]
