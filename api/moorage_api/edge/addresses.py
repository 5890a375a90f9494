"""Which client a request comes from: the other end of its connection, or whom a trusted proxy names. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

#: A client of IPv6 owns a whole network of this size, and can take another address of it for each connection.
_IPV6_BITS: Final = 64


def group(address: str) -> str:
    """The address, or the network, that counts as one client; a text that is not an address stands for itself."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    return str(ip_network((parsed, _IPV6_BITS), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


class Proxies:
    """The proxies whose `X-Forwarded-For` is believed.

    Args:
        networks: their addresses as CIDRs.
    """

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Whether that is one of the proxies."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address of the client.

        Every proxy appends whom it heard, so the list is read from its end up to the first that is not our proxy,
        because the client itself wrote everything before that.

        Args:
            peer: the other end of the connection.
            forwarded: the values of all `X-Forwarded-For` headers, in their order.
        """
        found = peer
        named = [part.strip() for value in forwarded for part in value.split(",")]
        while named and self.trusts(found):
            following = _address(named.pop())
            if following is None:
                break
            found = following
        return found


def _address(text: str) -> str | None:
    """The address in an element of `X-Forwarded-For`, which may carry a port; None if there is none."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    parsed = _parsed(host)
    return None if parsed is None else str(parsed)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address without its zone; one of IPv4 that comes in the clothes of IPv6 is one of IPv4."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed
