"""
What the engine must conclude, computed the slow and plain way (docs/detection.md).

The engine keeps little and decides at once. This module sees every message that ever came, keeps
everything, and asks for the final set of alerts as a function of the data: plain lists, nested loops,
nothing incremental. 'It says' quotes docs/detection.md above the lines that do what it says.

Times are whole microseconds since 1970. The bound of 4 kB (S26), edits of ranges and changes of groups
(S24, S25) are out of scope; so are reports of drops (S18), whose effect depends on when they come.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fencepost.model.address import format_address, parse_address, parse_entry
from fencepost.model.event import (
    Aggregable,
    Connection,
    ConnectionCreate,
    DroppedEventsStatistics,
    Event,
    LocalUsers,
    Login,
    NetworkActivity,
    Process,
    ProcessCreate,
    SecurityMessage,
    SignIn,
    Source,
)
from fencepost.model.identity import Operation
from fencepost.model.instant import HOUR, MINUTE, SECOND, length, micros, moment
from fencepost.model.layer import NO_LAYERS, Layers
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

Sent = tuple[str, SecurityMessage, datetime]
"""(device_id, message, received_at)."""
Delivery = tuple[str, SecurityMessage | Operation, datetime]
"""(device_id, message or operation of the gateway, received_at), in the order of arrival."""

REMEMBERED_MESSAGES = 64
HORIZON = 48 * HOUR
CLOCK_TOLERANCE = 5 * MINUTE
YEAR_2000 = micros(datetime(2000, 1, 1, tzinfo=UTC))
SAME_ATTEMPT = 5 * SECOND


@dataclass(frozen=True)
class ReferenceAlert:
    """The part of an alert that two ways of computing it must agree on (S02)."""

    device_id: str
    rule_type: str
    value: str | None
    started_at: datetime
    last_seen_at: datetime
    count: int


Editions = Sequence[tuple[int, Layers]]
"""The layers in force from a delivery on, given its number; only the lists of later ones may differ from the first."""


def reference_alerts(
    group: SecurityGroup,
    messages: Sequence[Delivery],
    until: datetime | None = None,
    editions: Editions = ((0, NO_LAYERS),),
) -> set[ReferenceAlert]:
    """Return every alert that these messages raise when the clock stands at `until` in the end."""
    return {
        alert
        for device_id in {device_id for device_id, _, _ in messages}
        for alert in _Device(device_id, group, messages, until, editions).alerts()
    }


def rules_of(group: SecurityGroup, layers: Layers, device_id: str) -> list[Rule]:
    # It says: 'A device's own range stands in the place of the group's, or beside its rules where it has none.'
    own = {r.type: r for r in layers.of(device_id).rules if isinstance(r, TimeWindowRule | ThresholdRule)}
    types = {rule.type for rule in group.rules}
    rules = [own.get(rule.type, rule) for rule in group.rules]
    return [*rules, *(rule for rule in own.values() if rule.type not in types)]


# ------------------------------------------------------------------ from a message to judged events


@dataclass(frozen=True)
class Judged:
    """An event and the instant at which it is judged; `arrival` numbers the messages of the device."""

    event: Event
    at: int
    arrival: int
    source: Source
    skewed: bool

    def span_of(self, payload: Aggregable) -> tuple[int, int, int] | None:
        """Return the payload's interval, moved as far as the event's wrong clock was moved."""
        if payload.span is None:
            return None
        start, end, hits = payload.span
        moved = self.at - micros(self.event.occurred_at)
        return start + moved, end + moved, hits


def without_redelivered(received: Iterable[tuple[SecurityMessage, int]]) -> list[tuple[SecurityMessage, int]]:
    # It says: 'A message whose fingerprint is among the last 64 of its device is a duplicate'.
    kept: list[tuple[SecurityMessage, int]] = []
    for message, at in received:
        if message.fingerprint not in [other.fingerprint for other, _ in kept[-REMEMBERED_MESSAGES:]]:
            kept.append((message, at))
    return kept


def fault_of_clock(event: Event, received_at: int) -> str | None:
    # It says: 'More than 5 minutes after the receive time r, or before the year 2000'.
    at = micros(event.occurred_at)
    if at > received_at + CLOCK_TOLERANCE:
        return "ahead"
    return "behind" if at < YEAR_2000 else None


def judged_events(message: SecurityMessage, received_at: int, arrival: int) -> Iterator[Judged]:
    # It says: 'Of the events of the message with the same fault the latest is judged at r and the others as much
    # before it as their own clock says, but not more than the horizon.'
    for event in message.events:
        at, fault = micros(event.occurred_at), fault_of_clock(event, received_at)
        if fault is not None:
            latest = max(
                micros(other.occurred_at)
                for other in message.events
                if fault_of_clock(other, received_at) == fault
            )
            at = received_at - min(latest - at, HORIZON)
        # It says: 'Older than the horizon of 48 h it is not judged, only counted.'
        if received_at - at <= HORIZON:
            yield Judged(event, at, arrival, message.source, fault is not None)


def legitimate_delay(group: SecurityGroup, source: Source, event_name: str) -> int:
    """Return `D` (S06) for a device whose twin we never served."""
    if group.allowed_lateness is not None:
        return length(group.allowed_lateness)
    if source == "threadx":
        return 2 * MINUTE
    return 10 * MINUTE if event_name in ("Login", "LocalUsers") else 6 * HOUR + 15 * MINUTE


def is_named(event: Event, event_name: str) -> bool:
    """Whether a rule that watches `event_name` reads the event; NetworkActivity is ThreadX's ConnectionCreate."""
    names = {
        "ConnectionCreate": (ConnectionCreate, NetworkActivity),
        "Login": (Login,),
        "ProcessCreate": (ProcessCreate,),
        "LocalUsers": (LocalUsers,),
        "DroppedEventsStatistics": (DroppedEventsStatistics,),
    }
    return isinstance(event, names.get(event_name, ()))


class _Device:
    """All that one device ever said, and all that the gateway saw of it."""

    def __init__(
        self,
        device_id: str,
        group: SecurityGroup,
        messages: Sequence[Delivery],
        until: datetime | None,
        editions: Editions,
    ) -> None:
        self.device_id = device_id
        self.group = group
        self.rules = [rule for rule in rules_of(group, editions[0][1], device_id) if rule.enabled]
        mine = [(said, micros(at)) for other, said, at in messages if other == device_id]
        self.messages = without_redelivered((m, at) for m, at in mine if isinstance(m, SecurityMessage))
        numbers = {id(message): number for number, (_, message, _) in reversed([*enumerate(messages)])}
        self.layers = [
            [layers for first, layers in editions if first <= numbers[id(message)]][-1]
            for message, _ in self.messages
        ]
        self.operations = [(said, at) for said, at in mine if not isinstance(said, SecurityMessage)]
        self.clock = max([at for _, at in mine] + ([] if until is None else [micros(until)]))
        self.events = self._without_repeats(
            judged
            for arrival, (message, at) in enumerate(self.messages)
            for judged in judged_events(message, at, arrival)
        )

    def _without_repeats(self, events: Iterable[Judged]) -> list[Judged]:
        # It says: 'Events whose (id, time) a window still holds are duplicates.'
        kept: list[Judged] = []
        for judged in events:
            twins = [
                other
                for other in kept
                if (other.event.id, other.event.occurred_at) == (judged.event.id, judged.event.occurred_at)
            ]
            if not any(self._is_in_a_window(twin) for twin in twins):
                kept.append(judged)
        return kept

    def _is_in_a_window(self, judged: Judged) -> bool:
        return any(points_of(rule, [judged]) for rule in self.rules if isinstance(rule, TimeWindowRule))

    def alerts(self) -> Iterator[ReferenceAlert]:
        for rule in self.rules:
            yield from self._alerts_of(rule)

    def _alerts_of(self, rule: Rule) -> Iterator[ReferenceAlert]:
        match rule:
            case TimeWindowRule():
                numbers_of = Range(rule, self.events, self.operations)
                for episode in numbers_of.episodes(self._first_window(rule), self._watermark(rule)):
                    yield self._alert(rule, None, episode[0].at, episode[-1].at, number_of(episode))
            case ThresholdRule():
                for reports in runs_outside(rule, self.events):
                    numbers = [number for _, number in reports]
                    worst = max(numbers) if max(numbers) > rule.max else min(numbers)
                    yield self._alert(rule, None, reports[0][0], reports[-1][0], worst)
            case AllowlistRule() | DenylistRule():
                yield from self._alerts_of_list(rule)

    def _alerts_of_list(self, rule: AllowlistRule | DenylistRule) -> Iterator[ReferenceAlert]:
        # It says: 'One alert per (device, rule, value): the sum, the earliest, the latest occurrence'.
        offences = [
            offence
            for offence in occurrences_of(rule, self.events)
            if self._is_listed(rule, offence) is isinstance(rule, DenylistRule)
        ]
        for value in {offence.value for offence in offences}:
            same = [offence for offence in offences if offence.value == value]
            yield self._alert(
                rule,
                value,
                min(offence.start for offence in same),
                max(offence.end for offence in same),
                sum(offence.hits for offence in same),
            )

    def _is_listed(self, rule: AllowlistRule | DenylistRule, occurrence: "Occurrence") -> bool:
        # It says: 'The list of a device is that of its group with the entries of the fleet and the device's own. An
        # entry with an end counts for what happened before it, whenever that comes.'
        layers = self.layers[occurrence.arrival]
        added = (layer.rule(rule.type) for layer in (layers.fleet, layers.of(self.device_id)))
        lists = [rule, *(one for one in added if isinstance(one, AllowlistRule | DenylistRule))]
        entries = [entry for one in lists for entry in entries_at(one, occurrence.at)]
        if isinstance(rule, AllowlistRule) and rule.row.value_type == "IpCidr":
            entries += self.group.implicit_addresses()
        return any(map(occurrence.matches, entries))

    def _alert(self, rule: Rule, value: str | None, first: int, last: int, count: int) -> ReferenceAlert:
        return ReferenceAlert(self.device_id, rule.type, value, moment(first), moment(last), count)

    def _first_window(self, rule: Rule) -> int | None:
        if rule.row.subject == "hub":
            return self._first_window_of_hub(rule)
        # It says: 'The first whole window begins at b: the earliest event of the device's first message (not earlier
        # than r - D)'. None where the rule is not measurable: 'its minimum is not judged'.
        sources = {message.source for message, _ in self.messages}
        fed = sources & set(rule.row.sources) or any(
            is_named(judged.event, rule.row.event) for judged in self.events
        )
        if not fed:
            return None
        message, received_at = self.messages[0]
        begun = received_at - legitimate_delay(self.group, message.source, rule.row.event)
        return max(begun, min([j.at for j in judged_events(message, received_at, 0)], default=received_at))

    def _first_window_of_hub(self, rule: Rule) -> int | None:
        # It says: 'When the gateway met the device (the first message that it saw pass, in whichever direction), or
        # before that with the first operation of the very kind'.
        begun = [at for name, at in self.operations if name.endswith("Messages") or name == rule.row.event]
        return min(begun, default=None)

    def _watermark(self, rule: Rule) -> int:
        # It says: 'Nothing can be late: the watermark is the receive time, or the clock'.
        if rule.row.subject == "hub" or not self.messages:
            return self.clock
        # It says: 'The greater of: the latest time of that event in a wholly processed message (events with a wrong
        # clock apart), and the receive time, or the clock, less D.'
        source = self.messages[0][0].source
        latest = [j.at for j in self.events if is_named(j.event, rule.row.event) and not j.skewed]
        return max([*latest, self.clock - legitimate_delay(self.group, source, rule.row.event)])


# ------------------------------------------------------------------------------------------- ranges


@dataclass(frozen=True)
class Point:
    # It says: 'An occurrence at one instant, with a key.'

    at: int
    key: Hashable


@dataclass(frozen=True)
class Attempt:
    """The key of a failed sign-in."""

    operation: str | None
    process_id: str | None
    remote_address: str | None


@dataclass(frozen=True)
class Span:
    # It says: 'An aggregate: h hits somewhere in [s, e].'

    start: int
    end: int
    hits: int


@dataclass(frozen=True)
class Violation:
    at: int
    number: int
    below: bool = False


def number_of(episode: Sequence[Violation]) -> int:
    # It says: 'The greatest number of a violation (for an alert of minimums alone the least).'
    numbers = [violation.number for violation in episode]
    return min(numbers) if all(violation.below for violation in episode) else max(numbers)


def points_of(rule: TimeWindowRule, events: Iterable[Judged]) -> list[Point]:
    points: list[Point] = []
    for number, judged in enumerate(events):
        event = judged.event
        if rule.row.subject == "connection" and isinstance(event, ConnectionCreate | NetworkActivity):
            points += [
                Point(judged.at, flow_of(payload, judged.source) or (number, index))
                for index, payload in enumerate(event.payload)
                if payload.span is None
            ]
        if rule.row.subject == "sign-in" and isinstance(event, Login):
            points += [
                Point(judged.at, Attempt(p.operation, text(p.process_id), p.remote_address))
                for p in event.payload
                if p.result == "Fail"
            ]
    return points


def spans_of(rule: TimeWindowRule, events: Iterable[Judged]) -> list[Span]:
    return [
        Span(*span)
        for judged in events
        if rule.row.subject == "connection" and isinstance(judged.event, ConnectionCreate | NetworkActivity)
        for payload in judged.event.payload
        if (span := judged.span_of(payload)) is not None
    ]


def flow_of(payload: Connection, source: Source) -> Hashable | None:
    # It says: 'The 5-tuple (protocol, both addresses, both ports) where both ports are known (numbers other than
    # 0; always for ThreadX), else each payload of each event is its own key'.
    local, remote = port_of(payload.local_port), port_of(payload.remote_port)
    if source != "threadx" and not (local and remote):
        return None
    return lowered(payload.protocol), parsed(payload.local_address), payload.remote, local, remote


class Range:
    """One range rule over everything that one device reported."""

    def __init__(
        self,
        rule: TimeWindowRule,
        events: Sequence[Judged],
        operations: Sequence[tuple[Operation, int]] = (),
    ) -> None:
        self.rule = rule
        self.window = length(rule.window)
        # It says: 'Each of the kind that the rule counts, at our own receive time'.
        seen = [Point(at, key) for key, (name, at) in enumerate(operations) if name == rule.row.event]
        self.points = points_of(rule, events) + seen
        self.spans = spans_of(rule, events)

    def certain(self, t: int) -> int:
        # It says: 'That number over the points with t-W < time <= t, plus the hits of the spans wholly inside'.
        inside = [s.hits for s in self.spans if s.start > t - self.window and s.end <= t]
        return self._number_over(t) + sum(inside)

    def possible(self, t: int) -> int:
        # It says: 'The same number plus the hits of all spans that overlap (e > t-W and s <= t)'.
        overlapping = [s.hits for s in self.spans if s.end > t - self.window and s.start <= t]
        return self._number_over(t) + sum(overlapping)

    def _number_over(self, t: int) -> int:
        inside = [point for point in self.points if t - self.window < point.at <= t]
        if self.rule.row.subject == "sign-in":
            return len([point for point in inside if not self._repeats(point, inside)])
        return len({point.key for point in inside})

    def _repeats(self, point: Point, inside: Sequence[Point]) -> bool:
        # It says: 'Every record with Operation `login` for which the same window holds a `PAM:authentication` record
        # of the same process id and remote address at most 5 s earlier.'
        if self.rule.count == "records":
            return False
        return any(
            isinstance(point.key, Attempt)
            and isinstance(other.key, Attempt)
            and (point.key.operation, other.key.operation) == ("login", "PAM:authentication")
            and point.key.process_id == other.key.process_id
            and point.key.remote_address == other.key.remote_address
            and 0 <= point.at - other.at <= SAME_ATTEMPT
            for other in inside
        )

    def maximums(self) -> Iterator[Violation]:
        # It says: 'Judged at every point's time and every span's end.'
        for t in {point.at for point in self.points} | {span.end for span in self.spans}:
            number = self.possible(t) if self.rule.alert_on == "possible" else self._certain_or_dense(t)
            if number > self.rule.max:
                yield Violation(t, number)

    def _certain_or_dense(self, t: int) -> int:
        # It says: 'The end of a span is one too if ceil(h / ceil((e-s)/W)) > max. The larger of the two.'
        return max([self.certain(t), *(self._densest(span) for span in self.spans if span.end == t)])

    def _densest(self, span: Span) -> int:
        # It says: 'Taking the quotient as 1 for e = s.'
        windows = ceiling(span.end - span.start, self.window) or 1
        return ceiling(span.hits, windows)

    def minimums(self, begun: int, watermark: int) -> Iterator[Violation]:
        # It says: 'Judged at b + W and at x + W for every point's time and span's end x >= b, as soon as the watermark
        # has reached it. t is a violation if possible(t) < min.'
        ends = [point.at for point in self.points] + [span.end for span in self.spans]
        for t in {x + self.window for x in [begun, *ends] if x >= begun}:
            if t <= watermark and self.possible(t) < self.rule.min:
                yield Violation(t, self.possible(t), below=True)

    def episodes(self, begun: int | None, watermark: int) -> list[list[Violation]]:
        # It says: 'v belongs to the alert before it unless the device had come back into its range in between'.
        low = [] if begun is None else self.minimums(begun, watermark)
        episodes: list[list[Violation]] = []
        for violation in sorted([*self.maximums(), *low], key=lambda violation: violation.at):
            if episodes and not self._is_back_between(episodes[-1][-1].at, violation.at, begun):
                episodes[-1].append(violation)
            else:
                episodes.append([violation])
        return episodes

    def _is_back_between(self, last: int, v: int, begun: int | None) -> bool:
        first = last + self.window
        return any(self._is_back(q, begun) for q in [first, *self._changes()] if first <= q < v)

    def _is_back(self, q: int, begun: int | None) -> bool:
        # It says: 'A moment q at which the number (certain, with alert_on: possible possible) was at most max
        # and possible(q) >= min; before b + W the minimum is not asked.'
        number = self.possible(q) if self.rule.alert_on == "possible" else self.certain(q)
        is_part = begun is None or q < begun + self.window
        return number <= self.rule.max and (is_part or self.possible(q) >= self.rule.min)

    def _changes(self) -> Iterator[int]:
        """Yield every moment at which a number may change; between two of them nothing does."""
        for point in self.points:
            yield from (point.at, point.at + self.window)
        for span in self.spans:
            yield from (span.start, span.start + self.window, span.end, span.end + self.window)


# --------------------------------------------------------------------------------------- thresholds


def runs_outside(rule: ThresholdRule, events: Iterable[Judged]) -> list[list[tuple[int, int]]]:
    # It says: 'Consecutive reports outside belong to one alert; the first report inside ends it.'
    runs: list[list[tuple[int, int]]] = [[]]
    for at, number in sorted((j.at, gauge_of(j.event)) for j in events if is_named(j.event, rule.row.event)):
        if rule.min <= number <= rule.max:
            runs.append([])
        else:
            runs[-1].append((at, number))
    return [run for run in runs if run]


def gauge_of(event: Event) -> int:
    match event:
        case LocalUsers():
            return len(event.payload)
        case DroppedEventsStatistics():
            return sum(int(payload.dropped_events) for payload in event.payload)
        case _:
            raise TypeError(f"{type(event).__name__} reports no gauge")


# -------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True)
class Occurrence:
    """One value against which a list is held; `matches` says whether an entry of the list means it."""

    value: str
    start: int
    end: int
    hits: int
    matches: Callable[[str], bool]
    at: int
    arrival: int


def entries_at(rule: AllowlistRule | DenylistRule, at: int) -> Iterator[str]:
    ends = {note.entry: micros(note.until) for note in rule.notes if note.until is not None}
    return (entry for entry in rule.entries if entry not in ends or at < ends[entry])


def occurrences_of(rule: AllowlistRule | DenylistRule, events: Sequence[Judged]) -> Iterator[Occurrence]:
    # It says: 'Each payload of a watched event gives one value.'
    for judged in events:
        match judged.event:
            case ConnectionCreate() | NetworkActivity() if rule.row.subject == "connection":
                yield from connections_of(rule, judged, judged.event.payload)
            case Login() if rule.row.subject == "sign-in":
                successes = [sign_in for sign_in in judged.event.payload if sign_in.result == "Success"]
                yield from (occurrence_of_sign_in(judged, sign_in, events) for sign_in in successes)
            case ProcessCreate() if rule.row.subject == "process":
                yield from (occurrence_of_process(judged, process) for process in judged.event.payload)
            case _:
                pass


def connections_of(rule: Rule, judged: Judged, connections: Iterable[Connection]) -> Iterator[Occurrence]:
    # It says: 'connections with Direction Out and a remote address', 'the same with Direction In'.
    for connection in connections:
        if connection.direction == rule.row.direction and connection.remote is not None:
            yield occurrence_of_connection(judged, connection, connection.remote)


def extent_of(judged: Judged, payload: Aggregable) -> tuple[int, int, int]:
    # It says: 'One occurrence (or HitCount occurrences over [StartTimeUtc, EndTimeUtc]).'
    return judged.span_of(payload) or (judged.at, judged.at, 1)


def occurrence_of_connection(judged: Judged, connection: Connection, remote: int) -> Occurrence:
    port, protocol = port_of(connection.remote_port), lowered(connection.protocol)
    return Occurrence(
        format_address(remote),
        *extent_of(judged, connection),
        matches=lambda entry: parse_entry(entry).covers(remote, port, protocol),
        at=judged.at,
        arrival=judged.arrival,
    )


def occurrence_of_sign_in(judged: Judged, sign_in: SignIn, events: Iterable[Judged]) -> Occurrence:
    # It says: 'The user's name; without one the uid; without either `(unknown)`.'
    uid = text(sign_in.user_id) or None
    name = (
        named(sign_in.user_name)
        or name_by_process(judged, sign_in, events)
        or name_by_uid(judged, uid, events)
    )
    value = shown(name) if name else uid or "(unknown)"
    return Occurrence(
        value,
        judged.at,
        judged.at,
        1,
        lambda entry: means_user(entry, name, uid),
        judged.at,
        judged.arrival,
    )


def name_by_process(judged: Judged, sign_in: SignIn, events: Iterable[Judged]) -> str | None:
    # It says: 'From a `PAM:authentication` record of the same process (Success, at most 5 s away) in the same message
    # or kept from an earlier one'. Of several the nearest.
    near = [
        (abs(other.at - judged.at), named(record.user_name))
        for other in events
        if isinstance(other.event, Login)
        and other.arrival <= judged.arrival
        and abs(other.at - judged.at) <= SAME_ATTEMPT
        for record in other.event.payload
        if (record.operation, record.result) == ("PAM:authentication", "Success")
        and record.process_id is not None
        and text(record.process_id) == text(sign_in.process_id)
        and named(record.user_name)
    ]
    return min(near, key=lambda pair: pair[0], default=(0, None))[1]


def name_by_uid(judged: Judged, uid: str | None, events: Iterable[Judged]) -> str | None:
    # It says: 'Else from the device's latest LocalUsers.'
    known = [(other.at, other.event) for other in events if other.arrival <= judged.arrival]
    reports = [(at, event) for at, event in known if isinstance(event, LocalUsers)]
    if uid is None or not reports:
        return None
    _, latest = max(reports, key=lambda report: report[0])
    return next(
        (named(account.user_name) for account in latest.payload if text(account.user_id) == uid), None
    )


def named(name: str | None) -> str | None:
    # It says: '`?`, `(unknown user)`, `(invalid user)` are no names' (S13); nor are `-` and the empty text.
    return None if name in (None, "", "-", "?", "(unknown user)", "(invalid user)") else name


def shown(name: str) -> str:
    return name.lower() if "\\" in name else name


def means_user(entry: str, name: str | None, uid: str | None) -> bool:
    # It says: 'An entry matches a name, a uid, `DOMAIN\user` or its `user` part; Windows names without case.'
    if entry == uid:
        return True
    if name is None:
        return False
    if "\\" in name:
        return entry.lower() in (name.lower(), name.lower().rpartition("\\")[2])
    return entry == name


def occurrence_of_process(judged: Judged, process: Process) -> Occurrence:
    # It says: 'The executable; a Windows path in lower case without its device prefix.'
    path, digest = process.executable, (process.extra_details or {}).get("Hash")
    return Occurrence(
        without_device(path.lower()) if "\\" in path else path,
        *extent_of(judged, process),
        matches=lambda entry: means_process(entry, path, text(digest)),
        at=judged.at,
        arrival=judged.arrival,
    )


def means_process(entry: str, path: str, digest: str | None) -> bool:
    # It says: 'An entry with a slash or backslash matches the whole path, one without matches the base name; `*` and
    # `?` are wildcards; `sha1:`/`sha256:` matches the hash' (S14).
    algorithm, colon, expected = entry.partition(":")
    if colon and algorithm.lower() in ("sha1", "sha256"):
        return bool(digest) and expected.lower() == lowered(digest)
    if "\\" in path:
        entry, path = without_device(entry.lower()), without_device(path.lower())
    whole = "/" in entry or "\\" in entry
    return is_like(entry, path if whole else re.split(r"[/\\]", path)[-1])


def without_device(path: str) -> str:
    return re.sub(r"^\\device\\harddiskvolume\d+(?=\\)", "", path)


def is_like(pattern: str, value: str) -> bool:
    """Whether the value fits; `*` is any characters, also slashes and none, `?` is one."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(is_like(pattern[1:], value[start:]) for start in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and is_like(pattern[1:], value[1:])


# -------------------------------------------------------------------------------------------- facts


def port_of(port: str | int | None) -> int:
    """Return the port where it is known: a number other than 0; else 0."""
    written = text(port) or ""
    return int(written) if written.isascii() and written.isdigit() else 0


def parsed(address: str | None) -> int | str | None:
    """Return the number of an address, so that its forms are one; what is none stands for itself."""
    try:
        return parse_address(address or "")
    except ValueError:
        return address


def text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def lowered(value: str | None) -> str | None:
    return None if value is None else value.lower()


def ceiling(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
