"""Address lists against the plain meaning of their entries (S15)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.engine.addresses import AddressList, number_of_port
from fencepost.model.address import format_address, parse_address
from fencepost.model.event import Connection

Address = IPv4Address | IPv6Address


def to(remote: str | None, port: str | int | None = None, protocol: str | None = None) -> Connection:
    number = None if remote is None else parse_address(remote)
    return Connection(
        direction="Out", remote_address=remote, remote=number, remote_port=port, protocol=protocol
    )


def as_meant(address: Address) -> Address:
    """An IPv4-mapped address is the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def naive_holds(entry: str, address: Address) -> bool:
    """Whether an entry without port holds an address, by the standard library alone."""
    if "-" in entry:
        low, high = (as_meant(ip_address(part)) for part in entry.split("-"))
        return low.version == address.version and int(low) <= int(address) <= int(high)
    network = ip_network(entry, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network.network_address, IPv6Address) else None
    if mapped is not None and network.prefixlen >= 96:
        network = ip_network((mapped, network.prefixlen - 96), strict=False)
    return address in network


# few distinct addresses, so that entries meet, touch and overlap
IPV4 = st.integers(0, 40).map(lambda n: IPv4Address(0x0A000000 + n))
IPV6 = st.integers(0, 40).map(lambda n: IPv6Address((0x20010DB8 << 96) + n))
MAPPED_IPV6 = st.integers(0, 40).map(lambda n: IPv6Address((0xFFFF << 32) + 0x0A000000 + n))
ANY_ADDRESS: st.SearchStrategy[Address] = IPV4 | IPV6 | MAPPED_IPV6


@st.composite
def entries(draw: st.DrawFn) -> str:
    address = draw(ANY_ADDRESS)
    kind = draw(st.sampled_from(("address", "network", "range", "wide")))
    if kind == "range":
        family = IPV4 if isinstance(address, IPv4Address) else IPV6
        low, high = sorted(draw(st.tuples(family, family)), key=int)
        return f"{low}-{high}"
    if kind == "network":
        return f"{address}/{address.max_prefixlen - draw(st.integers(0, 5))}"
    return f"{address}/{draw(st.integers(0, 8))}" if kind == "wide" and address.version == 4 else str(address)


@given(st.lists(entries(), max_size=12), ANY_ADDRESS)
def test_a_list_holds_what_one_of_its_entries_holds(texts: list[str], address: Address) -> None:
    """However entries overlap, touch or repeat."""
    held = any(naive_holds(text, as_meant(address)) for text in texts)
    addresses = AddressList(texts)
    assert addresses.holds(to(str(address))) is held
    assert (addresses.matching(to(str(address))) is not None) is held


@given(st.lists(entries(), max_size=12), st.lists(entries(), max_size=3))
def test_ranges_are_sorted_and_apart(texts: list[str], implicit: list[str]) -> None:
    """So that one bisection finds the only one that may hold an address."""
    addresses = AddressList(texts, implicit)
    assert all(start <= end for start, end in zip(addresses.starts, addresses.ends, strict=True))
    following = zip(addresses.ends, addresses.starts[1:], strict=False)
    assert all(end + 1 < start for end, start in following)


def test_touching_entries_become_one_range() -> None:
    """Two halves are the whole."""
    addresses = AddressList(("10.0.0.0/25", "10.0.0.128/25", "10.0.1.0"))
    assert [
        (format_address(a), format_address(b)) for a, b in zip(addresses.starts, addresses.ends, strict=True)
    ] == [("10.0.0.0", "10.0.1.0")]


def test_all_of_ipv6_is_two_ranges_around_ipv4() -> None:
    """`::/0` says nothing of IPv4."""
    addresses = AddressList(("::/0",))
    assert len(addresses.starts) == 2
    assert addresses.holds(to("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
    assert addresses.holds(to("::"))
    assert not addresses.holds(to("255.255.255.255"))


@pytest.mark.parametrize(
    ("port", "number"),
    [
        (443, 443),
        ("443", 443),
        ("00443", 443),
        (0, 0),
        (65535, 65535),
        (65536, None),
        ("65536", None),
        (-1, None),
        ("-1", None),
        ("", None),
        (None, None),
        ("*", None),
        ("٤٤٣", None),
        ("443.0", None),
        ("9" * 400, None),
    ],
)
def test_a_port_is_a_number_or_unknown(port: str | int | None, number: int | None) -> None:
    """Nothing that a device sends as a port is a fault."""
    assert number_of_port(port) == number


def test_a_connection_without_an_address_is_on_no_list() -> None:
    """Not even on one that holds everything."""
    everything = AddressList(("0.0.0.0/0", "::/0"))
    assert not everything.holds(to(None, 443))
    assert everything.matching(to(None)) is None
    assert everything.nearest(to(None)) is None
    assert AddressList(()).allowing(to(None)) is None


def test_the_matching_entry_is_the_first_as_written() -> None:
    """An owner finds it in the file."""
    addresses = AddressList(("10.0.0.5/8:443", "10.0.0.0/8", "10.0.0.1"))
    assert addresses.matching(to("10.0.0.1", 443)) == "10.0.0.5/8:443"
    assert addresses.matching(to("10.0.0.1", 80)) == "10.0.0.0/8"


@pytest.mark.parametrize(
    ("remote", "nearest"),
    [
        ("10.0.0.9", "10.0.0.8"),
        ("9.0.0.0", "10.0.0.0-10.0.0.4"),
        ("2001:db8::9", "2001:db8::/126"),
        ("10.0.0.7", "10.0.0.8"),
        ("10.0.0.5", "10.0.0.0-10.0.0.4"),
    ],
)
def test_the_nearest_entry_is_of_the_same_kind_and_closest(remote: str, nearest: str) -> None:
    """An IPv4 address is not near an IPv6 entry."""
    addresses = AddressList(("10.0.0.8", "10.0.0.0-10.0.0.4", "2001:db8::/126"))
    assert addresses.nearest(to(remote)) == nearest


def test_an_ipv6_address_finds_its_neighbour_across_all_ipv4_entries() -> None:
    """IPv4 lies in the middle of the numbers, and is no obstacle."""
    assert AddressList(("::1", "10.0.0.1")).nearest(to("2001:db8::1")) == "::1"
    assert AddressList(("2001:db8::1", "10.0.0.1")).nearest(to("::1")) == "2001:db8::1"


def test_nothing_is_near_where_nothing_of_the_kind_is_listed() -> None:
    """None rather than a guess."""
    assert AddressList(("10.0.0.1",)).nearest(to("2001:db8::1")) is None
    assert AddressList(()).nearest(to("10.0.0.1")) is None


@given(ANY_ADDRESS)
def test_the_allowing_entry_allows(address: Address) -> None:
    """And nothing but this address."""
    entry = AddressList(()).allowing(to(str(address)))
    assert entry is not None
    assert AddressList((entry,)).holds(to(str(address)))
    assert len(AddressList((entry,)).starts) == 1


def test_S22_the_allowing_entry_is_no_wider_than_the_list_is_for_the_address() -> None:
    """Who allows one port of an address is not advised to allow all."""
    call = Connection(direction="Out", remote=parse_address("203.0.113.7"), remote_port="22", protocol="tcp")
    assert AddressList(("203.0.113.7:443/tcp",)).allowing(call) == "203.0.113.7:22"
    assert AddressList(("203.0.113.8:443/tcp",)).allowing(call) == "203.0.113.7"


@given(
    st.lists(
        st.sampled_from(
            (
                "10.0.0.5/8",
                "10.0.0.1",
                "10.0.0.0-10.0.0.9",
                "10.0.0.1:443/tcp",
                "10.0.0.0/30:22",
                "::/0",
                "0.0.0.0/0",
                "2001:db8::/32",
                "2001:db8::1-2001:db8::5",
            )
        ),
        max_size=9,
    ),
    st.sampled_from(("10.0.0.1", "10.0.0.9", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "::1")),
    st.sampled_from((443, 22, None)),
)
def test_S17_the_entry_that_matches_is_the_first_that_holds(
    entries: list[str], address: str, port: int | None
) -> None:
    """However many there are, without asking each of them."""
    call = to(address, port, "tcp")
    first = next((entry for entry in entries if AddressList((entry,)).holds(call)), None)
    assert AddressList(entries).matching(call) == first
