"""
The FlatBuffers schema 2.x of the ThreadX security module, table by table (wire-formats 2.1).

`Reading` walks a message once and yields what it says as plain values; `threadx` turns those into events
and rows. Enum numbers that the schema does not know are kept as their digits where nothing depends on
them, and refused where it does.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple
from uuid import UUID

from fencepost.model.errors import DeviceError
from fencepost.model.event import Rejected
from fencepost.wire.body import MOST_HITS, MOST_REFUSALS, TOO_MANY
from fencepost.wire.flatbuffer import Buffer, MalformedError, Member, Table

_MODULE_ID, _MODULE_VERSION = Member(0, "security_module_id"), Member(1, "security_module_version")
_EVENTS = Member(3, "events")
_ID, _TIME, _INTERVAL = Member(0, "id"), Member(1, "time"), Member(2, "collection_interval")
_KIND, _PAYLOAD = Member(3, "payload_type"), Member(4, "payload")
_IPV4, _IPV6 = Member(0, "ipv4_activity"), Member(1, "ipv6_activity")
_IPV4_PORTS, _IPV6_PORTS = Member(0, "ipv4_ports"), Member(1, "ipv6_ports")
_ADDRESSES, _COMMON = Member(0, "addresses"), Member(1, "common")
_LOCAL_PORT = Member(0, "local_port")
_REMOTE_PORT = Member(1, "remote_port")
_BYTES_IN = Member(2, "bytes_in")
_BYTES_OUT = Member(3, "bytes_out")
_PROTOCOL = Member(4, "protocol")
_PROCESS_ID = Member(5, "process_id")
_USER_ID = Member(6, "user_id")
_EXECUTABLE = Member(7, "executable")
_COMMANDLINE = Member(8, "commandline")

PROTOCOLS = ("TCP", "UDP", "ICMP")
RESULTS = ("Pass", "Fail", "Err")
SEVERITIES = ("Critical", "Important", "Warning", "Informational")
LEVELS = ("", "Fatal", "Error", "Warning", "Information", "Debug")
PROCESS_EVENTS = ("FORK", "EXEC", "EXIT")
_WIDE = 16
CACHE = 64
"""How many flows of one IP version the module can note in one interval (wire-formats 2.4)."""


class Flow(NamedTuple):
    """The traffic of one 5-tuple in one interval; `bytes_*` are IP payload bytes."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    protocol: str
    bytes_in: int
    bytes_out: int
    process_id: int
    user_id: int
    executable: str | None
    command_line: str | None


class System(NamedTuple):
    os: str | None
    kernel: str | None
    hardware: str | None


class Port(NamedTuple):
    address: str
    port: int
    protocol: str


class Check(NamedTuple):
    id: str
    result: str
    error: str | None
    description: str | None
    severity: str
    remediation: str | None


class Run(NamedTuple):
    """A process that forked, began or ended, `hits` times in the interval."""

    executable: str
    process_id: int
    parent_process_id: int
    user_id: int
    user_name: str | None
    command_line: str | None
    event: str
    hits: int


class LogRecord(NamedTuple):
    message: str
    level: str
    timestamp: int
    line: int
    file: str


Item = Flow | System | Port | Check | Run | LogRecord


class Reported(NamedTuple):
    """One event: `interval` in seconds, and `full` when the flow cache was (S18)."""

    name: str
    id: str
    occurred_at: datetime
    interval: int
    items: tuple[Item, ...]
    full: bool = False


class Reading:
    """
    One walk over one message. Raises DeviceError at once when there are no events to be found.

    It ends before its time when the message names more than it can hold, or behind the refusal that
    closes `MOST_REFUSALS` others; the last refusal says so.
    """

    def __init__(self, body: bytes) -> None:
        self._buffer = Buffer(body)
        self._rejected: list[Rejected] = []
        self._room = MOST_REFUSALS
        try:
            root = self._buffer.root()
            self._events = root.offsets(_EVENTS)
            present = root.has(_EVENTS)
        except MalformedError as error:
            raise DeviceError(f"not a FlatBuffers message: {error.reason}", error.member) from None
        if not self._events:
            raise DeviceError("empty" if present else "missing", "events")
        self.version = self._module(root)

    def _module(self, root: Table) -> str:
        try:
            root.required_text(_MODULE_ID)
            number = root.u32(_MODULE_VERSION)
        except MalformedError as error:
            self._reject(error, "")
            return ""
        return f"{number >> 24}.{number >> 16 & 255}.{number & 65535}"

    def __iter__(self) -> Iterator[Reported | Rejected]:
        for index, position in enumerate(self._events):
            place = f"events[{index}]"
            try:
                reported = self._event(Table(self._buffer, self._buffer.target(position)), place)
            except MalformedError as error:
                self._reject(error, place)
                reported = None
            yield from self._rejected
            self._rejected.clear()
            if reported is not None:
                yield reported
            if self._has_ended:
                return

    @property
    def _has_ended(self) -> bool:
        return self._room < 0 or self._buffer.exhausted

    def _reject(self, error: MalformedError, place: str) -> None:
        """Note a refusal of what lies at a place, an event or an item; behind the closing one, none."""
        if self._room > 0:
            self._rejected.append(Rejected(error.within(place), error.reason))
        elif self._room == 0:
            self._rejected.append(Rejected(place, TOO_MANY))
        self._room -= 1

    def _event(self, event: Table, place: str) -> Reported:
        identity = str(UUID(bytes=event.struct(_ID, 16)))
        at = datetime.fromtimestamp(event.u32(_TIME), UTC)
        interval = event.u32(_INTERVAL)
        kind = event.u8(_KIND)
        if kind not in _UNION:
            raise MalformedError(f"unknown union member {kind}", _KIND.name)
        name, read = _UNION[kind]
        payload = event.table(_PAYLOAD)
        items = tuple(read(self, payload, place))
        if isinstance(run := items[0] if items else None, Run) and run.event == "EXIT":
            name = "ProcessTerminate"
        return Reported(name, identity, at, interval, items, _is_full(name, payload))

    def _each(
        self, table: Table, member: Member, place: str, read: Callable[[Table], Item]
    ) -> Iterator[Item]:
        """Yield the tables of a vector that can be read and reject the others, each with its place."""
        try:
            positions = table.offsets(member)
        except MalformedError as error:
            self._reject(error, place)
            return
        for index, position in enumerate(positions):
            if self._has_ended:
                return
            try:
                yield read(Table(self._buffer, self._buffer.target(position)))
            except MalformedError as error:
                self._reject(error, f"{place}.{member.name}[{index}]")

    def _flows(self, table: Table, place: str) -> Iterator[Item]:
        yield from self._each(table, _IPV4, place, _flow_v4)
        yield from self._each(table, _IPV6, place, _flow_v6)

    def _system(self, table: Table, _place: str) -> Iterator[Item]:
        yield System(*(table.text(Member(number, f"{name}_info")) for number, name in enumerate(_SYSTEM)))

    def _ports(self, table: Table, place: str) -> Iterator[Item]:
        for member, width in ((_IPV4_PORTS, 4), (_IPV6_PORTS, _WIDE)):
            if self._has_ended:
                return
            try:
                for item in table.structs(member, width + 4):
                    port = int.from_bytes(item[width : width + 2], "little")
                    yield Port(address(item[:width]), port, word(PROTOCOLS, item[width + 2]))
            except MalformedError as error:
                self._reject(error, place)

    def _heartbeat(self, _table: Table, _place: str) -> Iterator[Item]:
        return iter(())

    def _checks(self, table: Table, place: str) -> Iterator[Item]:
        yield from self._each(table, Member(0, "baseline_checks"), place, _check)

    def _runs(self, table: Table, _place: str) -> Iterator[Item]:
        yield _run(table)

    def _logs(self, table: Table, place: str) -> Iterator[Item]:
        yield from self._each(table, Member(0, "logs"), place, _log_record)


_SYSTEM = ("os", "kernel", "hw")
_Read = Callable[[Reading, Table, str], Iterator[Item]]
_UNION: dict[int, tuple[str, _Read]] = {
    1: ("NetworkActivity", Reading._flows),  # noqa: SLF001
    2: ("SystemInformation", Reading._system),  # noqa: SLF001
    3: ("ListeningPorts", Reading._ports),  # noqa: SLF001
    4: ("Heartbeat", Reading._heartbeat),  # noqa: SLF001
    5: ("OSBaseline", Reading._checks),  # noqa: SLF001
    6: ("ProcessCreate", Reading._runs),  # noqa: SLF001
    7: ("Diagnostic", Reading._logs),  # noqa: SLF001
}


def address(raw: bytes) -> str:
    """Return the text of an address whose bytes lie in network order (wire-formats 2.3)."""
    return inet_ntop(AF_INET6 if len(raw) == _WIDE else AF_INET, raw)


def word(words: tuple[str, ...], number: int) -> str:
    """Return the word of an enum number, or its digits when the schema has none."""
    return words[number] if number < len(words) else str(number)


def _is_full(name: str, payload: Table) -> bool:
    if name != "NetworkActivity":
        return False
    for member in (_IPV4, _IPV6):
        try:
            if len(payload.offsets(member)) >= CACHE:
                return True
        except MalformedError:
            continue
    return False


def _flow_v4(table: Table) -> Flow:
    return _flow(table, 4)


def _flow_v6(table: Table) -> Flow:
    return _flow(table, _WIDE)


def _flow(table: Table, width: int) -> Flow:
    addresses = table.struct(_ADDRESSES, 2 * width)
    common = table.table(_COMMON)
    try:
        return Flow(
            local=address(addresses[:width]),
            local_port=common.u16(_LOCAL_PORT),
            remote=address(addresses[width:]),
            remote_port=common.u16(_REMOTE_PORT),
            bytes_in=common.u32(_BYTES_IN),
            bytes_out=common.u32(_BYTES_OUT),
            protocol=word(PROTOCOLS, common.u8(_PROTOCOL)),
            process_id=common.u16(_PROCESS_ID),
            user_id=common.u16(_USER_ID),
            executable=common.text(_EXECUTABLE) or None,
            command_line=common.text(_COMMANDLINE),
        )
    except MalformedError as error:
        raise MalformedError(error.reason, error.within(_COMMON.name)) from None


def _check(table: Table) -> Check:
    return Check(
        id=table.required_text(Member(0, "id")),
        result=word(RESULTS, table.u8(Member(1, "result"))),
        error=table.text(Member(2, "error")),
        description=table.text(Member(3, "description")),
        severity=word(SEVERITIES, table.u8(Member(4, "severity"))),
        remediation=table.text(Member(5, "remediation")),
    )


def _run(table: Table) -> Run:
    number = table.u8(Member(6, "event_type"))
    if number >= len(PROCESS_EVENTS):
        raise MalformedError(f"unknown process event {number}", "event_type")
    hits = table.u32(Member(7, "hit_count"), 1)
    if not 1 <= hits <= MOST_HITS:
        raise MalformedError(f"not between 1 and {MOST_HITS}", "hit_count")
    return Run(
        executable=table.required_text(Member(0, "executable")),
        process_id=table.u32(Member(1, "process_id")),
        parent_process_id=table.u32(Member(2, "parent_process_id")),
        user_id=table.u32(Member(3, "user_id")),
        user_name=table.text(Member(4, "user_name")),
        command_line=table.text(Member(5, "commandline")),
        event=PROCESS_EVENTS[number],
        hits=hits,
    )


def _log_record(table: Table) -> LogRecord:
    return LogRecord(
        message=table.required_text(Member(0, "message")),
        level=word(LEVELS, table.u8(Member(1, "level"))),
        timestamp=table.u64(Member(2, "timestamp")),
        line=table.u32(Member(3, "line")),
        file=table.required_text(Member(4, "filename")),
    )
