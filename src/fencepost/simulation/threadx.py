"""FlatBuffers messages of the ThreadX security module (schema 2.3), as its collectors fill them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Literal

import flatbuffers
from msgspec import Struct

MODULE_ID = "defender-iot-micro-agent"
MODULE_VERSION = 3 << 24 | 5 << 16 | 4
OS = "Azure RTOS 6.2"
NETWORK_ACTIVITY, SYSTEM_INFORMATION, HEARTBEAT = 1, 2, 4
PROTOCOLS = {"TCP": 0, "UDP": 1, "ICMP": 2}


class Flow(Struct, frozen=True):
    """What one pair of ends exchanged in one interval; ICMP has no ports."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    bytes_in: int
    bytes_out: int
    protocol: Literal["TCP", "UDP", "ICMP"] = "TCP"


class ThreadXModule:
    """One boot of a module: it numbers its events by two counters instead of drawing identifiers."""

    def __init__(self, random: Random) -> None:
        self._high, self._low = random.getrandbits(63), random.getrandbits(63)

    def message(self, at: datetime, flows: Sequence[Flow], *, minute: bool, interval: int = 10) -> bytes:
        """Return the message of one `interval` in seconds; once a `minute` it also says that the device lives."""
        builder = flatbuffers.Builder(1024)
        time = int(at.timestamp())
        events = [self._event(builder, time, interval, NETWORK_ACTIVITY, _network_activity(builder, flows))]
        if minute:
            system = _system_information(builder)
            events.append(self._event(builder, time, 60, SYSTEM_INFORMATION, system))
            builder.StartObject(0)
            events.append(self._event(builder, time, 60, HEARTBEAT, builder.EndObject()))
        vector = _vector(builder, events)
        name = builder.CreateString(MODULE_ID)
        builder.StartObject(4)
        builder.PrependUOffsetTRelativeSlot(0, name, 0)
        builder.PrependUint32Slot(1, MODULE_VERSION, 0)
        builder.PrependUOffsetTRelativeSlot(3, vector, 0)
        builder.Finish(builder.EndObject())
        return bytes(builder.Output())

    def _event(
        self, builder: flatbuffers.Builder, time: int, interval: int, member: int, payload: int
    ) -> int:
        builder.StartObject(5)
        builder.PrependUint32Slot(1, time, 0)
        builder.PrependUint32Slot(2, interval, 0)
        builder.PrependUint8Slot(3, member, 0)
        builder.PrependUOffsetTRelativeSlot(4, payload, 0)
        identity = self._high.to_bytes(8, "little") + self._low.to_bytes(8, "little")
        self._high, self._low = self._high + 1, self._low + 1
        builder.Prep(1, 16)
        for byte in reversed(identity):
            builder.PrependUint8(byte)
        builder.PrependStructSlot(0, builder.Offset(), 0)
        return int(builder.EndObject())


def _network_activity(builder: flatbuffers.Builder, flows: Sequence[Flow]) -> int:
    old: list[int] = []
    new: list[int] = []
    for flow in flows:
        local, remote = ip_address(flow.local), ip_address(flow.remote)
        ends = old if isinstance(local, IPv4Address) else new
        ends.append(_activity(builder, flow, local, remote))
    old_vector, new_vector = _vector(builder, old), _vector(builder, new)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, old_vector, 0)
    builder.PrependUOffsetTRelativeSlot(1, new_vector, 0)
    return int(builder.EndObject())


def _activity(
    builder: flatbuffers.Builder,
    flow: Flow,
    local: IPv4Address | IPv6Address,
    remote: IPv4Address | IPv6Address,
) -> int:
    builder.StartObject(9)
    builder.PrependUint16Slot(0, flow.local_port, 0)
    builder.PrependUint16Slot(1, flow.remote_port, 0)
    builder.PrependUint32Slot(2, flow.bytes_in, 0)
    builder.PrependUint32Slot(3, flow.bytes_out, 0)
    builder.PrependInt8Slot(4, PROTOCOLS[flow.protocol], 0)
    common = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(1, common, 0)
    addresses = local.packed + remote.packed
    builder.Prep(4, len(addresses))
    for start in range(len(addresses) - 4, -1, -4):
        # the module copies network order into a word of the device, and that word is written little-endian
        builder.PrependUint32(int.from_bytes(addresses[start : start + 4], "little"))
    builder.PrependStructSlot(0, builder.Offset(), 0)
    return int(builder.EndObject())


def _system_information(builder: flatbuffers.Builder) -> int:
    text = builder.CreateString(OS)
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    prepend: Callable[[int], None] = builder.PrependUOffsetTRelative
    for table in reversed(tables):
        prepend(table)
    return int(builder.EndVector())
