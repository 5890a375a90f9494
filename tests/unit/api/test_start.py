"""Starting: settings, certificates, limits of connections; on loopback sockets."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from facade_sockets import exchange, get, listening
from facade_world import World

from moorage_api.__main__ import main
from moorage_api.config import ApiSettings
from moorage_api.edge.tls import Certificate, CertificateError
from moorage_crds.process import settings
from moorage_crds.store import Identity
from moorage_dev import patience


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "tls.crt", folder / "tls.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


async def test_answers_over_a_socket() -> None:
    async with listening(World()) as port:
        answer = await exchange(port, get())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Server: moorage\r\n" in answer


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\r\n\r\n", b"400"),
        (get("Authorization: Bearer bob"), b"400"),
        (get("Host: b"), b"400"),
        (get("X: a", " b"), b"400"),
        (get(version="2.0"), b"400"),
        (get(version="1.2"), b"400"),
        (get("Content-Length: 1", "Transfer-Encoding: chunked"), b"400"),
        (get("Content-Length: 1", "Content-Length: 2"), b"400"),
        (get("X-Long: " + "a" * 20_000), b"431"),
        (get(*(f"X-{number}: a" for number in range(300))), b"431"),
        (get(*(f"X-{number}: {'a' * 5000}" for number in range(10))), b"431"),
        (get(path="/" + "a" * 20_000), b"431"),
        (get(path="/a b"), b"400"),
        (get(path="/\x00"), b"400"),
    ],
)
async def test_what_is_not_sound_http_gets_the_documented_envelope(content: bytes, status: bytes) -> None:
    async with listening(World()) as port:
        answer = await exchange(port, content)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert body.startswith(b'{"error":"')
    assert b'"status_code":' + status in body


async def test_connection_is_refused_when_all_others_have_requests_to_answer() -> None:
    world, asked, answered = World(), asyncio.Event(), asyncio.Event()
    authenticate = world.reviews.authenticate

    async def slow(token: str) -> Identity | None:
        asked.set()
        await answered.wait()
        return await authenticate(token)

    world.reviews.authenticate = slow  # type: ignore[method-assign]
    async with listening(world, connections=1) as port:
        first = asyncio.ensure_future(exchange(port, get()))
        await asked.wait()

        refused = await exchange(port, get())
        answered.set()

    assert refused.startswith(b"HTTP/1.1 503")
    assert (await first).startswith(b"HTTP/1.1 200")


async def test_half_a_body_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage_api.edge.reading.BODY_SECONDS", 0.05)
    head = get("Content-Type: application/json", "Content-Length: 10").replace(b"GET", b"POST", 1)
    async with listening(World()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"{")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), patience.scaled(5))
        writer.close()

    assert answer == b"HTTP/1.1 408 Request Timeout\r\n"


async def test_new_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    certificate = Certificate(*write_certificate(tmp_path, "first"))
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE

    async def served() -> bytes:
        async with listening(World(), tls=certificate.context) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
            return bytes(found)

    first = await served()
    write_certificate(tmp_path, "second")
    certificate.refresh()
    second = await served()
    (tmp_path / "tls.crt").write_text("damaged")
    certificate.refresh()

    assert first != second
    assert await served() == second


def test_damaged_certificate_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("x")
    (tmp_path / "tls.key").write_text("x")

    with pytest.raises(CertificateError, match="not a certificate"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "--port"),
        (["--port", "0"], "--port"),
        (["--rate-limit", "-1"], "--rate-limit"),
        (["--tls-cert-file", "a.pem"], "tls_key_file"),
    ],
)
def test_wrong_setting_is_one_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        settings.load(ApiSettings, arguments, prog="moorage api")

    complaint = capsys.readouterr().err
    assert caught.value.code == 2
    assert said in complaint
    assert complaint.count("\n") == 1


def test_missing_kubeconfig_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--kubeconfig", "/nowhere/config", "--log-level", "ERROR"])

    assert code == 1
    assert capsys.readouterr().err == "moorage api: MOORAGE_KUBECONFIG: there is no file /nowhere/config\n"


def test_managers_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_GITOPS_MANAGERS", "helm, mine")

    assert ApiSettings().gitops_managers == ("helm", "mine")
