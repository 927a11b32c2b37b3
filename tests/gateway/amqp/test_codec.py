"""Values of AMQP: what the library writes is read, and nothing that a stranger writes does harm."""

import struct
from contextlib import suppress
from typing import Any
from uuid import UUID

import proton
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.gateway.amqp.codec import DEEPEST, MOST_VALUES, Described, Reader
from fencepost.model.errors import DeviceError

SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300),
    st.binary(max_size=300),
    st.uuids(),
    st.floats(allow_nan=False),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text("abc", max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def encoded(value: Any) -> bytes:
    data = proton.Data()
    data.put_object(value)
    return bytes(data.encode())


def depth_of(value: Any) -> int:
    inner = [*value] if isinstance(value, list) else [*value.values()] if isinstance(value, dict) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(VALUES.filter(lambda value: depth_of(value) <= DEEPEST))
def test_what_the_library_writes_is_read(value: Any) -> None:
    reader = Reader(encoded(value))
    assert reader.read() == value
    assert reader.is_at_end


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("40", None),
        ("41", True),
        ("5600", False),
        ("43", 0),
        ("44", 0),
        ("45", []),
        ("50ff", 255),
        ("51ff", -1),
        ("60ffff", 65535),
        ("61ffff", -1),
        ("52ff", 255),
        ("70ffffffff", 2**32 - 1),
        ("54ff", -1),
        ("71ffffffff", -1),
        ("53ff", 255),
        ("80ffffffffffffffff", 2**64 - 1),
        ("55ff", -1),
        ("81ffffffffffffffff", -1),
        ("723fc00000", 1.5),
        ("823ff8000000000000", 1.5),
        ("7300000041", "A"),
        ("8300000000000003e8", 1000),
        ("98000102030405060708090a0b0c0d0e0f", UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")),
        ("a00201ff", b"\x01\xff"),
        ("b00000000201ff", b"\x01\xff"),
        ("a102c3a9", "é"),
        ("b10000000141", "A"),
        ("a30141", "A"),
        ("b30000000141", "A"),
        ("c0 03 02 41 42", [True, False]),
        ("d0 00000006 00000002 41 42", [True, False]),
        ("c1 06 02 a10141 5501", {"A": 1}),
        ("d1 00000009 00000002 a10141 5501", {"A": 1}),
        ("e0 04 02 54 0102", [1, 2]),
        ("f0 00000007 00000002 54 0102", [1, 2]),
        ("e0 07 02 005377 54 0102", [Described(0x77, 1), Described(0x77, 2)]),
        ("00 5370 5501", Described(0x70, 1)),
        ("00 a303613a62 40", Described("a:b", None)),
    ],
)
def test_every_constructor_is_known(written: str, value: Any) -> None:
    reader = Reader(bytes.fromhex(written))
    assert reader.read() == value
    assert reader.is_at_end


@pytest.mark.parametrize(
    "written",
    [
        "",
        "01",
        "ff",
        "c2 00",
        "70 0000",
        "a1 05 41",
        "b0 7fffffff 41",
        "a1 01 ff",
        "a3 01 e9",
        "73 7fffffff",
        "c0 02 02 41 42",
        "c0 04 02 41 42",
        "c1 04 01 a10141",
        "c1 05 02 c0020141 41",
        "e0 03 02 54 0102",
        "00 45 41",
        "00 a00141 41",
    ],
)
def test_what_breaks_the_rules_is_refused(written: str) -> None:
    with pytest.raises(DeviceError):
        Reader(bytes.fromhex(written)).read()


@pytest.mark.parametrize("kind", [b"\x40", b"\x43", b"\x45"])
def test_a_billion_values_that_take_no_bytes_are_refused_at_once(kind: bytes) -> None:
    with pytest.raises(DeviceError, match="too many"):
        Reader(b"\xf0" + struct.pack(">II", 5, 2**30) + kind).read()


def test_an_array_has_no_more_values_than_bytes() -> None:
    with pytest.raises(DeviceError, match="too many"):
        Reader(b"\xf0" + struct.pack(">II", 5, 1000) + b"\x41").read()
    assert Reader(b"\xf0" + struct.pack(">II", 5, 1) + b"\x41").read() == [True]


def test_lists_within_lists_without_end_are_refused() -> None:
    value = b"\x45"
    for _ in range(5000):
        value = b"\xd0" + struct.pack(">II", len(value) + 4, 1) + value
    with pytest.raises(DeviceError, match="too many"):
        Reader(value).read()


def test_so_many_values_are_read_in_one_go_and_no_more() -> None:
    whole = b"\x40" * MOST_VALUES
    reader = Reader(whole + b"\x40")
    assert [reader.read() for _ in range(MOST_VALUES)] == [None] * MOST_VALUES
    with pytest.raises(DeviceError, match="too many"):
        reader.read()


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = Reader(data)
    with suppress(DeviceError):
        while not reader.is_at_end:
            reader.read()
