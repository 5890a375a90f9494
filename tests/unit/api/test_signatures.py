"""Signatures of tokens: what the cluster's keys have signed, and nothing else."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from hypothesis import given
from hypothesis import strategies as st
from signed_tokens import CURVE_KEY, KEY, OTHER_KEY, PrivateKey, jwk, signed

from moorage_api.reviews.signatures import Keys, parse

NOW = 1_000.0


def keys(*entries: Any) -> Keys:
    known = Keys()
    known.replace({"keys": list(entries) or [jwk(), jwk(CURVE_KEY, "curve")]})
    return known


def subject(text: str, known: Keys) -> str | None:
    token = parse(text)
    return known.subject(token, now=NOW) if token is not None else None


@pytest.mark.parametrize(("key", "kid"), [(KEY, "test"), (CURVE_KEY, "curve")])
def test_token_of_the_cluster_names_its_subject(key: PrivateKey, kid: str) -> None:
    assert subject(signed(key, kid=kid, sub="robot"), keys()) == "robot"


@pytest.mark.parametrize(
    "text",
    [
        signed(sub="robot", exp=NOW),
        signed(sub="robot", exp=None),
        signed(sub="robot", exp="9999"),
        signed(sub="robot", exp=True),
        signed(sub=None),
        signed(sub=7),
        signed(OTHER_KEY, sub="robot"),
        signed(sub="robot", kid="another"),
        signed(sub="robot", kid="curve"),
        signed(CURVE_KEY, sub="robot", kid="test"),
        signed(ec.generate_private_key(ec.SECP256R1()), kid="curve", sub="robot"),
        signed(sub="robot", kid=None),
        signed(sub="robot", alg="none"),
        signed(sub="robot", alg="HS256"),
        signed(sub="robot", alg="RS512"),
        signed(sub="robot", alg="ES256"),
        signed(CURVE_KEY, kid="curve", alg="ES384", sub="robot"),
        signed(sub="robot", digest=SHA1()),  # noqa: S303 — to be refused
        signed(sub="robot") + "AAAA",
        signed(sub="robot")[:-4],
        signed(sub="robot").rpartition(".")[0] + ".",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "",
        "é.é.é",
    ],
)
def test_everything_else_has_no_subject(text: str) -> None:
    assert subject(text, keys()) is None


def test_changed_claims_are_not_signed() -> None:
    head, _, signature = signed(sub="robot").split(".")
    other = signed(sub="admin").split(".")[1]

    assert subject(f"{head}.{other}.{signature}", keys()) is None


@given(st.sampled_from([(KEY, "test", 256), (CURVE_KEY, "curve", 64)]), st.randoms(use_true_random=False))
def test_no_invented_signature_verifies(kind: tuple[PrivateKey, str, int], random: Any) -> None:
    key, kid, size = kind
    content = signed(key, kid=kid, sub="robot").rpartition(".")[0]

    assert subject(f"{content}.{urlsafe_b64encode(random.randbytes(size)).decode()}", keys()) is None


def test_document_with_rubbish_gives_the_sound_keys() -> None:
    weak = jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "weak")  # noqa: S505 — to be refused
    off_the_curve = {**jwk(CURVE_KEY, "off"), "x": "AQAB"}
    rubbish: list[Any] = [
        None,
        7,
        {},
        {"kty": "oct", "kid": "secret", "k": "AQAB"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "RSA", "kid": "odd", "n": "é", "e": 7},
        {**jwk(), "kid": 7},
        {**jwk(CURVE_KEY, "other curve"), "crv": "P-1"},
        weak,
        off_the_curve,
    ]
    known = keys(*rubbish, jwk())
    found = len(known)
    known.replace({"keys": 7})

    assert (found, len(known)) == (1, 0)


def test_key_that_is_not_known_is_asked_for() -> None:
    known = keys()
    subject(signed(sub="robot"), known)
    before = known.missed.is_set()

    subject(signed(sub="robot", kid="new"), known)

    assert (before, known.missed.is_set()) == (False, True)
