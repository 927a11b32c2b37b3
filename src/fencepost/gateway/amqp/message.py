"""
Messages (part 3, section 3.2): a stranger's bytes read with bounds, our own written by the library.

What concerns hops and nobody else, header and delivery annotations and footer, is passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import proton
from msgspec import Struct, field

from fencepost.gateway.amqp.codec import Described, Reader
from fencepost.model.errors import DeviceError

MessageId = str | int | bytes | UUID
"""Ids keep their type on the way back, for clients compare them with it; an int is an unsigned one."""

_FIRST = 0x70
_NAMES = (
    "header:list",
    "delivery-annotations:map",
    "message-annotations:map",
    "properties:list",
    "application-properties:map",
    "data:binary",
    "amqp-sequence:list",
    "amqp-value:*",
    "footer:map",
)
_SECTIONS: dict[Any, str] = {
    descriptor: name.partition(":")[0]
    for code, name in enumerate(_NAMES, _FIRST)
    for descriptor in (code, f"amqp:{name}")
}


class Properties(Struct, frozen=True):
    """The standard properties, in their order."""

    message_id: MessageId | None = None
    user_id: bytes | None = None
    to: str | None = None
    subject: str | None = None
    reply_to: str | None = None
    correlation_id: MessageId | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    absolute_expiry_time: int | None = None
    """Milliseconds since 1970."""


class AmqpMessage(Struct):
    """
    A message as it came.

    `data` holds its data sections; without any, `value` is the body where it is one value.
    """

    properties: Properties = Properties()
    annotations: dict[Any, Any] = field(default_factory=dict)
    application: dict[Any, Any] = field(default_factory=dict)
    data: list[bytes] = field(default_factory=list)
    value: Any = None

    def body(self) -> bytes:
        """Return the body as bytes; raises DeviceError where it is neither data nor text."""
        if self.data:
            return self.data[0] if len(self.data) == 1 else b"".join(self.data)
        match self.value:
            case bytes(binary):
                return binary
            case str(text):
                return text.encode()
            case None:
                return b""
        raise DeviceError("the body is neither data nor text")


def read_message(encoded: bytes) -> AmqpMessage:
    """Return the message that some bytes are; raises DeviceError."""
    reader = Reader(encoded)
    message = AmqpMessage()
    while not reader.is_at_end:
        match reader.read():
            case Described(descriptor=descriptor, value=value) if descriptor in _SECTIONS:
                _take(message, _SECTIONS[descriptor], value)
            case _:
                raise DeviceError("something that is no section of an AMQP message")
    return message


def _take(message: AmqpMessage, section: str, value: Any) -> None:
    match section, value:
        case "data", bytes():
            message.data.append(value)
        case "message-annotations", dict():
            message.annotations = value
        case "application-properties", dict():
            message.application = value
        case "properties", list():
            message.properties = _properties(value)
        case ("amqp-value", _) | ("amqp-sequence", list()):
            message.value = value
        case ("header" | "delivery-annotations" | "footer", _):
            pass
        case _:
            raise DeviceError("a section of an AMQP message holds something else than it should")


def _is_id(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and value >= 0
    return isinstance(value, str | bytes | UUID)


def _properties(fields: Sequence[Any]) -> Properties:
    known = fields[: len(_CHECKS)]
    for one, fits in zip(known, _CHECKS, strict=False):
        if one is not None and not fits(one):
            raise DeviceError("a property of an AMQP message is of another type than it should be")
    return Properties(*known)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_CHECKS: tuple[Callable[[Any], bool], ...] = (
    _is_id,
    lambda value: isinstance(value, bytes),
    _is_text,
    _is_text,
    _is_text,
    _is_id,
    _is_text,
    _is_text,
    lambda value: type(value) is int,
)


def write_message(
    body: bytes | None,
    properties: Properties = Properties(),  # noqa: B008 - frozen
    annotations: Mapping[str, Any] | None = None,
    application: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a message as bytes, its body as one data section; None is no body at all."""
    message: Any = proton.Message(body=body, inferred=True)
    if annotations:
        message.annotations = {proton.symbol(name): value for name, value in annotations.items()}
    if application:
        message.properties = dict(application)
    message.id = properties.message_id
    message.correlation_id = properties.correlation_id
    if properties.user_id is not None:
        message.user_id = properties.user_id
    message.address = properties.to
    message.content_type = properties.content_type
    message.content_encoding = properties.content_encoding
    if properties.absolute_expiry_time is not None:
        message.expiry_time = properties.absolute_expiry_time / 1000
    return bytes(message.encode())
