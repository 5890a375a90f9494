"""How many connections there may be, each client's share of them, and which go when there are too many.

A new connection is taken as long as others are idle, because it may be an honest one: what goes instead is idle, first
of those that never authenticated, first of the client that has most, and of these the oldest.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One open connection.

    Attributes:
        client: the group of addresses that counts as one client.
        exempt: it comes from a trusted proxy, which carries many clients and so has no share.
        since: when it was opened or last finished a request, in seconds of the loop.
        authenticated: a request of it was accepted as somebody's.
        busy: it has a request that is not answered yet.
    """

    client: str
    exempt: bool
    since: float
    authenticated: bool = False
    busy: bool = False


class Connections:
    """The open connections.

    Args:
        total: how many there may be.
        share: how many of them one client may have.
    """

    def __init__(self, *, total: int, share: int) -> None:
        self._total = total
        self._share = share
        self._open: set[ClientConnection] = set()
        self._count: defaultdict[str, int] = defaultdict(int)
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._all_busy = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._open)

    @property
    def flooded(self) -> bool:
        """True when connections beyond the limit have to be closed at once."""
        return len(self._open) >= 2 * self._total

    def opened(self, connection: ClientConnection) -> None:
        """A client connected."""
        self._open.add(connection)
        self._count[connection.client] += 1

    def closed(self, connection: ClientConnection) -> None:
        """A connection is gone."""
        if connection not in self._open:
            return
        self.finished(connection, connection.since)
        self._open.remove(connection)
        _less(self._count, connection.client)

    def began(self, connection: ClientConnection) -> None:
        """A request has come."""
        if not connection.busy and connection in self._open:
            connection.busy = True
            self._busy[connection.client] += 1
            self._all_busy += 1

    def finished(self, connection: ClientConnection, now: float) -> None:
        """Its request is answered."""
        if connection.busy:
            connection.busy = False
            connection.since = now
            _less(self._busy, connection.client)
            self._all_busy -= 1

    def refuses(self, connection: ClientConnection) -> bool:
        """Whether all that could make room for this one, which was just opened, have requests to answer."""
        if self._all_busy >= self._total:
            return True
        return not connection.exempt and self._busy.get(connection.client, 0) >= self._share

    def crowded_by(self, connection: ClientConnection) -> bool:
        """Whether there are too many, over all or of that client."""
        own = not connection.exempt and self._count[connection.client] > self._share
        return own or len(self._open) > self._total

    def still_crowded(self, seen_until: float) -> bool:
        """Whether there are too many because of those that `surplus` left alone as too new."""
        return any(self.crowded_by(one) for one in self._open if not one.busy and one.since > seen_until)

    def surplus(self, seen_until: float = math.inf) -> list[ClientConnection]:
        """What has to be closed: down to the shares first, then down to the total.

        Args:
            seen_until: a connection that is newer may have sent a request that nobody has looked at. It is neither
                closed nor counted.
        """
        idle: defaultdict[str, list[ClientConnection]] = defaultdict(list)
        unseen: Counter[str] = Counter()
        for connection in self._open:
            if connection.busy:
                continue
            if connection.since > seen_until:
                unseen[connection.client] += 1
            else:
                idle[connection.client].append(connection)
        gone: list[ClientConnection] = []
        kept: list[tuple[tuple[bool, bool, int, float], ClientConnection]] = []
        for client, those in idle.items():
            those.sort(key=_worth)
            excess = 0 if those[0].exempt else max(0, self._count[client] - unseen[client] - self._share)
            gone += those[:excess]
            kept += _ranked(those[excess:])
        missing = len(self._open) - unseen.total() - len(gone) - self._total
        if missing > 0:
            kept.sort(key=lambda pair: pair[0])
            gone += [connection for _, connection in kept[:missing]]
        return gone


def _worth(connection: ClientConnection) -> tuple[bool, float]:
    return (connection.authenticated, connection.since)


def _ranked(those: list[ClientConnection]) -> Iterable[tuple[tuple[bool, bool, int, float], ClientConnection]]:
    """Idle connections of one client, the least worth first, with their place in the order in which all clients' go.

    The more of a kind a client has, the earlier its oldest goes.
    """
    left = {kind: sum(one.authenticated is kind for one in those) for kind in (False, True)}
    for one in those:
        yield (one.exempt, one.authenticated, -left[one.authenticated], one.since), one
        left[one.authenticated] -= 1


def _less(counts: defaultdict[str, int], client: str) -> None:
    counts[client] -= 1
    if not counts[client]:
        del counts[client]
