"""
List rules and gauges: what one payload says against an expectation (S13-S17).

Each rule is compiled once per group into a check; `check_of` is the one place that knows which class
judges which rule, and `assert_never` points there when a family is added.
"""

from bisect import bisect_right
from typing import Protocol, assert_never

from msgspec import Struct

from fencepost.engine.addresses import AddressList, allowing_entry
from fencepost.engine.device import ACCOUNTS, SIGN_INS, Device
from fencepost.engine.names import (
    ProcessList,
    Program,
    User,
    UserList,
    canonical_path,
    digest_of,
    name_of,
    uid_of,
)
from fencepost.engine.ranges import (
    ActiveConnections,
    AnyConnections,
    FailedLoginRecords,
    FailedLogins,
    Judge,
    Range,
)
from fencepost.engine.turn import Turn, name_of_event
from fencepost.engine.windows import PAIRING, PAM_OPERATION
from fencepost.model.address import format_address
from fencepost.model.alert import Facts, Flag
from fencepost.model.event import (
    Connection,
    DroppedEventsStatistics,
    Event,
    LocalUsers,
    Login,
    NetworkActivity,
    Process,
    ProcessCreate,
    SignIn,
)
from fencepost.model.instant import micros, moment
from fencepost.model.outcome import Finding, Incomplete, Recovered
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)


class Check(Protocol):
    """A compiled rule: which events it reads, and its verdict on one."""

    @property
    def event_names(self) -> tuple[str, ...]: ...

    @property
    def judge(self) -> Judge:
        """Adds what an event violates to the turn; returns True if the event is a duplicate."""


ListRule = AllowlistRule | DenylistRule


def _entries(rule: ListRule) -> tuple[str, ...]:
    return rule.allow if isinstance(rule, AllowlistRule) else rule.deny


class ListCheck:
    """What all lists share: a payload against which the list speaks becomes a finding."""

    event_names: tuple[str, ...]

    def __init__(self, rule: ListRule) -> None:
        self.rule = rule
        self.denies = isinstance(rule, DenylistRule)

    def find(
        self,
        event: Event,
        payload: Struct,
        time: int,
        turn: Turn,
        value: str,
        subject: Facts,
        entries: tuple[str | None, str | None],
    ) -> None:
        span: tuple[int, int, int] | None = getattr(payload, "span", None)
        first, last, hits = turn.placed(span) if span else (time, time, 1)
        flags: list[Flag] = [*turn.flags]
        if type(event) is NetworkActivity:
            flags.append("inferred")
        turn.outcomes.append(
            Finding(
                device_id=turn.device_id,
                group=turn.group,
                rule=self.rule,
                source=turn.source,
                value=value,
                count=hits,
                first_at=moment(first),
                last_at=moment(last),
                received_at=turn.received_at,
                flags=tuple(flags),
                evidence=turn.evidence(event, payload),
                subject=subject,
                nearest_entry=entries[0],
                allowing_entry=entries[1],
            )
        )


class ConnectionCheck(ListCheck):
    """Addresses that a device calls, or that call it (S15)."""

    event_names = ("ConnectionCreate", "NetworkActivity")

    def __init__(self, rule: ListRule, group: SecurityGroup) -> None:
        super().__init__(rule)
        implicit = () if self.denies else group.implicit_addresses()
        self.list = AddressList(_entries(rule), implicit)
        self.direction = rule.row.direction

    def judge(self, device: Device, event: AnyConnections, time: int, turn: Turn) -> bool:
        starts, ends, ported = self.list.starts, self.list.ends, self.list.by_port
        denies, direction = self.denies, self.direction
        for connection in event.payload:
            if connection.direction == direction and (address := connection.remote) is not None:
                index = bisect_right(starts, address)  # AddressList.holds, without its calls
                held = index > 0 and address <= ends[index - 1]
                if not held and ported:
                    held = self.list.holds(connection)
                if held is denies:
                    self._find(event, connection, time, turn)
        return False

    def _find(self, event: Event, connection: Connection, time: int, turn: Turn) -> None:
        assert connection.remote is not None  # noqa: S101 - judge has asked
        entry = self.list.matching(connection) if self.denies else self.list.nearest(connection)
        subject = {
            "RemoteAddress": connection.remote_address,
            "RemotePort": connection.remote_port,
            "Protocol": connection.protocol,
        }
        value = format_address(connection.remote)
        allowing = None if self.denies else allowing_entry(connection)
        self.find(event, connection, time, turn, value, subject, (entry, allowing))


class SignInCheck(ListCheck):
    """Users who sign in (S13)."""

    event_names = ("Login", "LocalUsers")

    def __init__(self, rule: ListRule) -> None:
        super().__init__(rule)
        self.list = UserList(_entries(rule))

    def judge(self, device: Device, event: Login | LocalUsers, time: int, turn: Turn) -> bool:
        if isinstance(event, LocalUsers):
            learn_accounts(device, event)
            return False
        for record in event.payload:
            if record.result == "Success":
                user = user_of(device, event, record, turn)
                if self.list.holds(user) is self.denies:
                    self._find(event, record, user, time, turn)
        return False

    def _find(self, event: Login, record: SignIn, user: User, time: int, turn: Turn) -> None:
        subject = {"UserName": user.name, "UserId": user.uid}
        entry = self.list.matching(user) if self.denies else self.list.nearest(user)
        allowing = None if self.denies or user.name is user.uid is None else user.value
        self.find(event, record, time, turn, user.value, subject, (entry, allowing))


def user_of(device: Device, event: Login, record: SignIn, turn: Turn) -> User:
    """Return who signed in: by name, by PAM record, by LocalUsers, or by uid, in this order."""
    name, uid = name_of(record), uid_of(record)
    if name is not None:
        if record.operation == PAM_OPERATION:
            _keep_sign_in(device, event, record, name, turn)
    elif record.process_id is not None:
        name = _name_by_pam(device, micros(event.occurred_at), record.process_id, turn)
    if name is None and uid is not None:
        name = _name_by_account(device, uid, turn)
    return User(name, uid)


def _sign_ins(turn: Turn) -> list[tuple[int, SignIn]]:
    """Return the records of the message that say that somebody signed in, each with its time."""
    if turn.sign_ins is None:
        events = turn.message.events if turn.message is not None else []
        turn.sign_ins = [
            (micros(event.occurred_at), record)
            for event in events
            if type(event) is Login
            for record in event.payload
            if record.result == "Success"
        ]
    return turn.sign_ins


def _name_by_pam(device: Device, at: int, process: int | str, turn: Turn) -> str | None:
    best, name = PAIRING + 1, None
    for time, record in _sign_ins(turn):
        if record.process_id == process and record.operation == PAM_OPERATION:
            distance, said = abs(at - time), name_of(record)
            if said is not None and distance < best:
                best, name = distance, said
    if device.memory is not None:
        for time, known, said in device.memory.sign_ins:
            if known == str(process) and abs(at - time) < best:
                best, name = abs(at - time), said
    return name


def _keep_sign_in(device: Device, event: Login, record: SignIn, name: str, turn: Turn) -> None:
    """Remember a PAM record whose nameless login record is not in the same message."""
    process, at = record.process_id, micros(event.occurred_at)
    if process is None:
        return
    for time, other in _sign_ins(turn):
        if other.process_id == process and other.user_name is None and abs(time - at) <= PAIRING:
            return
    memory = device.remember()
    kept = (at, str(process), name)
    if kept not in memory.sign_ins:
        memory.sign_ins = (*memory.sign_ins[-SIGN_INS + 1 :], kept)


def _name_by_account(device: Device, uid: str, turn: Turn) -> str | None:
    for event in turn.message.events if turn.message else ():
        if isinstance(event, LocalUsers):
            learn_accounts(device, event)
    memory = device.memory
    if memory is None or not memory.accounts:
        return None
    pairs = (line.partition("\t") for line in memory.accounts.split("\n"))
    return next((name for known, _, name in pairs if known == uid), None)


def learn_accounts(device: Device, event: LocalUsers) -> None:
    """Remember the device's accounts if the report is its latest."""
    at = micros(event.occurred_at)
    memory = device.remember()
    if memory.accounts and at <= memory.accounts_at:
        return
    lines = [
        f"{account.user_id}\t{account.user_name}"
        for account in event.payload[:ACCOUNTS]
        if account.user_id not in (None, "") and account.user_name
    ]
    memory.accounts, memory.accounts_at = "\n".join(lines), at


class ProcessCheck(ListCheck):
    """Processes that are started (S14)."""

    event_names = ("ProcessCreate",)

    def __init__(self, rule: ListRule) -> None:
        super().__init__(rule)
        self.list = ProcessList(_entries(rule))

    def judge(self, device: Device, event: ProcessCreate, time: int, turn: Turn) -> bool:
        paths, bases, denies = self.list.paths, self.list.bases, self.denies
        for process in event.payload:
            path = process.executable
            held = path in paths or path.rpartition("/")[2] in bases or self._holds(process)
            if held is denies:
                self._find(event, process, time, turn)
        return False

    def _holds(self, process: Process) -> bool:
        return self.list.holds(canonical_path(process.executable), digest_of(process))

    def _find(self, event: ProcessCreate, process: Process, time: int, turn: Turn) -> None:
        program = Program(process.executable, digest_of(process))
        subject = {"Executable": process.executable, "Hash": program.digest}
        entry = self.list.matching(program) if self.denies else self.list.nearest(program)
        allowing = None if self.denies else program.path
        self.find(event, process, time, turn, program.value, subject, (entry, allowing))


class GaugeCheck:
    """A single reported number (S17)."""

    def __init__(self, rule: ThresholdRule) -> None:
        self.rule = rule
        self.event_names: tuple[str, ...] = (rule.row.event,)

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        number = _gauge(event)
        violates = not self.rule.min <= number <= self.rule.max
        memory = device.remember()
        known = {name: (at, bad) for name, at, bad in memory.gauges}
        latest_at, was_violating = known.get(self.rule.type, (time, False))
        if time >= latest_at:
            known[self.rule.type] = (time, violates)
            memory.gauges = tuple((name, at, bad) for name, (at, bad) in sorted(known.items()))
        if violates:
            self._find(event, number, time, turn)
        elif was_violating and time >= latest_at:
            turn.outcomes.append(
                Recovered(device_id=turn.device_id, rule_type=self.rule.type, at=moment(time))
            )
        return False

    def _find(self, event: Event, number: int, time: int, turn: Turn) -> None:
        payload: list[Struct] = getattr(event, "payload", [])
        turn.outcomes.append(
            Finding(
                device_id=turn.device_id,
                group=turn.group,
                rule=self.rule,
                source=turn.source,
                value=None,
                count=number,
                first_at=moment(time),
                last_at=moment(time),
                received_at=turn.received_at,
                below=number < self.rule.min,
                flags=turn.flags,
                evidence=turn.evidence(event, payload[0]) if payload else None,
            )
        )


def _gauge(event: Event) -> int:
    match event:
        case LocalUsers():
            return len({(account.user_id, account.user_name) for account in event.payload})
        case DroppedEventsStatistics():
            return sum(dropped(event))
        case _:
            return 0


def dropped(event: DroppedEventsStatistics) -> list[int]:
    """Return the numbers of dropped events, one per queue; what is no number counts as none."""
    texts = [str(queue.dropped_events) for queue in event.payload]
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 16]  # noqa: PLR2004


class Completeness:
    """What a device says that it lost (S18): minimums hold, and alerts say `incomplete`."""

    event_names = ("DroppedEventsStatistics", "NetworkActivity")

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        reason = _loss(event)
        if reason is None:
            return False
        memory = device.remember()
        memory.incomplete = max(memory.incomplete, time)
        for check, window in device.open_windows():
            check.hold(window, time)
        turn.outcomes.append(
            Incomplete(
                device_id=turn.device_id, event_name=name_of_event(event), at=moment(time), reason=reason
            )
        )
        return False


def _loss(event: Event) -> str | None:
    match event:
        case NetworkActivity(full=True):
            return "the device's flow cache was full: further flows went unseen"
        case DroppedEventsStatistics() if number := sum(dropped(event)):
            return f"the agent dropped {number} events"
        case _:
            return None


class Witness:
    """Notes that a device sends what its kind of agent is not known to send (S18)."""

    def __init__(self, event_names: tuple[str, ...]) -> None:
        self.event_names = event_names

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        name = name_of_event(event)
        memory = device.memory
        if memory is None or name not in memory.seen:
            memory = device.remember()
            memory.seen |= {name}
        return False


def check_of(rule: Rule, group: SecurityGroup, index: int, delay: int) -> Check | None:
    """
    Return the compiled check of a rule, None where no agent's event can feed it (S18).

    `index` is the place of a range rule's windows in a device, `delay` its legitimate delay.
    """
    match rule:
        case TimeWindowRule():
            return _range_of(rule, index, delay)
        case ThresholdRule():
            return GaugeCheck(rule)
        case AllowlistRule() | DenylistRule():
            match rule.row.subject:
                case "connection":
                    return ConnectionCheck(rule, group)
                case "sign-in":
                    return SignInCheck(rule)
                case _:
                    return ProcessCheck(rule)
        case _:
            assert_never(rule)


def _range_of(rule: TimeWindowRule, index: int, delay: int) -> Range | None:
    match rule.row.subject:
        case "connection":
            return ActiveConnections(rule, index, delay)
        case "sign-in" if rule.count == "records":
            return FailedLoginRecords(rule, index, delay)
        case "sign-in":
            return FailedLogins(rule, index, delay)
        case _:
            return None
