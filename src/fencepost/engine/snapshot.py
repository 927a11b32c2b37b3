"""A detector's memory as bytes and back: `pack` and `unpack` are inverses."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from fencepost.engine.device import Device, Memory
from fencepost.engine.plan import Plan, Served
from fencepost.engine.windows import Watch, Window
from fencepost.model.event import Source
from fencepost.model.layer import Layers
from fencepost.model.rule import SecurityGroup

VERSION = 2
PlanFor = Callable[[str, SecurityGroup, Source, Served], Plan]
Restore = Callable[[Device, PlanFor], None]


class _Watch(Struct, array_like=True):
    since: int
    watermark: int
    due: int
    resume: int
    violated: int | None
    shortfalls: tuple[int, ...]
    latest: int
    eager: bool


class _Window(Struct, array_like=True):
    rule_type: str
    kind: str
    entries: bytes
    spans: bytes
    room: int
    merged: bool
    watch: _Watch | None


class _Memory(Struct, array_like=True):
    delays: tuple[tuple[str, int], ...]
    accounts: str
    accounts_at: int
    sign_ins: tuple[tuple[int, str, str], ...]
    incomplete: int
    seen: frozenset[str]
    gauges: tuple[tuple[str, int, bool], ...]


class _Device(Struct, array_like=True):
    device_id: str
    tag: str | None
    group: str
    source: Source
    contact: int
    sources: int
    fingerprints: int | bytes | None
    windows: list[_Window]
    memory: _Memory | None


class _Head(Struct, array_like=True):
    version: int


class _Snapshot(Struct, array_like=True):
    version: int
    now: int
    groups: list[SecurityGroup]
    layers: Layers
    silent: dict[str, str | None]
    devices: list[_Device]


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode = msgspec.msgpack.Decoder(_Snapshot).decode


def pack(
    now: int,
    groups: Iterable[SecurityGroup],
    layers: Layers,
    silent: dict[str, str | None],
    devices: Mapping[str, Device],
) -> bytes:
    """
    Return the snapshot at the engine's clock `now`, with the groups and layers in force.

    `silent` maps the devices from which nothing has come yet to their tags.
    """
    packed = [_packed(device_id, device) for device_id, device in devices.items()]
    return _encode(_Snapshot(VERSION, now, [*groups], layers, silent, packed))


class Unpacked(Struct):
    """What a snapshot holds: for each device its id, its tag, and what restores it."""

    now: int
    groups: list[SecurityGroup]
    layers: Layers
    silent: dict[str, str | None]
    devices: Iterator[tuple[str, str | None, Restore]]


def unpack(snapshot: bytes) -> Unpacked:
    """Return the content of a snapshot; raises ValueError for bytes that are none of this version."""
    try:
        version = _decode_head(snapshot).version
        if version != VERSION:
            raise ValueError(f"a snapshot of version {version}; this program reads version {VERSION}")
        content = _decode(snapshot)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a snapshot: {error}") from error
    devices = ((packed.device_id, packed.tag, _restorer(packed)) for packed in content.devices)
    return Unpacked(content.now, content.groups, content.layers, content.silent, devices)


def _packed(device_id: str, device: Device) -> _Device:
    return _Device(
        device_id,
        device.tag,
        device.plan.group.name,
        device.plan.source,
        device.contact,
        device.sources,
        device.fingerprints,
        [_packed_window(check.type, type(check).__name__, window) for check, window in device.open_windows()],
        None if device.memory is None else msgspec.convert(_members(device.memory), _Memory),
    )


def _packed_window(rule_type: str, kind: str, window: Window) -> _Window:
    return _Window(
        rule_type,
        kind,
        window.tobytes(),
        window.spans.tobytes() if window.spans is not None else b"",
        window.room,
        window.merged,
        None if window.watch is None else msgspec.convert(_members(window.watch), _Watch),
    )


def _members(thing: Memory | Watch) -> list[Any]:
    struct = _Memory if isinstance(thing, Memory) else _Watch
    return [getattr(thing, name) for name in struct.__struct_fields__]


def _restorer(packed: _Device) -> Restore:
    def restore(device: Device, plan_for: PlanFor) -> None:
        if packed.memory is not None:
            memory = device.remember()
            for name in _Memory.__struct_fields__:
                setattr(memory, name, getattr(packed.memory, name))
        device.plan = plan_for(packed.device_id, device.plan.group, packed.source, device.served)
        device.contact, device.sources = packed.contact, packed.sources
        device.fingerprints = packed.fingerprints
        device.reset()
        if packed.group.casefold() == device.plan.group.name.casefold():
            _restore_windows(device, packed.windows)

    return restore


def _restore_windows(device: Device, packed: list[_Window]) -> None:
    places = {(check.type, type(check).__name__): check.index for check in device.plan.ranges}
    for one in packed:
        index = places.get((one.rule_type, one.kind))
        if index is not None:
            device.windows[index] = window = _window(one)
            device.watching = device.watching or window.watch is not None


def _window(packed: _Window) -> Window:
    window = Window(packed.room)
    window.frombytes(packed.entries)
    window.spans = _array(packed.spans) if packed.spans else None
    window.merged = packed.merged
    if packed.watch is not None:
        window.watch = watch = Watch(packed.watch.since)
        for name in _Watch.__struct_fields__:
            setattr(watch, name, getattr(packed.watch, name))
    return window


def _array(packed: bytes) -> "array[int]":
    numbers: array[int] = array("q")
    numbers.frombytes(packed)
    return numbers
