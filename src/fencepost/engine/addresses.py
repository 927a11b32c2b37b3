"""Address lists, compiled to one bisection per lookup (S15)."""

from bisect import bisect_right
from collections.abc import Iterable

from fencepost.model.address import MAPPED, MAPPED_LAST, AddressEntry, format_address, parse_entry
from fencepost.model.event import Connection


def port_of(connection: Connection) -> int | None:
    """Return the remote port as a number; None where it is absent, empty or `*`."""
    return number_of_port(connection.remote_port)


def number_of_port(port: str | int | None) -> int | None:
    """Return a port as a number between 0 and 65535, None for everything else."""
    if isinstance(port, int):
        return port if 0 <= port < 65536 else None  # noqa: PLR2004
    if port and port.isascii() and port.isdigit() and len(port) <= 5:  # noqa: PLR2004
        return number_of_port(int(port))
    return None


class AddressList:
    """
    A list of address entries.

    Entries without a port are merged into sorted ranges `starts`/`ends`, so that a lookup is one
    bisection however long the list is; the few with a port are asked one by one, by port.
    """

    def __init__(self, entries: Iterable[str], implicit: Iterable[str] = ()) -> None:
        written = tuple(parse_entry(text) for text in entries)
        self.entries = (*written, *map(parse_entry, implicit))
        self.starts, self.ends = _merged(self.entries)
        edges = sorted((edge, e.text) for e in written or self.entries for edge in (e.first, e.last))
        self._edges = {
            is_ipv4: [edge for edge in edges if _is_ipv4(edge[0]) is is_ipv4] for is_ipv4 in (False, True)
        }
        self.by_port: dict[int, list[AddressEntry]] = {}
        for entry in self.entries:
            if entry.port is not None:
                self.by_port.setdefault(entry.port, []).append(entry)

    def has_range(self, address: int) -> bool:
        """Return whether an entry without a port holds the address."""
        index = bisect_right(self.starts, address)
        return index > 0 and address <= self.ends[index - 1]

    def has_endpoint(self, address: int, port: int | None, protocol: str | None) -> bool:
        """Return whether an entry for this very port (and protocol) holds the address."""
        if port is None:
            return False
        protocol = protocol.lower() if protocol else None
        return any(entry.covers(address, port, protocol) for entry in self.by_port.get(port, ()))

    def holds(self, connection: Connection) -> bool:
        """Return whether the list holds the connection's remote end; False where it has no address."""
        address = connection.remote
        return address is not None and (
            self.has_range(address)
            or (bool(self.by_port) and self.has_endpoint(address, port_of(connection), connection.protocol))
        )

    def matching(self, connection: Connection) -> str | None:
        """Return the first entry, as written, that holds the connection's remote end."""
        if connection.remote is None:
            return None
        port, protocol = port_of(connection), (connection.protocol or "").lower() or None
        return next((e.text for e in self.entries if e.covers(connection.remote, port, protocol)), None)

    def nearest(self, connection: Connection) -> str | None:
        """Return the entry, as written, whose addresses begin or end closest to the connection's remote end."""
        address = connection.remote
        if address is None:
            return None
        edges = self._edges[_is_ipv4(address)]
        place = bisect_right(edges, address, key=lambda edge: edge[0])
        near = edges[max(0, place - 1) : place + 1]
        return min(near, key=lambda edge: abs(edge[0] - address))[1] if near else None

    def allowing(self, connection: Connection) -> str | None:
        """
        Return the entry that would put the connection's remote end on the list.

        It is the address, or the address and port where the list has the address for other ports only.
        """
        if connection.remote is None:
            return None
        address, port = format_address(connection.remote), port_of(connection)
        if port is None or not any(e.covers(connection.remote, e.port, e.protocol) for e in self.entries):
            return address
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_ipv4(address: int) -> bool:
    return MAPPED <= address <= MAPPED_LAST


def _merged(entries: Iterable[AddressEntry]) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    for first, last in sorted(r for e in entries if e.port is None for r in e.ranges()):
        if ends and first <= ends[-1] + 1:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends
