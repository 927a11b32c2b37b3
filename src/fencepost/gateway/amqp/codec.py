"""
Values of AMQP 1.0 as a stranger wrote them (part 1, section 1.6): read with bounds, whatever they claim.

A string and a symbol are `str`, a binary is `bytes`, a timestamp its milliseconds; decimals stay bytes.
"""

import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec import Struct

from fencepost.model.errors import DeviceError

DEEPEST = 8
"""Levels of lists, maps, arrays and described values within each other."""
MOST_VALUES = 32_768
"""Values that are read in one go."""


class Described(Struct, frozen=True):
    """A value with what it is."""

    descriptor: int | str
    value: Any


class Reader:
    """Reads the values of some bytes one after the other, from `at` on."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._left = MOST_VALUES

    @property
    def is_at_end(self) -> bool:
        return self.at >= len(self.data)

    def read(self) -> Any:
        """Return the next value; raises DeviceError."""
        try:
            return self._value(self._byte(), 0)
        except (struct.error, IndexError):
            raise DeviceError("an AMQP value ends too early") from None
        except UnicodeDecodeError:
            raise DeviceError("an AMQP string is not text") from None

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _value(self, code: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise DeviceError("too many AMQP values")
        if code in _EMPTY:
            return [] if code == _EMPTY_LIST else _EMPTY[code]
        fixed = _FIXED.get(code)
        if fixed is not None:
            width, convert = fixed
            return convert(width.unpack(self._taken(width.size))[0])
        kind = code & 0x0F
        match code & 0xF0:
            case 0xA0 | 0xB0 if kind in _VARIABLE:
                return _VARIABLE[kind](self._taken(self._size(code)))
            case 0xC0 | 0xD0 if kind <= 1:
                return self._compound(code, depth)
            case 0xE0 | 0xF0 if kind == 0:
                return self._array(code, depth)
            case 0 if code == 0:
                return self._described(depth)
        raise DeviceError(f"no AMQP type has the code {code:#04x}")

    def _taken(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise IndexError
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def _size(self, code: int) -> int:
        """Return a size or a count, which takes one byte or four with the type's code."""
        is_short = (code >> 4) in (0xA, 0xC, 0xE)
        return self._byte() if is_short else int.from_bytes(self._taken(4), "big")

    def _compound(self, code: int, depth: int) -> Any:
        size = self._size(code)
        end = self.at + size
        count = self._size(code)
        items = [self._value(self._byte(), depth + 1) for _ in range(count)]
        if self.at != end:
            raise DeviceError("an AMQP list or map has another size than it says")
        return items if code & 1 == 0 else _mapped(items)

    def _array(self, code: int, depth: int) -> list[Any]:
        end = self._size(code) + self.at
        count = self._size(code)
        if (
            count > end - self.at
        ):  # values that take no bytes: nobody sends so many, and they are made for free
            raise DeviceError("too many AMQP values")
        kind = self._byte()
        descriptor = None
        if kind == 0:
            descriptor = self._descriptor(depth)
            kind = self._byte()
        items = [self._value(kind, depth + 1) for _ in range(count)]
        if self.at != end:
            raise DeviceError("an AMQP array has another size than it says")
        return items if descriptor is None else [Described(descriptor, item) for item in items]

    def _described(self, depth: int) -> Described:
        descriptor = self._descriptor(depth)
        return Described(descriptor, self._value(self._byte(), depth + 1))

    def _descriptor(self, depth: int) -> int | str:
        descriptor = self._value(self._byte(), depth + 1)
        if not isinstance(descriptor, int | str):
            raise DeviceError("an AMQP value is described by neither a number nor a symbol")
        return descriptor


def _mapped(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise DeviceError("an AMQP map has a key without a value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError:
        raise DeviceError("a key of an AMQP map is no simple value") from None


def _same(value: Any) -> Any:
    return value


_EMPTY: dict[int, Any] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0, 0x45: ()}
_EMPTY_LIST = 0x45
_FIXED: dict[int, tuple[struct.Struct, Callable[[Any], Any]]] = {
    code: (struct.Struct(form), convert)
    for code, form, convert in (
        (0x50, ">B", _same),
        (0x51, ">b", _same),
        (0x52, ">B", _same),
        (0x53, ">B", _same),
        (0x54, ">b", _same),
        (0x55, ">b", _same),
        (0x56, ">B", bool),
        (0x60, ">H", _same),
        (0x61, ">h", _same),
        (0x70, ">I", _same),
        (0x71, ">i", _same),
        (0x72, ">f", _same),
        (0x73, "4s", lambda four: four.decode("utf-32-be")),
        (0x74, "4s", _same),
        (0x80, ">Q", _same),
        (0x81, ">q", _same),
        (0x82, ">d", _same),
        (0x83, ">q", _same),
        (0x84, "8s", _same),
        (0x94, "16s", _same),
        (0x98, "16s", lambda sixteen: UUID(bytes=sixteen)),
    )
}
_VARIABLE: dict[int, Callable[[bytes], Any]] = {
    0: _same,
    1: bytes.decode,
    3: lambda symbol: symbol.decode("ascii"),
}
