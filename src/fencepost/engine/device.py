"""What the engine keeps of one device: as little as can be, for there may be a million of them."""

from typing import TYPE_CHECKING

from fencepost.engine.windows import NEVER, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fencepost.engine.plan import Plan
    from fencepost.engine.ranges import Range

NO_WINDOWS: list[Window | None] = []
"""Shared by all devices from which nothing has come."""

REMEMBERED = 64
"""Fingerprints of messages that a device's memory holds (S09)."""
ACCOUNTS = 4096
"""Letters of accounts of a device that are remembered (S13)."""
LONGEST_NAME = 256
SAME_PROCESS = 16
"""Sign-ins of one process in one message that are told apart."""
SIGN_INS = 8
"""Unmatched PAM records that are remembered (S13)."""


NOTHING_SEEN: frozenset[str] = frozenset()


class Memory:
    """
    What only few devices need.

    `accounts` the uids and names of LocalUsers as of
    `accounts_at`, packed (see `sign_ins`); `sign_ins` are PAM records (time, process, name) whose login
    record has not come; `incomplete` is the latest moment for which drops were reported; `seen` the names of
    events and operations that came although no source of the device is known to send them; `gauges` the latest report of
    threshold rules: (rule type, time, violating).
    """

    __slots__ = ("accounts", "accounts_at", "delays", "gauges", "incomplete", "seen", "sign_ins")

    def __init__(self) -> None:
        self.delays: tuple[tuple[str, int], ...] = ()
        self.accounts = ""
        self.accounts_at = 0
        self.sign_ins: tuple[tuple[int, str, str], ...] = ()
        self.incomplete = 0
        self.seen = NOTHING_SEEN
        self.gauges: tuple[tuple[str, int, bool], ...] = ()


class Device:
    """
    One device: the plan of its group, and the windows of the plan's range rules, made when first needed.

    `tag` is its twin's SecurityGroup, `fingerprints` None, the only one, or the latest ones, packed (S09).
    `contact` is the instant from which minimums of what its agent reports are judged, 0 while no message has
    come; `sources` a bit per source heard from; `timer` the moment for which the device is in the detector's queue, 0 for none.
    """

    __slots__ = (
        "contact",
        "fingerprints",
        "memory",
        "plan",
        "sources",
        "tag",
        "timer",
        "watching",
        "windows",
    )

    def __init__(self, plan: "Plan", tag: str | None) -> None:
        self.plan = plan
        self.tag = tag
        self.fingerprints: bytes | int | None = None
        self.windows: list[Window | None] = NO_WINDOWS
        self.memory: Memory | None = None
        self.contact = 0
        self.sources = 0
        self.timer = 0
        self.watching = False

    @property
    def is_heard(self) -> bool:
        """Whether anything has come from the device, or been done to it: it has windows."""
        return bool(self.sources or (self.memory is not None and self.memory.seen))

    @property
    def served(self) -> tuple[tuple[str, int], ...]:
        """What the twin that we served says of how late events may come (S06)."""
        return self.memory.delays if self.memory is not None else ()

    def reset(self) -> None:
        """Begin with clean windows, if anything has come from the device."""
        self.windows = [None] * len(self.plan.ranges) if self.is_heard else NO_WINDOWS
        self.watching = False

    def open_windows(self) -> "Iterator[tuple[Range, Window]]":
        """Yield the windows that exist, each with its rule."""
        for check, window in zip(self.plan.ranges, self.windows, strict=False):
            if window is not None:
                yield check, window

    def due(self) -> int:
        """Return when time alone next changes something for the device, NEVER where it cannot."""
        due = NEVER
        for check, window in zip(self.plan.ranges, self.windows, strict=False):
            if window is not None and window.watch is not None:
                due = min(due, window.watch.next_step() + check.delay)
        return due

    def knows(self, fingerprint: int) -> bool:
        """Return whether the device has sent a message like this one lately (S09)."""
        known = self.fingerprints
        if not isinstance(known, bytes):
            return known == fingerprint
        packed = fingerprint.to_bytes(8)
        place = known.find(packed)
        while place >= 0 and place % 8:  # across two fingerprints
            place = known.find(packed, place + 1)
        return place >= 0

    def note(self, fingerprint: int) -> None:
        """Remember a message."""
        known = self.fingerprints
        if known is None:
            self.fingerprints = fingerprint
            return
        if isinstance(known, int):
            known = known.to_bytes(8)
        self.fingerprints = known[-8 * (REMEMBERED - 1) :] + fingerprint.to_bytes(8)

    def remember(self) -> Memory:
        """Return the device's memory, made if it had none."""
        if self.memory is None:
            self.memory = Memory()
        return self.memory
