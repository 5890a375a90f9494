"""Free ports on the loopback address."""

import random
import socket

from moorage_dev.failures import DevError

#: Below the range of outgoing connections: a server that is restarted finds its port still free.
_RANGE = range(20_000, 32_000)


def free(count: int) -> list[int]:
    """Different ports that nobody listens on now. Somebody may take one before it is used: be ready to ask again.

    Raises:
        DevError: hardly any port is free.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(_RANGE, 2_000):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise DevError("hardly any port between 20000 and 32000 is free on 127.0.0.1: stop what uses them")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
