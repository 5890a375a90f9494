"""What is sent again, and what never: a write may be made twice only where it has the effect of one."""

from collections.abc import Callable

import httpx
import pytest

from moorage_client import ApiError, Moorage, MoorageError, NoAnswerError
from moorage_client.requests import ASKED_TRIES, LONGEST_PAUSE, LONGEST_WAIT, PAUSES

ENVIRONMENT = ("o", "w", "e")
READ = lambda client: client.get_environment(*ENVIRONMENT)  # noqa: E731 — a table of calls
KEYED = lambda client: client.deploy_release(*ENVIRONMENT, {"app_id": "a", "release_id": "1"})  # noqa: E731
PLAIN = lambda client: client.create_environment("o", "w", {"name": "n", "slug": "s"})  # noqa: E731
SAID = lambda client: client.put_freeze("o", "w", "f", {"reason": "r", "windows": []})  # noqa: E731
TAKEN = lambda client: client.unlock_environment(*ENVIRONMENT)  # noqa: E731
EXACT = lambda client: client.update_environment(*ENVIRONMENT, {"name": "n"}, if_match='"1"')  # noqa: E731
MANY = len(PAUSES) + 1

Act = Callable[[Moorage], object]
Answers = httpx.Response | Exception


class Server:
    """Answers every request alike and counts."""

    def __init__(self, answer: Answers) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def client(self) -> Moorage:
        return Moorage("http://facade", "t", transport=httpx.MockTransport(self), sleep=self.pauses.append)


def refused(status: int, **headers: str) -> httpx.Response:
    body = {"error": "E", "message": "m", "details": {"reason": "R"}, "timestamp": "t", "status_code": status}
    return httpx.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(
    ("act", "answer", "tries"),
    [
        (READ, refused(503), MANY),
        (KEYED, refused(503), MANY),
        (PLAIN, refused(503), 1),
        (READ, refused(429), MANY),
        (PLAIN, refused(429), MANY),
        (SAID, refused(503), MANY),
        (EXACT, refused(503), 1),
        (TAKEN, refused(503), 1),
        (TAKEN, refused(429), MANY),
        (READ, refused(500), 1),
        (KEYED, refused(409), 1),
        (READ, refused(404), 1),
        (READ, httpx.ReadTimeout("late"), MANY),
        (KEYED, httpx.RemoteProtocolError("cut"), MANY),
        (PLAIN, httpx.ReadTimeout("late"), 1),
        (PLAIN, httpx.ConnectError("refused"), MANY),
    ],
)
def test_only_what_has_the_effect_of_one_is_sent_again(
    act: Act, answer: httpx.Response | Exception, tries: int
) -> None:
    server = Server(answer)
    with server.client() as client, pytest.raises(MoorageError) as failed:
        act(client)

    assert len(server.requests) == tries
    assert isinstance(failed.value, NoAnswerError if isinstance(answer, Exception) else ApiError)
    assert len({request.headers.get("Idempotency-Key") for request in server.requests}) == 1


def test_a_write_gets_a_key_of_its_own_and_keeps_a_given_one() -> None:
    server = Server(httpx.Response(200, json={}))
    with server.client() as client:
        KEYED(client)
        KEYED(client)
        client.deploy_release(*ENVIRONMENT, {"app_id": "a", "release_id": "1"}, idempotency_key="build-1")
        PLAIN(client)

    keys = [request.headers.get("Idempotency-Key") for request in server.requests]
    assert keys[2:] == ["build-1", None]
    assert keys[0] != keys[1]
    assert all(key and len(key) <= 64 for key in keys[:2])


@pytest.mark.parametrize(("asked", "waited"), [("3", 3.0), ("0", 0.0), ("9999", LONGEST_PAUSE), ("soon", PAUSES[0])])
def test_the_server_says_how_long_to_wait(asked: str, waited: float) -> None:
    server = Server(refused(503, **{"Retry-After": asked}))
    with server.client() as client, pytest.raises(ApiError):
        READ(client)

    assert server.pauses[0] == waited


@pytest.mark.parametrize(
    ("status", "asked", "tries"),
    [(429, "1", ASKED_TRIES), (503, "1", ASKED_TRIES), (429, "0", ASKED_TRIES), (429, "25", 2)],
)
def test_a_server_that_says_when_is_asked_more_often_and_not_without_end(status: int, asked: str, tries: int) -> None:
    server = Server(refused(status, **{"Retry-After": asked}))
    with server.client() as client, pytest.raises(ApiError):
        KEYED(client)

    assert server.pauses == [float(asked)] * tries
    assert sum(server.pauses) <= LONGEST_WAIT


@pytest.mark.parametrize("content", [b"<html>", b"", b"[1]", b'{"detail": "text"}', b"\xff"])
def test_an_error_that_is_not_ours_is_an_error_all_the_same(content: bytes) -> None:
    server = Server(httpx.Response(502, content=content, headers={"Content-Type": "application/json"}))
    with server.client() as client, pytest.raises(ApiError) as failed:
        PLAIN(client)

    assert (failed.value.status, failed.value.reason) == (502, "")
