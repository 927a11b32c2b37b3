"""
Column types that keep every value exactly, on SQLite and on PostgreSQL alike.

Devices are hostile: their texts hold U+0000, which PostgreSQL refuses, lone surrogates, which both refuse,
and are longer than what PostgreSQL takes into an index.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
import zstandard
from sqlalchemy import BigInteger, Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from fencepost.model.instant import micros, moment

LONGEST_KEY = 512
"""Bytes of UTF-8 up to which a key is the text itself; three of them fit into a page of any index."""
MARK = "\U0010fffd"
"""The last private character: before four hexadecimal digits it stands for what cannot be stored."""

_UNSTORABLE = re.compile(f"[\0\ud800-\udfff{MARK}]")
_ESCAPED = re.compile(f"{MARK}([0-9a-f]{{4}})")
_MARK_ITSELF = "ffff"
_FAST = 1

_encoder = msgspec.json.Encoder()

plain_text = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and sorted by its bytes, whatever the database's language."""


def escaped(text: str) -> str:
    """Return a text that every database takes; `unescaped` is its inverse."""
    return _UNSTORABLE.sub(_escape, text)


def unescaped(stored: str) -> str:
    return _ESCAPED.sub(_unescape, stored) if MARK in stored else stored


def key(text: str) -> str:
    """
    Return what stands for a text where it is looked up: different for different texts, and short.

    A text of more than 512 bytes is represented by its beginning and a digest.
    """
    stored = escaped(text)
    if len(stored) * 4 <= LONGEST_KEY or len(written := stored.encode()) <= LONGEST_KEY:
        return stored
    beginning = written[: LONGEST_KEY // 2].decode("utf-8", "ignore")
    return f"{beginning}{MARK}#{blake2b(written, digest_size=16).hexdigest()}"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return MARK + (_MARK_ITSELF if character == MARK else f"{ord(character):04x}")


def _unescape(match: re.Match[str]) -> str:
    return MARK if match[1] == _MARK_ITSELF else chr(int(match[1], 16))


def encoded(value: Any) -> bytes:
    """Return a value as JSON; where a text is no Unicode, its surrogates are written as UTF-8 would."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate, an integer beyond 64 bits
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def decoder(shape: Any) -> Callable[[bytes], Any]:
    """Return the inverse of `encoded` for values of one type."""
    decode = msgspec.json.Decoder(shape).decode

    def decoded(stored: bytes) -> Any:
        try:
            return decode(stored)
        except UnicodeDecodeError:
            return msgspec.convert(json.loads(stored.decode("utf-8", "surrogatepass")), shape)

    return decoded


class Moment(TypeDecorator[datetime]):
    """An instant, to the microsecond; a naive datetime is refused with a TypeError."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


class AnyText(TypeDecorator[str]):
    """Any text there can be in Python."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(plain_text)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else unescaped(value)


class Document(TypeDecorator[Any]):
    """A value of one type, kept whole as JSON that nobody searches; None is NULL."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self._decoded = decoder(shape)

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else encoded(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else self._decoded(value)


class PackedDocument(Document):
    """A document that says the same again and again: compressed, it takes a tenth of the room and less."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        stored = super().process_bind_param(value, dialect)
        return None if stored is None else zstandard.compress(stored, _FAST)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else super().process_result_value(zstandard.decompress(value), dialect)
