"""Listening on a port, or saying in one sentence why not."""

from collections.abc import Iterator
from contextlib import contextmanager

from moorage_crds.process.settings import ENV_PREFIX
from moorage_crds.process.start import StartError


class ListenError(StartError):
    """The address cannot be listened on: something else does already, or it is not ours."""


@contextmanager
def on(host: str, port: int, *, setting: str) -> Iterator[None]:
    """What begins to listen stands inside.

    Args:
        host: the address.
        port: the port.
        setting: the name of the setting of the port, such as `metrics_port`.

    Raises:
        ListenError: it did not work.
    """
    try:
        yield
    except OSError as error:
        message = (
            f"cannot listen on {host}:{port} ({error.strerror or error}); "
            f"set {ENV_PREFIX}{setting.upper()} to a free port"
        )
        raise ListenError(message) from error
