"""SASL by its bytes."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.amqp.client import sasl_init

from fencepost.gateway.amqp.codec import Described, Reader
from fencepost.gateway.amqp.sasl import (
    AUTH,
    LONGEST_FRAME,
    MECHANISMS,
    OK,
    Init,
    Plain,
    Sasl,
    mechanisms,
    outcome,
    read_plain,
)
from fencepost.model.errors import DeviceError


def test_our_mechanisms_are_a_frame_of_symbols() -> None:
    written = mechanisms()
    assert written[:8] == struct.pack(">IBBH", len(written), 2, 1, 0)
    assert Reader(written[8:]).read() == Described(0x40, [[*MECHANISMS]])


@pytest.mark.parametrize("code", [OK, AUTH])
def test_an_outcome_is_one_byte(code: int) -> None:
    assert outcome(code) == bytes.fromhex("00000010020100000053 44c00301 50") + bytes([code])


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_init_is_read_however_it_is_cut(size: int) -> None:
    sasl, written = Sasl(), sasl_init("PLAIN", b"\0user\0pass") + b"AMQP"
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    (init,) = [found for piece in pieces if (found := sasl.receive(piece)) is not None]
    assert init == Init("PLAIN", b"\0user\0pass")


def test_what_comes_behind_an_init_is_kept() -> None:
    sasl = Sasl()
    assert sasl.receive(sasl_init("ANONYMOUS") + b"AMQP\0\1\0\0") == Init("ANONYMOUS", b"")
    assert sasl.rest == b"AMQP\0\1\0\0"


def test_an_init_of_the_library_is_read() -> None:
    """With a host name behind the response, as the specification has it."""
    fields = b"\xa3\x05PLAIN\xa0\x04\0a\0b\xa1\x04host"
    body = b"\0\x80" + struct.pack(">Q", 0x41) + b"\xc0" + bytes([len(fields) + 1, 3]) + fields
    frame = struct.pack(">IBBHI", 12 + len(body), 3, 1, 0, 0) + body  # an extended header
    assert Sasl().receive(frame) == Init("PLAIN", b"\0a\0b")


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">IBBH", LONGEST_FRAME + 1, 2, 1, 0),
        struct.pack(">IBBH", 7, 2, 1, 0),
        struct.pack(">IBBH", 16, 1, 1, 0),
        struct.pack(">IBBH", 16, 5, 1, 0) + bytes(8),
        struct.pack(">IBBH", 16, 2, 0, 0) + bytes(8),
        struct.pack(">IBBH", 8, 2, 1, 0),
        struct.pack(">IBBH", 12, 2, 1, 0) + b"\0\x53\x44\x45",
        struct.pack(">IBBH", 12, 2, 1, 0) + b"\0\x53\x41\x45",
        struct.pack(">IBBH", 13, 2, 1, 0) + b"\0\x53\x41\xc0\x01",
        sasl_init("PLAIN")[:3] + b"\x20" + sasl_init("PLAIN")[4:] + bytes(32),
    ],
)
def test_anything_else_is_refused(frame: bytes) -> None:
    with pytest.raises(DeviceError):
        Sasl().receive(frame)


@given(st.binary(max_size=200))
def test_any_bytes_are_waited_for_or_refused(data: bytes) -> None:
    with suppress(DeviceError):
        Sasl().receive(data)


@pytest.mark.parametrize(
    ("response", "plain"),
    [
        (b"\0u\0p", Plain("u", "p")),
        (b"z\0u@sas.hub\0p q", Plain("u@sas.hub", "p q")),
        (b"", None),
        (b"u\0p", None),
        (b"\0u\0p\0", None),
        (b"\0\xff\0p", None),
    ],
)
def test_a_plain_response_is_user_and_password(response: bytes, plain: Plain | None) -> None:
    assert read_plain(response) == plain


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(Plain("user", "secret")) + repr(Init("PLAIN", b"\0user\0secret"))
