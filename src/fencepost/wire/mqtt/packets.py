"""
The control packets of MQTT 3.1.1, and what is wrong with bytes that are none.

Packet ids are 1 to 65535. Texts hold no U+0000; topics are not empty and have no wildcards.
"""

from typing import Literal

from msgspec import Struct

from fencepost.model.errors import DeviceError

QoS = Literal[0, 1, 2]

LONGEST_FIELD = 65_535
"""The most bytes of a text, a topic among them, of a password and of a will's payload (1.5.3, 3.1.3)."""

ACCEPTED = 0
UNACCEPTABLE_PROTOCOL = 1
IDENTIFIER_REJECTED = 2
SERVER_UNAVAILABLE = 3
BAD_CREDENTIALS = 4
NOT_AUTHORIZED = 5
"""Return codes of CONNACK (3.2.2.3)."""

FAILURE = 0x80
"""The return code of SUBACK for a subscription that is not granted (3.9.3); others are the QoS granted."""


def is_topic(text: str) -> bool:
    """Whether a message may have this topic: not empty (4.7.3), no wildcards (3.3.2.1)."""
    return text != "" and "#" not in text and "+" not in text


def is_filter(text: str) -> bool:
    """Whether this is a filter whose wildcards fill a level each, `#` only the last one (4.7.1)."""
    if "#" not in text and "+" not in text:
        return text != ""
    *levels, last = text.split("/")
    return (last == "#" or _is_level(last)) and all(map(_is_level, levels))


def _is_level(text: str) -> bool:
    return text == "+" or ("#" not in text and "+" not in text)


class Malformed(DeviceError):  # noqa: N818 - what the bytes are
    """Bytes that the standard forbids; the connection is to be closed (4.8)."""


class UnsupportedProtocol(Malformed):
    """A CONNECT of another version of MQTT, which gets CONNACK with `UNACCEPTABLE_PROTOCOL` (3.1.2.2)."""


class TooLarge(DeviceError):  # noqa: N818 - what the packet is
    """A packet that is announced to be larger than it may be."""


class Will(Struct, frozen=True):
    """What is published for a client that goes without a word (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: QoS = 0
    retain: bool = False


class Connect(Struct, frozen=True, kw_only=True):
    """The first packet of a client (3.1); `keep_alive` in seconds, 0 is never. `repr` shows no password."""

    client_id: str
    clean_session: bool = True
    keep_alive: int = 0
    will: Will | None = None
    username: str | None = None
    password: bytes | None = None

    def __repr__(self) -> str:
        return f"Connect(client_id={self.client_id!r}, username={self.username!r}, ...)"


class Connack(Struct, frozen=True):
    """The answer to a CONNECT (3.2)."""

    code: int = ACCEPTED
    session_present: bool = False


class Publish(Struct, frozen=True, gc=False):
    """A message, either way (3.3); `packet_id` is 0 with QoS 0, which has none."""

    topic: str
    payload: bytes = b""
    qos: QoS = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False


class Puback(Struct, frozen=True, gc=False):
    """A message of QoS 1 has arrived (3.4)."""

    packet_id: int


class Pubrec(Struct, frozen=True, gc=False):
    """QoS 2, part 1 (3.5)."""

    packet_id: int


class Pubrel(Struct, frozen=True, gc=False):
    """QoS 2, part 2 (3.6)."""

    packet_id: int


class Pubcomp(Struct, frozen=True, gc=False):
    """QoS 2, part 3 (3.7)."""

    packet_id: int


class Subscription(Struct, frozen=True, gc=False):
    """One line of a SUBSCRIBE: a filter with valid wildcards (4.7.1), and the highest QoS wanted."""

    topic_filter: str
    qos: QoS = 0


class Subscribe(Struct, frozen=True):
    """Subscriptions, at least one (3.8)."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]


class Suback(Struct, frozen=True):
    """A return code for each subscription (3.9)."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribe(Struct, frozen=True):
    """Filters, at least one (3.10)."""

    packet_id: int
    topic_filters: tuple[str, ...]


class Unsuback(Struct, frozen=True, gc=False):
    """The answer to an UNSUBSCRIBE (3.11)."""

    packet_id: int


class Pingreq(Struct, frozen=True, gc=False):
    """The client is alive (3.12)."""


class Pingresp(Struct, frozen=True, gc=False):
    """So is the server (3.13)."""


class Disconnect(Struct, frozen=True, gc=False):
    """The client goes; its will is void (3.14)."""


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
