"""Ids that nobody should send, made from a seed: the same seed gives the same ids in the same order."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import quote

_TARGETS = (
    "api/v1/namespaces/kube-system/secrets",
    "apis/moorage.dev/v1/environments",
    "apis/moorage.dev/v1/namespaces/default/deployments",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "metrics",
    "healthz",
    "etc/passwd",
)
_QUERIES = ("watch=true", "dryRun=All", "fieldManager=x&force=true", "labelSelector=a", "propagationPolicy=Orphan")
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u3164\u115f"
_SPACES = " \t\u00a0\u2003\u2028\u2029\u3000"
_CONTROLS = "".join(map(chr, (*range(1, 32), 127, *range(128, 160))))
#: Characters that other layers read as a dot or a slash.
_LOOKALIKES = "\u2024\u2025\u2026\uff0e\uff0f\u2044\u2215\u29f8\uff3c\u0589\u3002"
_SCRIPTS = (
    "$(id)",
    "`id`",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "' OR '1'='1",
    "; rm -rf /",
    "| cat /etc/passwd",
    "%s%s%s%n",
    "%(password)s",
    "{0.__class__}",
    "\\u0000",
    "!!python/object/apply:os.system [id]",
    "__proto__",
)

Family = Callable[[random.Random], str]


def _word(dice: random.Random) -> str:
    return "".join(dice.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=dice.randint(1, 8)))


def _dots(dice: random.Random) -> str:
    return dice.choice([".", "..", "...", "./", "../", "..;", ".;/", "/..", "//", "/", "./.", "..\\", "\\.."])


def _traversal(dice: random.Random) -> str:
    step = dice.choice(["../", "..\\", "./../", "..//", "..;/", ".../"])
    return dice.choice(["", _word(dice), "/"]) + step * dice.randint(1, 12) + dice.choice(_TARGETS)


def _encoded_once(dice: random.Random) -> str:
    return quote(dice.choice([_dots, _traversal, _crlf, _null])(dice), safe="")


def _encoded_twice(dice: random.Random) -> str:
    return quote(_encoded_once(dice), safe="")


def _overlong_encoding(dice: random.Random) -> str:
    part = dice.choice(
        ["%c0%ae", "%c0%af", "%e0%80%ae", "%f0%80%80%ae", "%u002e", "%ff", "%fe%ff", "%ed%a0%80", "%", "%2"]
    )
    return _word(dice) + part * dice.randint(1, 4)


def _null(dice: random.Random) -> str:
    return dice.choice(["\0", "\0" + _word(dice), _word(dice) + "\0", _word(dice) + "\0" + ".json"])


def _crlf(dice: random.Random) -> str:
    end = dice.choice(["\r\n", "\n", "\r", "\u2028", "\x85"])
    return _word(dice) + end + dice.choice(["X-Remote-User: admin", "Impersonate-User: admin", "", "GET / HTTP/1.1"])


def _syntax(dice: random.Random) -> str:
    return _word(dice) + dice.choice("?#;\\:@&=+,!*'()[]{}|^~<>\"") + dice.choice([*_QUERIES, "", _word(dice)]) + "!"


def _bidi(dice: random.Random) -> str:
    return _word(dice) + dice.choice(_BIDI) + _word(dice)


def _invisible(dice: random.Random) -> str:
    return _word(dice) + dice.choice(_INVISIBLE + _SPACES) + dice.choice(["", _word(dice)])


def _control(dice: random.Random) -> str:
    return _word(dice) + dice.choice(_CONTROLS) + dice.choice(["", _word(dice)])


def _normal_forms(dice: random.Random) -> str:
    text = dice.choice(["éclair", "ｐｒｏｄ", "ﬁle", "Ångström", "İstanbul", "ſtaging", "prοd", "рrod"])
    return unicodedata.normalize(dice.choice(["NFC", "NFD"]), text) + _word(dice)


def _lookalike(dice: random.Random) -> str:
    return dice.choice(_LOOKALIKES) * dice.randint(1, 3) + _word(dice)


def _too_long(dice: random.Random) -> str:
    return dice.choice("aZ0") * dice.choice([129, 200, 254, 300, 1024, 4000])


def _edges(dice: random.Random) -> str:
    return dice.choice(["-", "_", "-" + _word(dice), _word(dice) + "-", "_" + _word(dice), ".a", "a.", "-.-", "~", "*"])


def _script(dice: random.Random) -> str:
    return _word(dice) + dice.choice(_SCRIPTS)


def _astral(dice: random.Random) -> str:
    return chr(dice.choice([0x1F4A9, 0x10FFFF, 0xFFFE, 0xE0001, 0x1D552, 0xFDD0])) + dice.choice(["", _word(dice)])


def _empty(_dice: random.Random) -> str:
    return ""


FAMILIES: tuple[Family, ...] = (
    _dots,
    _traversal,
    _encoded_once,
    _encoded_twice,
    _overlong_encoding,
    _null,
    _crlf,
    _syntax,
    _bidi,
    _invisible,
    _control,
    _normal_forms,
    _lookalike,
    _too_long,
    _edges,
    _script,
    _astral,
    _empty,
)


def ids(seed: int) -> Iterator[str]:
    """Hostile ids without end, of all families."""
    dice = random.Random(seed)  # noqa: S311 — repeatable, not secret
    while True:
        yield dice.choice(FAMILIES)(dice)


#: Texts that run as a script where a page puts them into its HTML, its addresses, or its code as they are.
SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    "javascript:alert(4)",
    "{{constructor.constructor('alert(5)')()}}",
    "</title><script>stranger=6</script>",
    "<iframe srcdoc='<script>parent.stranger=7</script>'>",
    "<a href=javascript:alert(8)>x</a>",
    "<math><mi xlink:href=javascript:alert(9)>x</mi></math>",
    "'-alert(10)-'",
    "<svg><script>alert(11)</script></svg>",
    "<body onload=alert(12)>",
    "<input autofocus onfocus=alert(13)>",
    "<details open ontoggle=alert(14)>",
    "<video><source onerror=alert(15)></video>",
    "<audio src=x onerror=alert(16)>",
    "<object data=javascript:alert(17)></object>",
    "<embed src=javascript:alert(18)>",
    "<form action=javascript:alert(19)><button>x</button></form>",
    "<button formaction=javascript:alert(20)>x</button>",
    "<isindex type=image src=x onerror=alert(21)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(22)'>",
    "<link rel=stylesheet href=javascript:alert(23)>",
    "<base href=javascript:alert(24)//>",
    "<style>@import'javascript:alert(25)'</style>",
    "<div style=background:url(javascript:alert(26))>x</div>",
    "<marquee onstart=alert(27)>x</marquee>",
    "<select autofocus onfocus=alert(28)></select>",
    "<textarea autofocus onfocus=alert(29)></textarea>",
    "<keygen autofocus onfocus=alert(30)>",
    "<svg><animate onbegin=alert(31) attributeName=x dur=1s></svg>",
    "<svg><a xlink:href=javascript:alert(32)><text>x</text></a></svg>",
    "<template><script>alert(33)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(34)>'>",
    "<!--><script>alert(35)</script>-->",
    "<![CDATA[<script>alert(36)</script>]]>",
    "</script><script>alert(37)</script>",
    "${alert(38)}`${alert(38)}`",
    '"};alert(39);//',
    "&lt;script&gt;alert(40)&lt;/script&gt;",
    "\\u003cscript\\u003ealert(41)\\u003c/script\\u003e",
    "data:text/html,<script>alert(42)</script>",
)
