"""An active release, as both forms of an answer to a tool describe it."""

from pydantic import Field

from moorage_api.contract.replies import Reply


class ActiveRelease(Reply):
    """One active release."""

    org: str
    workspace: str
    namespace: str
    environment: str
    environment_id: str
    app: str
    release: str
    previous_release: str = Field(description="Empty: there was none.")
    deployment_id: str
    sequence: str
    deployed_by: str
    deployed_at: str = Field(description="Empty: not known yet.")
    parameters: dict[str, str] = Field(description="`spec.parameters` of the Environment.")
