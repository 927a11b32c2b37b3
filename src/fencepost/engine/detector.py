"""
The detector: messages, operations and clock values in, outcomes out (S01-S26).

It decides and never does: no socket, no file, no clock of its own. The same messages, operations, rules and
clock values give the same outcomes, run through or cut anywhere by `snapshot` and `build`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from fencepost.engine.clock import HORIZON, is_wrong, judged_times
from fencepost.engine.completeness import note_refusals
from fencepost.engine.device import NO_WINDOWS, Device
from fencepost.engine.plan import SOURCES, Plans, served_delays, unmeasurable
from fencepost.engine.snapshot import pack, unpack
from fencepost.engine.timers import Timers
from fencepost.engine.turn import Dirty, Turn
from fencepost.engine.windows import NEVER
from fencepost.model.event import CONTACTS, Event, HubOperation, SecurityMessage, Source
from fencepost.model.identity import Operation
from fencepost.model.instant import EPOCH, MICROSECOND, micros, moment
from fencepost.model.membership import Membership
from fencepost.model.outcome import (
    Duplicate,
    GroupReplaced,
    NotMeasurable,
    Outcome,
    Reassigned,
    Unassigned,
)
from fencepost.model.rule import SecurityGroup

HUB = 1 << SOURCES.index("hub")
"""The bit of our own gateway among a device's sources."""


class Detector:
    """
    Judges the messages of many devices, and what our gateway sees of them, against the rules of their groups.

    All datetimes are aware UTC. Receive times and clock values should not go back; where they do, the
    latest one seen stands.
    """

    def __init__(self, groups: Iterable[SecurityGroup] = ()) -> None:
        self._groups = {group.name.casefold(): group for group in groups}
        self._membership = Membership(self._groups.values())
        self._plans = Plans()
        self._devices: dict[str, Device] = {}
        self._silent: dict[str, str | None] = {}
        self._timers = Timers(self._devices)
        self._now = 0
        self.edits: list[Outcome] = []
        self._turn = Turn()
        self._plans.compile(self._groups.values())

    @classmethod
    def build(cls, groups: Iterable[SecurityGroup] | None, snapshot: bytes = b"") -> "Detector":
        """
        Return a detector for these groups that goes on where the snapshot was taken.

        Where the groups are not those of the snapshot, they were edited while it lay: `edits` holds what
        follows from that; None stands for those of the snapshot. Raises ValueError for bytes that are no
        snapshot of this version.
        """
        if not snapshot:
            return cls(groups or ())
        content = unpack(snapshot)
        detector = cls(content.groups)
        detector._now = content.now
        detector._silent.update(content.silent)
        for device_id, tag, restore in content.devices:
            device = detector._enrol(device_id, tag)
            restore(device, detector._plans.of_device)
            detector._timers.schedule(device_id, device)
        if groups is not None:
            detector.edits = detector._adopt(tuple(groups), moment(content.now))
        return detector

    def _adopt(self, groups: tuple[SecurityGroup, ...], at: datetime) -> list[Outcome]:
        before = self._groups
        self._groups = {group.name.casefold(): group for group in groups}
        edited = [group for group in groups if before.get(group.name.casefold()) != group]
        if not edited and len(before) == len(self._groups):
            return []
        return [*self._regroup(at), *(GroupReplaced(group=group, at=at) for group in edited)]

    def snapshot(self) -> bytes:
        """Return all that the detector remembers of its devices; the inverse of `build`."""
        return pack(self._now, self._groups.values(), self._silent, self._devices)

    def receive(  # noqa: C901 - the hot path: a call costs more than its work
        self, device_id: str, message: SecurityMessage, received_at: datetime
    ) -> list[Outcome]:
        """Judge one message, wholly, and return everything that it leads to."""
        device = self._devices.get(device_id)
        if device is None:
            device = self._enrol(device_id, self._silent.pop(device_id, None))
        now = (received_at - EPOCH) // MICROSECOND
        self._now = max(self._now, now)
        turn = self._turn
        turn.device_id, turn.device, turn.now, turn.message = device_id, device, now, message
        turn.sign_ins = turn.dirty = turn.faults = None
        turn.flags, turn.shift = (), 0
        outcomes: list[Outcome] = []
        turn.outcomes = outcomes
        if device.fingerprints is not None and device.knows(message.fingerprint):
            outcomes.append(Duplicate(device_id=device_id, received_at=received_at))
            return outcomes
        if not device.contact or device.plan.source != message.source:
            self._hear(device, message)
        if message.rejected:
            note_refusals(device, turn, message)
        routes = device.plan.routes
        for event in message.events:
            delay, judges = routes[type(event)]
            time = (event.occurred_at - EPOCH) // MICROSECOND
            if 0 <= now - time <= delay:
                for judge in judges:
                    if judge(device, event, time, turn):
                        outcomes.append(turn.duplicate(event))
                        break
            else:
                self._judge_odd(device, event, time, delay)
        if turn.dirty is not None:
            self._reconsider(device, turn.dirty)
        if device.watching:
            self._advance(device_id, device, now)
        device.note(message.fingerprint)  # in the end, so that a fault of ours loses nothing
        return outcomes

    def operate(self, device_id: str, operation: Operation, at: datetime) -> list[Outcome]:
        """
        Judge what our own gateway saw at a moment, and return everything that it leads to (S19).

        What was not authorized makes no device known.
        """
        device = self._devices.get(device_id)
        if device is None:
            if operation == "UnauthorizedOperations" and device_id not in self._silent:
                return []
            device = self._enrol(device_id, self._silent.pop(device_id, None))
        now = (at - EPOCH) // MICROSECOND
        self._now = max(self._now, now)
        check, is_met = device.plan.operations.get(operation), device.sources & HUB
        if check is None and is_met:
            return []
        outcomes = self._begin(device_id, device, now)
        if not is_met:
            self._meet(device, operation)
        if check is not None:
            check.judge(device, HubOperation(id="", occurred_at=at, operation=operation), now, self._turn)
        if device.watching:
            self._advance(device_id, device, now)
        return outcomes

    def tick(self, now: datetime, most: int | None = None) -> list[Outcome]:
        """
        Judge what the passing of time alone brings: minimums and recoveries that fell due (S05).

        With `most`, of so many devices at once, those that have waited longest: while more are due,
        `next_wakeup` is not later than `now`, and the next call goes on with them.
        """
        self._now = max(self._now, micros(now))
        found: dict[str, list[Outcome]] = {}
        for device_id, device in self._timers.take(self._now, most):
            found[device_id] = self._begin(device_id, device, self._now)
            self._advance(device_id, device, self._now)
        return [outcome for device_id in sorted(found) for outcome in found[device_id]]

    def next_wakeup(self) -> datetime | None:
        """Return when `tick` has something to judge, None while it has nothing."""
        due = self._timers.earliest()
        return moment(due) if due < NEVER else None

    def assign(self, device_id: str, tag: str | None, at: datetime) -> list[Outcome]:
        """Take note of a device and of its twin tag `SecurityGroup` (S25)."""
        outcomes: list[Outcome] = []
        group, unknown = self._membership.group_of(device_id, tag)
        if tag is not None and unknown:
            outcomes.append(Unassigned(device_id=device_id, tag=tag))
        kept = group.name if tag is not None and not unknown else tag
        device = self._devices.get(device_id)
        if device is None:
            self._silent[device_id] = kept
        else:
            device.tag = kept
            self._move(device_id, device, group, micros(at), outcomes)
        return outcomes

    def serve_twin(self, device_id: str, delays: Mapping[str, timedelta]) -> None:
        """Take note of how late a device's events may come, by event name, as its twin says (S06)."""
        device = self._devices.get(device_id)
        if device is None:
            device = self._enrol(device_id, self._silent.pop(device_id, None))
        served = served_delays(delays)
        if served or device.memory is not None:
            device.remember().delays = served
        device.plan = self._plans.of_device(device, device.plan.group, device.plan.source)
        self._timers.schedule(device_id, device)

    def open_gateway(self, at: datetime) -> None:
        """Take note that the gateway saw nothing up to a moment: no minimum is asked of a window before it (S19)."""
        for device_id, device in self._devices.items():
            for check, window in device.open_windows():
                if not check.is_reported:
                    check.hold(window, micros(at))
            self._timers.schedule(device_id, device)

    def replace_group(self, group: SecurityGroup, at: datetime) -> list[Outcome]:
        """Put an edited or a new group in force from the next event on (S24)."""
        self._groups[group.name.casefold()] = group
        return [*self._regroup(at), GroupReplaced(group=group, at=at)]

    def remove_group(self, name: str, at: datetime) -> list[Outcome]:
        """Take a group away; its devices go where their tags and ids say without it (S25)."""
        self._groups.pop(name.casefold(), None)
        return self._regroup(at)

    def not_measurable(self, device_id: str) -> tuple[str, ...]:
        """Return the types of the enabled rules that the device cannot feed (S18)."""
        device = self._devices.get(device_id)
        return unmeasurable(device) if device is not None else ()

    def device_ids(self) -> Iterable[str]:
        """Return the devices that the detector knows, those from which nothing has come last."""
        return (*self._devices, *self._silent)

    def knows(self, device_id: str) -> bool:
        """Return whether a device has been heard of, by a message or by its owner."""
        return device_id in self._devices or device_id in self._silent

    def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups in force, in the order in which they were made."""
        return tuple(self._groups.values())

    def group_of(self, device_id: str) -> SecurityGroup:
        """Return the group that judges a device, known or not."""
        device = self._devices.get(device_id)
        if device is not None:
            return device.plan.group
        return self._membership.group_of(device_id, self._silent.get(device_id))[0]

    def count(self, device_id: str, rule_type: str, at: datetime) -> tuple[int, int] | None:
        """Return the certain and possible number of a range rule's window that ends at a moment."""
        device = self._devices.get(device_id)
        for check, window in device.open_windows() if device is not None else ():
            if check.type == rule_type:
                return check.count(window, micros(at))
        return None

    # one message

    def _begin(self, device_id: str, device: Device, now: int) -> list[Outcome]:
        turn = self._turn
        turn.device_id, turn.device, turn.now, turn.message = device_id, device, now, None
        turn.flags, turn.shift, turn.outcomes = (), 0, []
        return turn.outcomes

    def _hear(self, device: Device, message: SecurityMessage) -> None:
        """Take note of a first message, or of a first one from another kind of sender."""
        turn = self._turn
        if device.plan.source != message.source:
            device.plan = self._plans.of_device(device, device.plan.group, message.source)
        if not device.contact:
            device.contact = turn.now
            if device.plan.minimums:
                first = min(judged_times(message, turn.now), default=turn.now)
                device.contact = max(first, turn.now - HORIZON)
        self._note_source(device, message.source, device.contact)

    def _note_source(self, device: Device, source: Source, since: int) -> None:
        bit = 1 << SOURCES.index(source)
        if device.sources & bit:
            return
        device.sources |= bit
        missing = unmeasurable(device)
        self._turn.outcomes += [
            NotMeasurable(device_id=self._turn.device_id, rule_type=name) for name in missing
        ]
        self._prepare(device, missing, since)

    def _meet(self, device: Device, operation: Operation) -> None:
        """Take note of an operation while the gateway has not met the device itself (S19)."""
        if operation in CONTACTS:
            self._note_source(device, "hub", self._turn.now)
        elif operation in device.plan.operations and operation not in device.remember().seen:
            device.remember().seen |= {operation}
            self._prepare(device, unmeasurable(device), self._turn.now)

    def _prepare(self, device: Device, missing: Sequence[str], since: int) -> None:
        """Let a device have windows, and judge from now on the minimums that it can feed."""
        if device.windows is NO_WINDOWS:
            device.reset()
        if device.plan.minimums:
            self._watch_minimums(device, missing, since)

    def _watch_minimums(self, device: Device, missing: Sequence[str], since: int) -> None:
        for check in device.plan.minimums:
            if check.type not in missing and check.window_of(device).watch is None:
                check.watch(device, max(since, self._turn.now - check.delay))

    def _judge_odd(self, device: Device, event: Event, time: int, delay: int) -> None:
        """Judge an event that is late, or whose clock is ahead or cannot be right (S07, S08)."""
        turn = self._turn
        now = turn.now
        if is_wrong(time, now):
            right = turn.corrected(event, time)
            time, turn.shift = right, right - time
            turn.flags = ("clock_skew",)
        if now - time > delay:
            turn.outcomes.append(turn.late(event, judged=now - time <= HORIZON))
            turn.flags = (*turn.flags, "late")
        for judge in device.plan.routes[type(event)][1] if now - time <= HORIZON else ():
            if judge(device, event, time, turn):
                turn.outcomes.append(turn.duplicate(event))
                break
        turn.flags, turn.shift = (), 0

    def _reconsider(self, device: Device, dirty: Mapping[int, Dirty]) -> None:
        """Judge the windows that data out of order has changed, once for the whole message (S07)."""
        turn = self._turn
        for index, changed in dirty.items():
            window = device.windows[index]
            if window is not None:
                turn.flags = changed.flags
                device.plan.ranges[index].reconsider(device, window, changed, turn)
        turn.flags = ()

    def _advance(self, device_id: str, device: Device, now: int) -> None:
        """Move the watermarks of a device and judge what they have reached (S05)."""
        due, watching = NEVER, False
        for check, window in zip(device.plan.ranges, device.windows, strict=False):
            watch = window.watch if window is not None else None
            if window is None or watch is None:
                continue
            watermark = max(now - check.delay, watch.watermark, watch.latest)
            if watch.pending is None and watch.next_step() > watermark:
                watch.watermark = watermark
            else:
                check.advance(window, watermark, self._turn)
                if window.watch is None:
                    continue
            watching = True
            due = min(due, watch.next_step() + check.delay)
        device.watching = watching
        self._timers.put(device_id, device, due)

    # groups

    def _enrol(self, device_id: str, tag: str | None) -> Device:
        group, _ = self._membership.group_of(device_id, tag)
        device = self._devices[device_id] = Device(self._plans.of(group), tag)
        return device

    def _move(
        self, device_id: str, device: Device, group: SecurityGroup, at: int, outcomes: list[Outcome]
    ) -> None:
        if group.name.casefold() == device.plan.group.name.casefold():
            return
        device.plan = self._plans.of_device(device, group, device.plan.source)
        device.reset()
        outcomes.append(Reassigned(device_id=device_id, group=group, at=moment(at)))
        self._turn.now = at
        if device.is_heard:
            self._watch_minimums(device, unmeasurable(device), at)
            self._timers.schedule(device_id, device)

    def _regroup(self, at: datetime) -> list[Outcome]:
        self._membership = Membership(self._groups.values())
        self._plans.compile(self._groups.values())
        outcomes: list[Outcome] = []
        for device_id, device in self._devices.items():
            group, _ = self._membership.group_of(device_id, device.tag)
            if group is device.plan.group:
                continue
            if group.name.casefold() == device.plan.group.name.casefold():
                self._carry_over(device_id, device, group, micros(at))
            else:
                self._move(device_id, device, group, micros(at), outcomes)
        return outcomes

    def _carry_over(self, device_id: str, device: Device, group: SecurityGroup, at: int) -> None:
        """Keep the counters of rules that count as before; a changed minimum begins anew (S24)."""
        before = {check.type: (check, window) for check, window in device.open_windows()}
        device.plan = self._plans.of_device(device, group, device.plan.source)
        device.reset()
        for check in device.plan.ranges if before else ():
            known, window = before.get(check.type, (None, None))
            if window is not None and known is not None:
                check.inherit(device, known, window, at)
        if device.is_heard:
            self._turn.now = at
            self._watch_minimums(device, unmeasurable(device), at)
            self._timers.schedule(device_id, device)
