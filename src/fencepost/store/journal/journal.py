"""The journal as the one process that appends to it holds it."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from fencepost.model.entry import Entry
from fencepost.model.errors import OperatorError, Problem
from fencepost.store.folders import make_folder
from fencepost.store.journal.damage import Damage, Gap
from fencepost.store.journal.frame import pack
from fencepost.store.journal.reading import Reading
from fencepost.store.journal.recovery import Recovered, recover
from fencepost.store.journal.segment import SegmentFile, create, new_header

SEAL_BYTES = 64 << 20
SEAL_AGE = timedelta(hours=1)
LOCK = "lock"


class Journal:
    """
    An append-only log of entries, each of which is on disk before `append` returns (S30).

    One thread appends; any number of threads read at the same time. Other processes read by `JournalReader`.
    `cut_off` counts the bytes that opening took away: a commit that was never finished, nor acknowledged.
    """

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime],
        seal_bytes: int = SEAL_BYTES,
        seal_age: timedelta = SEAL_AGE,
    ) -> "Journal":
        """
        Open the journal in a folder, which is made if need be, and mend what a crash left of its end.

        A segment is sealed when it has `seal_bytes` or is `seal_age` old. Raises OperatorError where another
        process serves the folder, where it cannot be used, or where another version of Fencepost wrote it.
        """
        lock = _locked(folder)
        try:
            recovered = recover(folder, clock())
        except BaseException:
            os.close(lock)
            raise
        return cls(folder, lock, recovered, clock, seal_bytes, seal_age)

    def __init__(
        self,
        folder: Path,
        lock: int,
        recovered: Recovered,
        clock: Callable[[], datetime],
        seal_bytes: int,
        seal_age: timedelta,
    ) -> None:
        """Use `open`."""
        self._folder = folder
        self._lock = lock
        self._clock = clock
        self._seal_bytes = seal_bytes
        self._seal_age = seal_age
        self._writing = Lock()
        self._file: SegmentFile | None = None
        self._created = clock()
        self._sealed = recovered.segments
        self._durable = recovered.segments
        self._last_position = recovered.last_position
        self._reading = Reading(lambda: self._durable)
        self.cut_off = recovered.cut_off
        for one in recovered.noted:
            self._reading.note(one)

    @property
    def last_position(self) -> int:
        """The position of the last entry, 0 where there is none."""
        return self._last_position

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What opening and reading have found damaged so far, the first 1,000 places of both kinds."""
        return self._reading.damages

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What opening and reading have found missing without a damage so far; the same bound."""
        return self._reading.gaps

    def append(self, entries: Sequence[Entry]) -> int:
        """
        Put entries on disk in one commit and return the position of the first.

        Raises OSError, and then none of them is kept; ValueError for none, for more than one commit can
        hold (`frame`), and when the journal is closed.
        """
        with self._writing:
            first = self._last_position + 1
            file = self._file_for(first)
            frame = pack(entries, first, file.header.mark)
            try:
                file.append(frame)
            except OSError:
                self._end(file)
                with suppress(OSError):  # also after a power cut, rule 3 is to void what was not taken back
                    self._begin(first)
                raise
            self._last_position += len(entries)
            self._durable = (*self._sealed, file.durable)
            return first

    def read(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Yield every entry behind a position, with its own, up to the last that is durable at the call."""
        return self._reading.read(after)

    def entry(self, position: int) -> Entry | None:
        """Return the entry at a position, None where there is none or it is damaged."""
        return self._reading.entry(position)

    def continue_after(self, position: int) -> None:
        """
        Give the next entry the position behind this one, if the journal has not come so far.

        The entries in between are noted as a gap: they were acknowledged, somebody else knows of them, and
        the journal has lost them. Raises OSError, and then nothing has changed.
        """
        with self._writing:
            first = self._last_position + 1
            if position < first:
                return
            if self._file is not None:
                self._end(self._file)
            file = self._begin(position + 1)
            self._last_position = position
            self._reading.note(Gap(segment=file.path.name, first_missing=first, last_missing=position))

    def seal(self) -> None:
        """End the segment that is being written, if it has an entry: it never changes again."""
        with self._writing:
            if self._file is not None and not self._file.is_empty:
                self._end(self._file)

    def close(self) -> None:
        """End the segment and let another process serve the folder; once more does nothing."""
        with self._writing:
            if self._file is not None:
                self._end(self._file)
            if self._lock >= 0:
                lock, self._lock = self._lock, -1
                os.close(lock)

    def _file_for(self, first: int) -> SegmentFile:
        if self._lock < 0:
            raise ValueError("the journal is closed")
        file = self._file
        if file is not None and self._is_due(file):
            self._end(file)
            file = None
        return file or self._begin(first)

    def _is_due(self, file: SegmentFile) -> bool:
        return file.size >= self._seal_bytes or self._clock() - self._created >= self._seal_age

    def _begin(self, first: int) -> SegmentFile:
        created = self._clock()
        file = create(self._folder, new_header(first, created))
        self._file, self._created = file, created
        # one that is replaced had no entry
        self._sealed = tuple(segment for segment in self._sealed if segment.first < first)
        self._durable = (*self._sealed, file.durable)
        return file

    def _end(self, file: SegmentFile) -> None:
        file.close()
        self._file = None
        self._sealed = self._durable = (*self._sealed, file.durable)


def _locked(folder: Path) -> int:
    """Return the lock of a folder that is ours until it is closed, however this process ends."""
    try:
        make_folder(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = (
            f"no journal can be kept here: {error.strerror or error}; mend that or name another data folder"
        )
        raise OperatorError([Problem("", reason, str(folder))]) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise
        reason = "another fencepost serves this folder: stop that one first, or name another data folder"
        raise OperatorError([Problem("", reason, str(folder))]) from error
    return lock
