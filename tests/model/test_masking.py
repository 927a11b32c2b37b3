"""Addresses where nobody is to read them whole: what is left of them, and that nothing else is touched."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.alert import Alert, Evidence
from fencepost.model.masking import masked, masked_text

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("203.0.113.7", "203.0.113.*"),
        ("203.0.113.7:443/tcp", "203.0.113.*:443/tcp"),
        ("2001:db8::1", "2001:db8:0:0:*"),
        ("[2001:db8:1:2:3:4:5:6]:443", "[2001:db8:1:2:*]:443"),
        ("::ffff:203.0.113.7", "203.0.113.*"),
        ("0000:0000:0000:0000:0000:ffff:cb00:7107", "203.0.113.*"),
        ("fe80::1%eth0", "fe80:0:0:0:*"),
        ("203.0.113.16/28", "203.0.113.*/28"),
        ("203.0.113.7/24", "203.0.113.*/24"),
        ("203.0.113.1-203.0.113.9", "203.0.113.*-203.0.113.*"),
        ("at 2001:db8::1: refused", "at 2001:db8:0:0:*: refused"),
        ("curl http://203.0.113.7/x", "curl http://203.0.113.*/x"),
        ("203.0.113.7, seen once, is not on the list.", "203.0.113.*, seen once, is not on the list."),
        ("host_203.0.113.7_", "host_203.0.113.*_"),
        ("host_2001:db8::1_", "host_2001:db8:0:0:*_"),
        ("node:2001:db8::1", "node:2001:db8:0:0:*"),
        ("inet6:fe80::1:ssh", "inet6:fe80:0:0:0:*:ssh"),
        ("cafe:203.0.113.7", "cafe:203.0.113.*"),
        ("x::ffff:203.0.113.7", "x::ffff:203.0.113.*"),
        ("host.203.0.113.7", "host.203.0.113.*"),
    ],
)
def test_an_address_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/8",
        "2001:db8::/32",
        "2026-03-02T10:00:00Z",
        "aa:bb:cc:dd:ee:ff",
        "std::string",
        "999.1.1.1",
        "1.2.3.4.5",
        "/usr/lib/libssl.so.3",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert masked_text(text) == text


@given(st.builds(IPv4Address, st.integers(0, 2**32 - 1)))
def test_no_ipv4_address_can_be_read_from_its_mask(address: IPv4Address) -> None:
    shown = masked_text(f"<{address}>")
    assert str(address) not in shown
    assert shown == masked_text(f"<{IPv4Address(int(address) ^ 1)}>")


@given(st.builds(IPv6Address, st.integers(2**48, 2**128 - 1)))
def test_no_ipv6_address_can_be_read_from_its_mask(address: IPv6Address) -> None:
    other = IPv6Address(int(address) ^ 0xFFFF_0000_0000_0001)
    for text in (str(address), address.exploded, str(address).upper()):
        assert masked_text(text) == masked_text(str(other))


@given(st.text())
def test_any_text_can_be_masked_and_once_is_enough(text: str) -> None:
    assert masked_text(masked_text(text)) == masked_text(text)


def test_a_long_text_is_masked_in_time_that_grows_as_it_does() -> None:
    for part in ("1.", "a:", ":", "1.1.1.1", "f"):
        masked_text(part * 200_000)


def test_an_alert_is_masked_in_all_that_is_shown_of_it() -> None:
    facts = {"RemoteAddress": "203.0.113.7", "Lists": [{"Peer": "2001:db8::1"}], "RemotePort": 443}
    event = Evidence(event_id="e", event_name="Login", occurred_at=AT, received_at=AT, facts=facts)
    alert = Alert(
        alert_id="a",
        alert_type="IoT_CA_ConnectionToIpNotAllowed",
        rule_type="ConnectionToIpNotAllowed",
        device_id="203.0.113.7",
        group="default",
        severity="Low",
        state="Active",
        title="t",
        description="203.0.113.7, seen once, is not on the list.",
        remediation="r",
        data_source="legacy",
        value="203.0.113.7",
        count=1,
        started_at=AT,
        last_seen_at=AT,
        received_at=AT,
        certainty="certain",
        evidence=(event,),
        nearest_entry="203.0.113.9",
        allowing_entry="203.0.113.7",
        subjects=({"RemoteAddress": "203.0.113.7"},),
        reason="allowed by 203.0.113.7",
    )
    shown = masked(alert)
    assert "203.0.113.7" not in repr(shown).replace("device_id='203.0.113.7'", "")
    assert shown.evidence[0].facts == {
        "RemoteAddress": "203.0.113.*",
        "Lists": [{"Peer": "2001:db8:0:0:*"}],
        "RemotePort": 443,
    }
    assert shown.device_id == "203.0.113.7", "a device's name is its owner's choice"
