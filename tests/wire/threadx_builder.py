"""Messages of the ThreadX schema, built with the FlatBuffers runtime (which puts vtables in front)."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from flatbuffers import Builder

Build = Callable[[Builder], int]
ID = UUID("dfc1203e-8a0f-ea07-8268-ca65d96e9b5f")
TIME = 1_660_000_000


def table(**slots: Any) -> Build:
    """
    Return what builds a table from its slots: `s<number>=(kind, value)`; a value of None is not stored.

    Kinds: text, table, tables, structs, struct, u8, u16, u32, u64.
    """

    def build(builder: Builder) -> int:
        ready = [
            (int(slot[1:]), kind, _before(builder, kind, value))
            for slot, (kind, value) in slots.items()
            if value is not None
        ]
        builder.StartObject(10)
        for slot, kind, value in ready:
            _store(builder, slot, kind, value)
        return int(builder.EndObject())

    return build


def _before(builder: Builder, kind: str, value: Any) -> Any:
    """Build what must stand in the buffer before the table that names it."""
    if kind == "text":
        return builder.CreateSharedString(value)
    if kind == "table":
        return value(builder)
    if kind == "tables":
        offsets = [item(builder) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    if kind == "structs":
        builder.StartVector(len(value[0]), len(value), 4)
        for item in reversed(value):
            raw(builder, item)
        return builder.EndVector()
    return value


def raw(builder: Builder, item: bytes) -> int:
    """Put the bytes of a struct, as they are."""
    builder.Prep(4, len(item))
    for byte in reversed(item):
        builder.PrependUint8(byte)
    return int(builder.Offset())


def _store(builder: Builder, slot: int, kind: str, value: Any) -> None:
    if kind in ("text", "table", "tables", "structs"):
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    elif kind == "struct":
        builder.PrependStructSlot(slot, raw(builder, value), 0)
    else:
        put = {
            "u8": builder.PrependUint8Slot,
            "u16": builder.PrependUint16Slot,
            "u32": builder.PrependUint32Slot,
            "u64": builder.PrependUint64Slot,
        }[kind]
        put(slot, value, None)


def message(*events: Build, module: str | None = "defender-iot-micro-agent") -> bytes:
    builder = Builder(0)
    root = table(s0=("text", module), s1=("u32", 0x03050004), s3=("tables", events))
    builder.Finish(root(builder))
    return bytes(builder.Output())


def event(member: int, payload: Build | None, **members: Any) -> Build:
    told: dict[str, Any] = {
        "s0": ("struct", ID.bytes),
        "s1": ("u32", TIME),
        "s2": ("u32", 10),
        "s3": ("u8", member),
        "s4": ("table", payload),
    }
    return table(**told | members)


def flow(local: str = "10.0.0.5", remote: str = "52.174.3.80", **common: Any) -> Build:
    told: dict[str, Any] = {"s0": ("u16", 50123), "s1": ("u16", 8883), "s3": ("u32", 5678)}
    addresses = ip_address(local).packed + ip_address(remote).packed
    return table(s0=("struct", addresses), s1=("table", table(**told | common)))


def network(v4: list[Build] | None = None, v6: list[Build] | None = None, **members: Any) -> Build:
    return event(1, table(s0=("tables", v4), s1=("tables", v6)), **members)


def process(executable: str | None = "/bin/nc", **members: Any) -> Build:
    return event(6, table(s0=("text", executable), **members))
