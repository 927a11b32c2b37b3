"""Where links lead, and whose they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.gateway.amqp.addresses import Address, parse_address, parse_audience, parse_user
from fencepost.model.identity import IdentityKey

D, M = IdentityKey("d1"), IdentityKey("d1", "m1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("$cbs", Address("cbs")),
        ("/devices/d1/messages/events", Address("events", (D,))),
        ("devices/d1/messages/events/", Address("events", (D,))),
        ("amqps://hub.example/devices/d1/messages/events", Address("events", (D,))),
        ("AMQPS://hub.example:5671/devices/d1/modules/m1/messages/events", Address("events", (M,))),
        ("/devices/d1/messages/devicebound", Address("devicebound", (D,))),
        ("/devices/d1/messages/deviceBound", Address("devicebound", (D,))),
        ("/devices/d1/twin", Address("twin", (D,))),
        ("/devices/d1/modules/m1/twin/", Address("twin", (M,))),
        ("/devices/d1/methods/devicebound", Address("methods", (D,))),
        ("/devices/modules/modules/m1/twin", Address("twin", (IdentityKey("modules", "m1"),))),
        ("/messages/devicebound", Address("service")),
        ("amqps://hub.example/messages/devicebound", Address("service")),
        ("/messages/serviceBound/feedback", Address("feedback")),
        (
            "/devices/a%23b/twin",
            Address("twin", (IdentityKey("a#b"), IdentityKey("a%23b"))),
        ),
        ("/devices/a?b/twin", Address("twin", (IdentityKey("a?b"),))),
        ("/devices/100%/twin", Address("twin", (IdentityKey("100%"),))),
    ],
)
def test_an_address_says_what_and_whose(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "/",
        "cbs",
        "/devices",
        "/devices/d1",
        "/devices//twin",
        "/devices/d1/twin/more",
        "/devices/d1/modules/m1",
        "/devices/d1/modules//twin",
        "/devices/d\0/twin",
        "/devices/a%2fb/twin/x",
        "/devices/" + "d" * 129 + "/twin",
        "/messages/events",
        "amqps://hub.example",
        "x" * 5000,
    ],
)
def test_what_is_no_address_of_ours_is_none(text: str | None) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize("text", ["/devices/a%2Fmodules%2Fb/twin", "/devices/a%00b/twin"])
def test_what_no_id_may_hold_cannot_be_smuggled_in(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert [key.device_id for key in address.keys] == [text.split("/")[2]]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("hub.example/devices/d1", (D,)),
        ("hub.example/devices/d1/modules/m1", (M,)),
        ("https://hub.example/devices/d1", (D,)),
        ("hub.example%2Fdevices%2Fd1%2Fmodules%2Fm1", (M,)),
        ("hub.example%2fdevices%2fd1", (D,)),
        ("hub.example/devices/a%23b", (IdentityKey("a#b"), IdentityKey("a%23b"))),
        ("hub.example", ()),
        ("https://hub.example/", ()),
        ("hub.example/other/d1", None),
        ("hub.example/devices", None),
        ("x" * 5000, None),
    ],
)
def test_an_audience_says_whom_a_token_is_for(text: str, keys: tuple[IdentityKey, ...] | None) -> None:
    assert parse_audience(text) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("d1@sas.hub", (D,)),
        ("d1/m1@sas.hub", (M,)),
        ("a@sas.b@sas.hub", (IdentityKey("a@sas.b"),)),
        ("service@sas.root.hub", ()),
        ("d1", None),
        ("@sas.hub", None),
        ("d1/m1/x@sas.hub", None),
    ],
)
def test_a_user_says_who_signs_in(text: str, keys: tuple[IdentityKey, ...] | None) -> None:
    assert parse_user(text) == keys


@given(st.text(max_size=80))
def test_any_text_is_read_or_is_none(text: str) -> None:
    parse_address(text)
    parse_audience(text)
    parse_user(text)
