"""Login at the page: cookies that nobody else can use or read, and links that log in once."""

import json
import logging
import string
from base64 import urlsafe_b64encode
from http.cookies import SimpleCookie
from typing import Any

import pytest
from facade_world import BASE, Reply, World
from hypothesis import given
from hypothesis import strategies as st

from moorage_api.session import cookies
from moorage_api.session.seal import Seal, Session, WeakSecretError
from moorage_api.session.sessions import MAX_SECONDS, MAX_TOKEN, Sessions

OWN = {"Sec-Fetch-Site": "same-origin"}
LOCAL = {"Host": "127.0.0.1:8080"}


def token(subject: str = "alice", *, lasts: float | None = None, length: int = 0) -> str:
    """A token that says when it ends, as a cluster's do; the stand-in of the cluster takes it as a user's name."""
    claims: dict[str, Any] = {"sub": subject, "pad": "x" * length}
    if lasts is not None:
        claims["exp"] = World().clock.now().timestamp() + lasts
    parts = [{"alg": "RS256", "kid": "k"}, claims]
    texts = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2ln"])


def jar(reply: Reply) -> dict[str, Any]:
    """The cookies of an answer: name → morsel."""
    found: SimpleCookie = SimpleCookie()
    for value in reply.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
        found.load(value)
    return dict(found)


def sent(morsels: dict[str, Any]) -> dict[str, str]:
    """What a browser sends back."""
    return {"Cookie": "; ".join(f"{name}={one.value}" for name, one in morsels.items() if one["max-age"] != "0")}


async def log_in(world: World, given: str = "alice", **headers: str) -> Reply:
    return await world.call("POST", "/session", {"token": given}, user=None, headers={**OWN, **headers})


async def test_a_session_reads_and_writes_in_the_name_of_its_user() -> None:
    world = World()
    world.environment()
    reply = await log_in(world)
    cookie = {**sent(jar(reply)), **OWN}

    who = await world.call("GET", "/session", user=None, headers=cookie)
    shown = await world.call("GET", f"{BASE}/staging", user=None, headers=cookie)
    written = await world.call(
        "POST", f"{BASE}/staging/deploy", {"app_id": "web", "release_id": "v1"}, user=None, headers=cookie
    )
    lines = await world.call("GET", f"{BASE}/staging/deployments", user=None, headers=cookie)

    assert reply.status == 200
    assert reply.json == who.json
    assert who.json == {
        "username": "alice", "groups": ["system:authenticated"], "expires_at": "2026-02-01T00:00:00Z"
    }  # fmt: skip
    assert (shown.status, written.status) == (200, 200)
    assert lines.json["deployments"][0]["deployed_by"] == "alice"


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("moorage.example.com", True), ("10.1.2.3:8080", True), ("[2001:db8::1]", True), ("127.0.0.1.evil.com", True),
        ("127.0.0.1:8080", False), ("[::1]:8080", False), ("localhost", False), ("LOCALHOST:1", False),
    ],
)  # fmt: skip
async def test_cookies_have_every_flag(host: str, *, secure: bool) -> None:
    morsels = jar(await log_in(World(), Host=host))

    assert morsels
    for name, one in morsels.items():
        assert one["httponly"]
        assert one["samesite"] == "Strict"
        assert one["path"] == "/"
        assert not one["domain"]
        assert bool(one["secure"]) == secure == name.startswith("__Host-")
        assert "alice" not in one.value


@pytest.mark.parametrize("lasts", [60, MAX_SECONDS - 1, MAX_SECONDS + 1, None])
async def test_a_session_ends_with_its_token_and_after_twelve_hours(lasts: float | None) -> None:
    world = World()
    subject = token(lasts=lasts)
    world.reviews.grant(subject, "list environments")
    cookie = sent(jar(await log_in(world, subject)))
    expected = min(MAX_SECONDS, lasts if lasts is not None else MAX_SECONDS)

    world.clock.advance(expected - 1)
    before = await world.call("GET", BASE, user=None, headers=cookie)
    world.clock.advance(1)
    after = await world.call("GET", BASE, user=None, headers=cookie)

    assert (before.status, after.status) == (200, 401)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None, "Same-Origin"])
async def test_a_write_with_cookies_comes_from_the_page_itself(site: str | None) -> None:
    world = World()
    world.environment()
    cookie = sent(jar(await log_in(world)))
    headers = {**cookie, **({"Sec-Fetch-Site": site} if site else {})}
    before = world.cluster.writes

    for method, path, body in (
        ("POST", f"{BASE}/staging/deploy", {"app_id": "web", "release_id": "v1"}),
        ("PUT", f"{BASE}/staging/lock", {"reason": "x"}),
        ("DELETE", f"{BASE}/staging", None),
        ("POST", "/session/links", None),
    ):
        assert (await world.call(method, path, body, user=None, headers=headers)).status == 401
    assert world.cluster.writes == before
    read = await world.call("GET", BASE, user=None, headers=headers)
    assert read.status == (200 if site in {"none", None} else 401)


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8080"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9090"},
        {"Origin": "null"},
    ],
)
async def test_nobody_logs_in_or_out_from_elsewhere(said: dict[str, str]) -> None:
    world = World()
    headers = {**LOCAL, **said}

    entered = await world.call("POST", "/session", {"token": "mallory"}, user=None, headers=headers)
    left = await world.call("DELETE", "/session", user=None, headers=headers)
    form = await world.call(
        "POST", "/session", b"token=mallory", user=None, content_type="application/x-www-form-urlencoded", headers=OWN
    )

    for reply in (entered, left):
        assert (reply.status, reply.json["details"], jar(reply)) == (403, {"reason": "CrossOrigin"}, {})
    assert (form.status, jar(form)) == (415, {})


@pytest.mark.parametrize("said", [{}, OWN, {"Origin": "http://127.0.0.1:8080"}])
async def test_the_page_and_programs_log_in_and_out(said: dict[str, str]) -> None:
    world = World()
    headers = {**LOCAL, **said}

    entered = await world.call("POST", "/session", {"token": "alice"}, user=None, headers=headers)
    left = await world.call("DELETE", "/session", user=None, headers=headers)

    assert (entered.status, left.status) == (200, 200)


async def test_a_header_counts_and_cookies_do_not_where_both_are_sent() -> None:
    world = World()
    cookie = {**sent(jar(await log_in(world))), **OWN}

    assert (await world.call("GET", BASE, user="mallory", headers=cookie)).status == 403
    assert (await world.call("GET", BASE, user="bad", headers=cookie)).status == 401
    assert (await world.call("GET", BASE, user=None, headers={**cookie, "Authorization": "Basic eA=="})).status == 401


async def test_logout_removes_every_piece() -> None:
    world = World()
    long = token(length=6_000)
    world.reviews.grant(long, "list environments")
    morsels = jar(await log_in(world, long))
    assert len(morsels) > 2
    assert all(len(f"{name}={one.value}") < 4_000 for name, one in morsels.items())
    assert (await world.call("GET", BASE, user=None, headers=sent(morsels))).status == 200

    shorter = jar(await log_in(world, "alice", **sent(morsels)))
    gone = jar(await world.call("DELETE", "/session", user=None, headers={**OWN, **sent(morsels)}))

    assert sent({**morsels, **shorter}) == sent({name: one for name, one in shorter.items() if one.value})
    assert set(morsels) <= set(gone)
    assert {one["max-age"] for one in gone.values()} == {"0"}
    assert {one.value for one in gone.values()} == {""}


async def test_the_longest_token_fits_and_a_longer_one_names_the_field() -> None:
    world = World()
    longest = "t" * MAX_TOKEN
    world.reviews.grant(longest, "list environments")
    morsels = jar(await log_in(world, longest))
    longer = await log_in(world, "t" * (MAX_TOKEN + 1))

    assert (await world.call("GET", BASE, user=None, headers=sent(morsels))).status == 200
    assert longer.json["detail"][0]["loc"] == ["body", "token"]


@pytest.mark.parametrize("body", [{}, {"token": "a", "code": "b"}, {"token": ""}, {"token": "a b"}, {"code": "ü"}])
async def test_a_wrong_login_is_a_422(body: Any) -> None:
    assert (await World().call("POST", "/session", body, user=None, headers=OWN)).status == 422


async def test_a_token_that_the_cluster_refuses_makes_no_session() -> None:
    reply = await log_in(World(), "bad")

    assert (reply.status, jar(reply)) == (401, {})


async def test_a_link_logs_in_once_and_not_for_long() -> None:
    world = World()
    link = (await world.call("POST", "/session/links")).json
    assert link["path"] == f"/#login={link['code']}"
    assert link["expires_at"] == "2026-01-31T12:10:00Z"

    async def redeem(code: str) -> int:
        return (await world.call("POST", "/session", {"code": code}, user=None, headers=OWN)).status

    assert [await redeem(link["code"]), await redeem(link["code"]), await redeem("x")] == [200, 401, 401]
    late = (await world.call("POST", "/session/links")).json["code"]
    world.clock.advance(600)
    assert await redeem(late) == 401
    assert (await world.call("POST", "/session/links", user=None)).status == 401


async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    secret = token("alice", lasts=100)
    morsels = jar(await log_in(world, secret))
    await world.call("GET", BASE, user=None, headers=sent(morsels))
    code = (await world.call("POST", "/session/links", user=secret)).json["code"]
    await world.call("POST", "/session", {"code": code}, user=None, headers=OWN)
    await world.call("POST", "/session", {"token": secret, "code": code}, user=None, headers=OWN)
    session = Session(secret, 1)

    logged = " ".join(str(vars(record)) for record in caplog.records) + repr(session)
    # The stand-in of the cluster says that the token is the user's name, which is logged: its signature is not.
    assert code not in logged
    assert all(one.value not in logged for one in morsels.values())
    assert secret not in repr(session)


# --- seals and cookies


@given(text=st.text(alphabet=string.ascii_letters + string.digits + "-_", max_size=cookies.PIECE * cookies.MAX_PIECES))
def test_pieces_give_the_text_again(text: str) -> None:
    values = cookies.written(text, LOCAL, 5)
    header = "; ".join(value.partition(";")[0] for value in values)

    assert cookies.read({**LOCAL, "Cookie": f"other=1; {header}; more"}) == text


@given(token=st.text(min_size=1), ends=st.integers(0, 2**40), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_text_but_a_sealed_one_is_opened(token: str, ends: int, at: int, bit: int) -> None:
    seal = Seal.of("a" * 32)
    session = Session(token.encode("utf-8", "replace").decode(), ends)
    text = seal.seal(session)
    assert seal.open(text) == session
    assert Seal.of("b" * 32).open(text) is None
    assert Seal.of(f"{'b' * 32}\n{'a' * 32}\n").open(text) == session
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    place = at % (len(text) - 1)
    other = alphabet[alphabet.index(text[place]) ^ (1 << (bit % 6))]
    assert seal.open(text[:place] + other + text[place + 1 :]) is None


@given(text=st.text(max_size=200))
def test_whatever_a_cookie_holds_is_no_session(text: str) -> None:
    assert Seal.fresh().open(text) is None


@pytest.mark.parametrize("text", ["", "\n \n", "short", f"{'a' * 32}\nshort"])
def test_a_weak_secret_is_refused(text: str) -> None:
    with pytest.raises(WeakSecretError):
        Seal.of(text)


def test_links_are_bounded() -> None:
    sessions = Sessions(Seal.fresh(), World().clock)
    codes = [sessions.link(f"t{number}") for number in range(1_001)]

    assert sessions.redeem(codes[0]) == ""
    assert sessions.redeem(codes[1]) == "t1"
