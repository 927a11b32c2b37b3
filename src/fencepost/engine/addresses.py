"""Address lists, compiled to one bisection per lookup (S15)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cached_property

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
        edges = sorted((edge, e.text) for e in written or self.entries for edge in {e.first, e.last})
        begin, end = (bisect_left(edges, (bound, "")) for bound in (MAPPED, MAPPED_LAST + 1))
        self._edges = {True: edges[begin:end], False: edges[:begin] + edges[end:]}
        self.by_port: dict[int, list[AddressEntry]] = {}
        for entry in self.entries:
            if entry.port is not None:
                self.by_port.setdefault(entry.port, []).append(entry)
        self._ported = _merged((e for entries in self.by_port.values() for e in entries), ported=True)

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
        address, port = connection.remote, port_of(connection)
        protocol = (connection.protocol or "").lower() or None
        places = sorted(self._places_near(address))
        found = (self.entries[place] for place in places)
        return next((e.text for e in found if e.covers(address, port, protocol)), None)

    def nearest(self, connection: Connection) -> str | None:
        """Return the entry, as written, whose addresses begin or end closest to the connection's remote end."""
        closest = self.closest(connection)
        return closest[1] if closest is not None else None

    def closest(self, connection: Connection) -> tuple[tuple[int, int], str] | None:
        """Return the nearest entry behind how near it is: of two lists the greater is nearer."""
        address = connection.remote
        if address is None:
            return None
        edges = self._edges[_is_ipv4(address)]
        place = bisect_right(edges, address, key=lambda edge: edge[0])
        near = edges[max(0, place - 1) : place + 1]
        if not near:
            return None
        edge, text = min(near, key=lambda edge: abs(edge[0] - address))
        return (0, -abs(edge - address)), text

    def has_other_port(self, connection: Connection) -> bool:
        """Return whether the list has the address of the connection's remote end for some port."""
        starts, ends = self._ported
        index = bisect_right(starts, connection.remote or 0)
        return connection.remote is not None and index > 0 and connection.remote <= ends[index - 1]

    def allowing(self, connection: Connection) -> str | None:
        """Return the entry that would put the connection's remote end on the list, see `entry_for`."""
        return entry_for(connection, with_port=self.has_other_port(connection))

    def _places_near(self, address: int) -> list[int]:
        """Return the places of all entries that hold an address, and perhaps of some others."""
        blocks, odd = self._blocks
        found = [*odd]
        for size, by_first in blocks.items():
            found += by_first.get(address - address % size, ())
        return found

    @cached_property
    def _blocks(self) -> tuple[dict[int, dict[int, list[int]]], list[int]]:
        """The places of entries by the size and the begin of their block, and of those that are no block."""
        blocks: dict[int, dict[int, list[int]]] = {}
        odd: list[int] = []
        for place, entry in enumerate(self.entries):
            size = entry.last - entry.first + 1
            if size & (size - 1) or entry.first % size:
                odd.append(place)
            else:
                blocks.setdefault(size, {}).setdefault(entry.first, []).append(place)
        return blocks, odd


def entry_for(connection: Connection, *, with_port: bool) -> str | None:
    """
    Return the entry that would put a connection's remote end on a list.

    It is the address, or `with_port` the address and port: for a list that has the address for other ports.
    """
    if connection.remote is None:
        return None
    address, port = format_address(connection.remote), port_of(connection)
    if port is None or not with_port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_ipv4(address: int) -> bool:
    return MAPPED <= address <= MAPPED_LAST


def _merged(entries: Iterable[AddressEntry], *, ported: bool = False) -> tuple[list[int], list[int]]:
    """Return where the addresses of the entries, with a port or without one, begin and end."""
    starts: list[int] = []
    ends: list[int] = []
    for first, last in sorted(r for e in entries if (e.port is not None) is ported for r in e.ranges()):
        if ends and first <= ends[-1] + 1:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends
