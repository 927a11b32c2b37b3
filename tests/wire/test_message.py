import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.material import fixtures, mutated, property_settings
from tests.wire.threadx_builder import event, message, table

from fencepost.model.errors import DeviceError
from fencepost.model.event import Rejected
from fencepost.wire import security_message, threadx
from fencepost.wire.message import decode, is_flatbuffer, rows

LEGACY = [path.read_bytes() for path in fixtures("official/*.json") + fixtures("legacy/*.json")]
THREADX = [path.read_bytes() for path in fixtures("threadx/*.bin")]


def test_every_sample_is_told_by_its_body() -> None:
    assert not any(map(is_flatbuffer, LEGACY))
    assert all(map(is_flatbuffer, THREADX))


@pytest.mark.parametrize("blank", [b"", b" ", b"\n\t ", b"\r\n", b"\xef\xbb\xbf"])
def test_blanks_before_the_text_do_not_matter(blank: bytes) -> None:
    body = blank + (fixtures("official/valid_07*.json")[0]).read_bytes()
    assert decode(body).source == "legacy"
    assert len(list(rows(body))) == 1


def test_a_root_offset_that_looks_like_a_letter_is_still_a_number() -> None:
    for padding in range(0, 256, 4):
        body = message(event(4, table()), module="m" * padding)
        assert decode(body).source == "threadx"
    for first in (0x20, 0x22, 0x30, 0x5B, 0x7B):
        assert is_flatbuffer(bytes([first, 0, 0, 0]) + bytes(200))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe\xfd\xfc", b"\0", b"\x04\0\0\0"])
def test_what_is_neither_is_refused(body: bytes) -> None:
    with pytest.raises(DeviceError):
        decode(body)
    with pytest.raises(DeviceError):
        rows(body)


def test_the_limit_and_the_device_reach_both_families() -> None:
    for body in (LEGACY[6], THREADX[0]):
        with pytest.raises(DeviceError, match="too large"):
            decode(body, 10)
        with pytest.raises(DeviceError, match="too large"):
            rows(body, 10)
        assert {row.device_id for row in rows(body, device_id="d") if not isinstance(row, Rejected)} == {"d"}


@given(st.binary(max_size=200) | mutated(LEGACY + THREADX))
@property_settings
def test_any_bytes_are_read_by_exactly_one_family_or_refused(body: bytes) -> None:
    family = threadx if is_flatbuffer(body) else security_message
    try:
        read = decode(body)
    except DeviceError:
        with pytest.raises(DeviceError):
            family.decode(body)
        return
    assert read == family.decode(body)
