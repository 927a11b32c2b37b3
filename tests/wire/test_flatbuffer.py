from struct import pack

import pytest

from fencepost.wire.flatbuffer import Buffer, MalformedError, Member

WORD, NAME, LIST = Member(0, "word"), Member(1, "name"), Member(2, "list")


def small(vtable_first: bool) -> bytes:
    """A table with a u32 7 in slot 0, with its vtable before or behind it."""
    vtable = pack("<HHH", 6, 8, 4)
    if vtable_first:
        return pack("<I", 12) + b"\0\0" + vtable + pack("<iI", 6, 7)
    return pack("<I", 4) + pack("<iI", -8, 7) + vtable


@pytest.mark.parametrize("vtable_first", [True, False])
def test_a_vtable_may_lie_before_or_behind_its_table(vtable_first: bool) -> None:
    table = Buffer(small(vtable_first)).root()
    assert table.u32(WORD) == 7
    assert table.text(NAME) is None
    assert list(table.offsets(LIST)) == []
    assert table.u8(NAME, 3) == 3


@pytest.mark.parametrize("vtable_first", [True, False])
def test_a_buffer_cut_anywhere_is_malformed(vtable_first: bool) -> None:
    body = small(vtable_first)
    for end in range(len(body)):
        with pytest.raises(MalformedError):
            Buffer(body[:end]).root().u32(WORD)


def test_a_vector_longer_than_the_buffer_is_refused_without_a_look_at_its_elements() -> None:
    vtable = pack("<HHHHH", 10, 12, 0, 4, 8)
    body = pack("<I", 4) + pack("<iII", -12 - 8, 8, 4) + pack("<II", 2**31, 2**31) + vtable
    table = Buffer(body).root()
    with pytest.raises(MalformedError, match="do not fit"):
        table.offsets(LIST)
    with pytest.raises(MalformedError, match="do not fit"):
        table.text(NAME)


def test_what_is_read_again_and_again_is_paid_for_until_the_budget_ends() -> None:
    buffer = Buffer(small(vtable_first=True))
    buffer.root()
    buffer.root()
    with pytest.raises(MalformedError, match="more than the message can hold"):
        buffer.root()
    assert buffer.exhausted


def test_a_text_that_is_named_twice_is_decoded_once_and_paid_for_as_text() -> None:
    vtable = pack("<HHHH", 8, 12, 0, 8)
    body = pack("<I", 12) + vtable + pack("<iIII", 8, 0, 4, 3) + b"abc\0"
    table = Buffer(body).root()
    assert table.text(NAME) is table.text(NAME)
    assert table.buffer.budget == len(body) - 8 - 3 - 4 - 4
    assert table.buffer.text_budget == 8 * len(body) - 3 - 3


def test_a_place_is_joined_from_what_is_known() -> None:
    assert MalformedError("bad", "common").within("events[0]") == "events[0].common"
    assert MalformedError("bad").within("events[0]") == "events[0]"
    assert MalformedError("bad", "events").within("") == "events"
