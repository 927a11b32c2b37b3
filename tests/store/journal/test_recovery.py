"""What opening a journal does to its last segment: every cut, every changed byte, and what is behind it."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.journal.material import (
    START,
    belonging,
    filled,
    last_segment,
    message,
    messages,
    noise,
    opened,
    read,
)

from fencepost.model.entry import Received, Ticked
from fencepost.model.errors import OperatorError
from fencepost.store.journal.damage import Damage
from fencepost.store.journal.frame import HEADER_SIZE as FRAME_HEADER
from fencepost.store.journal.frame import pack
from fencepost.store.journal.reading import JournalReader
from fencepost.store.journal.scan import Frame
from fencepost.store.journal.segment import HEADER_SIZE, segments_in

COMMITS = (1, 3, 2)
"""Positions 1, 2 to 4, and 5 to 6."""
ALL = range(1, 7)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    folder = tmp_path / "whole"
    filled(folder, *COMMITS)
    return folder


def frames_of(folder: Path) -> list[Frame]:
    return list(JournalReader(folder).frames())


def copied(folder: Path, name: object) -> Path:
    other = folder.parent / f"{name}"
    other.mkdir()
    shutil.copy(last_segment(folder), other)
    return other


def goes_on(folder: Path, kept: list[int], last: int) -> None:
    """Check that appends go on behind `last`, now and after a restart, and that all of `kept` is there."""
    journal = opened(folder)
    assert journal.last_position == last
    assert dict(journal.read()) == belonging(kept)
    assert journal.append(messages(last + 1, 2)) == last + 1
    expected = belonging([*kept, last + 1, last + 2])
    assert dict(journal.read()) == expected
    journal.close()
    journal = opened(folder)
    assert dict(journal.read()) == expected
    assert journal.last_position == last + 2
    journal.close()


def test_S30_wherever_a_write_was_cut_off_all_commits_before_it_are_there(whole: Path) -> None:
    """Every length that the last segment can have."""
    content = last_segment(whole).read_bytes()
    ends = [HEADER_SIZE, *(frame.end for frame in frames_of(whole))]
    for size in range(len(content)):
        folder = copied(whole, size)
        os.truncate(last_segment(folder), size)
        kept = [p for frame in frames_of(folder) for p in range(frame.header.first, frame.header.last + 1)]
        assert kept == list(range(1, 1 + sum(COMMITS[: max(0, sum(end <= size for end in ends) - 1)])))
        before = JournalReader(folder)
        list(before.read())
        assert (before.damages, before.gaps) == ((), ())
        assert before.unfinished == size - max([end for end in ends if end <= size], default=0)
        journal = opened(folder)
        assert (journal.damages, journal.gaps, journal.cut_off) == ((), (), before.unfinished)
        journal.close()
        assert last_segment(folder).stat().st_size == size - before.unfinished
        goes_on(folder, kept, len(kept))
        assert not list(folder.glob("*.damaged*"))


def test_S30_whichever_byte_changes_all_other_commits_are_there_and_the_damage_is_named(whole: Path) -> None:
    content = last_segment(whole).read_bytes()
    frames = frames_of(whole)
    for place in range(len(content)):
        folder = copied(whole, place)
        changed = content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        last_segment(folder).write_bytes(changed)
        hit = next((frame for frame in frames if frame.offset <= place < frame.end), None)
        lost = range(hit.header.first, hit.header.last + 1) if hit is not None else range(0)
        kept = [position for position in ALL if position not in lost]

        before = JournalReader(folder)
        assert dict(before.read()) == belonging(kept)
        journal = opened(folder)
        (damage,) = journal.damages
        assert damage.segment == last_segment(whole).name
        assert damage.done == f"set aside as {damage.segment}.damaged"
        assert damage.offset <= place < damage.offset + damage.size
        assert_names_the_loss(damage, hit, at_end=hit == frames[-1], in_header=place)
        assert [one.offset for one in before.damages] == [damage.offset]
        journal.close()

        assert (folder / f"{damage.segment}.damaged").read_bytes() == changed
        goes_on(folder, kept, kept[-1])


def assert_names_the_loss(damage: Damage, hit: Frame | None, *, at_end: bool, in_header: int) -> None:
    missing = (damage.first_missing, damage.last_missing)
    if hit is None:
        assert (damage.offset, missing) == (0, (None, None))
    elif at_end and in_header < hit.offset + FRAME_HEADER:
        assert (damage.offset, missing) == (hit.offset, (hit.header.first, None))
    else:
        assert (damage.offset, missing) == (hit.offset, (hit.header.first, hit.header.last))


def test_S30_what_a_killed_process_wrote_is_synced_before_anybody_reads_it(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take back what the control store already knows of."""
    synced: list[int] = []
    sync = os.fsync

    def watched(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    opened(whole).close()
    assert last_segment(whole).stat().st_ino in synced


def test_what_was_lost_in_the_middle_of_a_segment_set_aside_stays_a_gap(whole: Path) -> None:
    change(last_segment(whole), frames_of(whole)[1].end - 1)
    opened(whole).close()
    journal = opened(whole)
    assert journal.damages == ()
    (gap,) = journal.gaps
    assert (gap.first_missing, gap.last_missing) == (2, 4)
    journal.close()
    assert len(list(whole.glob("*.damaged"))) == 1


def change(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def test_evidence_is_never_overwritten(whole: Path) -> None:
    """A segment that is damaged twice is set aside twice."""
    path = last_segment(whole)
    change(path, frames_of(whole)[0].end - 1)
    first = path.read_bytes()
    opened(whole).close()
    change(path, frames_of(whole)[0].end - 1)
    second = path.read_bytes()
    opened(whole).close()
    assert path.with_name(path.name + ".damaged").read_bytes() == first
    assert path.with_name(path.name + ".damaged.2").read_bytes() == second
    goes_on(whole, [5, 6], 6)


def test_a_crash_while_a_segment_is_set_aside_does_no_harm(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second name is there and the replacement is not: the next start does it again."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    path = last_segment(whole)
    change(path, frames_of(whole)[1].end - 1)
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            opened(whole)
    assert path.read_bytes() == content
    for name in ("00000000000000000001.new", "00000000000000000099.new"):
        (whole / name).write_bytes(b"what a process leaves that is killed")
    goes_on(whole, [1, 5, 6], 6)
    assert [one.name for one in whole.glob("*.damaged*")] == [path.name + ".damaged"]
    assert path.with_name(path.name + ".damaged").read_bytes() == content
    assert not list(whole.glob("*.new"))


@pytest.mark.parametrize("size", [1, FRAME_HEADER - 1, FRAME_HEADER, 5000])
def test_zeros_at_the_end_are_what_a_power_cut_leaves_and_are_cut_off(whole: Path, size: int) -> None:
    with last_segment(whole).open("ab") as file:
        file.write(bytes(size))
    journal = opened(whole)
    assert (journal.damages, journal.cut_off) == ((), size)
    journal.close()
    assert read(whole) == belonging(ALL)


@pytest.mark.parametrize("rest", [b"x" * 100, pack([message(7)], 7, b"other mk")])
def test_other_bytes_at_the_end_are_kept_as_evidence(whole: Path, rest: bytes) -> None:
    """They might have been a commit that was acknowledged; a frame of another segment is none here."""
    with last_segment(whole).open("ab") as file:
        file.write(rest)
    journal = opened(whole)
    (damage,) = journal.damages
    assert (damage.size, damage.first_missing, damage.last_missing) == (len(rest), 7, None)
    assert journal.cut_off == 0
    journal.close()
    goes_on(whole, list(ALL), 6)


def test_bytes_that_are_missing_in_the_middle_cost_only_their_commit(whole: Path) -> None:
    """A commit that seems to reach behind the end of the file is not the end of all."""
    path = last_segment(whole)
    content = path.read_bytes()
    second = frames_of(whole)[1]
    path.write_bytes(content[: second.end - 30] + content[second.end :])
    journal = opened(whole)
    (damage,) = journal.damages
    assert (damage.offset, damage.first_missing, damage.last_missing) == (second.offset, 2, 4)
    journal.close()
    goes_on(whole, [1, 5, 6], 6)


def test_a_last_segment_of_which_nothing_can_be_read_is_set_aside(whole: Path) -> None:
    filled(whole, 2)
    path = last_segment(whole)
    path.write_bytes(os.urandom(len(path.read_bytes())))
    journal = opened(whole)
    (damage,) = journal.damages
    assert (damage.first_missing, damage.last_missing) == (7, None)
    assert journal.last_position == 6
    journal.continue_after(8)
    assert journal.append(messages(9, 1)) == 9
    assert dict(journal.read()) == belonging([*ALL, 9])
    journal.close()
    assert path.with_name(path.name + ".damaged").exists()


def test_what_a_device_sends_is_never_taken_for_a_commit(tmp_path: Path) -> None:
    """A message that holds whole frames, in a segment whose frames have to be searched for."""
    guesses = [guess.to_bytes() * 8 for guess in range(256)]
    forged = b"".join(pack([Ticked(START)], 3, guess) for guess in guesses)
    journal = opened(tmp_path)
    journal.append([message(1)])
    journal.append([Received("cam-evil", START, noise(1, 64) + forged)])
    journal.append([message(3)])
    journal.close()
    (segment,) = segments_in(tmp_path)
    second = frames_of(tmp_path)[1]
    assert segment.path.read_bytes()[second.offset : second.end].count(b"FPfr") > 1
    change(segment.path, second.offset + 20)
    journal = opened(tmp_path)
    assert dict(journal.read()) == belonging([1, 3])
    (damage,) = journal.damages
    assert damage.size == second.header.size
    journal.close()


def test_a_segment_that_we_may_not_read_is_the_operators_business(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not damaged: setting it aside would lose what it holds. The same goes for other errors."""

    def refuses(error: int) -> Callable[..., None]:
        def refused(*_: object, **__: object) -> None:
            raise OSError(error, os.strerror(error))

        return refused

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuses(errno.EACCES))
        with pytest.raises(OperatorError, match=r"1\.seg: we may not read it: give it to the user"):
            opened(whole)
        patch.setattr(Path, "open", refuses(errno.EMFILE))
        with pytest.raises(OSError, match="Too many open files"):
            opened(whole)
    goes_on(whole, list(ALL), 6)


def test_a_disk_that_cannot_be_read_costs_what_stands_behind_and_no_more(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector is an error of the system, and not other bytes."""
    bad = frames_of(whole)[1].offset
    content = last_segment(whole).read_bytes()
    able = os.pread

    def disk(file: int, size: int, offset: int) -> bytes:
        if offset >= bad:
            raise OSError(5, "Input/output error")
        return able(file, size, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", disk)
        journal = opened(whole)
    (damage,) = journal.damages
    assert damage.reason == "cannot be read: Input/output error"
    assert (damage.offset, damage.first_missing, damage.last_missing) == (bad, 2, None)
    assert dict(journal.read()) == belonging([1])
    journal.close()
    assert (whole / f"{damage.segment}.damaged").read_bytes() == content
