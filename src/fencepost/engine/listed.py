"""
List rules: what one payload says against a list (S13-S17).

The compiled list of what always counts (of a deny-list: of all entries) is asked of every payload. Only where it speaks
against one are the entries asked that count until a moment, and those of the device's own: they cost nothing else.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from fencepost.engine.active_connections import AnyConnections
from fencepost.engine.addresses import entry_for
from fencepost.engine.device import Device
from fencepost.engine.effective import EffectiveList
from fencepost.engine.names import Program, User, canonical_path, digest_of
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
from fencepost.model.layer import ListRule
from fencepost.model.rule import DenylistRule


class ListCheck:
    """
    What all lists share: a payload against which the list speaks becomes a finding.

    `before` is the list that denies the same without the device's own entries: what it denies is told already.
    """

    event_names: tuple[str, ...]

    def __init__(
        self, rule: ListRule, listed: EffectiveList[Any], before: EffectiveList[Any] | None = None
    ) -> None:
        self.rule = rule
        self.denies = isinstance(rule, DenylistRule)
        self.listed = listed
        self.list = listed.every if self.denies else listed.firm
        self._before = before

    def speaks(self, subject: Any, time: int, turn: Turn) -> bool:
        """Return whether the list, as it is for the device at the moment, speaks against what `list` does."""
        if self.denies:
            told = self._before is not None and self._before.holds(subject, time)
            return not told and not self.listed.has_ended(subject, time)
        return not self.listed.holds_until(subject, time) and not any(
            own.holds(subject, time) for own in self._own(turn)
        )

    def entry(self, subject: Any, time: int, turn: Turn) -> str | None:
        """Return the entry that denies the subject, or of an allow-list the one that comes nearest."""
        if self.denies:
            return self.listed.matching(subject, time)
        near = [found for one in self._lists(turn) if (found := one.closest(subject, time)) is not None]
        return max(near, key=lambda found: found[0], default=(None, None))[1]

    def _lists(self, turn: Turn) -> Iterator[EffectiveList[Any]]:
        yield self.listed
        yield from self._own(turn)

    def _own(self, turn: Turn) -> Iterator[EffectiveList[Any]]:
        lists = turn.own.get(turn.device_id)
        own = lists.of(self.rule.type) if lists is not None else None
        if own is not None:
            yield own

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

    def __init__(
        self, rule: ListRule, listed: EffectiveList[Any], before: EffectiveList[Any] | None = None
    ) -> None:
        super().__init__(rule, listed, before)
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
        if not self.speaks(connection, time, turn):
            return
        entry = self.entry(connection, time, turn)
        subject = {
            "RemoteAddress": connection.remote_address,
            "RemotePort": connection.remote_port,
            "Protocol": connection.protocol,
        }
        value = format_address(connection.remote)
        allowing = None if self.denies else self._allowing(connection, time, turn)
        self.find(event, connection, time, turn, value, subject, (entry, allowing))

    def _allowing(self, connection: Connection, time: int, turn: Turn) -> str | None:
        lists = (addresses for one in self._lists(turn) for addresses in one.at(time))
        with_port = any(addresses.has_other_port(connection) for addresses in lists)
        return entry_for(connection, with_port=with_port)


class SignInCheck(ListCheck):
    """Users who sign in (S13)."""

    event_names = ("Login", "LocalUsers")

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
        if not self.speaks(user, time, turn):
            return
        subject = {"UserName": user.name, "UserId": user.uid}
        entry = self.entry(user, time, turn)
        allowing = None if self.denies or user.name is user.uid is None else user.value
        self.find(event, record, time, turn, user.value, subject, (entry, allowing))


class ProcessCheck(ListCheck):
    """Processes that are started (S14)."""

    event_names = ("ProcessCreate",)

    def judge(self, device: Device, event: ProcessCreate, time: int, turn: Turn) -> bool:
        paths, bases, denies = self.list.paths, self.list.bases, self.denies
        for process in event.payload:
            path = process.executable
            held = path in paths or path.rpartition("/")[2] in bases or self._holds(process)
            if held is denies:
                self._find(event, process, time, turn)
        return False

    def _holds(self, process: Process) -> bool:
        return bool(self.list.has(canonical_path(process.executable), digest_of(process)))

    def _find(self, event: ProcessCreate, process: Process, time: int, turn: Turn) -> None:
        program = Program(process.executable, digest_of(process))
        if not self.speaks(program, time, turn):
            return
        subject = {"Executable": process.executable, "Hash": program.digest}
        entry = self.entry(program, time, turn)
        allowing = None if self.denies else program.path
        self.find(event, process, time, turn, program.value, subject, (entry, allowing))
