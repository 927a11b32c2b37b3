"""List rules: what one payload says against a list (S13-S17)."""

from bisect import bisect_right

from msgspec import Struct

from fencepost.engine.active_connections import AnyConnections
from fencepost.engine.addresses import AddressList
from fencepost.engine.device import Device
from fencepost.engine.names import (
    ProcessList,
    Program,
    User,
    UserList,
    canonical_path,
    digest_of,
)
from fencepost.engine.sign_ins import learn_accounts, user_of
from fencepost.engine.turn import Turn
from fencepost.model.address import format_address
from fencepost.model.alert import Facts, Flag
from fencepost.model.event import (
    Connection,
    Event,
    LocalUsers,
    Login,
    NetworkActivity,
    Process,
    ProcessCreate,
    SignIn,
)
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    SecurityGroup,
)

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
        told = turn.finding(
            self.rule,
            (first, last),
            hits,
            event,
            payload,
            value=value,
            flags=tuple(flags),
            subject=subject,
            nearest_entry=entries[0],
            allowing_entry=entries[1],
        )
        turn.outcomes.append(told)


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
        allowing = None if self.denies else self.list.allowing(connection)
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
