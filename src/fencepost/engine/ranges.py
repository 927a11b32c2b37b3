"""
Range rules: how many in a sliding window (S03-S07, S10-S12).

In order and within the maximum an event costs one append and one comparison; everything exact is asked
only when the bound of the window is passed, when data comes late, or when time moves a watched window.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil
from typing import Any

from msgspec import Struct

from fencepost.engine.clock import HORIZON
from fencepost.engine.device import Device
from fencepost.engine.turn import Dirty, Turn
from fencepost.engine.windows import (
    CHUNK,
    NEVER,
    POINT,
    SLACK,
    Floor,
    Tally,
    Watch,
    Window,
)
from fencepost.model.alert import Flag
from fencepost.model.event import (
    Event,
    NetworkActivity,
)
from fencepost.model.instant import length, moment
from fencepost.model.outcome import Cleared, Finding, Possible, Recovered
from fencepost.model.rule import TimeWindowRule

SHORTFALLS = 64
"""Missed minimums of one window that late data may still repair."""
ID_BITS = (1 << 48) - 1


Judge = Callable[[Device, Any, int, Turn], bool]


class Range:
    """
    A time-window rule, compiled; subclasses say which payloads of which events are points.

    `limit` is the bound up to which a window is not looked at: the maximum, or less where the maximum is
    so great that the window must be kept from growing. `is_reported` says that what is counted is what the
    device's agent reports, so that it misses what the agent lost (S18).
    """

    is_reported = True
    event_names: tuple[str, ...]
    judge: Judge
    tally: Tally
    floor: Floor

    def __init__(self, rule: TimeWindowRule, index: int, delay: int) -> None:
        self.rule = rule
        self.type = rule.type
        self.index = index
        self.width = length(rule.window)
        self.min = rule.min
        self.max = rule.max
        self.delay = delay
        self.keep = self.width + delay
        self.stale = self.keep + (self.keep >> 2)
        self.limit = min(rule.max, SLACK // POINT)
        self.on_possible = rule.alert_on == "possible"
        self.needs_order = rule.needs_order

    def window_of(self, device: Device) -> Window:
        window = device.windows[self.index]
        if window is None:
            window = device.windows[self.index] = Window(self.limit)
        return window

    # counting

    def count(self, window: Window, at: int) -> tuple[int, int]:
        """Return the certain and the possible number in the window (at - W, at]."""
        after = at - self.width
        lo, hi = window.points_before(after + 1) * POINT, window.points_before(at + 1) * POINT
        points = self.tally(window, lo, hi)
        if not window.spans:
            return points, points
        certain = possible = points
        shared = 0
        for first, last, fewest, most, _ in window.each_span():
            if first <= at and last > after:
                possible += most
                if first > after and last <= at:
                    certain += max(fewest, 0)
                    shared = max(shared, -fewest)
        return certain + self._unseen(window, lo, hi, shared), possible

    def _unseen(self, window: Window, lo: int, hi: int, shared: int) -> int:
        """Correct the certain number for what spans may hold of the same things as the points."""
        if not shared:
            return 0
        keyed = {key >> 22 for key in window[lo + 1 : hi : 2] if key < 0}
        return max(0, shared - len(keyed))

    # taking in

    def settle(
        self, device: Device, window: Window, time: int, event: Event, turn: Turn, *, latest: bool
    ) -> None:
        """Judge what a point at `time` changed; `latest` says that nothing in the window is later."""
        if not latest:
            self._mark(time, time + self.width, event, turn)
        elif window.room < 0:
            certain, possible = self.judge_at(device, window, time, event, turn)
            window.room = min(max(self.max - max(certain, possible), 0), self.limit)
            if time - window[0] > self.stale:
                self._age(window, turn.now)
        if window.watch is not None and (window.watch.eager or not latest):
            self._note(window, (time,), turn)
        self._fit(window, turn.now)

    def take_span(
        self, device: Device, window: Window, span: tuple[int, int, int], key: int, event: Event, turn: Turn
    ) -> bool:
        """Take in an aggregate (S11); returns False if the window holds it already."""
        first, last, hits = turn.placed(span)
        if not window.put_span(first, last, hits, key):
            return False
        window.room -= hits
        pieces = max(1, ceil((last - first) / self.width))
        if (held := ceil(hits / pieces)) > self.max:
            self._over(device, window, last, held, event, turn, certain=True)
        if self.on_possible:
            self._mark(first, last + self.width, event, turn, told=held > self.max)
        else:
            self._mark(last, max(first + self.width, last + 1), event, turn, told=held > self.max)
        if window.watch is not None:
            self._note(window, (first, last), turn)
        self._fit(window, turn.now)
        return True

    def _mark(self, begin: int, before: int, event: Event, turn: Turn, *, told: bool = False) -> None:
        """Have the windows that end with begin <= end < before judged when the message is taken in."""
        if turn.dirty is None:
            turn.dirty = {}
        known = turn.dirty.get(self.index)
        if known is None:
            turn.dirty[self.index] = Dirty(begin, before, event, turn.flags, told)
        else:
            known.begin, known.before = min(known.begin, begin), max(known.before, before)
            known.event, known.flags = event, tuple({*known.flags, *turn.flags})
            known.told = known.told or told

    def reconsider(self, device: Device, window: Window, dirty: Dirty, turn: Turn) -> None:
        """Judge the windows that data out of order has changed."""
        nearby = window.points_before(dirty.before) - window.points_before(dirty.begin - self.width + 1)
        if nearby <= self.max and not window.spans:
            return
        ends = window.ends(dirty.begin, dirty.before)
        weighed = [(end, *self.count(window, end)) for end in ends]
        over = [one for one in weighed if one[1 + self.on_possible] > self.max]
        for one in self._telling(over):
            self._tell(device, window, one, dirty.event, turn)
        if weighed and not over and not dirty.told:
            self._tell(device, window, max(weighed, key=lambda one: one[2]), dirty.event, turn)

    def _telling(self, over: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
        """Yield the first, the worst and the last of each whole window: those between add nothing (S02)."""
        for _, group in groupby(over, key=lambda one: (one[0] - over[0][0]) // self.width):
            told = list(group)
            worst = max(told, key=lambda one: one[1 + self.on_possible])
            yield from sorted({told[0], worst, told[-1]})

    def judge_at(self, device: Device, window: Window, at: int, event: Event, turn: Turn) -> tuple[int, int]:
        """Judge the maximum of the window that ends at `at`; returns its certain and possible number."""
        certain, possible = self.count(window, at)
        self._tell(device, window, (at, certain, possible), event, turn)
        return certain, possible

    def _tell(
        self, device: Device, window: Window, weighed: tuple[int, int, int], event: Event, turn: Turn
    ) -> None:
        """Say what the numbers of the window that ends at a moment mean: (moment, certain, possible)."""
        at, certain, possible = weighed
        number = possible if self.on_possible else certain
        if number > self.max:
            self._over(device, window, at, number, event, turn, certain=certain > self.max)
        elif possible > self.max:
            told = Possible(
                device_id=turn.device_id,
                rule_type=self.type,
                at=moment(at),
                certain=certain,
                possible=possible,
            )
            turn.outcomes.append(told)

    def _over(
        self, device: Device, window: Window, at: int, number: int, event: Event, turn: Turn, *, certain: bool
    ) -> None:
        if window.watch is None:
            window.watch = Watch(device.contact)
        device.watching = window.watch.eager = True
        flags: tuple[Flag, ...] = turn.flags
        if type(event) is NetworkActivity and event.full:
            flags = (*flags, "incomplete")
        finding = self._finding(window, at, number, turn, flags, event, certain=certain)
        if not self.needs_order:
            self._violate(window.watch, at, finding, turn)
            return
        pending = window.watch.pending = window.watch.pending or {}
        if at not in pending or number > pending[at].count:
            pending[at] = finding

    def _finding(
        self,
        window: Window,
        at: int,
        number: int,
        turn: Turn,
        flags: tuple[Flag, ...],
        event: Event | None = None,
        *,
        certain: bool = True,
        below: bool = False,
    ) -> Finding:
        lost = turn.incomplete if self.is_reported else 0
        if at - self.width < lost <= at and "incomplete" not in flags:
            flags = (*flags, "incomplete")
        if window.merged:
            flags = (*flags, "merged")
        payload = self.payload_of(event) if event is not None else None
        certainty = "certain" if certain else "possible"
        return turn.finding(
            self.rule, (at, at), number, event, payload, certainty=certainty, below=below, flags=flags
        )

    def payload_of(self, event: Event) -> Struct | None:
        """Return the payload that shows best what was counted."""
        payload: list[Struct] = getattr(event, "payload", [])
        return payload[-1] if payload else None

    # time

    def watch(self, device: Device, since: int) -> None:
        """Begin to judge the minimum: the first whole window begins at `since`."""
        window = self.window_of(device)
        window.watch = watch = Watch(since)
        watch.due = since + self.width
        watch.settle()
        device.watching = True

    def advance(self, window: Window, watermark: int, turn: Turn) -> None:
        """Judge, in the order of time, what has fallen due at the watermark (S05, S21)."""
        watch = window.watch
        if watch is None:
            return
        watch.watermark = watermark
        pending, watch.pending = sorted((watch.pending or {}).items()), None
        for at, finding in pending:
            self._step(window, watch, at - 1, turn)
            self._violate(watch, at, finding, turn)
        self._step(window, watch, watermark, turn)
        watch.settle()
        if self.min == 0 and watch.violated is None:
            window.watch = None

    def _step(self, window: Window, watch: Watch, until: int, turn: Turn) -> None:
        """Judge the minimums up to the watermark and the recoveries, both not beyond `until`."""
        while True:
            due = watch.due if watch.due <= watch.watermark else NEVER
            step = min(due, watch.resume)
            if step > until:
                return
            certain, possible = self.count(window, step)
            if step == due:
                follow = window.next_end(step - self.width)
                watch.due = NEVER if follow == NEVER else max(follow + self.width, step + 1)
                if possible < self.min:
                    self._short(window, watch, step, possible, turn)
                    continue
            if step == watch.resume:
                self._recover(window, watch, step, certain, possible, turn)

    def inherit(self, device: Device, known: "Range", window: Window, since: int) -> None:
        """Take over the window of the rule as it was before an edit (S24)."""
        if type(known) is not type(self):  # what counts is counted otherwise now
            fresh = Window(self.limit)
            fresh.watch = window.watch
            window = fresh
        device.windows[self.index] = window
        if type(known) is not type(self) or known.bounds() != self.bounds():
            self.renew(window, since)
        device.watching = device.watching or window.watch is not None

    def bounds(self) -> tuple[int, int, int, bool]:
        """Return what a verdict depends on; words and severity do not count."""
        return self.min, self.max, self.width, self.on_possible

    def renew(self, window: Window, since: int) -> None:
        """Judge a window by an edited rule: its counters stay, its minimum begins anew (S24)."""
        window.room = -1
        old, window.watch = window.watch, None
        if old is not None and old.violated is not None:
            window.watch = watch = Watch(since)
            watch.watermark, watch.latest = old.watermark, old.latest
            watch.violated, watch.resume = old.violated, old.violated + self.width
            if self.min:
                watch.due = since + self.width
            watch.settle()

    def hold(self, window: Window, since: int) -> None:
        """Judge no minimum of a window that begins before `since` (S18)."""
        watch = window.watch
        if watch is not None and self.min and since > watch.since:
            watch.since = since
            watch.due = since + self.width if watch.due == NEVER else max(since + self.width, watch.due)
            watch.settle()

    def _note(self, window: Window, times: Iterable[int], turn: Turn) -> None:
        """Tell a watched window of something new at these times (the first and last of a span)."""
        watch = window.watch
        assert watch is not None  # noqa: S101 - the callers have asked
        *_, last = times
        first = next(iter(times))
        if self.min and last >= watch.since:
            due = last + self.width
            watch.due = min(due, watch.due)
        if watch.violated is not None and (watch.resume == NEVER or (self.min and first >= watch.watermark)):
            watch.resume = min(watch.resume, max(first, watch.violated + self.width))
        for missed in [m for m in watch.shortfalls if first <= m and last > m - self.width]:
            if self.count(window, missed)[1] >= self.min:
                watch.shortfalls = tuple(at for at in watch.shortfalls if at != missed)
                turn.outcomes.append(
                    Cleared(device_id=turn.device_id, rule_type=self.type, at=moment(missed))
                )
                if watch.violated == missed:
                    watch.violated = watch.shortfalls[-1] if watch.shortfalls else None
                    watch.resume = NEVER if watch.violated is None else watch.violated + self.width
        watch.settle()

    def _short(self, window: Window, watch: Watch, at: int, number: int, turn: Turn) -> None:
        watch.shortfalls = (*watch.shortfalls[-SHORTFALLS + 1 :], at)
        finding = self._finding(window, at, number, turn, (), below=True)
        self._violate(watch, at, finding, turn)

    def _violate(self, watch: Watch, at: int, finding: Finding, turn: Turn) -> None:
        turn.outcomes.append(finding)
        if watch.violated is None or at > watch.violated:
            watch.violated = at
            watch.resume = at + self.width

    def _recover(
        self, window: Window, watch: Watch, at: int, certain: int, possible: int, turn: Turn
    ) -> None:
        """Let the device be back in its range if it is; a part window is not asked for the minimum."""
        most = possible if self.on_possible else certain
        if window.merged:
            most = possible  # what was coarsened must not pass for a recovery (S26)
        if most <= self.max and (possible >= self.min or at < watch.since + self.width):
            watch.violated, watch.resume = None, NEVER
            turn.outcomes.append(Recovered(device_id=turn.device_id, rule_type=self.type, at=moment(at)))
        else:
            watch.resume = window.next_change(at, self.width)

    def _fit(self, window: Window, now: int) -> None:
        """Keep a window within its bounds (S26)."""
        if window.is_full():
            window.forget(now - HORIZON - self.width)
        while window.is_full():
            window.halve(now, self.width, self.tally, self.floor)

    def _age(self, window: Window, now: int) -> None:
        """Merge what is older than the legitimate delay, drop what is older than the horizon (S26)."""
        points = window.points_before(now - self.keep) // CHUNK * CHUNK
        if points:
            window.condense(points, self.tally, self.floor)
        window.forget(now - HORIZON - self.width)


def reconsider(device: Device, dirty: Mapping[int, Dirty], turn: Turn) -> None:
    """Judge the windows that data out of order has changed, once for the whole message (S07)."""
    for index, changed in dirty.items():
        window = device.windows[index]
        if window is not None:
            turn.flags = changed.flags
            device.plan.ranges[index].reconsider(device, window, changed, turn)
    turn.flags = ()


def hear(watch: Watch, time: int, turn: Turn) -> None:
    """Take note of an event time for the watermark; a wrong clock is not believed (S05)."""
    if time > watch.latest and not turn.shift:
        watch.latest = time
