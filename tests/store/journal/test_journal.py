"""The journal: what is acknowledged is there, in its order, for this process and the next (S30)."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.journal.material import (
    Clock,
    belonging,
    filled,
    message,
    messages,
    opened,
    property_settings,
    read,
)

from fencepost.model.errors import OperatorError
from fencepost.store.journal.damage import Gap
from fencepost.store.journal.frame import pack
from fencepost.store.journal.reading import JournalReader
from fencepost.store.journal.segment import VERSION, parse_header, segments_in


def firsts(folder: Path) -> list[int]:
    return [segment.first for segment in segments_in(folder)]


def failing(error: int) -> Callable[..., None]:
    def fails(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    return fails


def test_positions_count_from_one_and_on_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.last_position == 0
    assert list(journal.read()) == []
    assert journal.append(messages(1, 3)) == 1
    assert journal.append(messages(4, 1)) == 4
    journal.close()
    journal = opened(tmp_path)
    assert journal.last_position == 4
    assert journal.append(messages(5, 2)) == 5
    assert dict(journal.read()) == belonging(range(1, 7))
    assert [position for position, _ in journal.read()] == [1, 2, 3, 4, 5, 6]
    journal.close()
    assert (journal.damages, journal.gaps, journal.cut_off) == ((), (), 0)


@pytest.mark.parametrize("after", range(8))
def test_reading_begins_behind_any_position(tmp_path: Path, after: int) -> None:
    """In the middle of a commit as well as between two, in the same file or the next."""
    filled(tmp_path, 1, 3)
    filled(tmp_path, 2)
    journal = opened(tmp_path)
    assert dict(journal.read(after)) == read(tmp_path, after) == belonging(range(after + 1, 7))
    assert (journal.damages, journal.gaps) == ((), ())
    journal.close()


def test_one_entry_is_found_by_its_position(tmp_path: Path) -> None:
    filled(tmp_path, 1, 3)
    filled(tmp_path, 2)
    journal = opened(tmp_path)
    journal.append(messages(7, 2))
    found = {position: journal.entry(position) for position in range(12)}
    assert found == belonging(range(1, 9)) | {0: None, 9: None, 10: None, 11: None}
    journal.close()


def test_an_entry_in_a_damaged_commit_is_none_and_the_others_are_found(tmp_path: Path) -> None:
    filled(tmp_path, 1, 3, 2)
    (segment,) = segments_in(tmp_path)
    second = next(frame for frame in JournalReader(tmp_path).frames(1))
    damage(segment.path, second.end - 1)
    reader = JournalReader(tmp_path)
    assert [reader.entry(position) is None for position in range(1, 7)] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def damage(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


def test_a_segment_is_sealed_by_its_size_and_never_changes_again(tmp_path: Path) -> None:
    journal = opened(tmp_path, seal_bytes=500)
    for position in range(1, 9):
        journal.append([message(position, 200)])
    first, *_ = segments_in(tmp_path)
    content = first.path.read_bytes()
    assert firsts(tmp_path) == [1, 3, 5, 7]
    journal.append([message(9, 200)])
    journal.close()
    opened(tmp_path).close()
    assert first.path.read_bytes() == content
    assert read(tmp_path) == belonging(range(1, 10), 200)


def test_a_segment_is_sealed_by_its_age(tmp_path: Path) -> None:
    clock = Clock()
    journal = opened(tmp_path, clock=clock, seal_age=timedelta(minutes=10))
    for position, minutes in enumerate((0, 9, 10, 19, 20, -1440), 1):
        clock.now = Clock().now + timedelta(minutes=minutes)
        journal.append(messages(position, 1))
    assert firsts(tmp_path) == [1, 3, 5]
    journal.close()


def test_a_segment_is_sealed_by_hand_unless_it_is_empty(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.seal()
    journal.append(messages(1, 2))
    journal.seal()
    journal.seal()
    journal.append(messages(3, 2))
    journal.close()
    assert firsts(tmp_path) == [1, 3]
    assert read(tmp_path) == belonging(range(1, 5))


def test_a_restart_begins_a_new_segment_and_leaves_no_empty_ones(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    for _ in range(3):
        opened(tmp_path).close()
    filled(tmp_path, 2)
    assert firsts(tmp_path) == [1, 3]


def test_readers_follow_an_appender_and_see_whole_commits_in_order(tmp_path: Path) -> None:
    """Threads of the same process through the journal, and a reader of the files beside it."""
    journal = opened(tmp_path, seal_bytes=5000)
    seen: list[list[int]] = []

    def follow() -> None:
        position = 0
        while position < 400:
            acknowledged = journal.last_position
            found = [at for at, entry in journal.read(position) if entry == message(at)]
            assert not found or found == list(range(position + 1, found[-1] + 1))
            position = found[-1] if found else position
            assert position >= acknowledged
        seen.append([position])

    readers = [Thread(target=follow) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        journal.append(messages(journal.last_position + 1, 4))
        if journal.last_position % 80 == 0:
            assert read(tmp_path) == belonging(range(1, journal.last_position + 1))
    for reader in readers:
        reader.join()
    assert seen == [[400]] * 3
    journal.close()


def test_a_reading_ends_where_the_journal_was_when_it_began(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    reading = journal.read()
    journal.append(messages(3, 2))
    assert dict(reading) == belonging([1, 2])
    journal.close()


def test_what_is_not_durable_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    seen = []
    sync = os.fdatasync

    def observed(file: int) -> None:
        seen.append((journal.last_position, dict(journal.read()), journal.entry(3)))
        sync(file)

    monkeypatch.setattr(os, "fdatasync", observed)
    journal.append(messages(3, 2))
    journal.close()
    assert seen == [(2, belonging([1, 2]), None)]


def test_S30_a_commit_that_fails_is_not_kept_and_its_file_is_never_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    size = segments_in(tmp_path)[0].size
    sync = os.fdatasync
    failed: dict[int, int] = {}

    def fails(file: int) -> None:
        failed[os.fstat(file).st_ino] = os.dup(file)  # as long as it is open, no other file has its number
        raise OSError(errno.EIO, "Input/output error")

    def watched(file: int) -> None:
        assert os.fstat(file).st_ino not in failed
        sync(file)

    for _ in range(3):
        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(messages(100, 3))
        assert (journal.last_position, dict(journal.read())) == (2, belonging([1, 2]))
    monkeypatch.setattr(os, "fdatasync", watched)
    assert journal.append(messages(3, 2)) == 3
    assert firsts(tmp_path) == [1, 3]
    assert dict(journal.read()) == read(tmp_path) == belonging(range(1, 5))
    assert segments_in(tmp_path)[0].size == size
    assert len(journal._durable) == 2
    journal.close()
    filled(tmp_path, 1)
    assert read(tmp_path) == belonging(range(1, 6))
    for file in failed.values():
        os.close(file)
    assert len(failed) == 3


@pytest.mark.parametrize("before", [0, 2])
def test_S30_a_commit_that_cannot_even_be_taken_back_is_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Its bytes stay in the file, in order: only the next segment's name says that they do not count."""
    if before:
        filled(tmp_path, before)
    journal = opened(tmp_path)
    if before:
        journal.append(messages(3, 1))
    acknowledged = journal.last_position
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.EIO))
        patch.setattr(os, "ftruncate", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(messages(100, 3))
    assert dict(journal.read()) == read(tmp_path) == belonging(range(1, acknowledged + 1))
    assert journal.entry(acknowledged + 1) is None
    journal.close()
    journal = opened(tmp_path)
    assert journal.append(messages(acknowledged + 1, 1)) == acknowledged + 1
    expected = belonging(range(1, acknowledged + 2))
    assert dict(journal.read()) == read(tmp_path) == expected
    assert journal.entry(acknowledged + 1) == expected[acknowledged + 1]
    journal.close()
    journal = opened(tmp_path)
    assert dict(journal.read()) == expected
    assert (journal.damages, journal.gaps) == ((), ())
    journal.close()


def test_S30_half_a_commit_that_cannot_be_taken_back_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = os.pwrite

    def half(file: int, content: bytes, offset: int) -> int:
        if len(content) < 100:  # the header of a segment
            return able(file, content, offset)
        able(file, content[:100], offset)
        raise OSError(errno.EIO, "Input/output error")

    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        patch.setattr(os, "ftruncate", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(messages(3, 2, 200))
    journal.append(messages(3, 2))
    journal.close()
    first, _ = segments_in(tmp_path)
    assert first.size > first.path.read_bytes().rfind(b"FPfr") == first.size - 100
    assert read(tmp_path) == belonging(range(1, 5))


def test_S30_a_void_commit_behind_a_damaged_one_stays_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    journal.append(messages(3, 2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.EIO))
        patch.setattr(os, "ftruncate", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(messages(100, 5))
    journal.append(messages(5, 2))
    journal.close()
    second = list(JournalReader(tmp_path).frames())[1]
    damage(segments_in(tmp_path)[0].path, second.offset)
    reader = JournalReader(tmp_path)
    assert dict(reader.read()) == belonging([1, 2, 5, 6])
    (found,) = reader.damages
    assert (found.first_missing, found.last_missing) == (3, 4)


def test_a_new_segment_that_cannot_be_made_fails_the_commit_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    journal.seal()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space left"):
            journal.append(messages(3, 2))
        with pytest.raises(OSError, match="No space left"):
            journal.continue_after(10)
    assert (journal.last_position, journal.gaps) == (2, ())
    assert journal.append(messages(3, 2)) == 3
    assert dict(journal.read()) == belonging(range(1, 5))
    journal.close()


def test_entries_that_a_commit_cannot_hold_change_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="a frame holds"):
        journal.append([])
    assert journal.append(messages(1, 1)) == 1
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.append(messages(2, 1))
    journal.close()
    assert read(tmp_path) == belonging([1])


def test_positions_that_somebody_else_knows_of_are_not_given_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(messages(1, 2))
    journal.continue_after(2)
    assert list(journal.gaps) == []
    journal.continue_after(10)
    gap = Gap(segment="00000000000000000011.seg", first_missing=3, last_missing=10)
    assert journal.last_position == 10
    assert list(journal.gaps) == [gap]
    journal.close()

    journal = opened(tmp_path)
    assert journal.last_position == 10
    assert journal.append(messages(11, 2)) == 11
    assert dict(journal.read()) == belonging([1, 2, 11, 12])
    (found,) = journal.gaps
    assert (found.first_missing, found.last_missing) == (3, 10)
    journal.close()


def test_a_gap_at_the_beginning_is_one(tmp_path: Path) -> None:
    """A control store that was kept, and a journal that was not."""
    journal = opened(tmp_path)
    journal.continue_after(10)
    assert journal.append(messages(11, 1)) == 11
    assert dict(journal.read()) == belonging([11])
    assert dict(journal.read(10)) == belonging([11])
    assert journal.gaps == (Gap(segment="00000000000000000011.seg", first_missing=1, last_missing=10),)
    journal.close()


def test_two_processes_cannot_serve_one_folder(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    program = (
        "import sys; from pathlib import Path; from tests.store.journal.material import opened\n"
        "opened(Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "OperatorError" in other.stderr
    assert f"{tmp_path}: another fencepost serves this folder" in other.stderr
    with pytest.raises(OperatorError, match="stop that one first"):
        opened(tmp_path)
    journal.append(messages(1, 1))
    journal.close()
    assert subprocess.run(command, check=False).returncode == 0
    assert read(tmp_path) == belonging([1])


def test_a_folder_that_cannot_be_used_is_the_operators_business(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match=r"file/journal: no journal can be kept here: "):
        opened(tmp_path / "file" / "journal")


def test_a_journal_that_cannot_be_opened_keeps_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fencepost.store.journal.segment.VERSION", VERSION + 1)
        filled(tmp_path, 1)
    for _ in range(2):
        with pytest.raises(OperatorError, match=f"written in format {VERSION + 1}"):
            opened(tmp_path)


step = st.one_of(
    st.integers(1, 5).map(lambda number: ("append", number)),
    st.sampled_from([("reopen", 0), ("seal", 0), ("fail", 0), ("stick", 0)]),
    st.integers(1, 60).map(lambda minutes: ("wait", minutes)),
    st.integers(1, 3).map(lambda number: ("skip", number)),
    st.integers(1, 200).map(lambda number: ("tear", number)),
)


@property_settings
@given(steps=st.lists(step, max_size=25))
def test_S30_whatever_happens_between_commits_each_of_them_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """`tear`: the process dies in a write; `fail`, `stick`: the disk does, with and without a way back."""
    folder = tmp_path_factory.mktemp("journal")
    clock, kept = Clock(), list[int]()
    options = {"clock": clock, "seal_bytes": 600, "seal_age": timedelta(hours=2)}
    journal = opened(folder, **options)
    for name, number in steps:
        first = journal.last_position + 1
        match name:
            case "append":
                assert journal.append(messages(first, number)) == first
                kept += range(first, first + number)
            case "seal":
                journal.seal()
            case "wait":
                clock.now += timedelta(minutes=number)
            case "skip":
                journal.continue_after(journal.last_position + number)
            case "fail" | "stick":
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(os, "fdatasync", failing(errno.EIO))
                    if name == "stick":
                        patch.setattr(os, "ftruncate", failing(errno.EIO))
                    with pytest.raises(OSError):
                        journal.append(messages(9999, 3))
            case "tear" | "reopen":
                journal.close()
                if name == "tear":
                    tear(folder, number)
                journal = opened(folder, **options)
                assert journal.damages == ()
        assert journal.last_position == max([*kept, journal.last_position])
        assert dict(journal.read()) == belonging(kept)
    journal.close()
    assert dict(JournalReader(folder).read()) == belonging(kept)


def tear(folder: Path, size: int) -> None:
    """Put the beginning of a frame at the end of the last segment, as a process that is killed does."""
    for segment in segments_in(folder)[-1:]:
        header = parse_header(segment.path.read_bytes(), segment.path)
        assert header is not None
        frame = pack(messages(9999, 5), 9999, header.mark)
        with segment.path.open("ab") as file:
            file.write(frame[: min(size, len(frame) - 1)])
