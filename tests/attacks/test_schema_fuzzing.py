"""Requests generated from our own OpenAPI document, good and bad ones, get nothing but documented answers."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from cluster import Workspace, Workspaces
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from services import Facade

from moorage_dev.processes import Service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Apps that are rolled back in turn: more than 16 changes of one app in a moment are refused, rightly, with a 503.
APPS = 20


@dataclass(slots=True)
class Fuzzing:
    """One run against one workspace.

    Attributes:
        statuses: how often which status was answered.
    """

    facade: Facade
    workspace: Workspace
    statuses: Counter[int] = field(default_factory=Counter)
    session: requests.Session = field(default_factory=requests.Session)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def operation(self, operation: Any, mode: GenerationMode, count: int) -> None:
        """Make `count` requests of an operation, send each as it is and aimed at real things, check the answers."""

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            # Nothing is shrunk: the failing request itself is what one wants to see, and the cluster has moved on.
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(mode))
        def probe(case: Any) -> None:
            real = self._real(case)
            if next(self.numbers) % 4:
                # A workspace that nobody knows is soon answered: most requests shall get further.
                workspace = {name: value for name, value in real.items() if name in {"org_id", "workspace_id"}}
                case.path_parameters = {**(case.path_parameters or {}), **workspace}
            self._send(case)
            case.path_parameters = {**(case.path_parameters or {}), **real}
            # The generated token would end the request at the first check.
            case.headers = {name: value for name, value in case.headers.items() if name.lower() != "authorization"}
            self._send(case)

        probe()

    def _send(self, case: Any) -> None:
        headers = {"Authorization": f"Bearer {self.facade.cluster.token('alice')}"}
        answer = case.call(base_url=self.facade.service.url, headers=headers, session=self.session, timeout=30)
        self.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    def _real(self, case: Any) -> dict[str, str]:
        """Ids of things that are there, so that more than the first check is reached."""
        real = {"org_id": self.workspace.org, "workspace_id": self.workspace.name, "environment_id": "staging"}
        definition = case.operation.definition.raw
        if definition["operationId"] == "deleteEnvironment":
            real["environment_id"] = f"doomed-{next(self.numbers)}"
            body = {"name": "Doomed", "slug": real["environment_id"]}
            assert self.facade.call("POST", self.workspace.rest, body=body).status == 201
        elif definition["operationId"] == "rollbackApp":
            real["app_id"] = f"web-{next(self.numbers) % APPS}"
        return {name: value for name, value in real.items() if name in (case.path_parameters or {})}


def run(facade: Facade, workspace: Workspace, count: int) -> str:
    """About `count` requests over all operations; their figures."""
    answer = facade.call("GET", "/openapi.json")
    schema = schemathesis.openapi.from_dict(answer.json())
    fuzzing = Fuzzing(facade, workspace)
    for app, release in itertools.product(range(APPS), ("r1", "r2")):
        body = {"app_id": f"web-{app}", "release_id": release}
        assert facade.call("POST", f"{workspace.rest}/staging/deploy", body=body).status == 200
    operations = [result.ok() for result in schema.get_all_operations()]
    rich = [operation for operation in operations if operation.path.startswith("/v1")]
    for operation in operations:
        if operation not in rich:
            fuzzing.operation(operation, GenerationMode.POSITIVE, 1)
    each = -(-count // (4 * len(rich)))
    for operation, mode in itertools.product(rich, (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)):
        fuzzing.operation(operation, mode, each)
    fuzzing.session.close()
    assert fuzzing.statuses.total() >= count
    assert max(fuzzing.statuses) < 500
    return (
        f"{fuzzing.statuses.total()} generated requests over {len(operations)} operations; answers "
        f"{dict(sorted(fuzzing.statuses.items()))}; undocumented or 5xx: 0"
    )


def test_generated_requests_get_documented_answers_only(
    facade: Facade, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(run(facade, workspace("staging"), 2_000))


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_generated_requests(
    facade: Facade, operator: Service, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(run(facade, workspace("staging"), int(os.environ.get("MOORAGE_GENERATED_REQUESTS", "20000"))))
