"""What a rule makes of one payload, in words: the same questions as the engine's checks, answered aloud."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fencepost.engine.addresses import AddressList, number_of_port
from fencepost.engine.names import ProcessList, Program, User, UserList, digest_of, name_of, uid_of
from fencepost.engine.turn import facts_of
from fencepost.model.address import format_address
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    DroppedEventsStatistics,
    Event,
    LocalUsers,
    Login,
    NetworkActivity,
    ProcessCreate,
    SignIn,
)
from fencepost.model.instant import moment
from fencepost.model.outcome import Finding
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

PAIRING = timedelta(seconds=5)
"""How much later than its PAM record a login record is still the same attempt (S12)."""
REMEMBERED = 4096
"""Connections and PAM records that are kept to find a repetition."""


class Reason(Struct, frozen=True):
    """
    Whether a payload counted, the value that was judged, and why.

    `hits` is the number of occurrences for which the payload stands.
    """

    value: str | None
    counted: bool
    why: str
    entry: str | None = None
    nearest: str | None = None
    hits: int = 1


Reasons = Callable[[Event, Sequence[Finding]], list[Reason]]
"""Asks an event, given what the engine found in it."""


def reasons_for(rule: Rule, group: SecurityGroup) -> Reasons:
    """Return what says of each payload of an event why it counts for a rule, or why not."""
    match rule:
        case TimeWindowRule():
            counting = Attempts(rule) if rule.row.subject == "sign-in" else Connections(rule)
            return lambda event, _: counting.reasons(event)
        case ThresholdRule():
            return lambda event, _: [_gauge(rule, event)]
        case AllowlistRule() | DenylistRule():
            judge = _list_judge(rule, group)
            return lambda event, findings: list(judge(event, findings))


# lists


class _Asked(Struct, frozen=True):
    value: str
    entry: str | None
    nearest: str | None
    span: tuple[int, int, int] | None = None


def _list_judge(
    rule: AllowlistRule | DenylistRule, group: SecurityGroup
) -> Callable[[Event, Sequence[Finding]], Iterator[Reason]]:
    denies = isinstance(rule, DenylistRule)
    entries = rule.deny if isinstance(rule, DenylistRule) else rule.allow
    match rule.row.subject:
        case "connection":
            addresses = AddressList(entries, () if denies else group.implicit_addresses())
            return lambda event, _: _of_connections(event, addresses, rule.row.direction or "Out", denies)
        case "sign-in":
            users = UserList(entries)
            return lambda event, findings: _of_sign_ins(event, users, findings, denies)
        case _:
            programs = ProcessList(entries)
            return lambda event, _: _of_processes(event, programs, denies)


def _of_connections(event: Event, addresses: AddressList, direction: str, denies: bool) -> Iterator[Reason]:
    for connection in event.payload if isinstance(event, ConnectionCreate | NetworkActivity) else ():
        value = endpoint_of(connection)
        if connection.direction != direction:
            other = "an inbound" if direction == "Out" else "an outbound"
            yield Reason(
                value, counted=False, why=f"{other} connection: the rule watches the other direction"
            )
        elif connection.remote is None:
            yield Reason(value, counted=False, why="it names no remote address")
        else:
            entry, nearest = addresses.matching(connection), addresses.nearest(connection)
            yield _listed(_Asked(value, entry, nearest, connection.span), denies)


def _of_sign_ins(
    event: Event, users: UserList, findings: Sequence[Finding], denies: bool
) -> Iterator[Reason]:
    for record in event.payload if isinstance(event, Login) else ():
        user = User(name_of(record), uid_of(record))
        if record.result != "Success":
            yield Reason(user.value, counted=False, why="the sign-in failed: the rule watches successes")
        elif user.name is None:
            yield _nameless(record, user, users, findings, denies)
        else:
            yield _listed(_Asked(user.value, users.matching(user), users.nearest(user)), denies)


def _nameless(
    record: SignIn, user: User, users: UserList, findings: Sequence[Finding], denies: bool
) -> Reason:
    """Only the engine knows the name that an earlier record or the device's accounts gave the user."""
    facts = facts_of(record)
    found = next((one for one in findings if one.evidence is not None and one.evidence.facts == facts), None)
    if found is not None:
        named = User(found.value, user.uid)
        entry = users.matching(named) if denies else None
        return _listed(_Asked(named.value, entry, users.nearest(named)), denies)
    if users.matching(user) is not None:
        return _listed(_Asked(user.value, users.matching(user), None), denies)
    said = "no entry denies" if denies else "an entry allows"
    why = f"{said} the user that its PAM record or the device's accounts name"
    return Reason(user.value, counted=False, why=why)


def _of_processes(event: Event, programs: ProcessList, denies: bool) -> Iterator[Reason]:
    for process in event.payload if isinstance(event, ProcessCreate) else ():
        program = Program(process.executable, digest_of(process))
        entry, nearest = programs.matching(program), programs.nearest(program)
        yield _listed(_Asked(program.value, entry, nearest, process.span), denies)


def _listed(asked: _Asked, denies: bool) -> Reason:
    times = f"; {_aggregate(asked.span)}" if asked.span is not None else ""
    hits = asked.span[2] if asked.span is not None else 1
    if asked.entry is not None:
        why = f"the entry {asked.entry} {'denies' if denies else 'allows'} it{times}"
        return Reason(asked.value, denies, why, asked.entry, hits=hits)
    if denies:
        return Reason(asked.value, False, f"no entry denies it{times}", None, asked.nearest, hits)
    nearest = f"; the nearest is {asked.nearest}" if asked.nearest else ""
    return Reason(asked.value, True, f"no entry allows it{nearest}{times}", None, asked.nearest, hits)


# ranges


class Connections:
    """Distinct connections: a 5-tuple that comes again within the window is the same one (S10)."""

    def __init__(self, rule: TimeWindowRule) -> None:
        self._window = rule.window
        self._seen: dict[tuple[object, ...], datetime] = {}

    def reasons(self, event: Event) -> list[Reason]:
        payload = event.payload if isinstance(event, ConnectionCreate | NetworkActivity) else ()
        return [self._reason(event, connection) for connection in payload]

    def _reason(self, event: Event, connection: Connection) -> Reason:
        value = endpoint_of(connection)
        if connection.span is not None:
            return Reason(value, counted=True, why=_aggregate(connection.span), hits=connection.span[2])
        ports = number_of_port(connection.local_port), number_of_port(connection.remote_port)
        if isinstance(event, ConnectionCreate) and not all(ports):
            return Reason(value, counted=True, why="one connection: its ports are not both known")
        key = (
            (connection.protocol or "").lower(),
            (connection.local_address or "").lower(),
            connection.remote,
            *ports,
        )
        before = self._seen.get(key)
        if before is None or event.occurred_at > before:
            _remember(self._seen, key, event.occurred_at)
        if before is not None and abs(event.occurred_at - before) < self._window:
            why = f"the same connection as at {before:%H:%M:%S}: a window with both counts it once"
            return Reason(value, counted=False, why=why)
        return Reason(value, counted=True, why="one connection")


class Attempts:
    """Failed sign-ins: a login record that repeats a PAM record is the same attempt (S12)."""

    def __init__(self, rule: TimeWindowRule) -> None:
        self._records = rule.count == "records"
        self._seen: dict[tuple[object, ...], datetime] = {}

    def reasons(self, event: Event) -> list[Reason]:
        records = event.payload if isinstance(event, Login) else ()
        return [self._reason(event, record) for record in records]

    def _reason(self, event: Event, record: SignIn) -> Reason:
        value = User(name_of(record), uid_of(record)).value
        if record.result != "Fail":
            return Reason(value, counted=False, why="the sign-in succeeded: the rule counts failures")
        if self._records:
            return Reason(value, counted=True, why="one record")
        operation = (record.operation or "").strip()
        key = (str(record.process_id), record.remote_address)
        if record.process_id is not None and operation == "PAM:authentication":
            _remember(self._seen, key, event.occurred_at)
        before = self._seen.get(key)
        if (
            operation == "login"
            and before is not None
            and timedelta() <= event.occurred_at - before <= PAIRING
        ):
            why = f"the same attempt as the PAM record at {before:%H:%M:%S}"
            return Reason(value, counted=False, why=why)
        return Reason(value, counted=True, why="one attempt")


def _remember(seen: dict[tuple[object, ...], datetime], key: tuple[object, ...], at: datetime) -> None:
    seen.pop(key, None)
    seen[key] = at
    if len(seen) > REMEMBERED:
        del seen[next(iter(seen))]


def _aggregate(span: tuple[int, int, int]) -> str:
    first, last, hits = span
    return f"an aggregate: {hits:,} hits between {moment(first):%H:%M:%S} and {moment(last):%H:%M:%S}"


def _gauge(rule: ThresholdRule, event: Event) -> Reason:
    match event:
        case LocalUsers():
            number = len({(account.user_id, account.user_name) for account in event.payload})
        case DroppedEventsStatistics():
            texts = [str(queue.dropped_events) for queue in event.payload]
            number = sum(int(text) for text in texts if text.isascii() and text.isdigit())
        case _:
            number = 0
    inside = rule.min <= number <= rule.max
    why = f"{number:,} is {'within' if inside else 'outside'} {rule.min} to {rule.max}"
    return Reason(str(number), counted=not inside, why=why)


def endpoint_of(connection: Connection) -> str:
    """Return the remote end in words: address, port and protocol, as far as they are stated."""
    remote = connection.remote
    address = "(no address)" if remote is None else format_address(remote)
    port = number_of_port(connection.remote_port)
    if port is None:
        return address
    bracketed = f"[{address}]" if ":" in address else address
    return f"{bracketed}:{port}" + (f"/{connection.protocol.lower()}" if connection.protocol else "")
