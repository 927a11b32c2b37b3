"""
Random fleets for the property tests: groups whose rules are often broken, and streams of messages.

A stream is made in two steps. First *atoms*: one thing that happened on a device, as the events that its
agent reports and never tears apart (a sign-in and its PAM record). Then deliveries: atoms packed into
messages, with receive times that never decrease. The group's `allowed_lateness` is chosen last, so that
every event of a legitimate stream satisfies `t <= r` and `r - t <= D` (S06), also the start of an aggregate.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st
from msgspec.structs import replace
from tests.engine.reference import Delivery, Judged, Sent, points_of

from fencepost.model.address import parse_address
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    Details,
    Event,
    ExtraDetails,
    ListeningPorts,
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
from fencepost.model.identity import Operation
from fencepost.model.instant import HOUR, SECOND, length, micros, moment
from fencepost.model.layer import NO_LAYERS, Layer, Layers
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

_D = TypeVar("_D", bound=Delivery)

BASE = datetime(2026, 3, 1, 8, tzinfo=UTC)
MOST_ATOMS = 25
SIZES = st.lists(st.integers(1, 5), min_size=MOST_ATOMS, max_size=MOST_ATOMS)
"""How many atoms leave together, each time."""
WINDOWS = (10, 30, 60, 300, 600)
DIGEST = "6f3a1c0e9b7d5e2f4a8b0c1d2e3f405162738495"

ADDRESS_ENTRIES = (
    "10.0.0.5/8",
    "198.51.100.7",
    "198.51.100.0/24:443",
    "203.0.113.1-203.0.113.9:8883/tcp",
    "2001:db8::/32",
)
USER_ENTRIES = ("service", "0", "bob", "PLANT\\bob", "ann", "4242")
OPERATIONS: tuple[Operation, ...] = (
    *("MqttD2CMessages",) * 3,
    *("TwinUpdates",) * 2,
    "HttpC2DMessages",
    "UnauthorizedOperations",
)
PROCESS_ENTRIES = (
    "/usr/bin/streamd",
    "sh",
    "/bin/s?",
    "/opt/vendor/*",
    "CMD.EXE",
    "\\Windows\\*",
    f"sha1:{DIGEST.upper()}",
)
EXECUTABLES = (
    "/usr/bin/streamd",
    "/bin/sh",
    "/opt/vendor/a/b",
    "/usr/local/bin/sh",
    "\\device\\harddiskvolume2\\Windows\\cmd.exe",
    "D:\\Tools\\CMD.exe",
)
ACCOUNTS = (("0", "root"), ("1001", "bob"), ("1002", "ann"))
NAMES = ("service", "root", "PLANT\\Bob", "?", "(unknown user)", None)


# ------------------------------------------------------------------------------------------- groups


def _range_rules(rule_type: str, *, minimums: bool) -> st.SearchStrategy[TimeWindowRule]:
    def build(
        low: int, more: int, window: int, count: Any, alert_on: Any, *, enabled: bool
    ) -> TimeWindowRule:
        return TimeWindowRule(
            type=rule_type,
            min=low,
            max=low + more,
            window=timedelta(seconds=window),
            count=count,
            alert_on=alert_on,
            enabled=enabled,
        )

    return st.builds(
        build,
        st.integers(0, 2) if minimums else st.just(0),
        st.integers(0, 3),
        st.sampled_from(WINDOWS),
        st.sampled_from(("attempts", "attempts", "records")),
        st.sampled_from(("certain", "certain", "possible")),
        enabled=st.sampled_from((True, True, True, True, False)),
    )


def _subsets(entries: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    def chosen(bits: int) -> tuple[str, ...]:
        return tuple(entry for index, entry in enumerate(entries) if bits >> index & 1)

    return st.integers(0, 2 ** len(entries) - 1).map(chosen)


def _list_rules(allowing: str, denying: str, entries: Sequence[str]) -> st.SearchStrategy[tuple[Rule, ...]]:
    def build(allow: tuple[str, ...], deny: tuple[str, ...], which: int) -> tuple[Rule, ...]:
        rules = (AllowlistRule(type=allowing, allow=allow), DenylistRule(type=denying, deny=deny))
        return rules[:1] if which < 2 else rules

    return st.builds(build, _subsets(entries), _subsets(entries), st.integers(0, 2))


def groups(*, minimums: bool) -> st.SearchStrategy[SecurityGroup]:
    """Return groups named `default`, so that every device belongs to them; without minimums, `min` is 0."""
    parts: tuple[st.SearchStrategy[tuple[Rule, ...]], ...] = (
        _range_rules("ActiveConnectionsNotInAllowedRange", minimums=minimums).map(lambda rule: (rule,)),
        _range_rules("FailedLocalLoginsNotInAllowedRange", minimums=minimums).map(lambda rule: (rule,)),
        _range_rules("MqttD2CMessagesNotInAllowedRange", minimums=minimums).map(lambda rule: (rule,)),
        _range_rules("TwinUpdatesNotInAllowedRange", minimums=minimums).map(lambda rule: (rule,)),
        _list_rules("ConnectionToIpNotAllowed", "ConnectionToIpDenied", ADDRESS_ENTRIES),
        _list_rules("ConnectionFromIpNotAllowed", "ConnectionFromIpDenied", ADDRESS_ENTRIES[:2]),
        _list_rules("LocalUserNotAllowed", "LocalUserDenied", USER_ENTRIES),
        _list_rules("ProcessNotAllowed", "ProcessDenied", PROCESS_ENTRIES),
        st.integers(0, 4).map(
            lambda high: (ThresholdRule(type="LocalUsersNotInAllowedRange", min=0, max=high),)
        ),
    )
    implicit = st.sampled_from((("loopback", "link_local", "server"), ("server",)))
    return st.builds(
        lambda rules, names: SecurityGroup(
            name="default",
            rules=tuple(rule for part in rules for rule in part),
            implicit_entries=names,
            server_addresses=("203.0.113.200",),
        ),
        st.tuples(*parts),
        implicit,
    )


LISTS: tuple[tuple[str, str, Sequence[str]], ...] = (
    ("ConnectionToIpNotAllowed", "ConnectionToIpDenied", ADDRESS_ENTRIES),
    ("ConnectionFromIpNotAllowed", "ConnectionFromIpDenied", ADDRESS_ENTRIES[:2]),
    ("LocalUserNotAllowed", "LocalUserDenied", USER_ENTRIES),
    ("ProcessNotAllowed", "ProcessDenied", PROCESS_ENTRIES),
)
RANGES = ("ActiveConnectionsNotInAllowedRange", "TwinUpdatesNotInAllowedRange")


def _noted(rule: Rule, random: Random) -> Rule:
    """Return a list of which some entries count for a time only: until some moment of the stream."""
    if not isinstance(rule, AllowlistRule | DenylistRule):
        return rule
    ends = (0, 1, 30, 60, 300, 1000)
    notes = tuple(
        EntryNote(
            entry=entry,
            by="user/test",
            at=BASE,
            until=BASE + timedelta(seconds=random.choice(ends)) if random.random() < 0.8 else None,
        )
        for entry in dict.fromkeys(rule.entries)
        if random.random() < 0.5
    )
    return replace(rule, notes=notes)


def with_notes(group: SecurityGroup, random: Random) -> SecurityGroup:
    """Return the group with notes of some entries."""
    return replace(group, rules=tuple(_noted(rule, random) for rule in group.rules))


def layers(*, minimums: bool, ranges: bool = True) -> st.SearchStrategy[Layers]:
    """Return what is expected of the fleet and of the devices `d1` and `rtos` beyond their group."""
    lists = st.tuples(*(_list_rules(*one) for one in LISTS)).map(lambda parts: sum(parts, ()))
    own_ranges = st.tuples(*(_range_rules(name, minimums=minimums) for name in RANGES))

    def build(
        of_fleet: tuple[Rule, ...],
        of_devices: Sequence[tuple[Rule, ...]],
        of_ranges: Sequence[tuple[Rule, ...]],
        which: int,
        random: Random,
    ) -> Layers:
        devices = {}
        for bit, device_id in enumerate(("d1", "rtos")):
            rules = (*of_devices[bit], *of_ranges[bit][: random.randint(0, 2) if ranges else 0])
            if which >> bit & 1 and rules:
                noted = tuple(_noted(rule, random) for rule in rules if random.random() < 0.7)
                devices[device_id] = Layer(device_id=device_id, rules=noted, version=1)
        noted = tuple(_noted(rule, random) for rule in of_fleet if random.random() < 0.5)
        return Layers(Layer(rules=noted, version=1), devices)

    pair, numbers = st.tuples(lists, lists), st.integers(0, 3)
    return st.builds(
        build, lists, pair, st.tuples(own_ranges, own_ranges), numbers, st.randoms(use_true_random=False)
    )


# -------------------------------------------------------------------------------------------- atoms


@dataclass(frozen=True)
class Atom:
    """One thing that happened on one device: its events stay in one message."""

    device_id: str
    source: Source
    events: tuple[Event, ...]
    earliest: int
    latest: int
    at: int


def flow(
    direction: Any, remote: str | None, port: str | int | None, local_port: str | int | None = None
) -> Connection:
    return Connection(
        direction=direction,
        remote_address=remote,
        remote=None if remote is None else parse_address(remote),
        remote_port=port,
        local_address="192.0.2.10" if local_port else None,
        local_port=local_port,
        protocol="tcp",
    )


FLOWS = (
    flow("Out", "198.51.100.7", "443", "40001"),
    flow("Out", "198.51.100.7", "443", "40002"),
    flow("Out", "203.0.113.5", 8883, "40001"),
    flow("Out", "10.1.2.3", "53"),
    flow("Out", "0000:0000:0000:0000:0000:ffff:c633:6409", "443"),
    flow("Out", "2001:DB8::7", "443", ""),
    flow("Out", "127.0.0.1", "8080", "0"),
    flow("Out", None, None),
    flow("In", "198.51.100.7", "50123", "22"),
    flow("In", "fe80::1", "*", "22"),
)
RTOS_FLOWS = tuple(
    replace(flow(direction, remote, port, local_port), local_address="192.0.2.10", protocol=protocol)
    for direction, remote, port, local_port, protocol in (
        ("Out", "198.51.100.7", 443, 40001, "TCP"),
        ("Out", "198.51.100.7", 443, 40002, "TCP"),
        ("Out", "203.0.113.1", 0, 0, "ICMP"),
        ("In", "2001:db8::9", 50123, 22, "TCP"),
    )
)


@dataclass(frozen=True)
class Draw:
    """The random numbers that an atom is made of."""

    kind: str
    pick: int
    more: int
    gap: int
    jitter: int
    delay: int
    device: int
    hits: int
    reach: int
    apart: int


class Maker:
    """Turns draws into atoms; event ids and process ids are counted, so that they are unique."""

    def __init__(self, *, few_processes: bool) -> None:
        self.few_processes = few_processes
        self.made = 0

    def atom(self, draw: Draw, device_id: str, source: Source, at: int) -> Atom:
        self.made += 1
        start = at
        events: tuple[Event, ...]
        if source == "threadx":
            flows = [RTOS_FLOWS[(draw.pick + 3 * extra) % len(RTOS_FLOWS)] for extra in range(1 + draw.more)]
            events = (NetworkActivity(id=self._id(), occurred_at=moment(at), payload=flows),)
        elif draw.kind in ("aggregate", "aggregated process"):
            start, events = self._aggregate(draw, at)
        else:
            events = self._triggered(draw, at)
        times = [micros(event.occurred_at) for event in events]
        return Atom(device_id, source, events, min(start, *times), max(times), at)

    def _id(self, part: int = 0) -> str:
        return f"event-{self.made}-{part}"

    def _process_id(self, draw: Draw) -> int:
        return draw.pick % 3 if self.few_processes else 10_000 + self.made

    def _aggregate(self, draw: Draw, at: int) -> tuple[int, tuple[Event, ...]]:
        end = at - draw.apart % 3 * SECOND
        start = end - draw.reach * SECOND
        span = (start, end, draw.hits)
        stamp: dict[str, Any] = {"id": self._id(), "occurred_at": moment(at)}
        if draw.kind == "aggregate":
            connection = replace(FLOWS[draw.pick], span=span)
            single = [FLOWS[draw.hits % len(FLOWS)]] if draw.more == 2 else []
            return start, (ConnectionCreate(**stamp, payload=[connection, *single]),)
        executable = EXECUTABLES[draw.pick % len(EXECUTABLES)]
        return start, (ProcessCreate(**stamp, payload=[Process(executable=executable, span=span)]),)

    def _triggered(self, draw: Draw, at: int) -> tuple[Event, ...]:
        stamp: dict[str, Any] = {"id": self._id(), "occurred_at": moment(at)}
        match draw.kind:
            case "connection":
                flows = [FLOWS[(draw.pick + extra) % len(FLOWS)] for extra in range(1 + draw.more)]
                return (ConnectionCreate(**stamp, payload=flows),)
            case "process":
                details: ExtraDetails | None = {"Hash": DIGEST} if draw.more == 1 else None
                executable = EXECUTABLES[draw.pick % len(EXECUTABLES)]
                return (
                    ProcessCreate(**stamp, payload=[Process(executable=executable, extra_details=details)]),
                )
            case "other":
                return (ListeningPorts(**stamp, payload=[Details()]),)
            case _:
                return self._logins(draw, at, self._sign_ins(draw))

    def _sign_ins(self, draw: Draw) -> list[SignIn]:
        remote = "198.51.100.99" if draw.pick % 2 else None
        process_id = self._process_id(draw)
        pam = SignIn(
            result="Fail",
            operation="PAM:authentication",
            user_name="?",
            process_id=process_id,
            remote_address=remote,
        )
        login = replace(pam, operation="login", user_name="(unknown user)")
        match draw.kind:
            case "attempt":
                return [pam, login]
            case "failures":
                records = (pam, login, replace(pam, operation="User32 ", user_name="PLANT\\bob"))
                return [records[(draw.pick + extra) % 3] for extra in range(1 + draw.more)]
            case "sign-in pair":
                pair = 500 + draw.pick % 3
                name = ("bob", "service", "PLANT\\Ann")[draw.pick % 3]
                return [
                    replace(pam, result="Success", user_name=name, process_id=pair),
                    replace(login, result="Success", user_name=None, user_id="1001", process_id=pair),
                ]
            case _:
                uid = (None, "0", "1001", 1002, "4242")[draw.hits % 5]
                success = SignIn(
                    result="Success",
                    operation="login",
                    user_name=NAMES[draw.pick % len(NAMES)],
                    user_id=uid,
                    process_id=900 + draw.pick,
                )
                return [success, replace(login, process_id=self._process_id(draw))][: 1 + draw.more % 2]

    def _logins(self, draw: Draw, at: int, records: list[SignIn]) -> tuple[Event, ...]:
        """Return the records in one event, or in one event each, up to 6 s apart."""
        if draw.kind in ("failures", "sign-in") or draw.more == 0:
            return (Login(id=self._id(), occurred_at=moment(at), payload=records),)
        apart = min(draw.apart, 5) if draw.kind == "sign-in pair" else draw.apart
        return tuple(
            Login(id=self._id(part), occurred_at=moment(at + part * apart * SECOND), payload=[record])
            for part, record in enumerate(records)
        )


KINDS = (
    *("connection",) * 4,
    *("aggregate",) * 2,
    *("attempt",) * 2,
    "failures",
    *("sign-in",) * 2,
    *("sign-in pair",) * 2,
    *("process",) * 2,
    "aggregated process",
    "other",
)


def _draws(unit: int, *, delays: bool) -> st.SearchStrategy[Draw]:
    """Return draws whose gaps lie around the window of `unit` seconds, so that boundaries are met."""
    lags = (0, 0, 0, 1, 5, unit - 1, unit, unit + 1, 2 * unit, 3 * unit)
    return st.builds(
        Draw,
        kind=st.sampled_from(KINDS),
        pick=st.integers(0, len(FLOWS) - 1),
        more=st.integers(0, 2),
        gap=st.sampled_from((0, 0, 1, 1, 2, 4, 5, 6, unit // 2, unit - 1, unit, unit + 1, 2 * unit)),
        jitter=st.sampled_from((0, 0, 0, 0, 0, 1, 500_000, 999_999)),
        delay=st.sampled_from(lags) if delays else st.just(0),
        device=st.integers(0, 5),
        hits=st.integers(1, 9),
        reach=st.sampled_from((0, 1, 5, unit - 1, unit, unit + 1, 2 * unit, 7 * unit // 2)),
        apart=st.integers(0, 6),
    )


# ------------------------------------------------------------------------------------------ streams


@dataclass(frozen=True)
class Parcel:
    """One message before it is sent: the atoms of one device."""

    device_id: str
    atoms: tuple[Atom, ...]
    received_at: int

    @property
    def earliest(self) -> int:
        return min(atom.earliest for atom in self.atoms)

    @property
    def latest(self) -> int:
        return max(atom.latest for atom in self.atoms)


@dataclass(frozen=True)
class Stream:
    """A group, what its devices sent and were asked, where the clock stands in the end, and what else is expected."""

    group: SecurityGroup
    deliveries: tuple[Delivery, ...]
    until: datetime
    layers: Layers = NO_LAYERS


@dataclass(frozen=True)
class Story:
    """What happened, not yet packed: atoms in the order in which they leave their devices."""

    group: SecurityGroup
    atoms: tuple[Atom, ...]
    accounts: tuple[Atom, ...]
    unit: int
    random: Random


def _accounts(device_id: str) -> Atom:
    """Return a device's list of accounts, which comes first and never changes."""
    users = [LocalUser(user_id=uid, user_name=name) for uid, name in ACCOUNTS]
    event = LocalUsers(id=f"accounts-{device_id}", occurred_at=BASE, payload=users)
    return Atom(device_id, "legacy", (event,), micros(BASE), micros(BASE), micros(BASE))


@st.composite
def stories(
    draw: st.DrawFn, *, minimums: bool, delays: bool, few_processes: bool = False, atoms: int = MOST_ATOMS
) -> Story:
    group = draw(groups(minimums=minimums))
    unit = length(draw(st.sampled_from([r.window for r in group.rules if isinstance(r, TimeWindowRule)])))
    draws = draw(st.lists(_draws(unit // SECOND, delays=delays), min_size=1, max_size=atoms))
    devices = draw(st.sampled_from((("d1",), ("d1", "d2"), ("d1", "d2", "rtos"))))
    maker, at, made = Maker(few_processes=few_processes), micros(BASE), list[tuple[int, Atom]]()
    for one in draws:
        at += one.gap * SECOND + one.jitter
        device_id = devices[one.device % len(devices)]
        atom = maker.atom(one, device_id, "threadx" if device_id == "rtos" else "legacy", at)
        made.append((atom.latest + one.delay * SECOND if delays else atom.at, atom))
    made.sort(key=lambda pair: pair[0])
    known = draw(st.booleans())
    accounts = tuple(_accounts(device_id) for device_id in devices if known and device_id != "rtos")
    random = draw(st.randoms(use_true_random=False))
    return Story(group, tuple(atom for _, atom in made), accounts, unit, random)


def packed(story: Story, sizes: Iterable[int], wait: int = 0) -> list[Parcel]:
    """
    Return the atoms in messages: the next `size` atoms leave together, one message for each device.

    A message is received `wait` after the latest event that it or one before it holds.
    """
    parcels = [Parcel(atom.device_id, (atom,), atom.at) for atom in story.accounts]
    rest, clock = list(story.atoms), micros(BASE)
    for size in sizes:
        batch, rest = rest[:size], rest[size:]
        clock = max([clock, *(atom.latest + wait for atom in batch)])
        for device_id in dict.fromkeys(atom.device_id for atom in batch):
            mine = tuple(atom for atom in batch if atom.device_id == device_id)
            parcels.append(Parcel(device_id, mine, clock))
    return parcels


def sent(
    parcels: Iterable[Parcel], shuffle: Callable[[list[Event]], None] = lambda events: None
) -> list[Sent]:
    """Return the parcels as messages; `shuffle` orders the events inside each."""
    deliveries: list[Sent] = []
    for number, parcel in enumerate(parcels):
        events = [event for atom in parcel.atoms for event in atom.events]
        shuffle(events)
        message = SecurityMessage(parcel.atoms[0].source, number + 1, events)
        deliveries.append((parcel.device_id, message, moment(parcel.received_at)))
    return deliveries


def delay_of(parcels: Iterable[Parcel]) -> timedelta:
    """Return the least legitimate delay under which no event, and no start of an aggregate, is late."""
    return timedelta(microseconds=max(parcel.received_at - parcel.earliest for parcel in parcels))


def with_delay(group: SecurityGroup, delay: timedelta) -> SecurityGroup:
    return replace(group, allowed_lateness=max(delay, timedelta(minutes=1)))


@st.composite
def streams(
    draw: st.DrawFn,
    *,
    minimums: bool,
    delays: bool,
    repeats: bool = True,
    skewed: bool = True,
    stale: bool = False,
    few_processes: bool = False,
    layered: bool = False,
) -> Stream:
    """
    Return streams that arrive in order, or with `delays` late within the legitimate delay.

    `repeats`: messages come again, events come again in other messages. `skewed`: some clocks are wrong.
    `stale`: events beyond the legitimate delay, each alone in its window, and beyond the horizon. `layered`: more is
    expected of the fleet and of some devices, and some entries of lists have an end.
    """
    story = draw(stories(minimums=minimums, delays=delays, few_processes=few_processes))
    wait = draw(st.sampled_from((0, 0, SECOND, story.unit, 2 * story.unit)))
    parcels = packed(story, draw(SIZES), wait)
    slack = draw(st.sampled_from((0, 0, 1, 60, 1800)))
    group = with_delay(story.group, delay_of(parcels) + timedelta(seconds=slack))
    more = draw(layers(minimums=minimums)) if layered else NO_LAYERS
    group = with_notes(group, story.random) if layered else group
    deliveries = sent(parcels, story.random.shuffle)
    if skewed:
        deliveries = [_with_wrong_clock(delivery, story.random) for delivery in deliveries]
    if repeats:
        deliveries = _with_repeated_events(group, deliveries, story.random)
    if stale:
        deliveries = _with_stale(deliveries, story.random)
    if repeats:
        deliveries = redelivered(deliveries, story.random)
    said = with_operations(deliveries, story.unit, story.random)
    later = draw(st.sampled_from((0, 1, story.unit // SECOND, 3600, 200_000)))
    return Stream(group, tuple(said), said[-1][2] + timedelta(seconds=later), more)


def _with_repeated_events(group: SecurityGroup, deliveries: Sequence[Sent], random: Random) -> list[Sent]:
    """Put some events that a range rule keeps also into a later message, while that is legitimate."""
    assert group.allowed_lateness is not None
    result = list(deliveries)
    for first, (device_id, message, _) in enumerate(deliveries):
        event = random.choice(message.events)
        second = random.randrange(len(deliveries))
        other_id, other, received_at = result[second]
        legitimate = timedelta() <= received_at - event.occurred_at <= group.allowed_lateness
        if second > first and device_id == other_id and legitimate and _is_counted(group, message, event):
            result[second] = (device_id, replace(other, events=[*other.events, event]), received_at)
    return result


def _is_counted(group: SecurityGroup, message: SecurityMessage, event: Event) -> bool:
    judged = Judged(event, micros(event.occurred_at), 0, message.source, skewed=False)
    return any(
        points_of(rule, [judged]) for rule in group.rules if isinstance(rule, TimeWindowRule) and rule.enabled
    )


def redelivered(deliveries: Sequence[_D], random: Random) -> list[_D]:
    """Send some messages once more, later."""
    result = list(deliveries)
    for delivery in deliveries:
        if random.random() < 0.2 and isinstance(delivery[1], SecurityMessage):
            after = result.index(delivery) + 1
            place = random.randint(after, len(result))
            again: Any = (delivery[0], delivery[1], result[place - 1][2])
            result.insert(place, again)
    return result


def with_operations(deliveries: Sequence[Delivery], unit: int, random: Random) -> list[Delivery]:
    """Let the gateway see devices do things before, between and after their messages, one of them never sending."""
    devices = [*dict.fromkeys(device_id for device_id, _, _ in deliveries), "mute"]
    gaps = (0, 0, SECOND, unit // 2, unit - 1, unit, unit + 1, 2 * unit)
    at = micros(deliveries[0][2]) - random.choice((0, 1, unit))
    seen: list[Delivery] = []
    for _ in range(random.randint(0, 12)):
        at += random.choice(gaps)
        seen.append((random.choice(devices), random.choice(OPERATIONS), moment(at)))
    together = [*seen, *deliveries] if random.random() < 0.5 else [*deliveries, *seen]
    return sorted(together, key=lambda delivery: delivery[2])


def _with_wrong_clock(delivery: Sent, random: Random) -> Sent:
    """Set the clock of some events of one message in eight a day ahead, or back to 1970."""
    device_id, message, received_at = delivery
    if random.random() > 0.125 or any(isinstance(event, LocalUsers) for event in message.events):
        return delivery
    shift = random.choice((timedelta(days=1), datetime(1970, 1, 1, 6, tzinfo=UTC) - BASE))
    events = [
        _shifted(event, shift)
        if random.random() < 0.7 and isinstance(event, ConnectionCreate | ProcessCreate)
        else event
        for event in message.events
    ]
    return device_id, replace(message, events=events), received_at


def _shifted(event: ConnectionCreate | ProcessCreate, shift: timedelta) -> Event:
    moved = shift // timedelta(microseconds=1)
    payload: list[Any] = [
        replace(p, span=(p.span[0] + moved, p.span[1] + moved, p.span[2])) if p.span else p
        for p in event.payload
    ]
    return replace(event, id=f"{event.id}-shifted", occurred_at=event.occurred_at + shift, payload=payload)


def _with_stale(deliveries: Sequence[Sent], random: Random) -> list[Sent]:
    """Send, not as the first message, events of yesterday and of last week."""
    result = list(deliveries)
    for number, hours in enumerate(random.sample((20, 22, 24, 26, 70), 2)):
        place = random.randint(1, len(result))
        device_id, before, received_at = result[place - 1]
        if before.source != "legacy":
            continue
        at = moment(micros(BASE) - hours * HOUR + random.randrange(60) * SECOND)
        event = ConnectionCreate(id=f"stale-{number}", occurred_at=at, payload=list(FLOWS[3:5]))
        message = SecurityMessage("legacy", 10_000 + number, [event])
        result.insert(place, (device_id, message, received_at))
    return result


# ------------------------------------------------------------------------------------------ simpler


def simplest(stream: Stream, fails: Callable[[Stream], bool]) -> Stream:
    """Return a stream that still fails and from which nothing more can be left out."""
    while True:
        smaller = next(
            (simpler for simpler in _simpler(stream) if simpler.deliveries and fails(simpler)), None
        )
        if smaller is None:
            return stream
        stream = smaller


def _simpler(stream: Stream) -> Iterator[Stream]:
    """Yield the stream without one of its rules, layers, messages, events or payloads."""
    group, deliveries = stream.group, stream.deliveries
    for rules in _without_one(group.rules):
        yield replaced(stream, group=replace(group, rules=rules))
    for layers in _simpler_layers(stream.layers):
        yield replaced(stream, layers=layers)
    for fewer in _without_one(deliveries):
        yield replaced(stream, deliveries=fewer)
    for number, (device_id, message, received_at) in enumerate(deliveries):
        if not isinstance(message, SecurityMessage):
            continue
        for events in _simpler_events(message.events):
            delivery: Sent = (device_id, replace(message, events=list(events)), received_at)
            yield replaced(stream, deliveries=(*deliveries[:number], delivery, *deliveries[number + 1 :]))


def _simpler_layers(layers: Layers) -> Iterator[Layers]:
    for rules in _without_one(layers.fleet.rules):
        yield replace(layers, fleet=replace(layers.fleet, rules=rules))
    for device_id, layer in layers.devices.items():
        for rules in _without_one(layer.rules):
            yield replace(layers, devices={**layers.devices, device_id: replace(layer, rules=rules)})


def _simpler_events(events: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    if len(events) > 1:
        yield from _without_one(events)
    for number, event in enumerate(events):
        for payload in _without_one(event.payload) if len(event.payload) > 1 else ():
            yield (*events[:number], replace(event, payload=list(payload)), *events[number + 1 :])


def _without_one(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for number in range(len(items)):
        yield (*items[:number], *items[number + 1 :])
