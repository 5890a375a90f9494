"""Which addresses events may be sent to. Pure.

A name is checked by what it resolves to, and exactly the address that was checked is connected to: a name that leads
elsewhere a moment later changes nothing.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Where a translator puts IPv4 addresses for networks that have none (NAT64).
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
#: No public addresses, whatever the version of Python thinks of them: protocol assignments, relays of 6to4, site-local
#: addresses, documentation.
_SPECIAL: Final = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20")))


def problem(text: str, allowed: Sequence[Network], *, secure: bool) -> str | None:
    """Why nothing is sent to a resolved address; None: it may be.

    Args:
        text: the address.
        allowed: networks that the administrator allows beside the public ones.
        secure: the connection is encrypted.
    """
    address = _meant(ip_address(text.partition("%")[0]))
    if any(address.version == one.version and address in one for one in allowed):
        return None
    special = any(address.version == one.version and address in one for one in _SPECIAL)
    if special or not address.is_global or address.is_multicast or address.is_reserved:
        return f"{text} is not a public address, and the chart's value events.allowedCidrs does not name it"
    return None if secure else "a public address needs https"


def network(text: str) -> Network:
    """A network in CIDR form.

    Raises:
        ValueError: it is none.
    """
    return ip_network(text)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for; itself if it stands for none."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
