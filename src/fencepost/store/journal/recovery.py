"""What opening a journal mends: the end of the last segment, which a crash or a disk may have left in disorder."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from fencepost.store.journal.damage import Damage, Gap
from fencepost.store.journal.reading import Reading
from fencepost.store.journal.segment import (
    SET_ASIDE,
    UNFINISHED,
    Segment,
    create,
    new_header,
    segments_in,
)


class Recovered(Struct, frozen=True, kw_only=True):
    """
    The state in which a journal is found after recovery; only the last segment has been looked into.

    `cut_off` counts the bytes of a commit that was not finished, and so never acknowledged.
    """

    last_position: int = 0
    segments: tuple[Segment, ...] = ()
    noted: tuple[Damage | Gap, ...] = ()
    cut_off: int = 0


def recover(folder: Path, now: datetime) -> Recovered:
    """
    Bring the last segment of a folder in order and on disk; raises OSError where that cannot be written.

    A commit that was not finished is cut off. A damaged segment is set aside under another name, and what
    can be read of it takes its place.
    """
    for leftover in folder.glob(f"*{UNFINISHED}"):
        leftover.unlink()
    segments = segments_in(folder)
    if not segments:
        return Recovered()
    last = segments[-1]
    reading = Reading(lambda: [last])
    position = last.first - 1
    for frame in reading.frames(position):
        position = max(position, frame.header.last)
    noted: tuple[Damage | Gap, ...] = (*reading.damages, *reading.gaps)
    if reading.damages:
        name = _set_aside(last, now)
        noted = (
            *(structs.replace(one, done=f"set aside as {name}") for one in reading.damages),
            *reading.gaps,
        )
    else:
        _settle(last, last.size - reading.unfinished)
    return Recovered(
        last_position=position,
        segments=tuple(segments_in(folder)),
        noted=noted,
        cut_off=reading.unfinished,
    )


def _settle(segment: Segment, size: int) -> None:
    """Cut a segment to a size, and see to it that what is left outlasts a power cut."""
    with segment.path.open("r+b", buffering=0) as file:
        if size < segment.size:
            file.truncate(size)
        # a process that was killed may have written its last commit and not synced it
        os.fsync(file.fileno())


def _set_aside(damaged: Segment, now: datetime) -> str:
    """Replace a segment by its good frames; the original, under the name returned, is never overwritten."""
    name = _kept_as(damaged.path)
    header = new_header(damaged.first, now)
    create(damaged.path.parent, header, _good_frames(damaged, header.mark)).close()
    return name


def _kept_as(path: Path) -> str:
    """Give a file a second name that nothing has; once more after a crash gives no third."""
    number = 1
    while True:
        other = path.with_name(path.name + SET_ASIDE + (f".{number}" if number > 1 else ""))
        try:
            os.link(path, other)
        except FileExistsError:
            if not other.samefile(path):
                number += 1
                continue
        return other.name


def _good_frames(damaged: Segment, mark: bytes) -> Iterator[bytes]:
    for frame in Reading(lambda: [damaged]).frames(damaged.first - 1):
        yield structs.replace(frame.header, mark=mark).encoded() + (frame.payload or b"")
