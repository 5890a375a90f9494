"""What may leave the process, and how answers become errors."""

import pytest

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName, ReleaseId
from moorage_crds.kube import paths
from moorage_crds.kube.answers import decode, error_for
from moorage_crds.store import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    StoreError,
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
    error = error_for("GET", "/x", status, {"reason": reason, "message": "text"})
    assert type(error) is expected


def test_throttling_carries_the_delay_that_was_asked_for() -> None:
    error = error_for("GET", "/x", 429, {}, "3")
    assert isinstance(error, ThrottledError)
    assert error.retry_after == 3.0
    dated = error_for("GET", "/x", 429, {}, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert isinstance(dated, ThrottledError)
    assert dated.retry_after is None


LOCKED = (
    'deployments.moorage.dev "production.web" is forbidden: ValidatingAdmissionPolicy '
    "'deployments-locks.moorage.dev' with binding 'deployments-locks.moorage.dev' denied request: environment "
    "production is locked by alice: audit"
)


def test_refusal_by_a_policy_carries_its_name_and_its_own_words() -> None:
    error = error_for("PATCH", PATH.template, 422, {"message": LOCKED, "reason": "Invalid"})
    assert isinstance(error, ForbiddenError)
    assert error.policy == names.POLICY_DEPLOYMENT_LOCKS
    assert error.message == "environment production is locked by alice: audit"
    assert (error.answer.verb, error.answer.path) == ("PATCH", PATH.template)
    assert (error.answer.status, error.answer.reason) == (422, "Invalid")


def test_log_shows_the_whole_answer() -> None:
    assert str(error_for("PATCH", "/x", 403, {"message": LOCKED})) == f"PATCH /x: 403 {LOCKED}"
    assert str(UnavailableError("GET /x: reset")) == "GET /x: reset"


@pytest.mark.parametrize(
    "message",
    [
        'deployments.moorage.dev "a.b" is forbidden: User "bob" cannot patch resource "deployments" in API group',
        'deployments.moorage.dev is forbidden: User "bob" cannot list resource "deployments" in API group',
        'x is forbidden: User "system:serviceaccount:a:b" cannot get resource "x" at the cluster scope',
    ],
)
def test_missing_right_is_told_from_other_refusals(message: str) -> None:
    error = error_for("GET", "/x", 403, {"message": message})
    assert isinstance(error, ForbiddenError)
    assert (error.by_authorizer, error.policy, error.message) == (True, None, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        # Texts that quote what somebody sent: an API server's own phrase in them means nothing.
        (422, f'environments.moorage.dev "a" is invalid: spec.description: Invalid value: "{LOCKED}"'),
        (422, "spec.reason: Invalid value: \"admission webhook 'w' denied the request\""),
        (400, f'json: cannot unmarshal string "x is forbidden: User "bob" cannot y {LOCKED}"'),
    ],
)
def test_phrase_inside_a_quoted_text_is_no_refusal(code: int, message: str) -> None:
    assert isinstance(error_for("POST", "/x", code, {"message": message}), InvalidError)


def test_webhook_that_cannot_be_reached_is_named() -> None:
    message = 'Internal error occurred: failed calling webhook "w.example.com": timeout'
    error = error_for("POST", "/x", 500, {"message": message})
    assert isinstance(error, UnavailableError)
    assert error.webhook == "w.example.com"


def test_refusal_by_quota_is_neither_policy_nor_missing_right() -> None:
    error = error_for("POST", "/x", 403, {"message": 'deployments "a" is forbidden: exceeded quota: q'})
    assert isinstance(error, ForbiddenError)
    assert (error.policy, error.by_authorizer) == (None, False)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"{"])
def test_answer_that_is_no_json_object_is_no_answer(content: bytes) -> None:
    with pytest.raises(UnavailableError):
        decode("GET", PATH, 200, None, content)


@pytest.mark.parametrize("status", [403, 422])
@pytest.mark.parametrize(
    ("why", "meaning"),
    [
        ("failed to configure policy: failed to find resource referenced by paramKind: 'x'", UnavailableError),
        ("failed to configure binding: paramKind kind `x` not yet synced to use for admission", UnavailableError),
        ("failed to configure binding: no params found for policy binding with `Deny`", ForbiddenError),
        ("production takes no release", ForbiddenError),
        ("say why: failed to configure policy: not yet synced to use for admission", ForbiddenError),
    ],
)
@pytest.mark.parametrize("binding", ["", " with binding 'approvals.moorage.dev'"])
def test_a_policy_that_cannot_decide_yet_is_worth_a_retry(
    status: int, why: str, meaning: type[StoreError], binding: str
) -> None:
    """As the API server says it for a while after its start, with a status of a refusal."""
    message = f"ValidatingAdmissionPolicy 'approvals.moorage.dev'{binding} denied request: {why}"
    assert type(error_for("PATCH", "/x", status, {"message": message})) is meaning
