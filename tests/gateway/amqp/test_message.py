"""Messages: a stranger's are read with bounds, our own are what the SDKs can read."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import proton
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.amqp.client import written

from fencepost.gateway.amqp.message import Properties, read_message, write_message
from fencepost.model.errors import DeviceError

ID = UUID("01234567-89ab-cdef-0123-456789abcdef")


def test_a_message_of_the_library_is_read() -> None:
    message = read_message(
        written(
            b"body",
            id="m1",
            correlation_id=7,
            user_id=b"u",
            address="/a",
            content_type="text/plain",
            content_encoding="utf-8",
            expiry_time=1700000000,
            annotations={"x": "y"},
            properties={"n": 5, "t": "v"},
        )
    )
    assert message.properties == Properties(
        message_id="m1",
        user_id=b"u",
        to="/a",
        correlation_id=7,
        content_type="text/plain",
        content_encoding="utf-8",
        absolute_expiry_time=1_700_000_000_000,
    )
    assert (message.annotations, message.application) == ({"x": "y"}, {"n": 5, "t": "v"})
    assert message.body() == b"body"


@pytest.mark.parametrize(
    ("body", "read"), [(b"\x00\x01", b"\x00\x01"), ("text", b"text"), (None, b""), (b"", b"")]
)
def test_a_body_is_data_or_text(body: Any, read: bytes) -> None:
    assert read_message(written(body)).body() == read


def test_data_sections_belong_together() -> None:
    assert read_message(bytes.fromhex("005375a00161005375a00162")).body() == b"ab"


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(DeviceError):
        read_message(written({"a": 1})).body()


@pytest.mark.parametrize("one", ["text", 5, ID, b"bytes"])
def test_an_id_keeps_its_type_there_and_back(one: Any) -> None:
    """The C SDK compares an id with what it has sent, and its type too."""
    message = read_message(write_message(None, Properties(correlation_id=one, message_id=one)))
    back = (message.properties.correlation_id, message.properties.message_id)
    assert back == (one, one)
    assert type(back[0]) is type(one)


def test_our_own_have_the_types_that_are_asked_for() -> None:
    encoded = write_message(b"{}", annotations={"status": proton.int32(204), "version": 3})
    assert b"\xa3\x06status\x71\x00\x00\x00\xcc" in encoded
    assert b"\xa3\x07version\x55\x03" in encoded


def test_a_message_without_a_body_has_no_body_section() -> None:
    assert b"\x00\x53\x75" not in write_message(None)
    assert write_message(b"").endswith(bytes.fromhex("005375a000"))


@pytest.mark.parametrize(
    "encoded",
    [
        "40",
        "0053 79 40",
        "0053 75 a10161",
        "0053 72 45",
        "0053 73 c10100",
        "0053 73 c0 02 01 41",
        "0053 73 c0 03 01 54ff",
        "0053 73 c0 05 03 40 40 5501",
        "0053 74 a10161",
        "0053 75 a0 05 61",
        "00 45 40",
    ],
)
def test_what_is_no_message_is_refused(encoded: str) -> None:
    with pytest.raises(DeviceError):
        read_message(bytes.fromhex(encoded))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(DeviceError):
        read_message(data).body()
