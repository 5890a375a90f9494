r"""What texts may look like: each pattern is written once, and composed where it is part of another. Pure.

Schemas of the CRDs, types of ids and bodies of REST take their patterns from here. They are regular expressions that
mean the same to Python, to the API server (Go) and to pydantic, and they say nothing of the whole text: `whole` makes
the form that schemas need. LINE and TEXT alone are spelled for Go and pydantic (`\x{202A}`), and a second time for
ECMAScript.
"""

from collections.abc import Callable, Iterable
from typing import Final

from moorage_crds import names

#: `metadata.uid` of an object.
UID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: DNS label (RFC 1123): slugs of environments, Namespaces.
SLUG: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#: DNS subdomain (RFC 1123): names of CRDs, policies, Leases.
SUBDOMAIN: Final = rf"{SLUG}(\.{SLUG})*"
#: Label value of Kubernetes, not empty: organisations, workspaces.
LABEL_VALUE: Final = r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
APP: Final = r"[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?"
RELEASE: Final = r"[A-Za-z0-9][-+_.:@/A-Za-z0-9]*"
#: Name of a Deployment: `<environment>.<app in lower case, '_' as '-'>`.
BINDING: Final = rf"{SLUG}\.{SLUG}"
#: Name of a gate that can be overridden.
GATE: Final = rf"promotion|approvals|(cluster)?freeze/{SLUG}"
#: Number of a change in the name of its record.
SEQUENCE: Final = f"[0-9]{{{names.SEQUENCE_DIGITS}}}"
#: Name of a DeploymentRecord.
RECORD: Final = f"{UID}-{SEQUENCE}"
#: Name of a parameter of an Environment: valid in every template language.
PARAMETER: Final = r"[A-Za-z][A-Za-z0-9_]*"
#: SHA-256 in hexadecimal.
HASH: Final = r"[0-9a-f]{64}"

#: Control characters, separators of lines and paragraphs, and marks that turn the direction of text: what makes a text
#: look like another one. Code points, first and last.
_UNSEEN: Final = ((0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2028), (0x2029, 0x2029), (0x202A, 0x202E), (0x2066, 0x2069))
_UNSEEN_BUT_LINES: Final = ((0x00, 0x08), (0x0B, 0x1F), *_UNSEEN[1:])


def _go(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\x{{{code:X}}}"


def _ecma(code: int) -> str:
    return f"\\u{code:04x}"


def _none_of(ranges: Iterable[tuple[int, int]], spelled: Callable[[int], str]) -> str:
    parts = (spelled(first) if first == last else f"{spelled(first)}-{spelled(last)}" for first, last in ranges)
    return f"[^{''.join(parts)}]*"


#: A text of one line in which nothing is unseen.
LINE: Final = _none_of(_UNSEEN, _go)
#: The same, but line feeds and tabs are allowed.
TEXT: Final = _none_of(_UNSEEN_BUT_LINES, _go)
#: Both for JSON Schema, whose readers know ECMAScript's spelling.
LINE_ECMA: Final = _none_of(_UNSEEN, _ecma)
TEXT_ECMA: Final = _none_of(_UNSEEN_BUT_LINES, _ecma)


def whole(pattern: str) -> str:
    """The pattern of a text that is that and nothing else, for schemas (which search, and do not match)."""
    return f"^{pattern}$"
