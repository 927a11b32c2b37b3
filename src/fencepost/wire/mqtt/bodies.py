"""What stands in the packets (3.1 to 3.14) behind their fixed headers, except PUBLISH."""

from collections.abc import Callable
from typing import Any

from fencepost.wire.mqtt.fields import Fields, checked_qos
from fencepost.wire.mqtt.packets import (
    ACCEPTED,
    FAILURE,
    NOT_AUTHORIZED,
    Connack,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    UnsupportedProtocol,
    Will,
)

_RESERVED, _CLEAN, _WILL, _RETAIN, _PASSWORD, _USERNAME = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80
_WILL_DETAILS = 0x38
"""The connect flags (3.1.2.3); the details are a will's QoS and its retain."""

_OLD_NAME = "MQIsdp"
"""The protocol name of MQTT 3.1, whose clients know the return codes, too."""
MOST_FILTERS = 100
"""Of one SUBSCRIBE or UNSUBSCRIBE."""


def _connect(fields: Fields) -> Connect:
    _check_protocol(fields.text(), fields.byte())
    flags = fields.byte()
    _check_flags(flags)
    return Connect(
        clean_session=bool(flags & _CLEAN),
        keep_alive=fields.number(),
        client_id=fields.text(),
        will=_will(fields, flags) if flags & _WILL else None,
        username=fields.text() if flags & _USERNAME else None,
        password=fields.binary() if flags & _PASSWORD else None,
    )


def _check_protocol(name: str, level: int) -> None:
    if name not in ("MQTT", _OLD_NAME):
        raise Malformed("a CONNECT that is not one of MQTT")
    if (name, level) != ("MQTT", 4):
        raise UnsupportedProtocol(f"MQTT of protocol level {level}, not 4")


def _check_flags(flags: int) -> None:
    if flags & _RESERVED:
        raise Malformed("the reserved connect flag is set")
    if not flags & _WILL and flags & _WILL_DETAILS:
        raise Malformed("connect flags of a will without a will")
    if flags & _PASSWORD and not flags & _USERNAME:
        raise Malformed("a password without a user name")


def _will(fields: Fields, flags: int) -> Will:
    return Will(
        topic=fields.topic(),
        payload=fields.binary(),
        qos=checked_qos(flags >> 3 & 3),
        retain=bool(flags & _RETAIN),
    )


def _connack(fields: Fields) -> Connack:
    flags, code = fields.byte(), fields.byte()
    if flags > 1 or code > NOT_AUTHORIZED or (flags and code != ACCEPTED):
        raise Malformed("reserved flags or a reserved code in a CONNACK")
    return Connack(code, session_present=bool(flags))


def _subscribe(fields: Fields) -> Subscribe:
    packet_id = fields.packet_id()
    subscriptions: list[Subscription] = []
    while not fields.is_over:
        _refuse_more(subscriptions)
        subscriptions.append(Subscription(fields.topic_filter(), fields.qos()))
    if not subscriptions:
        raise Malformed("a SUBSCRIBE to nothing")
    return Subscribe(packet_id, tuple(subscriptions))


def _refuse_more(filters: list[Any]) -> None:
    """The standard has no limit, and each filter costs us more than the few bytes that it may have."""
    if len(filters) >= MOST_FILTERS:
        raise Malformed(f"more than {MOST_FILTERS} filters in one packet")


def _suback(fields: Fields) -> Suback:
    packet_id, codes = fields.packet_id(), []
    while not fields.is_over:
        code = fields.byte()
        codes.append(code if code == FAILURE else checked_qos(code))
    if not codes:
        raise Malformed("a SUBACK of nothing")
    return Suback(packet_id, tuple(codes))


def _unsubscribe(fields: Fields) -> Unsubscribe:
    packet_id = fields.packet_id()
    topic_filters: list[str] = []
    while not fields.is_over:
        _refuse_more(topic_filters)
        topic_filters.append(fields.topic_filter())
    if not topic_filters:
        raise Malformed("an UNSUBSCRIBE from nothing")
    return Unsubscribe(packet_id, tuple(topic_filters))


BODIES: dict[int, Callable[[Fields], Packet]] = {
    0x10: _connect,
    0x20: _connack,
    0x40: lambda fields: Puback(fields.packet_id()),
    0x50: lambda fields: Pubrec(fields.packet_id()),
    0x62: lambda fields: Pubrel(fields.packet_id()),
    0x70: lambda fields: Pubcomp(fields.packet_id()),
    0x82: _subscribe,
    0x90: _suback,
    0xA2: _unsubscribe,
    0xB0: lambda fields: Unsuback(fields.packet_id()),
    0xC0: lambda _: Pingreq(),
    0xD0: lambda _: Pingresp(),
    0xE0: lambda _: Disconnect(),
}
"""How a body is read, by the first byte of its packet: type and flags (2.2.1, 2.2.2)."""

LENGTHS = {0x20: 2, 0x40: 2, 0x50: 2, 0x62: 2, 0x70: 2, 0xB0: 2, 0xC0: 0, 0xD0: 0, 0xE0: 0}
"""The remaining length of those that have but one."""
