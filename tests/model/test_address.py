"""Addresses as numbers, and what an entry of a list may look like (S15)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.address import (
    MAPPED,
    MAPPED_LAST,
    AddressEntry,
    format_address,
    parse_address,
    parse_entry,
)

HIGHEST = (1 << 128) - 1


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_its_mapped_one(address: IPv4Address) -> None:
    """Both ways to write it are the same number."""
    assert parse_address(str(address)) == parse_address(f"::ffff:{address}") == MAPPED + int(address)
    assert format_address(parse_address(str(address))) == str(address)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_its_number_however_it_is_written(address: IPv6Address) -> None:
    """Short, in full, and in upper case."""
    assert {parse_address(text) for text in (str(address), address.exploded, str(address).upper())} == {
        int(address)
    }


@given(st.integers(0, HIGHEST))
def test_format_is_the_inverse_of_parse(number: int) -> None:
    """For every number there is."""
    assert parse_address(format_address(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.01",
        "10.0.0.1/8",
        "10.0.0.1 ",
        "0x0a.0.0.1",
        "1",
        "host",
        ":",
        ":::",
        "1::2::3",
        "::g",
        "[::1]",
        "10.0.0.1%eth0",
        "10.0.0.1\0",
        "::\0",
        "\ud800",
        "\u0661.2.3.4",
    ],
)
def test_what_is_no_address_is_refused_with_one_reason(text: str) -> None:
    """ValueError, and nothing else, whatever the characters."""
    with pytest.raises(ValueError, match="not an IP address"):
        parse_address(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """As the standard library says, zones and leading zeros apart."""
    try:
        number = parse_address(text)
    except ValueError:
        return
    assert ip_address(format_address(number))


@pytest.mark.parametrize(
    ("text", "first", "last", "port", "protocol"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", None, None),
        (" 10.0.0.1 ", "10.0.0.1", "10.0.0.1", None, None),
        ("10.0.0.77/24", "10.0.0.0", "10.0.0.255", None, None),
        ("10.0.0.0/255.255.255.0", "10.0.0.0", "10.0.0.255", None, None),
        ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", None, None),
        ("10.0.0.1 - 10.0.0.9", "10.0.0.1", "10.0.0.9", None, None),
        ("10.0.0.1:443", "10.0.0.1", "10.0.0.1", 443, None),
        ("10.0.0.0/8:443/tcp", "10.0.0.0", "10.255.255.255", 443, "tcp"),
        ("10.0.0.0/8:53/UDP", "10.0.0.0", "10.255.255.255", 53, "udp"),
        ("10.0.0.1-10.0.0.9:0/icmp", "10.0.0.1", "10.0.0.9", 0, "icmp"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::1", None, None),
        ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("[2001:db8::1]", "2001:db8::1", "2001:db8::1", None, None),
        ("[2001:db8::1]:8883", "2001:db8::1", "2001:db8::1", 8883, None),
        ("[2001:db8::1-2001:db8::9]:8883/tcp", "2001:db8::1", "2001:db8::9", 8883, "tcp"),
        ("[10.0.0.1]:80", "10.0.0.1", "10.0.0.1", 80, None),
    ],
)
def test_an_entry_is_an_address_a_network_or_a_range_perhaps_with_a_port(
    text: str, first: str, last: str, port: int | None, protocol: str | None
) -> None:
    """Host bits mean the network; the text stays as the owner wrote it."""
    expected = AddressEntry(text, parse_address(first), parse_address(last), port, protocol)
    assert parse_entry(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no address"),
        (":443", "names no address"),
        ("[]:443", "names no address"),
        ("host", "'host' is not an IP address"),
        ("10.0.0.1/33", "'10.0.0.1/33' is not a CIDR block"),
        ("10.0.0.9-10.0.0.1", "the range ends before it begins"),
        ("10.0.0.1-", "'' is not an IP address"),
        ("10.0.0.1:65536", "'65536' is not a port (0 to 65535)"),
        ("10.0.0.1:-1", "'-1' is not a port"),
        ("10.0.0.1:", "'' is not a port"),
        ("10.0.0.1:https", "'https' is not a port"),
        ("10.0.0.1:\u0664", "is not a port"),
        ("10.0.0.1:443/sctp", "the protocol is one of tcp, udp, icmp"),
        ("10.0.0.1:443/", "the protocol is one of tcp, udp, icmp"),
        ("[2001:db8::1", "expected [address]:port"),
        ("[2001:db8::1]443", "expected [address]:port"),
    ],
)
def test_an_entry_that_is_wrong_says_what_to_mend(text: str, reason: str) -> None:
    """In words that a person can act on."""
    with pytest.raises(ValueError) as refused:
        parse_entry(text)
    assert reason in str(refused.value)


@pytest.mark.parametrize("text", ["9.9.9.9-2001:db8::1", "::1-9.9.9.9", "10.0.0.1-::ffff:0:0"])
def test_a_range_does_not_go_from_one_family_to_the_other(text: str) -> None:
    """Nobody means all of IPv6 below by it."""
    with pytest.raises(ValueError):
        parse_entry(text)


def test_all_of_ipv6_has_a_hole_where_ipv4_is() -> None:
    """`::/0` is two ranges; `::ffff:0:0/96` is all of IPv4."""
    assert parse_entry("::/0").ranges() == ((0, MAPPED - 1), (MAPPED_LAST + 1, HIGHEST))
    assert parse_entry("::ffff:0:0/96").ranges() == ((MAPPED, MAPPED_LAST),)
    assert parse_entry("0.0.0.0/0").ranges() == ((MAPPED, MAPPED_LAST),)


@given(st.ip_addresses(), st.integers(0, 32), st.ip_addresses())
def test_a_network_covers_what_the_standard_library_says(
    host: IPv4Address | IPv6Address, bits: int, asked: IPv4Address | IPv6Address
) -> None:
    """Where both are of one family."""
    text = f"{host}/{host.max_prefixlen - bits}"
    if host.version == asked.version and not (isinstance(asked, IPv6Address) and asked.ipv4_mapped):
        covered = asked in ip_network(text, strict=False)
        assert parse_entry(text).covers(parse_address(str(asked)), None, None) is covered


@pytest.mark.parametrize(
    ("entry", "port", "protocol", "covered"),
    [
        ("10.0.0.1", None, None, True),
        ("10.0.0.1", 443, "tcp", True),
        ("10.0.0.1:443", 443, None, True),
        ("10.0.0.1:443", 443, "udp", True),
        ("10.0.0.1:443", 444, "tcp", False),
        ("10.0.0.1:443", None, "tcp", False),
        ("10.0.0.1:443/tcp", 443, "tcp", True),
        ("10.0.0.1:443/tcp", 443, "udp", False),
        ("10.0.0.1:443/tcp", 443, None, False),
    ],
)
def test_an_entry_with_a_port_covers_that_port_only(
    entry: str, port: int | None, protocol: str | None, covered: bool
) -> None:
    """What is not known to be the port is not the port."""
    assert parse_entry(entry).covers(parse_address("10.0.0.1"), port, protocol) is covered
