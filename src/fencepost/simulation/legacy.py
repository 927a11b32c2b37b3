"""
JSON messages as the three legacy agents write them, with the order of their members and their oddities.

The C agent for Linux, the C# agent for Linux and the C# agent for Windows say the same things differently;
each difference here was seen in their output or in their source.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from random import Random
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

Style = Literal["c", "csharp-linux", "csharp-windows"]
Event = dict[str, Any]

VERSIONS: Mapping[Style, str] = {
    "c": "0.0.5",
    "csharp-linux": "0.0.5.27854",
    "csharp-windows": "0.0.5.27854",
}
LOCAL = timedelta(hours=-5)
"""The devices' time zone; the C agent writes local time with the Z of UTC."""
SSHD = "/usr/sbin/sshd"


class Call(Struct, frozen=True):
    """A connection that a program makes or takes."""

    address: str
    port: int
    executable: str
    command_line: str
    direction: Literal["In", "Out"] = "Out"
    uid: str = "0"


class LegacyAgent:
    """One installation of an agent: it turns what happened into events, and events into messages."""

    def __init__(self, style: Style, host: str, random: Random) -> None:
        self.style = style
        self.host = host
        self._random = random
        self._agent_id = self._uuid()
        self._pid = random.randrange(800, 2000)

    def message(self, events: Sequence[Event]) -> bytes:
        envelope = {
            "AgentVersion": VERSIONS[self.style],
            "AgentId": self._agent_id,
            "MessageSchemaVersion": "1.0",
            "Events": events,
        }
        text = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)
        return (text.replace("/", "\\/") if self.style == "c" else text).encode()

    def connection(self, at: datetime, call: Call) -> Event:
        return self._event("ConnectionCreate", at, [self._connection(call)])

    def aggregated_connection(self, start: datetime, end: datetime, hits: int, call: Call) -> Event:
        payload = self._connection(call)
        payload["ProcessId"] = 0
        if call.direction == "In":
            payload["RemotePort"] = 0 if self.style == "c" else ""
        elif self.style == "csharp-windows":
            payload["LocalPort"] = ""
        payload["ExtraDetails"] = self._aggregate(start, end, hits)
        return self._event("ConnectionCreate", end, [payload], category="Aggregated")

    def process(self, at: datetime, executable: str, command_line: str, uid: str = "0") -> Event:
        return self._event("ProcessCreate", at, [self._process(executable, command_line, uid)])

    def aggregated_process(
        self, start: datetime, end: datetime, hits: int, executable: str, command_line: str
    ) -> Event:
        payload = self._process(executable, command_line, "0")
        payload["ProcessId"] = payload["ParentProcessId"] = 0
        payload["ExtraDetails"] = {**payload["ExtraDetails"], **self._aggregate(start, end, hits)}
        return self._event("ProcessCreate", end, [payload], category="Aggregated")

    def failed_sign_in(self, at: datetime, user: str, address: str) -> list[Event]:
        """Return the events of one attempt: on Linux PAM's record and the one of sshd that repeats it."""
        if self.style == "csharp-windows":
            return [self._windows_sign_in(at, user, address, "Fail")]
        pid, known = self._next_pid(), not user.startswith("(")
        first = {"ProcessId": pid, "UserName": user if known else "?", "Operation": "PAM:authentication"}
        second = {"ProcessId": pid, "UserName": user, "Operation": "login"}
        return [
            self._linux_sign_in(at, first, address, "Fail"),
            self._linux_sign_in(at + timedelta(seconds=1), second, address, "Fail"),
        ]

    def sign_in(self, at: datetime, user: str, uid: str, address: str) -> list[Event]:
        """Return the events of one success: on Linux the name stands in PAM's record, the uid in the other."""
        if self.style == "csharp-windows":
            return [self._windows_sign_in(at, user, address, "Success")]
        pid = self._next_pid()
        first = {"ProcessId": pid, "UserName": user, "Operation": "PAM:authentication"}
        second = {"ProcessId": pid, "UserId": uid, "Operation": "login"}
        return [
            self._linux_sign_in(at, first, address, "Success"),
            self._linux_sign_in(at + timedelta(seconds=1), second, address, "Success"),
        ]

    def console_sign_in(self, at: datetime, uid: str) -> Event:
        """Return a success at the device's own console: the agents state the uid and no name."""
        who = {"ProcessId": self._next_pid(), "UserId": uid, "Operation": "login"}
        return self._linux_sign_in(at, who, None, "Success", executable="/bin/login")

    def local_users(self, at: datetime, accounts: Mapping[str, str]) -> Event:
        rows = [
            {"UserName": name, "UserId": uid, "GroupNames": name, "GroupIds": uid}
            for uid, name in accounts.items()
        ]
        return self._event("LocalUsers", at, rows, category="Periodic")

    def listening_ports(self, at: datetime, ports: Sequence[int]) -> Event:
        rows = [
            {
                "Protocol": "tcp",
                "LocalAddress": "0.0.0.0",  # noqa: S104 - what a listener on all addresses is shown as
                "LocalPort": str(port),
                "RemoteAddress": "0.0.0.0",  # noqa: S104
                "RemotePort": "*",
                "ExtraDetails": {"Pid": str(self._random.randrange(400, 900))},
            }
            for port in ports
        ]
        return self._event("ListeningPorts", at, rows, category="Periodic")

    def system_information(self, at: datetime) -> Event:
        windows = self.style == "csharp-windows"
        row: dict[str, Any] = {
            "OSName": "Microsoft Windows 10 IoT Enterprise" if windows else "Linux",
            "OSVersion": "10.0.17763" if windows else "4.15.0-72-generic #81-Ubuntu SMP",
            "OsArchitecture": "x86_64",
            "HostName": self.host,
            "TotalPhysicalMemoryInKB": 2_048_000,
            "FreePhysicalMemoryInKB": self._random.randrange(400_000, 1_200_000),
        }
        if self.style != "c":
            row |= {"TotalVirtualMemoryInKB": 0, "FreeVirtualMemoryInKB": 0}
        return self._event("SystemInformation", at, [row], category="Periodic")

    def statistics(self, at: datetime, sent: int) -> list[Event]:
        """Return what the agents say of themselves: nothing dropped, and nothing wrong with their twin."""
        queues = [{"Queue": name, "CollectedEvents": 0, "DroppedEvents": 0} for name in ("High", "Low")]
        messages = [{"MessagesSent": sent, "TotalFailed": 0, "MessagesUnder4KB": 0}]
        return [
            self._event("DroppedEventsStatistics", at, queues, category="Periodic", kind="Operational"),
            self._event("MessageStatistics", at, messages, category="Periodic", kind="Operational"),
            self._event("ConfigurationError", at, [], kind="Operational"),
        ]

    def _event(
        self, name: str, at: datetime, payload: list[Any], category: str = "Triggered", kind: str = "Security"
    ) -> Event:
        version, identity = {"PayloadSchemaVersion": "1.0"}, {"Id": self._uuid()}
        times = {"TimestampLocal": self._time(at + LOCAL), "TimestampUTC": self._time(at)}
        empty = {"IsEmpty": not payload}
        if self.style == "c":
            head = {"Category": category, "EventType": kind, "Name": name}
            return {**head, **version, **identity, **times, **empty, "Payload": payload}
        head = {"Name": name, "EventType": kind, "Category": category}
        return {**head, **empty, **version, **identity, **times, "Payload": payload}

    def _time(self, at: datetime) -> str:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ" if self.style == "c" else "%Y-%m-%dT%H:%M:%S")

    def _aggregate(self, start: datetime, end: datetime, hits: int) -> dict[str, Any]:
        write = "%Y-%m-%dT%H:%M:%SZ" if self.style == "c" else "%m/%d/%Y %H:%M:%S"
        times = {
            "StartTimeLocal": (start + LOCAL).strftime(write),
            "StartTimeUtc": start.strftime(write),
            "EndTimeLocal": (end + LOCAL).strftime(write),
            "EndTimeUtc": end.strftime(write),
        }
        return {"HitCount": hits, **times} if self.style == "c" else {**times, "HitCount": str(hits)}

    def _connection(self, call: Call) -> dict[str, Any]:
        remote = {"RemoteAddress": self._address(call.address), "RemotePort": str(call.port)}
        if self.style == "c":
            end = {"Executable": call.executable, "CommandLine": call.command_line}
            head = {"Protocol": "tcp", "Direction": call.direction}
            return {**head, **remote, **end, "ProcessId": self._next_pid(), "UserId": call.uid}
        tail = {"Protocol": "Tcp", "Direction": call.direction}
        if self.style == "csharp-linux":
            program = {"Executable": call.executable, "ProcessId": self._next_pid()}
            return {**program, "CommandLine": call.command_line, "UserId": call.uid, **remote, **tail}
        path = call.executable.lower().replace("c:", "\\device\\harddiskvolume2")
        local = {"LocalAddress": "10.20.1.9", "LocalPort": str(self._random.randrange(49_152, 65_536))}
        return {"Executable": path, "ProcessId": self._next_pid(), **local, **remote, **tail}

    def _address(self, text: str) -> str:
        address = ip_address(text)
        if address.version == 4 or self.style == "csharp-windows":  # noqa: PLR2004
            return str(address)
        return address.exploded if self.style == "c" else address.exploded.upper()

    def _process(self, executable: str, command_line: str, uid: str) -> dict[str, Any]:
        windows = self.style == "csharp-windows"
        return {
            "Executable": executable,
            "CommandLine": command_line,
            "UserId": "0x3E7" if windows else uid,
            **({"UserName": "-"} if windows else {}),
            "ProcessId": self._next_pid(),
            "ParentProcessId": 1,
            "ExtraDetails": {"CREATOR_LOGON_ID": "0x3E7"} if windows else {"Hash": ""},
        }

    def _linux_sign_in(
        self, at: datetime, who: dict[str, Any], address: str | None, result: str, executable: str = SSHD
    ) -> Event:
        operation = {"Operation": who.pop("Operation")}
        remote = {} if address is None else {"RemoteAddress": address}
        payload = {**who, "Executable": executable, **remote, "Result": result, **operation}
        return self._event("Login", at, [payload])

    def _windows_sign_in(self, at: datetime, user: str, address: str, result: str) -> Event:
        domain = self.host.upper()
        details = {"Account Domain": domain}
        if result == "Fail":
            details["Failure Reason"] = "Unknown user name or bad password."
        payload = {
            "ProcessId": self._next_pid(),
            "UserId": "",
            "UserName": f"{domain}\\{user}",
            "Operation": "User32 ",
            "Executable": "C:\\Windows\\System32\\svchost.exe",
            "RemoteAddress": address,
            "RemotePort": "0",
            "Result": result,
            "ExtraDetails": details,
        }
        return self._event("Login", at, [payload])

    def _next_pid(self) -> int:
        self._pid = self._pid % 32_000 + self._random.randrange(1, 9)
        return self._pid

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
