"""Entries out of segments, past every damage, by a process that need not be the one that appends."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from fencepost.model.entry import Entry
from fencepost.model.errors import OperatorError, Problem
from fencepost.store.journal.damage import Damage, Gap
from fencepost.store.journal.frame import MOST_POSITION, decompressor, unpack
from fencepost.store.journal.scan import Fault, Frame, Wanted, scan
from fencepost.store.journal.segment import Segment, segments_in

MOST_NOTED = 1000
"""How many damages and gaps are remembered; a journal with more of them is past being told of each."""
NO_LIMIT = MOST_POSITION + 1


class Reading:
    """
    Reads the segments that a function names, and remembers what was wrong with them.

    `unfinished` counts the bytes of a frame at the end of the last segment, as the latest pass saw it, that
    is being written or never was to its end. `unnamed` counts what was found beyond the first 1,000 wrongs.
    """

    def __init__(self, segments: Callable[[], Sequence[Segment]]) -> None:
        self._segments = segments
        self._noted: dict[Damage | Gap, None] = {}
        self.unfinished = 0
        self.unnamed = 0

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What was found damaged so far."""
        return tuple(one for one in tuple(self._noted) if isinstance(one, Damage))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What was found missing without a damage so far."""
        return tuple(one for one in tuple(self._noted) if isinstance(one, Gap))

    def note(self, one: Damage | Gap) -> None:
        """Remember something that is wrong, once however often it is found."""
        if one in self._noted or len(self._noted) < MOST_NOTED:
            self._noted[one] = None
        else:
            self.unnamed += 1

    def read(
        self, after: int = 0, on_bytes: Callable[[int], None] = lambda _: None
    ) -> Iterator[tuple[int, Entry]]:
        """
        Yield every entry behind a position, with its own, up to the last that there is at the call.

        `on_bytes` hears of each frame's bytes when its entries are done with.
        """
        return self._entries(self.frames(after), after, on_bytes)

    def entry(self, position: int) -> Entry | None:
        """Return the entry at a position, None where there is none or it is damaged; unpacks one frame."""
        for segment, limit in _limited(self._segments()):
            if segment.first <= position < limit:
                holding = self._frames_of(
                    segment, limit, lambda header: header.first <= position <= header.last
                )
                found = self._entries(holding, position - 1)
                return next((entry for at, entry in found if at == position), None)
        return None

    def frames(self, after: int = 0) -> Iterator[Frame]:
        """Yield every frame with an entry behind a position whose content has the right checksum."""
        return self._frames(_limited(self._segments()), after)

    def unpacked(self, frame: Frame, decompress: Callable[[bytes], bytes]) -> list[Entry]:
        """Return the entries of a frame; none, and a damage is noted, where they cannot be understood."""
        try:
            return unpack(frame.header, frame.payload or b"", decompress)
        except ValueError as error:
            reason = f"the content of a frame cannot be understood: {error}"
            fault = Fault(frame.offset, frame.end, reason)
            self._note(frame.segment, fault, frame.header.first, frame.header.last + 1)
            return []

    def _entries(
        self, frames: Iterator[Frame], after: int, on_bytes: Callable[[int], None] = lambda _: None
    ) -> Iterator[tuple[int, Entry]]:
        decompress = decompressor()
        done = after
        for frame in frames:
            for position, entry in enumerate(self.unpacked(frame, decompress), frame.header.first):
                if position > done:
                    yield position, entry
                    done = position
            on_bytes(frame.header.size)

    def _frames(self, segments: Sequence[tuple[Segment, int]], after: int) -> Iterator[Frame]:
        if segments and segments[0][0].first > after + 1:
            first = segments[0][0]
            self._note(first.path.name, None, after + 1, first.first)
        for segment, limit in segments:
            if limit > after + 1:
                yield from self._frames_of(segment, limit, lambda header: header.last > after)

    def _frames_of(self, segment: Segment, limit: int, wanted: Wanted) -> Iterator[Frame]:
        """Yield what is wanted of one segment; `expected` is the position of which nothing was seen yet."""
        name, expected = segment.path.name, segment.first
        fault: Fault | None = None
        for found in scan(segment, wanted):
            if isinstance(found, Fault):
                fault = found if fault is None else fault.joined(found)
                continue
            if found.header.first >= limit:
                break
            self._note(name, fault, expected, found.header.first)
            fault = None
            expected = max(expected, found.header.last + 1)
            if found.payload is not None:
                yield found
            if expected >= limit:
                return  # what stands behind was never acknowledged (rule 3)
        if limit < NO_LIMIT:
            self._note(name, fault, expected, limit)
        else:
            self._conclude(segment, fault, expected)

    def _conclude(self, last: Segment, fault: Fault | None, expected: int) -> None:
        """Note what the end of the last segment is, behind which no position says what is missing."""
        self.unfinished = fault.end - fault.offset if fault is not None and fault.unfinished else 0
        if fault is not None and not fault.unfinished:
            self._note(last.path.name, fault, expected, fault.last + 1 if fault.last >= expected else None)

    def _note(self, segment: str, fault: Fault | None, expected: int, found: int | None) -> None:
        """Note a fault, or the entries from `expected` up to before `found` that are missing without one."""
        first = expected if found is None or found > expected else None
        last = found - 1 if found is not None and first is not None else None
        if fault is not None:
            damage = Damage(
                segment=segment,
                offset=fault.offset,
                size=fault.end - fault.offset,
                reason=fault.reason,
                first_missing=first,
                last_missing=last,
            )
            self.note(damage)
        elif first is not None and last is not None:
            self.note(Gap(segment=segment, first_missing=first, last_missing=last))


class JournalReader(Reading):
    """
    Reads a journal without its lock, while another process may append to it.

    What it yields was written as a whole; that the last of it is durable only the appending process knows.
    Raises OperatorError where there is no journal, or none that we may read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            segments_in(folder)
        except (FileNotFoundError, NotADirectoryError):
            reason = "there is no journal here: name the data folder that `fencepost serve` uses"
            raise OperatorError([Problem("", reason, str(folder))]) from None
        except PermissionError as error:
            reason = "we may not read it: run this as the user that serves the folder"
            raise OperatorError([Problem("", reason, str(folder))]) from error
        super().__init__(lambda: segments_in(folder))
        self._folder = folder

    def segments(self) -> list[Segment]:
        """Return the segments that there are now."""
        return segments_in(self._folder)

    def set_aside(self) -> list[str]:
        """Return the names of damaged files that were replaced by what could be read of them."""
        return sorted(path.name for path in self._folder.glob("*.seg.damaged*"))


def _limited(segments: Sequence[Segment]) -> list[tuple[Segment, int]]:
    """Return each segment with the first position that is not its own any more."""
    limits = [after.first for _, after in pairwise(segments)]
    return list(zip(segments, [*limits, NO_LIMIT], strict=False))
