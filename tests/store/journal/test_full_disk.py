"""A disk without room: appends fail, nothing that was acknowledged is lost, and all is well when there is room."""

import subprocess
import sys
from io import FileIO
from pathlib import Path
from typing import NoReturn

import pytest
from tests.store.journal.material import belonging, message, messages, opened, read

from fencepost.store.journal.journal import Journal
from fencepost.store.journal.segment import HEADER_SIZE, segments_in

SIZE = 20_000


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with pytest.raises(OSError, match="No space left"):
                write_without_end(file, bytes(size))
    return filler


def write_without_end(file: FileIO, content: bytes) -> NoReturn:
    while True:
        file.write(content)


def append_until_it_fails(journal: Journal) -> NoReturn:
    while True:
        journal.append(messages(journal.last_position + 1, 2, SIZE))


def test_S30_a_full_disk_refuses_and_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    folder = small_disk / "journal"
    journal = opened(folder)
    room = small_disk / "room"
    room.write_bytes(bytes(200_000))
    with pytest.raises(OSError, match="No space left"):
        append_until_it_fails(journal)
    kept = journal.last_position
    assert kept > 10
    fill(small_disk)
    for _ in range(5):
        with pytest.raises(OSError, match="No space left"):
            journal.append(messages(kept + 1, 2, SIZE))
        assert journal.last_position == kept
        assert dict(journal.read()) == read(folder) == belonging(range(1, kept + 1), SIZE)
    assert not list(folder.glob("*.new"))

    room.unlink()
    assert journal.append(messages(kept + 1, 2, SIZE)) == kept + 1
    assert journal.append(messages(kept + 3, 2, SIZE)) == kept + 3
    expected = belonging(range(1, kept + 5), SIZE)
    assert dict(journal.read()) == read(folder) == expected
    journal.close()
    journal = opened(folder)
    assert (journal.damages, journal.gaps, journal.cut_off) == ((), (), 0)
    assert dict(journal.read()) == expected
    journal.close()


def test_S30_a_restart_on_a_full_disk_serves_what_there_is(small_disk: Path) -> None:
    """Also where the process died in the middle of a write: cutting off needs no room."""
    folder = small_disk / "journal"
    journal = opened(folder)
    journal.append(messages(1, 2, SIZE))
    journal.close()
    (segment,) = segments_in(folder)
    with segment.path.open("ab") as file:
        file.write(segment.path.read_bytes()[HEADER_SIZE : HEADER_SIZE + 5000])
    filler = fill(small_disk)
    journal = opened(folder)
    assert journal.cut_off == 5000
    assert dict(journal.read()) == belonging([1, 2], SIZE)
    with pytest.raises(OSError, match="No space left"):
        journal.append(messages(3, 2, SIZE))
    filler.unlink()
    assert journal.append(messages(3, 2, SIZE)) == 3
    assert dict(journal.read()) == belonging(range(1, 5), SIZE)
    journal.close()


LIMITED = """
import errno, resource, signal, sys
from pathlib import Path
from tests.store.journal.material import messages, opened

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
journal, kept, failed = opened(Path(sys.argv[1])), 0, 0
for turn in range(40):
    size = 3000 if turn % 10 else 12_000
    if turn == 35:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        journal.append(messages(kept + 1, 1, size))
    except OSError as error:
        assert error.errno == errno.EFBIG
        failed += 1
    else:
        kept += 1
    assert journal.last_position == kept
    assert len(list(journal.read())) == kept
print(kept, failed)
"""


def test_S30_a_file_that_may_not_grow_is_left_for_a_new_one(tmp_path: Path) -> None:
    """The system takes a part of the frame and refuses the rest; this needs no rights to test."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    kept, failed = map(int, done.stdout.split())
    assert kept + failed == 40
    assert failed >= 10
    found = read(tmp_path)
    assert list(found) == list(range(1, kept + 1))
    assert all(found[at] in (message(at, 3000), message(at, 12_000)) for at in found)
    journal = opened(tmp_path)
    assert (journal.last_position, journal.damages, journal.cut_off) == (kept, (), 0)
    journal.close()
