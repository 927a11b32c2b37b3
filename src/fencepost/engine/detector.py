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
from fencepost.engine.expectations import Expectations
from fencepost.engine.passage import Passages
from fencepost.engine.plan import SOURCES, served_delays, unmeasurable, watch_minimums
from fencepost.engine.ranges import reconsider
from fencepost.engine.snapshot import pack, unpack
from fencepost.engine.timers import Timers
from fencepost.engine.turn import Turn
from fencepost.engine.windows import NEVER
from fencepost.model.event import CONTACTS, Event, HubOperation, SecurityMessage, Source
from fencepost.model.identity import Operation
from fencepost.model.instant import EPOCH, MICROSECOND, micros, moment
from fencepost.model.layer import NO_LAYERS, Layer, Layers
from fencepost.model.outcome import (
    Duplicate,
    GroupReplaced,
    LayerReplaced,
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

    def __init__(self, groups: Iterable[SecurityGroup] = (), layers: Layers = NO_LAYERS) -> None:
        self._expected = Expectations(groups, layers)
        self._devices: dict[str, Device] = {}
        self._silent: dict[str, str | None] = {}
        self._timers = Timers(self._devices)
        self._now = 0
        self.edits: list[Outcome] = []
        self._turn = Turn(self._expected.own)

    @classmethod
    def build(
        cls, groups: Iterable[SecurityGroup] | None, snapshot: bytes = b"", layers: Layers | None = None
    ) -> "Detector":
        """
        Return a detector for these groups and layers that goes on where the snapshot was taken.

        Where they are not those of the snapshot, they were edited while it lay: `edits` holds what
        follows from that; None stands for those of the snapshot. Raises ValueError for bytes that are no
        snapshot of this version.
        """
        if not snapshot:
            return cls(groups or (), layers or NO_LAYERS)
        content = unpack(snapshot)
        detector = cls(content.groups, content.layers)
        detector._now = content.now
        detector._silent.update(content.silent)
        for device_id, tag, restore in content.devices:
            device = detector._enrol(device_id, tag)
            restore(device, detector._expected.plan_for)
            detector._timers.schedule(device_id, device)
        adopted = content.groups if groups is None else tuple(groups)
        detector.edits = detector._adopt(adopted, layers or content.layers, moment(content.now))
        return detector

    def _adopt(self, groups: Sequence[SecurityGroup], layers: Layers, at: datetime) -> list[Outcome]:
        before, known = self._expected.groups, self._expected.layers
        edited = {name: group for group in groups if before.get(name := group.name.casefold()) != group}
        if not edited and len(before) == len(groups) and known == layers:
            return []
        self._expected.adopt(groups, layers)
        edited |= {group.name.casefold(): group for group in self._expected.concerned(known.fleet)}
        outcomes = self._regroup(at, moves=True)
        outcomes += [GroupReplaced(group=group, at=at, layers=self.layers()) for group in edited.values()]
        for device_id in dict.fromkeys((*known.devices, *layers.devices)):
            if known.of(device_id) != layers.of(device_id):
                outcomes += self._relayer(device_id, at)
        return outcomes

    def snapshot(self) -> bytes:
        """Return all that the detector remembers of its devices; the inverse of `build`."""
        return pack(self._now, self.groups(), self.layers(), self._silent, self._devices)

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
            reconsider(device, turn.dirty, turn)
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
        group, unknown = self._expected.group_of(device_id, tag)
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
        device.plan = self._expected.plan_for(device_id, device.plan.group, device.plan.source, served)
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
        outcomes = self._regroup(at, moves=self._expected.put_group(group))
        return [*outcomes, GroupReplaced(group=group, at=at, layers=self.layers())]

    def remove_group(self, name: str, at: datetime) -> list[Outcome]:
        """Take a group away; its devices go where their tags and ids say without it (S25)."""
        self._expected.remove_group(name)
        return self._regroup(at, moves=True)

    def replace_layer(self, layer: Layer, at: datetime) -> list[Outcome]:
        """Put edited additions of the fleet or of a device in force from the next event on (S24, S27)."""
        concerned = self._expected.put_layer(layer)
        if layer.device_id is not None:
            return self._relayer(layer.device_id, at)
        outcomes = self._regroup(at, moves=False)
        return [*outcomes, *(GroupReplaced(group=one, at=at, layers=self.layers()) for one in concerned)]

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
        return tuple(self._expected.groups.values())

    def layers(self) -> Layers:
        """Return what is expected beyond the groups; a device's layer without rules is none."""
        return self._expected.layers

    def group_of(self, device_id: str) -> SecurityGroup:
        """Return the group that judges a device, known or not."""
        device = self._devices.get(device_id)
        if device is not None:
            return device.plan.group
        return self._expected.group_of(device_id, self._silent.get(device_id))[0]

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
            device.plan = self._expected.plan_for(
                turn.device_id, device.plan.group, message.source, device.served
            )
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
            watch_minimums(device, missing, since, self._turn.now)

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

    # groups and layers

    def _enrol(self, device_id: str, tag: str | None) -> Device:
        group, _ = self._expected.group_of(device_id, tag)
        device = self._devices[device_id] = Device(self._expected.plan_for(device_id, group), tag)
        return device

    def _move(
        self, device_id: str, device: Device, group: SecurityGroup, at: int, outcomes: list[Outcome]
    ) -> None:
        if group.name.casefold() == device.plan.group.name.casefold():
            return
        device.plan = self._expected.plan_for(device_id, group, device.plan.source, device.served)
        device.reset()
        outcomes.append(Reassigned(device_id=device_id, group=group, at=moment(at), layers=self.layers()))
        if device.is_heard:
            watch_minimums(device, unmeasurable(device), at, at)
            self._timers.schedule(device_id, device)

    def _regroup(self, at: datetime, *, moves: bool) -> list[Outcome]:
        """Give all devices their plans after an edit; `moves` says that some may belong to another group now."""
        outcomes: list[Outcome] = []
        passages = Passages(self._expected)
        now = micros(at)
        for device_id, device in self._devices.items():
            if moves:
                self._move(
                    device_id, device, self._expected.group_of(device_id, device.tag)[0], now, outcomes
                )
            passage = passages.of(device_id, device.plan)
            if passage is not None and passage.take(device, now):
                self._timers.schedule(device_id, device)
        return outcomes

    def _relayer(self, device_id: str, at: datetime) -> list[Outcome]:
        """Give a device its plan after an edit of its layer."""
        device = self._devices.get(device_id)
        passage = Passages(self._expected).of(device_id, device.plan) if device is not None else None
        if device is not None and passage is not None and passage.take(device, micros(at)):
            self._timers.schedule(device_id, device)
        group = self.group_of(device_id)
        return [LayerReplaced(device_id=device_id, group=group, at=at, layers=self.layers())]
