"""Keys and certificates of the control plane: two authorities, short-lived, ECDSA P-256 everywhere.

etcd has an authority of its own: a client certificate for the API server must not open the store.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=365)
#: Clocks of machines that share a disk differ a little.
_BACKDATED = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Authority:
    """Certificate and key that sign the others; lives in `folder` as ca.crt and ca.key."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The file that clients trust."""
        return self.folder / "ca.crt"

    def issue_server(
        self,
        stem: str,
        *,
        addresses: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
        calls_itself: bool = False,
    ) -> tuple[Path, Path]:
        """Certificate and key files of a server on the loopback address.

        Args:
            stem: name of the files.
            addresses: where else it is reached.
            names: by which other names.
            calls_itself: it presents the certificate as a client too, as etcd's HTTP gateway and peers do.
        """
        alternatives = x509.SubjectAlternativeName(
            [
                *(x509.DNSName(name) for name in ("localhost", "kubernetes.default.svc", *names)),
                *(x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", *addresses)),
            ]
        )
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if calls_itself else [])]
        return self._issue(stem, _subject(stem, ()), usages, alternatives)

    def issue_client(self, stem: str, *, user: str, groups: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Certificate and key files by which the API server knows `user` as a member of `groups`."""
        return self._issue(stem, _subject(user, groups), [ExtendedKeyUsageOID.CLIENT_AUTH], None)

    def _issue(
        self,
        stem: str,
        subject: x509.Name,
        usages: list[x509.ObjectIdentifier],
        names: x509.SubjectAlternativeName | None,
    ) -> tuple[Path, Path]:
        ca = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        ca_key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), password=None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, ca.subject, key).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return _write(self.folder, stem, builder.sign(ca_key, hashes.SHA256()), key)


def new_authority(folder: Path) -> Authority:
    """A fresh authority in `folder`, which is made private to this user."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject("moorage-development", ())
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    _write(folder, "ca", builder.sign(key, hashes.SHA256()), key)
    return Authority(folder)


def new_service_account_key(folder: Path) -> tuple[Path, Path]:
    """Private and public key files by which the API server signs and checks tokens of service accounts."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "sa.key", folder / "sa.pub"
    _write_private(private, key)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def _subject(common_name: str, groups: tuple[str, ...]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _write(
    folder: Path, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    certificate_file, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(key_file, key)
    return certificate_file, key_file


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
