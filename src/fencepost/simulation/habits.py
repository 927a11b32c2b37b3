"""What the simulated devices do day by day, and what an incident makes them do."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random

from msgspec import Struct

from fencepost.simulation.legacy import Call, Style

ACCOUNTS: Mapping[str, str] = {"0": "root", "1000": "admin", "1001": "service", "1003": "visitor"}
OFFICE = "10.20.9.4"
BURST_CALLS = 60
BURST_SECONDS = 60
BURST_CERTAIN = 41
"""One more than the groups allow: detection may coarsen the counters of a burst, but never below that."""
FAILED_ATTEMPTS = 12
FAILURE_SECONDS = 9
"""From one failed attempt to the next."""


class Run(Struct, frozen=True):
    """The start of a program."""

    executable: str
    command_line: str


class SignIn(Struct, frozen=True):
    """One attempt to sign in; without an address it is made at the device's console."""

    user: str
    uid: str
    address: str | None
    succeeds: bool


Happening = Call | Run | SignIn


class Habit(Struct, frozen=True):
    """Something that a device does again and again, about every `period`."""

    period: timedelta
    what: Callable[[Random], Happening]


def _habit(seconds: int, *choices: Happening) -> Habit:
    return Habit(timedelta(seconds=seconds), lambda random: random.choice(choices))


_SIGN_INS = (
    _habit(1500, SignIn("service", "1001", OFFICE, True), SignIn("admin", "1000", OFFICE, True)),
    _habit(2400, SignIn("admin", "1000", OFFICE, False)),
)

_CAMERA = (
    _habit(75, Call("10.20.7.30", 554, "/usr/bin/streamd", "streamd --to 10.20.7.30")),
    _habit(90, Call("10.20.0.53", 53, "/usr/bin/streamd", "streamd --to 10.20.7.30")),
    _habit(200, Call("2001:db8:20::30", 8883, "/opt/vendor/uplink", "/opt/vendor/uplink -v")),
    _habit(240, Call("127.0.0.1", 8080, "/opt/vendor/health", "/opt/vendor/health")),
    _habit(150, Call("10.20.7.30", 40_554, "/usr/bin/streamd", "streamd", "In")),
    _habit(170, Run("/opt/vendor/health", "/opt/vendor/health --check")),
    _habit(300, Run("/bin/sh", "sh -c date")),
    *_SIGN_INS,
)

_LINUX_GATEWAY = (
    _habit(60, Call("10.20.0.10", 8883, "/opt/vendor/edged", "edged --hub 10.20.0.10")),
    _habit(110, Call("2001:db8:20::10", 443, "/opt/vendor/edged", "edged --hub 10.20.0.10")),
    _habit(80, Call("10.20.0.20", 41_502, "/opt/vendor/edged", "edged", "In")),
    _habit(150, Run("/opt/vendor/edged", "edged --rotate")),
    _habit(400, Run("/bin/sh", "sh -c df")),
    *_SIGN_INS,
)

_EDGE = "C:\\Program Files\\Edge\\edged.exe"
_WINDOWS_GATEWAY = (
    _habit(60, Call("10.20.0.10", 8883, _EDGE, _EDGE)),
    _habit(90, Call("10.20.0.20", 51_433, _EDGE, _EDGE, "In")),
    _habit(150, Run(_EDGE, f'"{_EDGE}" --rotate')),
    _habit(400, Run("C:\\Windows\\System32\\cmd.exe", "cmd.exe /c dir")),
    *_SIGN_INS,
)

LINUX_HABITS: Mapping[str, Sequence[Habit]] = {"cam": _CAMERA, "gw": _LINUX_GATEWAY}


def habits_of(kind: str, style: Style) -> Sequence[Habit]:
    """Return the routine of a legacy device; its group allows all of it, with room to spare."""
    return _WINDOWS_GATEWAY if style == "csharp-windows" else LINUX_HABITS[kind]


# incidents: each takes the time that it takes at leisure, divided by its haste


def connection_burst(at: datetime, haste: int, random: Random) -> list[tuple[datetime, Happening]]:
    """Return calls to allowed addresses, but far too many: a scan of the plant's network."""
    first = random.randrange(1, 100)
    return [
        (
            at + timedelta(seconds=number * BURST_SECONDS / BURST_CALLS / haste),
            Call(f"10.20.30.{first + number}", 445, "/opt/vendor/edged", "edged --scan"),
        )
        for number in range(BURST_CALLS)
    ]


def failed_sign_ins(at: datetime, haste: int, random: Random) -> list[tuple[datetime, Happening]]:
    users = ("admin", "(unknown user)", "root")
    return [
        (
            at + timedelta(seconds=FAILURE_SECONDS * number / haste),
            SignIn(random.choice(users), "", f"10.20.66.{number // 4 + 1}", False),
        )
        for number in range(FAILED_ATTEMPTS)
    ]


def foreign_call(at: datetime, haste: int, address: str) -> list[tuple[datetime, Happening]]:
    call = Call(address, 4444, "/usr/bin/nc.openbsd", f"nc {address} 4444", uid="1000")
    return [(at, call), (at + timedelta(seconds=20 / haste), call)]


def stranger(at: datetime, user: str, *, console: bool) -> list[tuple[datetime, Happening]]:
    """At the console only the uid is told, which the device's list of accounts resolves to `visitor`."""
    if console:
        return [(at, SignIn("visitor", "1003", None, True))]
    return [(at, SignIn(user, "1666", "10.20.66.9", True))]


def foreign_process(at: datetime, executable: str) -> list[tuple[datetime, Happening]]:
    return [(at, Run(executable, f"{executable} --threads 4"))]
