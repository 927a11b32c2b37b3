"""
Builders and a bench for tests of rules: what a device says in one line, what it leads to in the next.

All times are on one fixed day, `DAY`, and may be written as texts; nothing here reads a clock, and the
same words always give the same messages, so that a test never depends on when or where it runs.

>>> from fencepost.testing import Bench, active_connections, connection, group
>>> bench = Bench(group(active_connections(high=1, minutes=5)))
>>> bench.send("cam-1", connection("10:00:00", "198.51.100.7"))
[]
>>> bench.send("cam-1", connection("10:04:59", "198.51.100.8"))[0].count
2
>>> [alert.state for alert in bench.alerts()]
['Active']
>>> bench.tick("17:00")[0].at.isoformat()
'2026-03-02T10:09:59+00:00'
>>> [alert.state for alert in bench.alerts()]
['Resolved']
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from typing import Any, Literal

from msgspec import json, structs

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.address import parse_address
from fencepost.model.alert import Action, Alert
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    DroppedEventsStatistics,
    Drops,
    Event,
    Heartbeat,
    LocalUser,
    LocalUsers,
    Login,
    NetworkActivity,
    Process,
    ProcessCreate,
    SecurityMessage,
    SignIn,
    Source,
)
from fencepost.model.instant import micros
from fencepost.model.layer import Layer, Layers
from fencepost.model.outcome import Outcome
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Rule,
    SecurityGroup,
    TimeWindowRule,
)

DAY = datetime(2026, 3, 2, tzinfo=UTC)
"""The day on which everything happens unless a test says otherwise."""

When = str | datetime
"""An aware datetime, or a time of `DAY` as a text."""


def at(clock: When, *, day: int = 0) -> datetime:
    """
    Return a time of `DAY`, or of the `day`-th day after it; a datetime is returned as it is.

    >>> at("10:00:05").isoformat()
    '2026-03-02T10:00:05+00:00'
    >>> at("07:30", day=1).isoformat()
    '2026-03-03T07:30:00+00:00'
    """
    if isinstance(clock, datetime):
        return clock
    return datetime.combine(DAY + timedelta(days=day), time.fromisoformat(clock), UTC)


# what a device says


def connection(
    when: When,
    *remotes: str,
    direction: Literal["In", "Out"] = "Out",
    port: str | int | None = 443,
    protocol: str | None = "tcp",
    local_port: str | int | None = None,
    local: str | None = None,
    hits: int | None = None,
    since: When | None = None,
    event_id: str = "",
) -> ConnectionCreate:
    """
    Return an event that reports a connection with each of the `remotes`.

    Without `local_port` it is told as the C agent does, each occurrence on its own (S10). With `hits` it
    is an aggregate of so many connections from `since` to `when` (S11).
    """
    span = _span(hits, since, when)
    payload = [
        Connection(
            direction=direction,
            remote_address=remote,
            remote_port=port,
            local_address=local,
            local_port=local_port,
            protocol=protocol,
            remote=parse_address(remote),
            span=span,
        )
        for remote in remotes or ("198.51.100.7",)
    ]
    return ConnectionCreate(id=event_id, occurred_at=at(when), payload=payload)


def flows(
    when: When,
    *remotes: str,
    direction: Literal["In", "Out"] = "Out",
    port: int = 443,
    local_port: int = 49152,
    protocol: str = "TCP",
    full: bool = False,
    event_id: str = "",
) -> NetworkActivity:
    """Return what a ThreadX device saw in one interval; `full` says that its cache was full (S18)."""
    payload = [
        Connection(
            direction=direction,
            remote_address=remote,
            remote_port=port,
            local_address="10.0.0.2",
            local_port=local_port,
            protocol=protocol,
            remote=parse_address(remote),
        )
        for remote in remotes
    ]
    return NetworkActivity(id=event_id, occurred_at=at(when), payload=payload, full=full)


def login(
    when: When,
    user: str | None = "alice",
    *,
    result: Literal["Success", "Fail"] = "Success",
    operation: str = "login",
    uid: str | int | None = None,
    process_id: str | int | None = None,
    remote: str | None = None,
    event_id: str = "",
) -> Login:
    """Return one record of a sign-in; its PAM record is one with operation `PAM:authentication`."""
    record = SignIn(
        result=result,
        operation=operation,
        user_name=user,
        user_id=uid,
        process_id=process_id,
        remote_address=remote,
    )
    return Login(id=event_id, occurred_at=at(when), payload=[record])


def failed_login(when: When, user: str | None = "alice", **members: Any) -> Login:
    """Return one record of a sign-in that failed; `members` are those of `login`."""
    return login(when, user, result="Fail", **members)


def process(
    when: When,
    executable: str,
    *,
    command_line: str | None = None,
    digest: str | None = None,
    hits: int | None = None,
    since: When | None = None,
    event_id: str = "",
) -> ProcessCreate:
    """Return the start of a process; `digest` is the hash of its file, `hits` as in `connection`."""
    started = Process(
        executable=executable,
        command_line=command_line,
        extra_details=None if digest is None else {"Hash": digest},
        span=_span(hits, since, when),
    )
    return ProcessCreate(id=event_id, occurred_at=at(when), payload=[started])


def local_users(when: When, accounts: Mapping[str, str], *, event_id: str = "") -> LocalUsers:
    """Return a report of the device's accounts: user names by uid."""
    payload = [LocalUser(user_id=uid, user_name=name) for uid, name in accounts.items()]
    return LocalUsers(id=event_id, occurred_at=at(when), payload=payload)


def drops(when: When, number: int | str, *, event_id: str = "") -> DroppedEventsStatistics:
    """Return an agent's report that it had to drop so many events (S18)."""
    return DroppedEventsStatistics(id=event_id, occurred_at=at(when), payload=[Drops(number)])


def heartbeat(when: When, *, event_id: str = "") -> Heartbeat:
    """Return an event that no rule reads: the device lives, and that is all."""
    return Heartbeat(id=event_id, occurred_at=at(when), payload=[])


def message(*events: Event, source: Source | None = None, fingerprint: int | None = None) -> SecurityMessage:
    """
    Return the message that carries these events.

    Ids and the fingerprint are derived from what is said: the same event is the same in every message,
    and the second of two equal events in one message is another one. Without `source` a message with
    flows comes from a ThreadX device and every other from a legacy agent.

    >>> one, again = connection("10:00"), connection("10:00")
    >>> message(one).events == message(again).events
    True
    >>> len({event.id for event in message(one, again).events})
    2
    """
    if source is None:
        source = "threadx" if any(isinstance(event, NetworkActivity) for event in events) else "legacy"
    named = _named(events)
    if fingerprint is None:
        fingerprint = _number_of(json.encode(named) + source.encode())
    return SecurityMessage(source, fingerprint, named)


def _named(events: Iterable[Event]) -> list[Event]:
    seen: Counter[bytes] = Counter()
    named = []
    for event in events:
        if not event.id:
            said = json.encode(event)
            event_id = f"{_number_of(said):016x}-{seen[said]}"
            seen[said] += 1
            event = structs.replace(event, id=event_id)  # noqa: PLW2901 - the builder's event stays nameless
        named.append(event)
    return named


def _number_of(said: bytes) -> int:
    """Return a number between 1 and 2**63 - 1, always the same for the same bytes."""
    return int.from_bytes(blake2b(said, digest_size=8).digest(), "big") >> 1 or 1


def _span(hits: int | None, since: When | None, until: When) -> tuple[int, int, int] | None:
    if hits is None:
        return None
    return micros(at(until if since is None else since)), micros(at(until)), hits


# what an owner expects


def group(*rules: Rule, name: str = "default", **members: Any) -> SecurityGroup:
    """Return a group with these rules; without a name it is the one of every device."""
    return SecurityGroup(name=name, rules=rules, **members)


def active_connections(
    *, low: int = 0, high: int = 1000, minutes: float = 5, **members: Any
) -> TimeWindowRule:
    """Return the rule for the number of active connections."""
    return _range("ActiveConnectionsNotInAllowedRange", low, high, minutes, members)


def failed_logins(*, low: int = 0, high: int = 1000, minutes: float = 5, **members: Any) -> TimeWindowRule:
    """Return the rule for the number of failed sign-ins."""
    return _range("FailedLocalLoginsNotInAllowedRange", low, high, minutes, members)


def _range(rule_type: str, low: int, high: int, minutes: float, members: Mapping[str, Any]) -> TimeWindowRule:
    return TimeWindowRule(type=rule_type, min=low, max=high, window=timedelta(minutes=minutes), **members)


def allowing(rule_type: str, *entries: str, **members: Any) -> AllowlistRule:
    """Return an allow-list: `allowing("ProcessNotAllowed", "sh")`."""
    return AllowlistRule(type=rule_type, allow=entries, **members)


def denying(rule_type: str, *entries: str, **members: Any) -> DenylistRule:
    """Return a deny-list: `denying("ProcessDenied", "nc*")`."""
    return DenylistRule(type=rule_type, deny=entries, **members)


def until(when: When, *entries: str) -> tuple[EntryNote, ...]:
    """
    Return the notes of entries that count until a moment.

    >>> allowing("ProcessNotAllowed", "sh", notes=until("12:00", "sh")).notes[0].until.isoformat()
    '2026-03-02T12:00:00+00:00'
    """
    return tuple(EntryNote(entry=entry, by="user/test", at=DAY, until=at(when)) for entry in entries)


def fleet(*rules: Rule, version: int = 1) -> Layer:
    """Return what is expected of the whole fleet beyond its groups."""
    return Layer(rules=rules, version=version)


def device_layer(device_id: str, *rules: Rule, version: int = 1) -> Layer:
    """Return what is expected of a device beyond its group."""
    return Layer(device_id=device_id, rules=rules, version=version)


def layers_of(*layers: Layer) -> Layers:
    """Return these layers together; without one of the fleet that is empty."""
    of_fleet = next((one for one in layers if one.device_id is None), Layer())
    return Layers(of_fleet, {one.device_id: one for one in layers if one.device_id is not None})


# where they meet


class Bench:
    """
    A detector and the alerts that it has led to.

    `outcomes` holds everything that was ever concluded, oldest first; `detector` and `book` are there
    for what has no short way here. Without `received_at` a message arrives at its own latest event time,
    or as soon after it as time has already come.
    """

    def __init__(self, *groups: SecurityGroup, layers: Iterable[Layer] = ()) -> None:
        self.groups = {one.name: one for one in groups}
        self.detector = Detector(groups, layers_of(*layers))
        self.book = AlertBook()
        self.outcomes: list[Outcome] = []
        self.now = datetime.min.replace(tzinfo=UTC)

    def send(
        self,
        device_id: str,
        *events: Event,
        received_at: When | None = None,
        source: Source | None = None,
        fingerprint: int | None = None,
    ) -> list[Outcome]:
        """Let a device send a message, and return what it leads to."""
        sent = message(*events, source=source, fingerprint=fingerprint)
        return self.deliver(device_id, sent, received_at=received_at)

    def deliver(
        self, device_id: str, sent: SecurityMessage, *, received_at: When | None = None
    ) -> list[Outcome]:
        """Let a message arrive that was built before, perhaps not for the first time."""
        if received_at is None:
            self.now = max([self.now, *(event.occurred_at for event in sent.events)])
        else:
            self.now = at(received_at)
        return self._note(self.detector.receive(device_id, sent, self.now))

    def tick(self, until: When) -> list[Outcome]:
        """Let time pass, and return what fell due."""
        self.now = at(until)
        return self._note(self.detector.tick(self.now))

    def edit(self, edited: SecurityGroup, when: When) -> list[Outcome]:
        """Put an edited or new group in force (S24)."""
        self.groups[edited.name] = edited
        return self._note(self.detector.replace_group(edited, at(when)))

    def layer(self, edited: Layer, when: When) -> list[Outcome]:
        """Put edited additions of the fleet or of a device in force (S27)."""
        return self._note(self.detector.replace_layer(edited, at(when)))

    def assign(self, device_id: str, tag: str | None, when: When) -> list[Outcome]:
        """Let the device's twin say which group it belongs to (S25)."""
        return self._note(self.detector.assign(device_id, tag, at(when)))

    def act(self, action: Action, alert: Alert | None = None) -> Alert:
        """Move an alert by hand, the only one unless another is named."""
        return self.book.act(self.alert() if alert is None else alert, action)

    def restart(self) -> None:
        """Stop the detector and go on from its snapshot with a new one."""
        snapshot, layers = self.detector.snapshot(), self.detector.layers()
        self.detector = Detector.build(self.groups.values(), snapshot, layers)

    def alerts(self) -> list[Alert]:
        """Return all alerts, those that others have taken over apart."""
        return [alert for alert in self.book.alerts() if alert.merged_into is None]

    def alert(self) -> Alert:
        """Return the only alert; AssertionError if there is none, or more than one."""
        alerts = self.alerts()
        if len(alerts) != 1:
            raise AssertionError(f"{len(alerts)} alerts instead of one: {alerts}")
        return alerts[0]

    def _note(self, outcomes: list[Outcome]) -> list[Outcome]:
        self.outcomes += outcomes
        for outcome in outcomes:
            self.book.apply(outcome)
        return outcomes
