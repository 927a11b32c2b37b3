"""What is read does not depend on how the bytes come in, and no bytes raise anything."""

import gzip
from io import BytesIO
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from fencepost.sources.files import Record, Unreadable, read

LINES = st.sampled_from(
    [
        b"{}",
        b'{"Events": [{"a": 1}]}',
        b'{"device_id": "a", "body": [1]}',
        b'{"body_base64": "AA=="}',
        b'{"body_base64": 1}',
        b"[",
        b"]",
        b"[{}, 3]",
        b'{"a":',
        b"}",
        b" ",
        b"\x10\0\0\0",
        b"\xff\xfe",
        b"x" * 9000,
    ]
)
INPUTS = st.lists(LINES | st.binary(max_size=20), max_size=12).map(b"\n".join)


class Dripping(BytesIO):
    """A pipe that gives little at a time."""

    def read1(self, _: int | None = -1, /) -> bytes:
        return super().read1(3)


def found(file: BytesIO) -> list[Record | Unreadable]:
    return list(read([Path("-")], standard_input=file, limit=1000))


@given(INPUTS)
def test_the_pieces_in_which_bytes_come_make_no_difference(content: bytes) -> None:
    assert found(Dripping(content)) == found(BytesIO(content))


@given(INPUTS)
def test_gzip_makes_no_difference(content: bytes) -> None:
    assume(not content.startswith(b"\x1f\x8b\x08"))  # unpacked once, not as often as it can be
    packed = gzip.compress(content[: len(content) // 2]) + gzip.compress(content[len(content) // 2 :])
    assert found(Dripping(packed)) == found(BytesIO(content))


@given(INPUTS, st.integers(0, 200))
def test_no_input_raises_and_none_is_passed_over_in_silence(content: bytes, cut: int) -> None:
    for damaged in (content, gzip.compress(content)[:cut], gzip.compress(content) + content):
        assert found(BytesIO(damaged))
