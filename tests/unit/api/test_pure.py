"""Pure parts: routes, cursors, entity tags, ownership, fingerprints, strict JSON."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_api.cache import ownership
from moorage_api.config import GITOPS_MANAGERS
from moorage_api.contract import idempotency, pages
from moorage_api.contract.errors import ApiError
from moorage_api.edge import strict_json
from moorage_api.edge.router import NoSuchMethodError, NoSuchPathError, Router
from moorage_api.edge.strict_json import JsonError
from moorage_api.reads import etag

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Route:
    def __init__(self, method: str, path: str) -> None:
        self.method, self.path = method, path


def test_segments_are_decoded_after_they_were_split() -> None:
    route = Route("GET", "/a/{one}/b/{two}")

    found, params = Router([route]).resolve("GET", "/a/x%2Fy/b/%2e%2e")

    assert found is route
    assert params == {"one": "x/y", "two": ".."}


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/x/b", "a/x", "/A/x", "//a/x", "/a/x/", ""])
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(NoSuchPathError):
        Router([Route("GET", "/a/{one}/c")]).resolve("GET", path)


def test_other_methods_are_told() -> None:
    router = Router([Route("PUT", "/a/{one}"), Route("GET", "/a/{one}")])

    with pytest.raises(NoSuchMethodError) as caught:
        router.resolve("POST", "/a/x")

    assert caught.value.allowed == ["GET", "PUT"]


@given(key=JSON_VALUES, scope=JSON_VALUES)
def test_cursor_comes_back_whole(key: object, scope: object) -> None:
    assert pages.decode(scope, pages.encode(scope, key)) == json.loads(json.dumps(key))


@given(text=st.text(max_size=80))
def test_any_other_text_is_a_damaged_cursor(text: str) -> None:
    with pytest.raises(pages.DamagedCursorError):
        pages.decode("scope", text)


@pytest.mark.parametrize("position", [0, 5, 20, -1])
def test_damaged_cursor_is_found(position: int) -> None:
    cursor = list(pages.encode("scope", ["2026-01-01T00:00:00Z", "uid", 3]))
    cursor[position] = "A" if cursor[position] != "A" else "B"

    with pytest.raises(pages.DamagedCursorError):
        pages.decode("scope", "".join(cursor))


def test_cursor_of_another_list_is_damaged() -> None:
    with pytest.raises(pages.DamagedCursorError):
        pages.decode("other", pages.encode("scope", "key"))


@pytest.mark.parametrize(
    ("header", "same"), [(None, False), ("*", True), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ('"b"', False)]
)
def test_if_none_match(header: str | None, same: bool) -> None:
    assert etag.unmodified(header, '"a"') is same


@pytest.mark.parametrize("header", ["a", '"a', '"a" "b"', "", '"a",'])
def test_damaged_tags_are_refused(header: str) -> None:
    with pytest.raises(ApiError):
        etag.unmodified(header, '"a"')


@pytest.mark.parametrize(
    ("metadata", "release", "anything"),
    [
        ({}, None, None),
        ({"managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:release": {}}}}]}, None, None),
        ({"managedFields": [{"manager": "helm", "fieldsV1": {"f:spec": {"f:release": {}}}}]}, "helm", "helm"),
        ({"managedFields": [{"manager": "helm", "fieldsV1": {"f:spec": {"f:app": {}}}}]}, None, "helm"),
        (
            {
                "managedFields": [
                    {"manager": "helm", "subresource": "status", "fieldsV1": {"f:spec": {"f:release": {}}}}
                ]
            },
            None,
            None,
        ),
        ({"managedFields": [{"manager": "helm", "fieldsV1": {"f:metadata": {}}}]}, None, None),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, "kustomize-controller", "kustomize-controller"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "helm", "helm"),
        ({"labels": {"app.kubernetes.io/managed-by": "me"}}, None, None),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "argocd-controller", "argocd-controller"),
        ({"labels": {"kapp.k14s.io/app": "1"}}, "kapp", "kapp"),
    ],
)
def test_who_declares_a_field(metadata: dict[str, object], release: str | None, anything: str | None) -> None:
    found = ownership.read({"metadata": metadata}, GITOPS_MANAGERS)

    assert (found.of("release"), found.declared_by) == (release, anything)


def test_tool_that_is_not_listed_declares_nothing() -> None:
    raw = {"metadata": {"labels": {"kapp.k14s.io/app": "1"}}}

    assert ownership.read(raw, ["helm"]).declared_by is None


@given(user=st.text(), key=st.text(min_size=1, max_size=64), content=JSON_VALUES)
def test_fingerprint_fits_into_a_note(user: str, key: str, content: object) -> None:
    made = idempotency.fingerprint(user, key, content)

    assert len(made.request_id) <= 64
    assert all("!" <= char <= "~" for char in made.request_id)
    assert idempotency.split(made.request_id) == made


def test_random_request_id_is_no_fingerprint() -> None:
    assert idempotency.split(idempotency.random_request_id()) is None


@given(value=JSON_VALUES)
def test_strict_json_takes_what_is_json(value: object) -> None:
    assert strict_json.loads(json.dumps(value).encode()) == value


@given(content=st.binary(max_size=200))
def test_strict_json_never_raises_anything_else(content: bytes) -> None:
    with suppress(JsonError):
        strict_json.loads(content)


def test_depth_of_32_is_taken_and_33_is_not() -> None:
    assert strict_json.loads(b"[" * 32 + b"]" * 32) is not None
    with pytest.raises(JsonError):
        strict_json.loads(b"[" * 33 + b"]" * 33)


def test_brackets_in_strings_do_not_nest() -> None:
    assert strict_json.loads(json.dumps('"[' * 100).encode()) == '"[' * 100
