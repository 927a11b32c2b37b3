"""A segment file: what its name and header say, and that it appears whole or not at all."""

import errno
import os
from pathlib import Path

import pytest
from tests.store.journal.material import START

from fencepost.model.errors import OperatorError
from fencepost.model.instant import micros
from fencepost.store.folders import make_folder
from fencepost.store.journal.segment import (
    HEADER_SIZE,
    OLDEST,
    VERSION,
    SegmentHeader,
    create,
    new_header,
    parse_header,
    path_of,
    segments_in,
)

PATH = Path("00000000000000000001.seg")


def test_a_header_says_where_the_segment_begins_and_when_it_was_made() -> None:
    header = new_header(4711, START)
    assert (header.first, header.created) == (4711, micros(START))
    assert parse_header(header.encoded(), PATH) == header
    assert len(header.encoded()) == HEADER_SIZE
    assert new_header(4711, START).mark != header.mark


def test_no_bit_of_a_header_can_change_unnoticed() -> None:
    encoded = new_header(1, START).encoded()
    for place in range(HEADER_SIZE):
        for bit in range(8):
            other = bytearray(encoded)
            other[place] ^= 1 << bit
            assert parse_header(bytes(other), PATH) is None
    assert parse_header(encoded[:-1], PATH) is None


def test_a_segment_of_another_version_is_no_damage_but_the_operators_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version in (0, VERSION + 1):
        monkeypatch.setattr("fencepost.store.journal.segment.VERSION", version)
        encoded = new_header(1, START).encoded()
        monkeypatch.undo()
        told = rf"{PATH}: written in format {version}, .* formats 1 to {VERSION}: use the one that wrote it"
        with pytest.raises(OperatorError, match=told):
            parse_header(encoded, PATH)


@pytest.mark.parametrize("version", range(OLDEST, VERSION))
def test_a_segment_of_a_format_before_is_read(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    monkeypatch.setattr("fencepost.store.journal.segment.VERSION", version)
    header = new_header(1, START)
    encoded = header.encoded()
    monkeypatch.undo()
    assert encoded[8:10] == version.to_bytes(2, "little")
    assert parse_header(encoded, PATH) == header


def test_segments_are_found_in_the_order_of_positions_and_nothing_else_is(tmp_path: Path) -> None:
    for first in (10, 9, 1):
        create(tmp_path, SegmentHeader(b"12345678", first, 0), [b"frame"] * first).close()
    for name in ("lock", "9.seg", "00000000000000000001.seg.damaged", "00000000000000000002.new"):
        (tmp_path / name).touch()
    found = segments_in(tmp_path)
    assert [segment.first for segment in found] == [1, 9, 10]
    assert [segment.path for segment in found] == [path_of(tmp_path, first) for first in (1, 9, 10)]
    assert [segment.size for segment in found] == [HEADER_SIZE + 5 * first for first in (1, 9, 10)]


def test_only_the_owner_may_read_what_devices_sent(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "journal"
    make_folder(folder)
    make_folder(folder)
    file = create(folder, new_header(1, START))
    file.close()
    assert [oct(path.stat().st_mode)[-3:] for path in (folder.parent, folder, file.path)] == [
        "700",
        "700",
        "600",
    ]


def test_folders_that_are_made_are_on_disk_with_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    make_folder(tmp_path / "data" / "journal")
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "data").stat().st_ino]


def test_an_append_is_written_to_its_end_however_little_the_system_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, offset: whole(file, content[:3], offset))
    file = create(tmp_path, new_header(1, START))
    file.append(b"0123456789")
    file.append(b"abc")
    file.close()
    assert file.path.read_bytes()[HEADER_SIZE:] == b"0123456789abc"
    assert file.durable.size == file.path.stat().st_size


def test_a_segment_and_its_name_are_on_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[list[str], int]] = []
    sync = os.fsync

    def watched(file: int) -> None:
        names = [path.name for path in tmp_path.iterdir()]
        synced.append((names, os.fstat(file).st_ino))
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    file = create(tmp_path, new_header(1, START))
    file.close()
    assert synced == [
        (["00000000000000000001.new"], file.path.stat().st_ino),
        (["00000000000000000001.seg"], tmp_path.stat().st_ino),
    ]


def test_a_segment_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    open_files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        create(tmp_path, new_header(1, START))
    assert list(tmp_path.iterdir()) == []
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == open_files


def test_a_segment_takes_the_place_of_one_without_acknowledged_entries(tmp_path: Path) -> None:
    create(tmp_path, new_header(1, START), [b"never acknowledged"]).close()
    file = create(tmp_path, header := new_header(1, START))
    file.close()
    assert file.path.read_bytes() == header.encoded()
    assert list(tmp_path.iterdir()) == [file.path]
