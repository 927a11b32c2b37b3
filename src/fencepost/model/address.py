"""
IP addresses as integers, and the entries of address lists.

Every address is one 128-bit integer; an IPv4 address is the IPv4-mapped one (RFC 4291, 2.5.5.2), so
`198.51.100.7`, `::ffff:198.51.100.7` and `0000:…:ffff:c633:6407` are the same number (S15).
"""

from ipaddress import IPv6Address, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton

from msgspec import Struct

MAPPED = 0xFFFF << 32
MAPPED_LAST = MAPPED + 0xFFFF_FFFF
PORTS = 65536
PROTOCOLS = ("tcp", "udp", "icmp")


def parse_address(text: str) -> int:
    """Return the number of an IPv4 or IPv6 address in any written form; raises ValueError."""
    try:
        if ":" in text:
            text, _, _ = text.partition("%")  # the zone of a link-local address says nothing elsewhere
            return int.from_bytes(inet_pton(AF_INET6, text), "big")
        return MAPPED | int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError) as error:  # ValueError: an embedded NUL or a lone surrogate
        raise ValueError("not an IP address") from error


def format_address(address: int) -> str:
    """Return the shortest usual text of an address number; the inverse of `parse_address`."""
    if MAPPED <= address <= MAPPED_LAST:
        return str(ip_address(address - MAPPED))
    return str(IPv6Address(address))


class AddressEntry(Struct, frozen=True):
    """
    One line of an address list: a range of addresses, perhaps only for one port and protocol.

    `text` is what the owner wrote. A CIDR with host bits set means its network, as people mean it.
    """

    text: str
    first: int
    last: int
    port: int | None = None
    protocol: str | None = None

    def covers(self, address: int, port: int | None, protocol: str | None) -> bool:
        return (
            any(first <= address <= last for first, last in self.ranges())
            and self.port in (None, port)
            and self.protocol in (None, protocol)
        )

    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Return the address ranges: `::/0` is all of IPv6 and says nothing about IPv4."""
        if self.first < MAPPED and self.last > MAPPED_LAST:
            return (self.first, MAPPED - 1), (MAPPED_LAST + 1, self.last)
        return ((self.first, self.last),)


def parse_entry(text: str) -> AddressEntry:
    """
    Return the entry that a text states: `a`, `a/len` or `a-b`, each with an optional `:port[/proto]`.

    An IPv6 entry with a port stands in brackets: `[2001:db8::/32]:8883/tcp`. Raises ValueError with
    a reason that a person can act on.
    """
    hosts, port, protocol = _split_port(text.strip())
    if not hosts:
        raise ValueError(f"{text!r} names no address")
    if "-" in hosts:
        low, _, high = hosts.partition("-")
        first, last = _address(low), _address(high)
        if first > last:
            raise ValueError(f"{text!r}: the range ends before it begins")
        if (":" in low) != (":" in high):
            raise ValueError(f"{text!r}: a range goes from IPv4 to IPv4 or from IPv6 to IPv6")
    elif "/" in hosts:
        first, last = _network(hosts)
    else:
        first = last = _address(hosts)
    return AddressEntry(text, first, last, port, protocol)


def _split_port(text: str) -> tuple[str, int | None, str | None]:
    if text.startswith("["):
        hosts, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r}: expected [address]:port")
        tail = rest[1:] if rest else None
    elif text.count(":") == 1:
        hosts, _, tail = text.partition(":")
    else:
        return text, None, None
    if tail is None:
        return hosts, None, None
    number, slash, protocol = tail.partition("/")
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and int(number) < PORTS):  # noqa: PLR2004
        raise ValueError(f"{text!r}: {number!r} is not a port (0 to 65535)")
    if slash and protocol.lower() not in PROTOCOLS:
        raise ValueError(f"{text!r}: the protocol is one of {', '.join(PROTOCOLS)}")
    return hosts, int(number), protocol.lower() or None


def _address(text: str) -> int:
    try:
        return parse_address(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not an IP address") from None


def _network(text: str) -> tuple[int, int]:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a CIDR block") from None
    offset = MAPPED if network.version == 4 else 0  # noqa: PLR2004
    return offset + int(network.network_address), offset + int(network.broadcast_address)
