"""Journals of older formats: what somebody's older program wrote is read, byte by byte as it was written."""

import struct
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import zstandard
from msgspec import msgpack
from tests.store.journal.material import START, opened, read

from fencepost.model.entry import (
    AlertActed,
    AlertCommented,
    DeviceAssigned,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Mend,
    Operated,
    Received,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.instant import micros
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup


def old_entries() -> list[list[Any]]:
    """Return every entry of format 1 as the array that a program of that format wrote."""
    group: dict[str, Any] = {
        "name": "cams",
        "description": "",
        "members": {"ids": [], "globs": []},
        "allowed_lateness": "PT900S",
        "implicit_entries": ["loopback"],
        "server_addresses": [],
        "rules": [],
        "version": 1,
    }
    return [
        ["group", group, START, "me"],
        ["device", "cam-1", "cams", START, "me"],
        ["message", "cam-1", START, b"{}"],
        ["turned away", "cam-1", START, 300_000, "too large"],
        ["tick", START],
        ["action", "an-id", "start", START, "me", None],
        ["no group", "cams", START, "me"],
    ]


def segment_of_format(number: int, folder: Path, entries: list[list[Any]]) -> Path:
    """Write a segment with one commit, byte by byte as that format has them."""
    fields = struct.pack("<8sHH8sQq", b"FPjourna", number, 0, b"marked!!", 1, micros(START))
    raw = msgpack.encode(entries)
    payload = zstandard.compress(raw)
    header = struct.pack(
        "<4s8sIIIQI", b"FPfr", b"marked!!", len(payload), len(raw), len(entries), 1, crc32(payload)
    )
    folder.mkdir(exist_ok=True)
    path = folder / "00000000000000000001.seg"
    path.write_bytes(
        fields + struct.pack("<I", crc32(fields)) + header + struct.pack("<I", crc32(header)) + payload
    )
    return path


def test_a_journal_of_format_1_is_read_and_gone_on_with(tmp_path: Path) -> None:
    """Its segment stays as it is; what follows stands in one of the new format, which an old program refuses."""
    old = segment_of_format(1, tmp_path, old_entries())
    before = old.read_bytes()
    journal = opened(tmp_path)
    assert journal.last_position == 7
    operated = Operated("cam-1", START, "TwinUpdates")
    served = TwinServed("cam-1", {"Login": timedelta(microseconds=1)}, START)
    arrived = Received("cam-1", START, b"{}", "mqtt")
    assert journal.append([operated, served, arrived, GatewayOpened(START)]) == 8
    journal.close()
    found = read(tmp_path)
    group = SecurityGroup(name="cams", allowed_lateness=timedelta(minutes=15), implicit_entries=("loopback",))
    assert [found[position] for position in range(1, 8)] == [
        GroupPut(group, START, "me"),
        DeviceAssigned("cam-1", "cams", START, "me"),
        Received("cam-1", START, b"{}"),
        TurnedAway("cam-1", START, 300_000, "too large"),
        Ticked(START),
        AlertActed("an-id", "start", START, "me"),
        GroupDeleted("cams", START, "me"),
    ]
    assert [found[position] for position in range(8, 12)] == [operated, served, arrived, GatewayOpened(START)]
    assert old.read_bytes() == before
    assert [path.read_bytes()[8] for path in sorted(tmp_path.glob("*.seg"))] == [1, 3]


def test_a_journal_of_format_2_is_read_and_gone_on_with(tmp_path: Path) -> None:
    """In it no edit says why, and nobody has said which state of an alert they had seen."""
    added: list[list[Any]] = [
        ["operation", "cam-1", START, "TwinUpdates"],
        ["message", "cam-1", START, b"{}", "mqtt"],
        ["twin", "cam-1", {"Login": "PT1S"}, START],
        ["gateway", START],
    ]
    segment_of_format(2, tmp_path, [*old_entries(), *added])
    journal = opened(tmp_path)
    layer = LayerPut(Layer(device_id="cam-1", version=1), START, "me", "why", Mend("an-id", "allow"))
    said = AlertCommented("an-id", "known", START, "me")
    assert journal.append([layer, said]) == 12
    journal.close()
    found = read(tmp_path)
    put, acted = found[1], found[6]
    assert isinstance(put, GroupPut)
    assert isinstance(acted, AlertActed)
    assert (put.reason, put.mend, acted.seen) == (None, None, None)
    assert [found[position] for position in range(8, 14)] == [
        Operated("cam-1", START, "TwinUpdates"),
        Received("cam-1", START, b"{}", "mqtt"),
        TwinServed("cam-1", {"Login": timedelta(seconds=1)}, START),
        GatewayOpened(START),
        layer,
        said,
    ]
