"""Reading past damage in any segment: what is sound is served, what is not is named."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.store.journal.material import (
    START,
    belonging,
    filled,
    messages,
    noise,
    opened,
    property_settings,
    read,
)

from fencepost.model.entry import Received
from fencepost.model.errors import OperatorError
from fencepost.store.journal import scan
from fencepost.store.journal.damage import Damage, Gap
from fencepost.store.journal.frame import HEADER_SIZE as FRAME_HEADER
from fencepost.store.journal.frame import FrameHeader, parse_header
from fencepost.store.journal.reading import MOST_NOTED, JournalReader
from fencepost.store.journal.scan import Frame
from fencepost.store.journal.segment import HEADER_SIZE, SegmentHeader, create, segments_in

SECOND = "00000000000000000007.seg"
ALL = range(1, 19)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three segments of three commits each: 1, 3 and 2 entries; the middle one holds 7 to 12."""
    for _ in range(3):
        filled(tmp_path, 1, 3, 2)
    return tmp_path


def frames_in(folder: Path, name: str) -> list[Frame]:
    return [frame for frame in JournalReader(folder).frames() if frame.segment == name]


def change(path: Path, *places: int) -> None:
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 0xFF
    path.write_bytes(content)


def found_in(folder: Path, after: int = 0) -> tuple[dict[int, object], list[Damage], list[Gap]]:
    """Return the entries with what was wrong, read twice: the second time notes nothing anew."""
    reader = JournalReader(folder)
    entries = list(reader.read(after))
    assert list(reader.read(after)) == entries
    assert [position for position, _ in entries] == sorted({position for position, _ in entries})
    return dict(entries), list(reader.damages), list(reader.gaps)


def without(*missing: int) -> dict[int, object]:
    return dict(belonging([position for position in ALL if position not in missing]))


def test_a_damaged_commit_in_the_middle_costs_itself_and_is_named(folder: Path) -> None:
    frame = frames_in(folder, SECOND)[1]
    for place, reason in (
        (frame.end - 1, "the content of a frame is damaged"),
        (frame.offset + 15, "the header of a frame is damaged"),
    ):
        content = (folder / SECOND).read_bytes()
        change(folder / SECOND, place)
        entries, damages, gaps = found_in(folder)
        assert entries == without(8, 9, 10)
        assert damages == [
            Damage(
                segment=SECOND,
                offset=frame.offset,
                size=frame.header.size,
                reason=reason,
                first_missing=8,
                last_missing=10,
            )
        ]
        assert gaps == []
        opened(folder).close()
        assert found_in(folder)[0] == entries
        (folder / SECOND).write_bytes(content)
    assert not list(folder.glob("*.damaged"))


def test_damaged_commits_side_by_side_are_one_damage(folder: Path) -> None:
    first, second, _ = frames_in(folder, SECOND)
    change(folder / SECOND, first.end - 1, second.offset)
    entries, (damage,), _ = found_in(folder)
    assert entries == without(7, 8, 9, 10)
    assert (damage.offset, damage.size) == (first.offset, second.end - first.offset)
    assert (damage.first_missing, damage.last_missing) == (7, 10)


@pytest.mark.parametrize("after", range(18))
def test_damage_is_seen_as_well_from_behind_any_position(folder: Path, after: int) -> None:
    """Commits before the position are passed over by their headers; a broken header among them is found."""
    frame = frames_in(folder, SECOND)[1]
    change(folder / SECOND, frame.offset)
    entries, damages, gaps = found_in(folder, after)
    assert entries == {position: entry for position, entry in without(8, 9, 10).items() if position > after}
    assert [(one.first_missing, one.last_missing) for one in damages] == ([(8, 10)] if after < 12 else [])
    assert gaps == []


@pytest.mark.parametrize("after", range(18))
def test_bytes_that_are_missing_mislead_no_reader(folder: Path, after: int) -> None:
    """Also where the commit that has lost them is passed over by its header."""
    content = (folder / SECOND).read_bytes()
    frame = frames_in(folder, SECOND)[1]
    (folder / SECOND).write_bytes(content[: frame.end - 20] + content[frame.end :])
    entries, damages, _ = found_in(folder, after)
    assert entries == {position: entry for position, entry in without(8, 9, 10).items() if position > after}
    assert [damage.offset for damage in damages] == ([frame.offset] if after < 12 else [])


edits = st.tuples(
    st.sampled_from(["flip", "delete", "insert", "cut", "zero"]),
    st.integers(0, 2),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 120),
)


@property_settings
@given(changes=st.lists(edits, min_size=1, max_size=4))
def test_whatever_becomes_of_the_files_each_commit_that_is_whole_is_read_and_each_that_is_not_is_named(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int, float, int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    for _ in range(3):
        filled(folder, 1, 3, 2)
    frames = list(JournalReader(folder).frames())
    paths = [segment.path for segment in segments_in(folder)]
    before = {path.name: path.read_bytes() for path in paths}
    for kind, index, place, size in changes:
        edit(paths[index], kind, place, size)
    after = {path.name: path.read_bytes() for path in paths}
    whole = [
        position
        for frame in frames
        for position in range(frame.header.first, frame.header.last + 1)
        if before[frame.segment][frame.offset : frame.end] in after[frame.segment]
        and knows_its_mark(before[frame.segment], after[frame.segment])
    ]
    reader = JournalReader(folder)
    assert dict(reader.read()) == belonging(whole)
    named = set[int]()
    wrongs: list[Damage | Gap] = [*reader.damages, *reader.gaps]
    for one in wrongs:
        last = one.last_missing or ALL[-1]
        named |= set(range(one.first_missing, last + 1)) if one.first_missing is not None else set()
    # at the very end nobody can tell what was cut off from what was never there
    assert {position for position in ALL if position not in whole and position <= 12} <= named
    assert not named & set(whole)


def edit(path: Path, kind: str, place: float, size: int) -> None:
    content = path.read_bytes()
    at = int(place * len(content))
    match kind:
        case "flip" if content:
            content = content[:at] + bytes([content[at] ^ 1 << size % 8]) + content[at + 1 :]
        case "delete":
            content = content[:at] + content[at + size :]
        case "insert":
            content = content[:at] + noise(size, size) + content[at:]
        case "zero":
            content = content[:at] + bytes(len(content[at : at + size])) + content[at + size :]
        case "cut":
            content = content[:at]
    path.write_bytes(content)


def knows_its_mark(before: bytes, after: bytes) -> bool:
    first = parse_header(after[HEADER_SIZE:])
    return after[:HEADER_SIZE] == before[:HEADER_SIZE] or (first is not None and first.mark == before[12:20])


def test_a_missing_file_is_a_gap(folder: Path) -> None:
    (folder / SECOND).unlink()
    entries, damages, gaps = found_in(folder)
    assert entries == without(*range(7, 13))
    assert damages == []
    assert gaps == [Gap(segment="00000000000000000001.seg", first_missing=7, last_missing=12)]
    (folder / "00000000000000000001.seg").unlink()
    entries, damages, gaps = found_in(folder)
    assert entries == without(*range(1, 13))
    assert gaps == [Gap(segment="00000000000000000013.seg", first_missing=1, last_missing=12)]


def test_a_segment_in_the_middle_that_was_cut_names_what_it_lost(folder: Path) -> None:
    """Nothing behind it was not acknowledged, as it would be at the end of the last."""
    content = (folder / SECOND).read_bytes()
    _, second, third = frames_in(folder, SECOND)
    for size, missing in (
        (third.end - 1, range(11, 13)),
        (second.offset + 1, range(8, 13)),
        (5, range(7, 13)),
    ):
        (folder / SECOND).write_bytes(content[:size])
        entries, (damage,), gaps = found_in(folder)
        assert entries == without(*missing)
        assert (damage.first_missing, damage.last_missing) == (missing[0], missing[-1])
        assert gaps == []
    for size, missing in ((third.offset, range(11, 13)), (HEADER_SIZE, range(7, 13))):
        (folder / SECOND).write_bytes(content[:size])
        entries, damages, (gap,) = found_in(folder)
        assert entries == without(*missing)
        assert (gap.first_missing, gap.last_missing) == (missing[0], missing[-1])
        assert damages == []


def test_a_damaged_segment_header_costs_no_entry(folder: Path) -> None:
    change(folder / SECOND, 3)
    entries, (damage,), gaps = found_in(folder)
    assert entries == without()
    assert (damage.offset, damage.size, damage.first_missing) == (0, HEADER_SIZE, None)
    assert gaps == []


def test_a_segment_whose_header_and_first_commit_are_damaged_is_passed_over(folder: Path) -> None:
    change(folder / SECOND, 3, HEADER_SIZE + 3)
    entries, (damage,), gaps = found_in(folder)
    assert entries == without(*range(7, 13))
    assert (damage.offset, damage.size) == (0, (folder / SECOND).stat().st_size)
    assert (damage.first_missing, damage.last_missing) == (7, 12)
    assert gaps == []


def test_a_commit_that_stands_there_twice_is_read_once(tmp_path: Path) -> None:
    filled(tmp_path, 2, 2)
    (segment,) = segments_in(tmp_path)
    second = list(JournalReader(tmp_path).frames())[1]
    with segment.path.open("ab") as file:
        file.write(segment.path.read_bytes()[second.offset :])
    assert [position for position, _ in JournalReader(tmp_path).read()] == [1, 2, 3, 4]


def test_a_damage_at_the_end_says_what_any_header_in_it_says(tmp_path: Path) -> None:
    """Two commits are damaged, and the second one's header can be read."""
    filled(tmp_path, 2, 2, 2)
    (segment,) = segments_in(tmp_path)
    _, second, third = JournalReader(tmp_path).frames()
    change(segment.path, second.offset, third.end - 1)
    reader = JournalReader(tmp_path)
    assert dict(reader.read()) == belonging([1, 2])
    (damage,) = reader.damages
    assert (damage.first_missing, damage.last_missing) == (3, 6)


def test_content_that_cannot_be_understood_is_damage_although_its_checksum_is_right(tmp_path: Path) -> None:
    payload = zstandard.compress(b"\x91\x91\xa4what")
    header = FrameHeader(b"12345678", len(payload), 7, 1, 3, crc32(payload))
    file = create(tmp_path, SegmentHeader(b"12345678", 3, 0), [header.encoded() + payload])
    file.close()
    filled(tmp_path / "one", 2)
    (tmp_path / "one" / "00000000000000000001.seg").rename(tmp_path / "00000000000000000001.seg")
    reader = JournalReader(tmp_path)
    assert dict(reader.read()) == belonging([1, 2])
    (damage,) = reader.damages
    assert damage.reason.startswith("the content of a frame cannot be understood: ")
    assert (damage.offset, damage.first_missing, damage.last_missing) == (HEADER_SIZE, 3, 3)
    assert reader.entry(3) is None


def test_the_next_commit_is_found_wherever_it_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on the border of two pieces of the file."""
    frame = frames_in(folder, SECOND)[0]
    change(folder / SECOND, frame.offset)
    for size in range(12, 80):
        monkeypatch.setattr(scan, "CHUNK", size)
        entries, (damage,), _ = found_in(folder)
        assert entries == without(7)
        assert (damage.offset, damage.size) == (frame.offset, frame.header.size)


def test_a_file_full_of_nonsense_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    """Frames that claim the most there may be, and half a gigabyte of nothing."""
    filled(tmp_path, 2)
    (segment,) = segments_in(tmp_path)
    mark = segment.path.read_bytes()[12:20]
    with segment.path.open("r+b") as file:
        file.seek(0, 2)
        for first in range(3, 15):
            file.write(FrameHeader(mark, 32 << 20, 32 << 20, 1 << 16, first, 0).encoded())
        file.truncate(512 << 20)
    program = (
        "import sys; from pathlib import Path\n"
        "from fencepost.store.journal.reading import JournalReader\n"
        "reader = JournalReader(Path(sys.argv[1]))\n"
        "print([position for position, _ in reader.read()], len(reader.damages))"
    )

    def with_little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=with_little_memory,
    )
    assert (done.stdout, done.stderr) == ("[1, 2] 1\n", "")


def test_what_is_remembered_of_a_ruined_journal_is_bounded(tmp_path: Path) -> None:
    filled(tmp_path, *[1] * (2 * MOST_NOTED + 30))
    (segment,) = segments_in(tmp_path)
    frames = list(JournalReader(tmp_path).frames())
    change(segment.path, *(frame.offset for frame in frames[:-1:2]))
    reader = JournalReader(tmp_path)
    assert len(list(reader.read())) == MOST_NOTED + 15
    assert (len(reader.damages), reader.unnamed) == (MOST_NOTED, 15)
    assert len(list(reader.read())) == MOST_NOTED + 15
    assert (len(reader.damages), reader.unnamed) == (MOST_NOTED, 30)


def test_progress_adds_up_to_the_size_of_all_commits(folder: Path) -> None:
    steps: list[int] = []
    assert len(list(JournalReader(folder).read(0, steps.append))) == 18
    sizes = [segment.size for segment in segments_in(folder)]
    assert (len(steps), sum(steps)) == (9, sum(sizes) - 3 * HEADER_SIZE)


def test_a_frame_that_is_being_written_is_not_finished_and_no_damage(tmp_path: Path) -> None:
    filled(tmp_path, 2, 2)
    (segment,) = segments_in(tmp_path)
    content = segment.path.read_bytes()
    last = list(JournalReader(tmp_path).frames())[-1]
    for size in (1, FRAME_HEADER, last.header.size - 1):
        segment.path.write_bytes(content[: last.offset + size])
        reader = JournalReader(tmp_path)
        assert dict(reader.read()) == belonging([1, 2])
        assert (reader.damages, reader.unfinished) == ((), size)


def test_the_files_that_were_set_aside_are_named(folder: Path) -> None:
    last = segments_in(folder)[-1].path
    change(last, HEADER_SIZE)
    opened(folder).close()
    assert JournalReader(folder).set_aside() == [f"{last.name}.damaged"]


def test_where_there_is_no_journal_the_operator_hears_it(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"nowhere: there is no journal here: name the data folder"):
        JournalReader(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="there is no journal here"):
        JournalReader(tmp_path / "file")
    assert read(tmp_path) == {}


def test_where_we_may_not_read_the_operator_hears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(OperatorError, match="run this as the user that serves the folder"):
        JournalReader(tmp_path)


def test_a_large_message_comes_back(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096
    journal = opened(tmp_path)
    journal.append([*messages(1, 1), Received("cam-1", START, body), *messages(3, 1)])
    journal.close()
    assert read(tmp_path)[2] == Received("cam-1", START, body)
