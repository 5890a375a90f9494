"""What a ConfigMap says of an Environment, and what the Environment's status says of it."""

import re
from dataclasses import replace
from typing import Any

import builders
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds import names, patterns
from moorage_crds.conditions import Reason
from moorage_crds.kinds import environment as environments
from moorage_operator.facts import EnvironmentFacts, Published
from moorage_operator.publishing import decisions
from moorage_operator.publishing.decisions import Active
from moorage_operator.statuses.decisions import wanted_environment_status

RAW = builders.environment(delivery={"configMap": {"name": "mine"}}, parameters={"note": "a: 'b' #c\u00e9"})
RAW["metadata"] |= {"uid": "u", "resourceVersion": "1", "creationTimestamp": builders.at()}
ENVIRONMENT = environments.from_object(RAW)
OURS = decisions.manager_of("production")
WEB = Active("web", "1.0.0", 1, "change-1", "alice", "2026-01-01T00:00:00Z")
APPS = st.text("aAb1-_", min_size=1, max_size=4).filter(lambda app: re.fullmatch(patterns.APP, app) is not None)


@given(APPS, APPS)
def test_two_apps_share_a_variable_only_if_they_are_one_binding(one: str, other: str) -> None:
    same = names.binding_name("production", one) == names.binding_name("production", other)

    assert (decisions.variable(one) == decisions.variable(other)) is same


def test_the_order_of_apps_makes_no_difference() -> None:
    apps = [replace(WEB, app=app) for app in ("b", "a", "c")]

    one, other = (decisions.config_map("mine", ENVIRONMENT, None, each) for each in (apps, apps[::-1]))

    assert decisions.digest_of(one) == decisions.digest_of(other)
    assert list(one["data"]) == ["RELEASE_A", "RELEASE_B", "RELEASE_C", "RELEASES_JSON", "VALUES_YAML"]
    # Flux takes nothing from a ConfigMap in which one key is not the name of a variable.
    assert all(re.fullmatch("[_A-Za-z][_A-Za-z0-9]*", key) for key in one["data"])


@pytest.mark.parametrize("release", ["1.0", "yes", "0x10", "null", "2026-01-01", "1e3", "a:b"])
def test_values_are_texts_to_helm(release: str) -> None:
    body = decisions.config_map("mine", ENVIRONMENT, None, [replace(WEB, release=release)])

    values = yaml.safe_load(body["data"]["VALUES_YAML"])

    assert values == {
        "environment": "production",
        "parameters": dict(ENVIRONMENT.parameters),
        "releases": {"web": release},
    }


def stored(data: dict[str, str], *owned: str, manager: str = OURS) -> dict[str, Any]:
    fields = {f"f:{key}": {} for key in owned}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": fields}}
    labels = {**decisions.WATCH_LABEL, names.LABEL_ENVIRONMENT: "production"}
    return {"metadata": {"labels": labels, "managedFields": [entry]}, "data": data}


def test_it_is_written_only_if_something_of_ours_differs() -> None:
    body = decisions.config_map("mine", ENVIRONMENT, None, [WEB])
    data = body["data"]

    assert decisions.says(stored(data, *data), body, manager=OURS)
    assert decisions.says(stored({**data, "theirs": "x"}, *data), body, manager=OURS)
    assert not decisions.says(stored({**data, "RELEASE_OLD": "x"}, *data, "RELEASE_OLD"), body, manager=OURS)
    assert not decisions.says(stored({**data, "RELEASE_WEB": "x"}, *data), body, manager=OURS)
    assert not decisions.says({**stored(data, *data), "metadata": {}}, body, manager=OURS)


@pytest.mark.parametrize("manager", [OURS, "people", decisions.manager_of("staging")])
def test_a_config_map_that_somebody_else_wrote_into_is_not_ours_alone(manager: str) -> None:
    assert decisions.is_of(stored({}, manager=manager), manager=OURS) is (manager == OURS)


def status(held: str = "", **facts: Any) -> dict[str, Any]:
    before = {"delivery": {"configMap": held}} if held else {}
    return wanted_environment_status(
        EnvironmentFacts(**{"environment": ENVIRONMENT, "stored": before, "active": (), "now": builders.at(), **facts})
    )


def delivered(status: dict[str, Any]) -> tuple[str, str] | None:
    found = [one for one in status["conditions"] if one["type"] == "Delivered"]
    return (found[0]["status"], found[0]["reason"]) if found else None


def test_the_status_names_what_has_to_be_left_until_it_is() -> None:
    nothing = replace(ENVIRONMENT, delivery_config_map="")

    assert status()["delivery"] == {"configMap": "mine"}
    assert status("old")["delivery"] == {"configMap": "old"}
    assert status("old", is_left=True)["delivery"] == {"configMap": "mine"}
    assert status("mine", environment=nothing)["delivery"] == {"configMap": "mine"}
    assert "delivery" not in status("mine", environment=nothing, is_left=True)


def test_the_condition_stays_as_it_is_until_somebody_has_looked() -> None:
    published = Published("mine", "", Reason.CONFIG_MAP_CONFLICT, "somebody else owns a key")
    known = status(published=published)

    assert delivered(known) == ("False", "ConfigMapConflict")
    assert delivered(status(stored=known)) == ("False", "ConfigMapConflict")
    assert delivered(status()) is None
    assert delivered(status(stored=known, environment=replace(ENVIRONMENT, delivery_config_map=""))) is None
