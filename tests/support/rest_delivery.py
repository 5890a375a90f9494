"""Releases by REST, and what the facade says of them to people and to tools."""

import urllib.request

from cluster import Workspace
from services import Facade


def deploy(facade: Facade, here: Workspace, environment: str, app: str, release: str) -> None:
    """Deploy a release."""
    body = {"app_id": app, "release_id": release}
    answer = facade.call("POST", f"{here.rest}/{environment}/deploy", body=body)
    assert answer.status == 200, answer.body


def undeploy(facade: Facade, here: Workspace, environment: str, app: str) -> None:
    """Undeploy."""
    answer = facade.call("DELETE", f"{here.rest}/{environment}/deploy/{app}")
    assert answer.status == 200, answer.body


def rollouts(facade: Facade, here: Workspace, environment: str) -> dict[str, str]:
    """App → phase, of those that something follows."""
    found = facade.call("GET", f"{here.rest}/{environment}").json()["rollouts"]
    return {app: str(one["phase"]) for app, one in found.items() if one}


def answers(facade: Facade, operation: str, status: str) -> float:
    """How many questions of a tool the facade has answered so."""
    with urllib.request.urlopen(facade.service.metrics_url, timeout=5) as answer:  # noqa: S310 — a loopback address of our own
        text = answer.read().decode()
    name = f'moorage_requests_total{{operation="{operation}",status="{status}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))
