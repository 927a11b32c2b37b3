"""
The wrapper that names the device of a message where its transport no longer does.

    {"device_id": "cam-0001", "received_at": "2026-11-24T03:51:10Z", "body": {...}}

`body_base64` stands in place of `body` for FlatBuffers. All members but the body may be missing.
"""

from base64 import b64decode
from datetime import UTC, datetime

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, field, json

ROOM = 4096
"""What the other members of a wrapper may take."""


def wrapped_size(limit: int) -> int:
    """Return how long a wrapper may be around a message of `limit` bytes: base64 makes 4 of 3."""
    return limit + limit // 3 + ROOM


class Letter(Struct, frozen=True):
    """A message taken out of its wrapper; `body` is the exact bytes."""

    body: bytes
    device_id: str | None = None
    received_at: datetime | None = None


class _Wrapper(Struct):
    device_id: Raw | UnsetType = UNSET
    received_at: Raw | UnsetType = UNSET
    body: Raw | UnsetType = UNSET
    body_base64: Raw | UnsetType = UNSET
    events: Raw | UnsetType = field(name="Events", default=UNSET)

    def is_one(self) -> bool:
        if self.body is not UNSET or self.body_base64 is not UNSET:
            return True
        # a security message may carry members that its schema does not know
        return self.events is UNSET and (self.device_id is not UNSET or self.received_at is not UNSET)


_WRAPPER = json.Decoder(_Wrapper)


def unwrap(value: bytes) -> Letter:
    """
    Return the message that a JSON value is, or holds; raises ValueError with what is wrong.

    A value that is no wrapper is the message itself, whatever it is: the decoders say what is wrong
    with a message.
    """
    if not value.startswith(b"{"):
        check_json(value)
        return Letter(value)
    try:
        wrapper = _WRAPPER.decode(value)
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not wrapper.is_one():
        return Letter(value)
    return Letter(_body(wrapper), _device_id(wrapper.device_id), _received_at(wrapper.received_at))


def check_json(value: bytes) -> None:
    """Raise ValueError, with the place, unless `value` is one complete JSON value."""
    try:
        json.decode(value, type=Raw)
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from error


def _body(wrapper: _Wrapper) -> bytes:
    match wrapper.body, wrapper.body_base64:
        case Raw() as body, UnsetType():
            return bytes(body)
        case UnsetType(), Raw() as encoded:
            text = _text("body_base64", encoded)
            try:
                return b64decode(text, validate=True)
            except ValueError as error:
                raise ValueError(f"body_base64: not base64: {error}") from error
        case Raw(), Raw():
            raise ValueError("a wrapper has a body or a body_base64, not both")
        case _:
            raise ValueError("body: the wrapper has none")


def _device_id(raw: Raw | UnsetType) -> str | None:
    if not isinstance(raw, Raw) or bytes(raw) == b"null":
        return None
    if not (name := _text("device_id", raw)):
        raise ValueError("device_id: empty")
    return name


def _received_at(raw: Raw | UnsetType) -> datetime | None:
    if not isinstance(raw, Raw) or bytes(raw) == b"null":
        return None
    text = _text("received_at", raw)
    try:
        moment = json.decode(raw, type=datetime)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (DecodeError, OverflowError) as error:
        raise ValueError(f"received_at: {text!r} is not an RFC 3339 time") from error


def _text(member: str, raw: Raw) -> str:
    try:
        return json.decode(raw, type=str)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{member}: {error}") from error
