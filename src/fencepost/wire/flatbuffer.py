"""
A reader of FlatBuffers that trusts nothing: every offset, vtable and length is checked against the buffer.

Only what the ThreadX module needs, and nothing of its schema. A vtable may lie before or behind its
table (the offset is signed), lengths need not be multiples of four, and the work is bounded: offsets can
make a small buffer name the same table or text over and over, so every visit is paid for from budgets
that grow with the buffer alone. Builders let tables share texts and vtables, never tables or structs: what
only one can hold is paid for from a budget of the buffer's own size.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

_U8, _U16, _U32, _U64 = Struct("<B"), Struct("<H"), Struct("<I"), Struct("<Q")
_S32 = Struct("<i")
_VTABLE_HEAD = 4
_OUTSIDE = "offset outside the message"
_TOO_MUCH = "names more than the message can hold; the rest is not read"

OFFSET = 4
"""A table and a text have the bytes of the offset that names them."""

TABLE = OFFSET + 4
"""The least that a table takes: the offset that names it, and the one of its vtable."""

TEXT_SHARE = 8
"""Texts may be shared by many tables, so each byte of the buffer may be read this often as text."""


class Member(NamedTuple):
    """A member of a table: its number in the schema (`id`), and its name for people."""

    slot: int
    name: str


class MalformedError(ValueError):
    """Something that cannot be read; `member` is the place below the table that was being read."""

    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason, member)
        self.reason = reason
        self.member = member

    def within(self, place: str) -> str:
        return f"{place}.{self.member}" if place and self.member else place or self.member


class Buffer:
    """
    The bytes, and how much may still be read of them before it must be the work of an attacker.

    `budget` is for what nothing shares, `text_budget` for the texts, however often one is named.
    """

    __slots__ = ("_texts", "body", "budget", "text_budget")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.budget = len(body)
        self.text_budget = len(body) * TEXT_SHARE
        self._texts: dict[int, str] = {}

    @property
    def exhausted(self) -> bool:
        return self.budget < 0 or self.text_budget < 0

    def pay(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise MalformedError(_TOO_MUCH)

    def text(self, start: int, length: int) -> str:
        """Return a text inside the buffer; one that is shared is decoded and kept once."""
        self.text_budget -= length
        if self.text_budget < 0:
            raise MalformedError(_TOO_MUCH)
        known = self._texts.get(start)
        if known is None:
            self.pay(length)
            known = self._texts[start] = self.body[start : start + length].decode("utf-8", "replace")
        return known

    def number(self, kind: Struct, position: int) -> int:
        if position < 0 or position + kind.size > len(self.body):
            raise MalformedError(_OUTSIDE)
        return int(kind.unpack_from(self.body, position)[0])

    def target(self, position: int) -> int:
        """Return where the offset stored at `position` points to."""
        return position + self.number(_U32, position)

    def root(self) -> "Table":
        return Table(self, self.target(0))


class Table:
    """A table with a checked vtable; members that it does not store have their defaults."""

    __slots__ = ("_entries", "_vtable", "buffer", "position")

    def __init__(self, buffer: Buffer, position: int) -> None:
        buffer.pay(TABLE)
        self.buffer = buffer
        self.position = position
        self._vtable = position - buffer.number(_S32, position)
        size = buffer.number(_U16, self._vtable)
        if size < _VTABLE_HEAD or self._vtable + size > len(buffer.body):
            raise MalformedError("vtable outside the message")
        self._entries = size // 2 - 2

    def has(self, member: Member) -> bool:
        return self._find(member) is not None

    def u8(self, member: Member, default: int = 0) -> int:
        return self._scalar(_U8, member, default)

    def u16(self, member: Member, default: int = 0) -> int:
        return self._scalar(_U16, member, default)

    def u32(self, member: Member, default: int = 0) -> int:
        return self._scalar(_U32, member, default)

    def u64(self, member: Member, default: int = 0) -> int:
        return self._scalar(_U64, member, default)

    def struct(self, member: Member, size: int) -> bytes:
        """Return the bytes of a struct that must be there."""
        position = self._required(member)
        if position + size > len(self.buffer.body):
            raise MalformedError(_OUTSIDE, member.name)
        self.buffer.pay(size)
        return self.buffer.body[position : position + size]

    def table(self, member: Member) -> "Table":
        """Return a table that must be there."""
        position = self._required(member)
        try:
            return Table(self.buffer, self.buffer.target(position))
        except MalformedError as error:
            raise MalformedError(error.reason, member.name) from None

    def text(self, member: Member) -> str | None:
        """Return a text or None; bytes that are not UTF-8 become U+FFFD, so that they hide nothing."""
        start, length = self._vector(member, 1)
        if not start:
            return None
        self.buffer.pay(OFFSET)
        return self.buffer.text(start, length)

    def required_text(self, member: Member) -> str:
        text = self.text(member)
        if text is None:
            raise MalformedError("missing", member.name)
        return text

    def structs(self, member: Member, size: int) -> Iterator[bytes]:
        """Yield the elements of a vector of structs; raises MalformedError also between two of them."""
        start, count = self._vector(member, size)
        for position in range(start, start + count * size, size):
            self.buffer.pay(size)
            yield self.buffer.body[position : position + size]

    def offsets(self, member: Member) -> range:
        """Return the positions of the offsets in a vector of tables; empty when it is not stored."""
        start, count = self._vector(member, 4)
        return range(start, start + count * 4, 4)

    def _vector(self, member: Member, size: int) -> tuple[int, int]:
        """Return the start and the number of elements, all inside the buffer; (0, 0) when not stored."""
        position = self._find(member)
        if position is None:
            return 0, 0
        try:
            start = self.buffer.target(position)
            count = self.buffer.number(_U32, start)
        except MalformedError as error:
            raise MalformedError(error.reason, member.name) from None
        start += 4
        if start + count * size > len(self.buffer.body):
            raise MalformedError(f"{count} elements do not fit into the message", member.name)
        return start, count

    def _scalar(self, kind: Struct, member: Member, default: int) -> int:
        position = self._find(member)
        if position is None:
            return default
        try:
            return self.buffer.number(kind, position)
        except MalformedError as error:
            raise MalformedError(error.reason, member.name) from None

    def _required(self, member: Member) -> int:
        position = self._find(member)
        if position is None:
            raise MalformedError("missing", member.name)
        return position

    def _find(self, member: Member) -> int | None:
        if member.slot >= self._entries:
            return None
        offset = self.buffer.number(_U16, self._vtable + _VTABLE_HEAD + 2 * member.slot)
        return self.position + offset if offset else None
