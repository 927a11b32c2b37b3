"""What a rule makes of one payload, in words: the same questions as the engine's checks, answered aloud."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from fencepost.engine.addresses import number_of_port
from fencepost.engine.effective import effective_list
from fencepost.engine.names import Program, User, digest_of, name_of, uid_of
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
from fencepost.model.instant import micros, moment
from fencepost.model.layer import EffectiveRule, Scope, counts_at
from fencepost.model.outcome import Finding
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
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


Reasons = Callable[[Event, Sequence[Finding], datetime], list[Reason]]
"""Asks an event, given what the engine found in it and when it was judged."""


def reasons_for(effective: EffectiveRule, group: SecurityGroup) -> Reasons:
    """Return what says of each payload of an event why it counts for a rule as it is for a device, or why not."""
    match effective.rule:
        case TimeWindowRule() as rule:
            counting = Attempts(rule) if rule.row.subject == "sign-in" else Connections(rule)
            return lambda event, _, __: counting.reasons(event)
        case ThresholdRule() as rule:
            return lambda event, _, __: [_gauge(rule, event)]
        case AllowlistRule() | DenylistRule():
            listed = _Listed(effective, group)
            return lambda event, findings, at: list(listed.reasons(event, findings, at))


# lists

_OF_SCOPE = {"group": "", "fleet": " of the fleet", "device": " of the device's own"}


class _Listed:
    """A list as it is for a device, and where its entries come from."""

    def __init__(self, effective: EffectiveRule, group: SecurityGroup) -> None:
        self._rule = effective.rule
        self._denies = isinstance(effective.rule, DenylistRule)
        shared = [part for scope, part in effective.parts if scope != "device"]
        own = [part for scope, part in effective.parts if scope == "device"]
        self._lists = [effective_list(shared, group), *(effective_list([part]) for part in own)]
        self._origins: dict[str, list[tuple[Scope, EntryNote | None]]] = {}
        for scope, part in effective.parts:
            notes = {note.entry: note for note in part.notes}
            for entry in part.entries:
                self._origins.setdefault(entry, []).append((scope, notes.get(entry)))

    def reasons(self, event: Event, findings: Sequence[Finding], at: datetime) -> Iterator[Reason]:
        match self._rule.row.subject:
            case "connection":
                return self._of_connections(event, at)
            case "sign-in":
                return self._of_sign_ins(event, findings, at)
            case _:
                return self._of_processes(event, at)

    def _of_connections(self, event: Event, at: datetime) -> Iterator[Reason]:
        direction = self._rule.row.direction or "Out"
        for connection in event.payload if isinstance(event, ConnectionCreate | NetworkActivity) else ():
            value = endpoint_of(connection)
            if connection.direction != direction:
                other = "an inbound" if direction == "Out" else "an outbound"
                why = f"{other} connection: the rule watches the other direction"
                yield Reason(value, counted=False, why=why)
            elif connection.remote is None:
                yield Reason(value, counted=False, why="it names no remote address")
            else:
                yield self._asked(connection, value, at, connection.span)

    def _of_sign_ins(self, event: Event, findings: Sequence[Finding], at: datetime) -> Iterator[Reason]:
        for record in event.payload if isinstance(event, Login) else ():
            user = User(name_of(record), uid_of(record))
            if record.result != "Success":
                yield Reason(user.value, counted=False, why="the sign-in failed: the rule watches successes")
            elif user.name is None:
                yield self._nameless(record, user, findings, at)
            else:
                yield self._asked(user, user.value, at)

    def _nameless(self, record: SignIn, user: User, findings: Sequence[Finding], at: datetime) -> Reason:
        """Only the engine knows the name that an earlier record or the device's accounts gave the user."""
        facts = facts_of(record)
        evidence = ((one, one.evidence.facts) for one in findings if one.evidence is not None)
        found = next((one for one, known in evidence if known == facts), None)
        if found is not None:
            return self._asked(
                User(found.value, user.uid), user.value if found.value is None else found.value, at
            )
        if self._matching(user, at) is not None:
            return self._asked(user, user.value, at)
        said = "no entry denies" if self._denies else "an entry allows"
        why = f"{said} the user that its PAM record or the device's accounts name"
        return Reason(user.value, counted=False, why=why)

    def _of_processes(self, event: Event, at: datetime) -> Iterator[Reason]:
        for process in event.payload if isinstance(event, ProcessCreate) else ():
            program = Program(process.executable, digest_of(process))
            yield self._asked(program, program.value, at, process.span)

    def _matching(self, subject: Any, at: datetime) -> str | None:
        found = (one.matching(subject, micros(at)) for one in self._lists)
        return next((entry for entry in found if entry is not None), None)

    def _asked(
        self, subject: Any, value: str, at: datetime, span: tuple[int, int, int] | None = None
    ) -> Reason:
        entry = self._matching(subject, at)
        near = [found for one in self._lists if (found := one.closest(subject, micros(at))) is not None]
        nearest = max(near, key=lambda found: found[0], default=(None, None))[1]
        hits = span[2] if span is not None else 1
        why = self._why(subject, entry, nearest, at) + (f"; {_aggregate(span)}" if span is not None else "")
        return Reason(
            value, (entry is not None) is self._denies, why, entry, nearest if entry is None else None, hits
        )

    def _why(self, subject: Any, entry: str | None, nearest: str | None, at: datetime) -> str:
        verb = "denies" if self._denies else "allows"
        if entry is not None:
            return f"the entry {entry}{self._origin(entry, at)} {verb} it"
        ended = next((one for listed in self._lists if (one := listed.ended(subject, micros(at)))), None)
        if ended is not None:
            return (
                f"no entry {verb} it any more: {ended[0]} counted until {moment(ended[1]):%Y-%m-%d %H:%M} UTC"
            )
        return f"no entry {verb} it" + (f"; the nearest is {nearest}" if nearest and not self._denies else "")

    def _origin(self, entry: str, at: datetime) -> str:
        """Return where an entry comes from, and until when it counts, where that is to be said."""
        counting = ((scope, note) for scope, note in self._origins.get(entry, ()) if counts_at(note, at))
        scope, note = next(counting, ("group", None))
        until = f" until {note.until:%Y-%m-%d %H:%M} UTC" if note is not None and note.until else ""
        return f"{_OF_SCOPE[scope]}{until}"


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
