"""The facade's certificate, read again when its files change."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from moorage_crds.process.start import StartError

_log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0


class CertificateError(StartError):
    """The certificate cannot be used. The text is one sentence for the person who configured it."""


class Certificate:
    """A TLS context that follows its files.

    Args:
        chain: certificate chain, PEM.
        key: private key, PEM.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._state = self._stat()
        self._load()

    async def follow(self) -> None:
        """Watch the files without end. A certificate that cannot be used is logged, and the old one stays."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Read the files again if they changed."""
        try:
            state = self._stat()
            if state == self._state:
                return
            self._load()
        except CertificateError as error:
            # A secret volume changes its files one after the other: look again.
            _log.warning("certificate not reloaded", extra={"fields": {"error": str(error)}})
            return
        self._state = state
        _log.info("certificate reloaded", extra={"fields": {"file": str(self._chain)}})

    def _stat(self) -> tuple[tuple[int, int, int], ...]:
        try:
            states = [path.stat() for path in (self._chain, self._key)]
        except OSError as error:
            message = f"the certificate file {error.filename} cannot be read: {error.strerror}"
            raise CertificateError(message) from error
        return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states)

    def _load(self) -> None:
        # A context that fails in the middle has a new chain and an old key: try on another one first.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                context.load_cert_chain(self._chain, self._key)
            except (ssl.SSLError, OSError) as error:
                message = f"{self._chain} and {self._key} are not a certificate with its key (PEM): {error}"
                raise CertificateError(message) from error
