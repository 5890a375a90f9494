"""The story of `make demo`: commands, and what each of them is to show. Nothing here knows an answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from moorage_crds.moments import to_text

#: Shell variables of the commands, beside those of `dev/.run/env`.
VARIABLES = {
    "API": "$MOORAGE_URL/v1/orgs/northwind/workspaces/storefront/environments",
    "AUTH": "Authorization: Bearer $MOORAGE_TOKEN",
    "JSON": "Content-Type: application/json",
    "PODS": "--namespace northwind-storefront --selector app=web-shop --no-headers --output custom-columns="
    "P:.metadata.name,I:.spec.containers[0].image,R:.status.containerStatuses[0].ready,"
    "W:.status.containerStatuses[0].state.waiting.reason",
}


class Stage(Enum):
    """What carries the releases of the story."""

    PODS = "pods of a real node"
    BY_HAND = "a workload whose status is set by hand"
    BOOKS = "nothing: only the books are shown"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the story.

    Attributes:
        says: its point, in one line; empty: it shows what became of the step before.
        command: a bash command, printed as it is and run as it is.
        refused: the story expects the system to say no.
        until: it is repeated until it succeeds and its output, as a whole, matches this; empty: run once.
    """

    says: str
    command: str
    refused: bool = False
    until: str = ""


_CURL = 'curl -sS --fail-with-body -H "$AUTH" -H "$JSON"'
_SPACE = "-n northwind-storefront"
_BOB, _CI = (f"kubectl --kubeconfig dev/.run/kubeconfigs/{user}" for user in ("bob", "ci-bot"))
_APPLY = "apply --server-side --force-conflicts --field-manager=git-sync"
_RELEASES = "dev/demo/manifests/releases"
_WORKLOAD = "dev/demo/manifests/workloads/web-shop.yaml"
_BINDING = f"kubectl get mdep staging.web-shop {_SPACE} --no-headers"
_PODS = f"{_BINDING}; kubectl get pods $PODS"


def story(stage: Stage, now: datetime) -> tuple[Step, ...]:
    """All steps, in order."""
    return tuple(
        step for part in (_begins(), _rolls(stage), _frozen(now), _fails(stage), _ends(stage)) for step in part
    )


def _begins() -> Iterator[Step]:
    yield Step(
        "Git declares two workspaces; the operator makes the usual environments in them.",
        "kubectl apply -f dev/demo/manifests/workspaces >/dev/null && "
        f"kubectl wait env --all --for=condition=Ready {_SPACE} --timeout=10s",
        until=r"(.* condition met\n){3}",
    )
    yield Step(
        "The pipeline (ci-bot) applies what Git declares: seven apps in three environments.",
        f"{_CI} {_APPLY} -R -f {_RELEASES} --output=name | wc -l",
    )


def _rolls(stage: Stage) -> Iterator[Step]:
    if stage is not Stage.BOOKS:
        yield Step(
            "A workload of apps/v1 asks to follow staging.web-shop (2.4.0).",
            f"grep {{release}} {_WORKLOAD}; kubectl apply --server-side -f {_WORKLOAD}",
            until=r"(?s).*serverside-applied\n",
        )
        yield from _looks(stage, "2.4.0")
        yield Step(
            "From now on its owner leaves the image out: the release decides it.",
            f"grep -v image: {_WORKLOAD} | kubectl apply --server-side -f -",
            until=r"(?s).*serverside-applied\n",
        )
    yield Step(
        "By kubectl: bob deploys 2.4.1.",
        f"{_BOB} patch mdep staging.web-shop {_SPACE} --type merge "
        '-p \'{"spec": {"release": "2.4.1", "change": {"reason": "fix the basket"}}}\'',
    )
    yield from _looks(stage, "2.4.1")
    yield _by_rest(stage, "By REST: alice deploys 2.4.2", "2.4.2", "faster checkout page")
    yield from _looks(stage, "2.4.2")
    yield Step(
        "By a commit: Git says 2.5.0, and the pipeline applies the manifest.",
        f"sed 's/2.4.0/2.5.0/; s/4f1c2d7/9b03ae1/' {_RELEASES}/storefront/staging.yaml | "
        f"{_CI} {_APPLY} -f - | grep web-shop",
    )
    yield from _looks(stage, "2.5.0")


def _frozen(now: datetime) -> Iterator[Step]:
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=8, minute=0, second=0, microsecond=0)
    yield Step(
        "alice freezes production until Monday.",
        '.venv/bin/moorage freeze weekend -e production -m "nobody is on call" '
        f"--until {to_text(monday)} -w northwind/storefront",
    )
    yield Step(
        "bob's deploy there is refused by the API server …",
        f'{_BOB} patch mdep production.web-shop {_SPACE} --type merge -p \'{{"spec": {{"release": "2.5.0"}}}}\'',
        refused=True,
    )
    yield Step(
        "… and REST gives the same refusal, and says when it is open again.",
        f'{_CURL} $API/production/deploy -d \'{{"app_id": "web-shop", "release_id": "2.5.0"}}\'',
        refused=True,
    )


def _fails(stage: Stage) -> Iterator[Step]:
    yield _by_rest(stage, "A bad release: alice deploys 2.6.0, whose image does not exist", "2.6.0", "new basket")
    if stage is Stage.PODS:
        # Both of 2.5.0 still serve, and the one of 2.6.0 cannot start.
        cannot = r"(?=(.*\n)*.*:2\.6\.0 .*ErrImageNeverPull)"
        yield Step("", _PODS, until=cannot + r".* Failed .*\n((?=.*(:2\.5\.0 +true|:2\.6\.0 )).*\n){3}")
    if stage is Stage.BY_HAND:
        yield Step("", f"dev/demo/status.sh 2.6.0 failed && {_BINDING}", until=r"(?s).* Failed .*")
    yield Step(
        "alice rolls back, and the old release is there again.",
        f'{_CURL} "$API/staging/deploy/web-shop/rollback{_wait(stage)}" -d \'{{"reason": "2.6.0 does not start"}}\'',
    )
    yield from _looks(stage, "2.5.0")


def _ends(stage: Stage) -> Iterator[Step]:
    columns = "deployed_at deployed_by action previous_release_id release_id outcome reason"
    yield Step(
        "The history says all of it: when, who, what, and what became of it.",
        f'{_CURL} "$API/staging/deployments?app_id=web-shop&limit=6" | python3 dev/demo/table.py deployments {columns}',
        until=r"(.*\n){7}"
        if stage is Stage.BOOKS
        else r".*\n.* rollback .* healthy .*\n.* 2\.6\.0 +failed .*\n(.*\n){4}",
    )
    yield Step(
        "It is complete: each change is chained to the one before, and none is missing.",
        'MOORAGE_KUBECONFIG="$KUBECONFIG" .venv/bin/moorage verify',
        until=r"(.*\n)+",
    )
    yield Step(
        "The page shows all of it: open this link within ten minutes, and it logs in as alice, once.",
        f"{_CURL} -X POST $MOORAGE_URL/session/links | python3 -c "
        '\'import json, os, sys; print(os.environ["MOORAGE_URL"] + json.load(sys.stdin)["path"])\'',
    )


def _by_rest(stage: Stage, says: str, release: str, reason: str) -> Step:
    body = f'{{"app_id": "web-shop", "release_id": "{release}", "reason": "{reason}"}}'
    waits = "." if stage is not Stage.PODS else ", and waits for what becomes of it."
    return Step(says + waits, f"{_CURL} \"$API/staging/deploy{_wait(stage)}\" -d '{body}'")


def _wait(stage: Stage) -> str:
    return "?wait=healthy&timeout=60" if stage is Stage.PODS else ""


def _looks(stage: Stage, release: str) -> Iterator[Step]:
    """What shows that a release has arrived."""
    if stage is Stage.PODS:
        image = f":{re.escape(release)}"
        yield Step("", _PODS, until=rf".* {re.escape(release)} .* Healthy .*\n(.*{image} +true .*\n){{2}}")
    if stage is Stage.BY_HAND:
        arrived = rf"(?s).* {re.escape(release)} .* Healthy .*"
        yield Step("", f"dev/demo/status.sh {release} healthy && {_BINDING}", until=arrived)


NEXT = """\
Everything keeps running. Try next (in this folder):

  source dev/.run/env
  kubectl get drec -n northwind-storefront -l moorage.dev/app=web-shop
  .venv/bin/moorage explain production web-shop 2.5.0 -w northwind/storefront || echo "exit code $?: refused"
  .venv/bin/moorage matrix -w northwind/storefront
  kubectl get mdep -n northwind-storefront --watch

Stop it with: make down
"""
