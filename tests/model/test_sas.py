import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.model.sas import (
    LATEST,
    LONGEST,
    covers,
    derived_key,
    host_of,
    is_key,
    parse_sas,
    sign,
)

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # 0123456789abcdef twice
OTHER = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
UNTIL = 1_893_456_000
DEVICE = "contoso.azure-devices.net/devices/gw-device-01"
UPPER = DEVICE.replace("/", "%2F")
LOWER = DEVICE.replace("/", "%2f")
MODULE = f"{UPPER}%2Fmodules%2Fazureiotsecurity"

SIGNED = {
    UPPER: "jhXVUbeIJpe+V0VcHL3E29gPqeJazAwHWHR01nbmqD8=",
    LOWER: "hhPJ0zkCsCDiOATmzJrKidQ7bp1NI3XHc2lZ69gRLU8=",
    DEVICE: "zvghlBON2b+1KjpnfrWIrHflOVyqAVQdpd0mSqPFhkY=",
    MODULE: "yLkw9jXjMWzx8ML75LnW1ivD5C5bHuoF43lX2iCvFWY=",
}
"""Signatures by KEY until UNTIL that were worked out by other programs: of each spelling its own."""


def token(*fields: str) -> str:
    return f"SharedAccessSignature {'&'.join(fields)}"


def lower_hex(signature: str) -> str:
    return signature.replace("+", "%2b").replace("/", "%2f").replace("=", "%3d")


# ---------------------------------------------------------------------------------- what clients send


@pytest.mark.parametrize("resource", SIGNED)
@pytest.mark.parametrize("spelling", [lambda sig: quote(sig, safe=""), quote, lower_hex, str])
def test_a_token_of_any_client_is_verified(resource: str, spelling: Callable[[str], str]) -> None:
    """The signature is of the resource as it stands; its own escapes may be upper, lower, or none."""
    signature = parse_sas(token(f"sr={resource}", f"sig={spelling(SIGNED[resource])}", f"se={UNTIL}"))
    assert signature.is_signed_with(KEY)
    assert signature.resource == (DEVICE if resource != MODULE else f"{DEVICE}/modules/azureiotsecurity")
    assert signature.expires_at == UNTIL
    assert signature.policy is None


def test_a_token_is_written_as_the_python_client_does() -> None:
    assert sign(DEVICE, KEY, UNTIL) == (
        "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fgw-device-01"
        "&sig=jhXVUbeIJpe%2BV0VcHL3E29gPqeJazAwHWHR01nbmqD8%3D&se=1893456000"
    )


def test_fields_stand_in_any_order() -> None:
    fields = [f"sr={UPPER}", f"sig={quote(SIGNED[UPPER], safe='')}", f"se={UNTIL}", "skn=iothub%20owner"]
    for turn in range(4):
        signature = parse_sas(token(*fields[turn:], *fields[:turn]))
        assert signature.is_signed_with(KEY)
        assert signature.policy == "iothub owner"


@pytest.mark.parametrize("skn", ["skn=", "x=1", "skn=&x=%zz"])
def test_an_empty_policy_is_none_and_other_fields_do_not_matter(skn: str) -> None:
    signature = parse_sas(token(f"sr={UPPER}", f"sig={SIGNED[UPPER]}", f"se={UNTIL}", skn))
    assert signature.is_signed_with(KEY)
    assert signature.policy is None


def test_the_scheme_is_told_without_case_and_blanks_around_do_not_matter() -> None:
    written = sign(DEVICE, KEY, UNTIL)
    for text in (
        f" {written}\n",
        written.replace("SharedAccess", "sharedaccess"),
        written.replace(" ", "   "),
    ):
        assert parse_sas(text).is_signed_with(KEY)


# ----------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("key", [OTHER, KEY[:-4], "", None, "not base64", "c2hvcnQ=", KEY + "\n"])
def test_another_key_does_not_verify(key: str | None) -> None:
    assert not parse_sas(sign(DEVICE, KEY, UNTIL)).is_signed_with(key)


def test_nothing_is_signed_with_no_key() -> None:
    """Not even what somebody signed with an empty one."""
    signature = b64encode(hmac.digest(b"", f"{UPPER}\n{UNTIL}".encode(), sha256)).decode()
    parsed = parse_sas(token(f"sr={UPPER}", f"sig={signature}", f"se={UNTIL}"))
    assert not any(parsed.is_signed_with(key) for key in ("", None, "????", "ü"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gw-device-01", "gw-device-02"),
        ("%2F", "%2f"),
        ("%2F", "/"),
        ("contoso", "Contoso"),
        (f"se={UNTIL}", f"se={UNTIL + 1}"),
        (f"se={UNTIL}", f"se=0{UNTIL}"),
        ("jhXV", "jhXW"),
        ("%2BV0", "%2FV0"),
        ("%2BV0", "%20V0"),
        ("sig=jhXV", "sig="),
    ],
)
def test_a_token_that_was_tampered_with_does_not_verify(old: str, new: str) -> None:
    written = sign(DEVICE, KEY, UNTIL)
    assert old in written
    try:
        verified = parse_sas(written.replace(old, new)).is_signed_with(KEY)
    except ValueError:
        verified = False
    assert not verified


SIG = f"sig={SIGNED[UPPER]}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a SharedAccessSignature"),
        ("SharedAccessSignature", "sr is missing"),
        ("Bearer eyJ", "not a SharedAccessSignature"),
        (f"sr={UPPER}&{SIG}&se=1", "not a SharedAccessSignature"),
        (token(SIG, "se=1"), "sr is missing"),
        (token(f"sr={UPPER}", "se=1"), "sig is missing"),
        (token(f"sr={UPPER}", SIG), "se is missing"),
        (token(f"sr={UPPER}", SIG, "se=1", f"sr={UPPER}"), "a field stands twice"),
        (token(f"sr={UPPER}", SIG, "se=1", "se=2"), "a field stands twice"),
        (token(f"sr={UPPER}", SIG, SIG, "se=2"), "a field stands twice"),
        (token(f"sr={UPPER}", SIG, "se="), "not a number"),
        (token(f"sr={UPPER}", SIG, "se=soon"), "not a number"),
        (token(f"sr={UPPER}", SIG, "se=-1"), "not a number"),
        (token(f"sr={UPPER}", SIG, "se=1.5"), "not a number"),
        (token(f"sr={UPPER}", SIG, "se=\u0661"), "not a number"),
        (token(f"sr={UPPER}", SIG, f"se={'9' * 21}"), "not a number"),
        (token(f"sr={UPPER}", "sig=!", "se=1"), "not base64"),
        (token(f"sr={UPPER}", "sig=ü", "se=1"), "not base64"),
        (token(f"sr={UPPER}", "sig=YQ", "se=1"), "not base64"),
        (token(f"sr={UPPER}{'x' * 5000}", SIG, "se=1"), "not a SharedAccessSignature"),
    ],
)
def test_what_is_no_token_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_sas(text)


def test_a_reason_quotes_nothing_of_the_token() -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_sas(token("secret", "secret"))
    assert "secret" not in str(refused.value)


def test_the_longest_token_is_read() -> None:
    written = sign(DEVICE, KEY, UNTIL)
    padding = LONGEST - len(written) - len("&x=")
    assert parse_sas(f"{written}&x={'y' * padding}").is_signed_with(KEY)
    with pytest.raises(ValueError, match="not a"):
        parse_sas(f"{written}&x={'y' * (padding + 1)}")


@pytest.mark.parametrize("until", [10**11 * 3, 10**20 - 1])
def test_an_expiry_beyond_the_calendar_is_its_last_second(until: int) -> None:
    signature = parse_sas(sign(DEVICE, KEY, until))
    assert signature.is_signed_with(KEY)
    assert signature.expires_at == LATEST


def test_no_signature_is_shown() -> None:
    shown = repr(parse_sas(sign(DEVICE, KEY, UNTIL)))
    assert DEVICE in shown
    assert "jhXV" not in shown
    assert "signature=" not in shown


@pytest.mark.parametrize("key", ["", "not base64", "c2hvcnQ="])
def test_nothing_is_signed_with_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="not the base64 of a key"):
        sign(DEVICE, key, UNTIL)


# --------------------------------------------------------------------------------------- properties

keys = st.binary(min_size=16, max_size=64).map(lambda secret: b64encode(secret).decode())
resources = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
properties = settings(max_examples=500, deadline=None, database=None)


@given(resources, keys, st.integers(0, LATEST), st.none() | st.text("abc -&=%ü", min_size=1, max_size=10))
@properties
def test_what_is_signed_is_verified(resource: str, key: str, until: int, policy: str | None) -> None:
    signature = parse_sas(sign(resource, key, until, policy))
    assert signature.is_signed_with(key)
    assert (signature.resource, signature.expires_at, signature.policy) == (resource, until, policy)
    assert not signature.is_signed_with(OTHER)


@given(st.integers(0, 200), st.characters(codec="utf-8"))
@properties
def test_no_other_character_in_a_token_verifies(place: int, character: str) -> None:
    """Unless the fields that count still say the same: an escape in other letters, or another scheme's case."""
    written = sign(DEVICE, KEY, UNTIL)
    place %= len(written)
    changed = written[:place] + character + written[place + 1 :]
    try:
        signature = parse_sas(changed)
    except ValueError:
        return
    same = parse_sas(written)
    means_the_same = (signature.signed, signature.signature) == (same.signed, same.signature)
    assert signature.is_signed_with(KEY) == means_the_same
    if means_the_same:
        assert signature.expires_at == UNTIL
        assert signature.resource == DEVICE


@given(st.text(max_size=200) | st.text("&=%sreigkn019 ", max_size=100).map(token))
@properties
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        signature = parse_sas(text)
    except ValueError:
        return
    assert not signature.is_signed_with(KEY)


# -------------------------------------------------------------------------------------- what it covers


@pytest.mark.parametrize(
    "resource",
    [
        "hub.example.net/devices/d1/modules/m1",
        "hub.example.net/devices/d1/modules",
        "hub.example.net/devices/d1",
        "hub.example.net/devices",
        "hub.example.net",
        "HUB.Example.NET/devices/d1",
        "hub.example.net:8443/devices/d1",
        "hub.example.net/devices/d1/",
        "/hub.example.net",
    ],
)
def test_a_token_covers_what_is_below_its_resource(resource: str) -> None:
    assert covers(resource, "hub.example.net/devices/d1/modules/m1")
    assert covers(resource, "hub.example.net:443/devices/d1/modules/m1")


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "/",
        "hub.example",
        "hub.example.net.evil.org/devices/d1",
        "hub.example.net/device",
        "hub.example.net/Devices/d1",
        "hub.example.net/devices/d",
        "hub.example.net/devices/d11",
        "hub.example.net/devices/D1",
        "hub.example.net/devices/d1/modules/m",
        "hub.example.net/devices/d1/modules/m1/x",
        "hub.example.net//devices/d1",
        "hub.example.net/devices//d1",
        "hub.example.net/devices/%64%31",
        "other.example.net/devices/d1/modules/m1",
        "hub.example.net:x/devices/d1",
    ],
)
def test_a_token_covers_nothing_else(resource: str) -> None:
    assert not covers(resource, "hub.example.net/devices/d1/modules/m1")


def test_a_token_of_a_module_does_not_cover_its_device() -> None:
    assert not covers("hub/devices/d1/modules/m1", "hub/devices/d1")


def test_an_id_may_be_encoded_before_the_resource_is() -> None:
    """As .NET clients do."""
    device_id = "plant#7:a@b"
    signature = parse_sas(sign(f"hub/devices/{quote(device_id, safe='')}", KEY, UNTIL))
    assert covers(signature.resource, f"hub/devices/{device_id}")
    assert covers(signature.resource, f"hub/devices/{device_id}/modules/m")
    assert not covers(signature.resource, "hub/devices/plant#7:a@c")


@pytest.mark.parametrize(
    ("resource", "host"),
    [
        ("Hub.Example.net/devices/d1", "hub.example.net"),
        ("hub.example.net:8443/devices/d1", "hub.example.net"),
        ("hub.example.net", "hub.example.net"),
        ("127.0.0.1:8443", "127.0.0.1"),
        ("[::1]:8443/devices/d1", "[::1]"),
        ("::1/devices/d1", "::1"),
        ("hub:", "hub:"),
        ("", ""),
    ],
)
def test_the_host_of_a_resource(resource: str, host: str) -> None:
    assert host_of(resource) == host


# ------------------------------------------------------------------------------------------------ keys


@pytest.mark.parametrize("registration_id", ["sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6", "d1"])
def test_a_derived_key_is_the_signature_of_the_registration_id(registration_id: str) -> None:
    """HMAC-SHA256 by the decoded key of the group, over the id as UTF-8, in base64."""
    expected = hmac.new(b64decode(OTHER), registration_id.encode("utf-8"), sha256).digest()
    derived = derived_key(OTHER, registration_id)
    assert b64decode(derived, validate=True) == expected
    assert is_key(derived)
    assert parse_sas(sign(DEVICE, derived, UNTIL)).is_signed_with(derived)


@pytest.mark.parametrize("length", [16, 32, 64])
def test_a_key_has_16_to_64_bytes(length: int) -> None:
    assert is_key(b64encode(bytes(length)).decode())


@pytest.mark.parametrize(
    "text",
    ["", "====", "ü", b64encode(bytes(15)).decode(), b64encode(bytes(65)).decode(), KEY[:-1], f"{KEY} "],
)
def test_anything_else_is_no_key(text: str) -> None:
    assert not is_key(text)
