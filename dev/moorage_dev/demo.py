"""`make demo`: a story that is played on the real system, every command printed before it runs.

Called by `python -m moorage_dev demo` after `up`. Nothing here knows an answer: what is shown is what the system said,
and a step that does not do what the story says ends the demo with exit code 1.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "demo"

#: The users whose kubeconfigs `make up` writes, as shell variables of the story.
_API = "$MOORAGE_URL/v1/orgs/northwind/workspaces/storefront/environments"
_CURL = 'curl -sS --fail-with-body -H "Authorization: Bearer $MOORAGE_TOKEN"'
_SYNC = (
    "kubectl --kubeconfig dev/.run/kubeconfigs/ci-bot apply --server-side --force-conflicts --field-manager=git-sync"
    + "".join(
        f" -f dev/demo/manifests/{workspace}/{environment}.yaml"
        for workspace in ("storefront", "logistics")
        for environment in ("development", "staging", "production")
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the story.

    Attributes:
        says: what happens, for the reader.
        command: a bash command, printed as it is and run as it is.
        refused: the story expects the system to say no.
        retry: repeat until it succeeds (a state that needs a moment), at most `PATIENCE` seconds.
    """

    says: str
    command: str
    refused: bool = False
    retry: bool = False


PATIENCE = 30

STORY: tuple[Step, ...] = (
    Step(
        "Git first: the workspaces of the organisation northwind. The operator seeds the environments.",
        "kubectl apply -f dev/demo/manifests/storefront/namespace.yaml -f dev/demo/manifests/storefront/members.yaml "
        "-f dev/demo/manifests/logistics/namespace.yaml -f dev/demo/manifests/logistics/members.yaml",
    ),
    Step(
        "The environments are there in a moment.",
        "kubectl wait --for=condition=Ready env/production env/staging env/development -n northwind-storefront "
        "--timeout=10s && kubectl wait --for=condition=Ready env/production env/staging env/development "
        "-n northwind-logistics --timeout=10s",
        retry=True,
    ),
    Step(
        "The pipeline (ci-bot) syncs what Git declares: seven apps in three environments.",
        _SYNC,
    ),
    Step(
        "alice deploys a newer web-shop to staging by REST, with a reason.",
        f"{_CURL} -X POST {_API}/staging/deploy -H 'Content-Type: application/json' "
        '-d \'{"app_id": "web-shop", "release_id": "2.4.1", "reason": "faster checkout page"}\'',
    ),
    Step(
        "It does not please. alice rolls back by REST.",
        f"{_CURL} -X POST {_API}/staging/deploy/web-shop/rollback -H 'Content-Type: application/json' "
        '-d \'{"reason": "images are missing"}\'',
    ),
    Step(
        "bob has a fix for search and uses kubectl.",
        "kubectl --kubeconfig dev/.run/kubeconfigs/bob patch mdep staging.search -n northwind-storefront --type merge "
        '-p \'{"spec": {"release": "0.13.3", "change": {"reason": "fix typo ranking"}}}\'',
    ),
    Step(
        "alice locks production by REST before the weekend.",
        f"{_CURL} -X PUT {_API}/production/lock -H 'Content-Type: application/json' "
        '-d \'{"reason": "freeze until Monday"}\'',
    ),
    Step(
        "kubectl gets the refusal …",
        "kubectl --kubeconfig dev/.run/kubeconfigs/bob patch mdep production.search -n northwind-storefront "
        "--type merge "
        '-p \'{"spec": {"release": "0.13.3"}}\'',
        refused=True,
    ),
    Step(
        "… and REST gets the same one.",
        f"{_CURL} -X POST {_API}/production/deploy -H 'Content-Type: application/json' "
        '-d \'{"app_id": "search", "release_id": "0.13.3"}\'',
        refused=True,
    ),
    Step("The lock goes.", f"{_CURL} -X DELETE {_API}/production/lock"),
    Step(
        "The pipeline syncs Git again: search goes back to what Git declares; nothing else changes.",
        _SYNC,
    ),
    Step(
        "Everything is recorded when the operator says so.",
        "kubectl wait --for=condition=Ready mdep --all -n northwind-storefront --timeout=20s >/dev/null "
        "&& kubectl get env,mdep,drec -n northwind-storefront",
        retry=True,
    ),
    Step(
        "The same history by REST: who put what where, when, and why.",
        f'{_CURL} "{_API}/staging/deployments?limit=10" | python3 -m json.tool',
    ),
    Step(
        "And what runs in staging now.",
        f"{_CURL} {_API}/staging | python3 -m json.tool",
    ),
)

NEXT = f"""\
Everything keeps running. Try next (in this folder):

  source dev/.run/env
  kubectl get drec -n northwind-storefront -l moorage.dev/app=web-shop
  {_CURL} "{_API}/staging/deployments?app_id=web-shop" | python3 -m json.tool
  {_CURL} -X POST {_API}/staging/deploy -H 'Content-Type: application/json' \\
    -d '{{"app_id": "catalog", "release_id": "3.2.0"}}'
  kubectl get mdep -n northwind-storefront --watch
  MOORAGE_KUBECONFIG="$KUBECONFIG" .venv/bin/moorage verify

Stop it with: make down
"""


class DemoError(Exception):
    """A step did not do what the story says. The text is one sentence."""


def play(environment: Mapping[str, str], *, root: Path) -> None:
    """Play the story with the variables of `dev/.run/env`.

    Raises:
        DemoError: a step failed that should not, or passed that should not.
    """
    for number, step in enumerate(STORY, 1):
        sys.stdout.write(f"\n\033[1m{number:2}. {step.says}\033[0m\n\033[36m$ {step.command}\033[0m\n")
        sys.stdout.flush()
        _run(step, {**os.environ, **environment}, root)
    sys.stdout.write(f"\n{NEXT}")


def _run(step: Step, environment: Mapping[str, str], root: Path) -> None:
    command = step.command
    if step.retry:
        # The state needs a moment: ask again, quietly, until it is there.
        command = (
            f"for attempt in $(seq {PATIENCE * 2}); do if output=$({{ {step.command}; }} 2>&1); "
            'then printf "%s\\n" "$output"; exit 0; fi; sleep 0.5; done; printf "%s\\n" "$output"; exit 1'
        )
    done = subprocess.run(["bash", "-c", command], env=dict(environment), cwd=root, check=False)
    sys.stdout.write("\n")
    if (done.returncode != 0) is not step.refused:
        expected = "a refusal" if step.refused else "success"
        message = f"the step «{step.says}» ended with exit code {done.returncode} where the story expects {expected}"
        raise DemoError(message)
