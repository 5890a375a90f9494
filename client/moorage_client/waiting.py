"""Whether a release has become healthy, from what the facade says of an app. Pure."""

from typing import Final

from moorage_client.errors import NotHealthyError
from moorage_client.models import AppState

#: Between two looks. Seconds.
LOOK_SECONDS: Final = 1.0
#: So long an object that was made just before may take to be found. Seconds.
FINDING_SECONDS: Final = 5.0
_FAILED: Final = "Failed"


def is_healthy(state: AppState, deployment_id: str | None, waited: float) -> bool:
    """Whether it is; False: it may become so.

    Args:
        state: what is known of the app now.
        deployment_id: the change that is waited for; None: whichever is the newest.
        waited: seconds since the first look.

    Raises:
        NotHealthyError: it never will: it failed, was replaced or taken out, or nothing follows the app.
    """
    line, rollout = state["line"], state["rollout"]
    if state["release_id"] is None or line is None:
        raise NotHealthyError(f"{state['app_id']} has no release there")
    if deployment_id is not None and line["deployment_id"] != deployment_id:
        if int(line["deployment_id"][-8:]) > int(deployment_id[-8:]):
            raise NotHealthyError(f"another change of {state['app_id']} came after it: {line['release_id']} is active")
        return False
    if rollout is None:
        if not line["recorded"] or waited < FINDING_SECONDS:
            return False
        raise NotHealthyError(f"no object follows {state['app_id']}, so nobody says whether it is healthy")
    if rollout["phase"] == _FAILED:
        raise NotHealthyError(rollout["message"] or f"{state['app_id']} {state['release_id']} failed")
    return rollout["healthy_at"] is not None


def too_long(state: AppState, seconds: float) -> NotHealthyError:
    """It was not within the time."""
    rollout = state["rollout"]
    said = f": {rollout['message']}" if rollout is not None and rollout["message"] else ""
    return NotHealthyError(f"{state['app_id']} {state['release_id']} is not healthy after {seconds:g} s{said}")
