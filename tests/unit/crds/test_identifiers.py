"""Ids: what is accepted, what never is, and that a parsed id cannot become a path of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds import identifiers, names
from moorage_crds.identifiers import (
    AppId,
    BindingName,
    EnvironmentSlug,
    Identifier,
    InvalidIdentifierError,
    NamespaceName,
    OrgId,
    RecordId,
    ReleaseId,
    Uid,
    WorkspaceId,
)

UID = "8b441a92-ba68-49a4-9cae-f047a2c9ab25"
ALL = [AppId, BindingName, EnvironmentSlug, NamespaceName, OrgId, RecordId, ReleaseId, Uid, WorkspaceId]

HOSTILE = [
    "", ".", "..", "../api", "a/..", "%2e%2e", "a%2fb", "a\x00", "a\r\nb", "a\n", "\u202ea", "é", "a?b", "a#b",
    "a;b", "a\\b", " a", "a ", "-a", "a-", "*", "a" * 300, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_id_of_any_kind(kind: type[Identifier], text: str) -> None:
    allowed_in_releases = {"a/..", "a-"}
    if kind is ReleaseId and text in allowed_in_releases:
        return  # a release never reaches a path; it is a value in a body
    with pytest.raises(InvalidIdentifierError) as caught:
        kind.parse(text)
    assert caught.value.kind == kind.kind


def test_slug_must_not_look_like_a_uid() -> None:
    with pytest.raises(InvalidIdentifierError):
        EnvironmentSlug.parse(UID)
    assert EnvironmentSlug.parse(UID[:-1]) == UID[:-1]


def test_record_id_takes_its_parts_apart() -> None:
    record = RecordId.of(Uid.parse(UID), 17)
    assert record == f"{UID}-00000017"
    assert record.deployment_uid == UID
    assert record.sequence == 17


@given(
    environment=st.from_regex(EnvironmentSlug.pattern, fullmatch=True), app=st.from_regex(AppId.pattern, fullmatch=True)
)
def test_binding_name_of_parsed_halves_is_always_a_name(environment: str, app: str) -> None:
    if len(environment) > EnvironmentSlug.max_length or len(app) > AppId.max_length:
        return
    name = BindingName.of(EnvironmentSlug.parse(environment), AppId.parse(app))
    assert name == names.binding_name(environment, app)
    assert name.count(".") == 1


@given(st.text())
def test_parse_accepts_only_full_matches(text: str) -> None:
    for kind in ALL:
        try:
            parsed = kind.parse(text)
        except InvalidIdentifierError:
            continue
        assert parsed == text
        assert kind.pattern.fullmatch(text)
        assert len(text) <= kind.max_length
        assert text not in {".", ".."}


def test_every_kind_of_id_is_tested_here() -> None:
    kinds = {
        kind
        for kind in vars(identifiers).values()
        if isinstance(kind, type) and issubclass(kind, Identifier) and kind is not Identifier
    }
    assert kinds - set(ALL) == {identifiers.ClusterObjectName}
