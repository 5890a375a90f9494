"""What may leave the process, and how answers become errors."""

import pytest

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName, ReleaseId
from moorage_crds.kube import paths
from moorage_crds.kube.client import decode, error_for
from moorage_crds.store import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

SHOP = NamespaceName.parse("shop")
PATH = paths.collection(names.DEPLOYMENTS, SHOP)


def test_path_is_built_of_parsed_names_only() -> None:
    assert (
        paths.item(names.DEPLOYMENTS, SHOP, BindingName.parse("production.web")).text
        == "/apis/moorage.dev/v1/namespaces/shop/deployments/production.web"
    )
    with pytest.raises(paths.ForbiddenCallError):
        paths.item(names.DEPLOYMENTS, SHOP, "..")  # type: ignore[arg-type]
    with pytest.raises(paths.ForbiddenCallError):
        paths.collection(names.DEPLOYMENTS, "..")  # type: ignore[arg-type]


def test_parsed_value_that_is_no_path_segment_is_stopped_at_the_end() -> None:
    path = paths.item(names.DEPLOYMENTS, SHOP, ReleaseId.parse("a/../b"))
    with pytest.raises(paths.ForbiddenCallError):
        paths.FACADE_CALLS.require("GET", path)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_nobody_may_touch_a_whole_collection(method: str) -> None:
    for calls in (paths.FACADE_CALLS, paths.OPERATOR_CALLS, paths.COMMAND_CALLS):
        with pytest.raises(paths.ForbiddenCallError):
            calls.require(method, PATH)


def test_facade_may_not_write_records_or_statuses() -> None:
    record = paths.collection(names.RECORDS, SHOP)
    status = paths.status(names.DEPLOYMENTS, SHOP, BindingName.parse("production.web"))
    for method, path in (("POST", record), ("PATCH", status)):
        with pytest.raises(paths.ForbiddenCallError):
            paths.FACADE_CALLS.require(method, path)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", UnauthenticatedError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (409, "Conflict", ConflictError),
        (410, "Expired", GoneError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", ThrottledError),
        (500, "InternalError", UnavailableError),
        (504, "Timeout", UnavailableError),
    ],
)
def test_status_of_the_api_server_becomes_its_error(status: int, reason: str, expected: type[Exception]) -> None:
    error = error_for("GET /x", status, "text", {"reason": reason})
    assert type(error) is expected


def test_throttling_carries_the_delay_that_was_asked_for() -> None:
    error = error_for("GET /x", 429, "", {}, "3")
    assert isinstance(error, ThrottledError)
    assert error.retry_after == 3.0
    dated = error_for("GET /x", 429, "", {}, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert isinstance(dated, ThrottledError)
    assert dated.retry_after is None


def test_refusal_by_a_policy_names_it() -> None:
    error = ForbiddenError(
        'deployments.moorage.dev "production.web" is forbidden: ValidatingAdmissionPolicy '
        "'deployments-locks.moorage.dev' with binding 'deployments-locks.moorage.dev' denied request: environment "
        "production is locked by alice: audit"
    )
    assert error.policy == names.POLICY_DEPLOYMENT_LOCKS
    assert error.refusal == "environment production is locked by alice: audit"
    assert ForbiddenError("no right").policy is None


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"{"])
def test_answer_that_is_no_json_object_is_no_answer(content: bytes) -> None:
    with pytest.raises(UnavailableError):
        decode("GET", PATH, 200, None, content)
