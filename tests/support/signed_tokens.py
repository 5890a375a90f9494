"""JSON web tokens with keys of our own, and the document in which a cluster publishes such keys."""

import json
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())
#: In 2096: nobody's test runs that late.
LATER = 4_000_000_000


def signed(
    key: PrivateKey = KEY,
    *,
    kid: str | None = "test",
    alg: str | None = None,
    digest: HashAlgorithm | None = None,
    **claims: Any,
) -> str:
    """A token; claims that are None are left out."""
    rsa_key = isinstance(key, rsa.RSAPrivateKey)
    header = {"alg": alg or ("RS256" if rsa_key else "ES256"), "kid": kid}
    wanted = {"exp": LATER, "iss": "https://issuer", **claims}
    parts = [{name: value for name, value in part.items() if value is not None} for part in (header, wanted)]
    content = ".".join(_text(json.dumps(part).encode()) for part in parts)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(content.encode(), padding.PKCS1v15(), digest or SHA256())
    else:
        halves = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(SHA256())))
        signature = b"".join(half.to_bytes(32) for half in halves)
    return f"{content}.{_text(signature)}"


def jwk(key: PrivateKey = KEY, kid: str = "test") -> dict[str, Any]:
    """The public half, as a cluster publishes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        values = {"n": numbers.n, "e": numbers.e}
        kind = {"kty": "RSA", "alg": "RS256"}
    else:
        point = key.public_key().public_numbers()
        values = {"x": point.x, "y": point.y}
        kind = {"kty": "EC", "alg": "ES256", "crv": "P-256"}
    encoded = {name: _text(value.to_bytes((value.bit_length() + 7) // 8)) for name, value in values.items()}
    return {"use": "sig", "kid": kid, **kind, **encoded}


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
