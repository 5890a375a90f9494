"""Who signed a token, by the cluster's keys. This decides a place in the queue and never who is let in.

A token whose signature verifies is not invented, so its review is asked for at once. Whether the token is still good is
for the TokenReview alone: the rules for that (audience, revocation, bound objects) are the API server's.
"""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

#: RFC 7518, section 3.1: what a cluster may sign with. Algorithms with a shared secret are none of them.
_RSA: Final[Mapping[str, HashAlgorithm]] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}
_CURVES: Final[Mapping[str, tuple[str, ec.EllipticCurve, HashAlgorithm]]] = {
    "ES256": ("P-256", ec.SECP256R1(), SHA256()),
    "ES384": ("P-384", ec.SECP384R1(), SHA384()),
    "ES512": ("P-521", ec.SECP521R1(), SHA512()),
}
#: RSA keys in bits: smaller ones are not safe, larger ones cost much to verify.
_BITS: Final = range(2048, 8192 + 1)
#: A cluster publishes one key, or a few while it changes them.
_MAX_KEYS: Final = 64


@dataclass(frozen=True, slots=True)
class Token:
    """A JSON web token, taken apart and not verified.

    Attributes:
        signed: the bytes that the signature is about.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """`kid`, which names the key; empty if there is none."""
        return _text(self.header.get("kid"))

    @property
    def shape(self) -> tuple[str, str, str]:
        """What tokens of one issuer have in common: algorithm, key and issuer, as they say themselves."""
        return (_text(self.header.get("alg")), self.key_id, _text(self.claims.get("iss")))


def expiry(text: str) -> float | None:
    """`exp` of a token in seconds since 1970, whether or not the rest of it can be read; None if it does not say."""
    parts = text.split(".")
    try:
        claims = orjson.loads(_decoded(parts[1])) if len(parts) == 3 else None
    except ValueError:
        return None
    return _expiry(claims) if isinstance(claims, dict) else None


def parse(text: str) -> Token | None:
    """Take a token apart; None if it is not a JSON web token."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = orjson.loads(_decoded(parts[0])), orjson.loads(_decoded(parts[1]))
        signature = _decoded(parts[2])
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


class Keys:
    """The public keys of the cluster by their ids. Until they were read nobody is known to have signed.

    Attributes:
        missed: set when a token names a key that is not there, which may be a new one.
    """

    def __init__(self) -> None:
        self._known: dict[str, PublicKey] = {}
        self.missed = asyncio.Event()

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._known)

    def replace(self, document: Mapping[str, Any]) -> None:
        """Take over what the API server publishes at `/openid/v1/jwks`. Unusable keys are left out."""
        listed = document.get("keys")
        found = [_read(entry) for entry in listed[:_MAX_KEYS]] if isinstance(listed, list) else []
        self._known = dict(pair for pair in found if pair is not None)

    def subject(self, token: Token, *, now: float) -> str | None:
        """`sub` of a token that one of the keys has signed and that has not expired; else None."""
        key = self._known.get(token.key_id)
        if key is None and token.key_id:
            self.missed.set()
        ends = _expiry(token.claims)
        if key is None or ends is None or ends <= now or not is_signed_by(token, key):
            return None
        return _text(token.claims.get("sub")) or None


def is_signed_by(token: Token, key: PublicKey) -> bool:
    """Whether that key has signed the token, with an algorithm that goes with it."""
    algorithm = _text(token.header.get("alg"))
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, padding.PKCS1v15(), _RSA[algorithm])
        else:
            _, curve, digest = _CURVES[algorithm]
            key.verify(_der(token.signature, key, curve), token.signed, ec.ECDSA(digest))
    except (KeyError, ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _expiry(claims: Mapping[str, Any]) -> float | None:
    found = claims.get("exp")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _der(signature: bytes, key: ec.EllipticCurvePublicKey, curve: ec.EllipticCurve) -> bytes:
    """The two halves of a signature (RFC 7518, section 3.4) as the library wants them. Raises ValueError."""
    size = (curve.key_size + 7) // 8
    if key.curve.name != curve.name or len(signature) != 2 * size:
        raise ValueError(curve.name)
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))


def _read(entry: object) -> tuple[str, PublicKey] | None:
    if not isinstance(entry, dict) or not _text(entry.get("kid")):
        return None
    try:
        key = _rsa_key(entry) if entry.get("kty") == "RSA" else _curve_key(entry)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return (entry["kid"], key) if key is not None else None


def _rsa_key(entry: Mapping[str, Any]) -> rsa.RSAPublicKey | None:
    modulus, exponent = _number(entry.get("n")), _number(entry.get("e"))
    if modulus.bit_length() not in _BITS or exponent.bit_length() > 32:
        return None
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _curve_key(entry: Mapping[str, Any]) -> ec.EllipticCurvePublicKey | None:
    for name, curve, _ in _CURVES.values():
        if entry.get("kty") == "EC" and entry.get("crv") == name:
            return ec.EllipticCurvePublicNumbers(_number(entry.get("x")), _number(entry.get("y")), curve).public_key()
    return None


def _number(value: object) -> int:
    return int.from_bytes(_decoded(_text(value)))


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
