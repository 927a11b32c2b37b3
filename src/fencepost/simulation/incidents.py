"""Which device meets with which incident at what time, and the alert that must come of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from msgspec import Struct

from fencepost.model.catalog import AGENT_RULE_TYPES
from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation import habits
from fencepost.simulation.legacy import Style

BURST, FAILURES, FOREIGN_CALL, STRANGER, FOREIGN_PROCESS = AGENT_RULE_TYPES
ON_THREADX = (BURST, FOREIGN_CALL)
"""A ThreadX module reports its flows only."""

Kind = Literal["cam", "gw", "plc"]


class Device(Struct, frozen=True):
    """One device of the fleet; a ThreadX device has no style."""

    device_id: str
    kind: Kind
    style: Style | None = None
    aggregating: bool = False


class ExpectedAlert(Struct, frozen=True):
    """One alert that detection must find: `value` of a list rule, and at least so many occurrences."""

    rule_type: str
    device_id: str
    value: str | None
    min_count: int


class Incident(Struct, frozen=True):
    """
    Something that goes wrong on a device.

    `value` is what is offending as the alert will name it; None for numbers out of range. `haste` says how
    many times faster it goes than at leisure.
    """

    rule_type: str
    device: Device
    at: datetime
    value: str | None
    haste: int = 1

    @property
    def expected(self) -> ExpectedAlert:
        counts = {BURST: habits.BURST_CERTAIN, FAILURES: habits.FAILED_ATTEMPTS}
        count = counts.get(self.rule_type, 1)
        return ExpectedAlert(self.rule_type, self.device.device_id, self.value, count)

    @property
    def length(self) -> timedelta:
        """How long it takes until all that the alert must count has happened."""
        return length_of(self.rule_type) / self.haste

    def happenings(self, random: Random) -> list[tuple[datetime, habits.Happening]]:
        """Return what a legacy device does; a ThreadX device shows flows instead."""
        match self.rule_type, self.value:
            case "ActiveConnectionsNotInAllowedRange", _:
                return habits.connection_burst(self.at, self.haste, random)
            case "FailedLocalLoginsNotInAllowedRange", _:
                return habits.failed_sign_ins(self.at, self.haste, random)
            case "ConnectionToIpNotAllowed", str() as address:
                return habits.foreign_call(self.at, self.haste, address)
            case "LocalUserNotAllowed", str() as user:
                name = user.rpartition("\\")[2]
                return habits.stranger(self.at, name, console=name == "visitor")
            case "ProcessNotAllowed", str() as executable:
                return habits.foreign_process(self.at, executable)
        raise AssertionError(self.rule_type)


def length_of(rule_type: str) -> timedelta:
    """Return how long an incident of a type takes at leisure."""
    seconds = {BURST: habits.BURST_SECONDS, FAILURES: habits.FAILURE_SECONDS * habits.FAILED_ATTEMPTS}
    return timedelta(seconds=seconds.get(rule_type, 0))


def plan(
    devices: Sequence[Device],
    counts: Mapping[str, int],
    span: tuple[datetime, timedelta],
    random: Random,
) -> tuple[Incident, ...]:
    """
    Return incidents between a fifth and three fifths of the time, never two of one type on a device.

    Devices without an incident are taken first. Raises OperatorError where a type is unknown, or asked for
    more often than there are devices that can report it.
    """
    problems = list(problems_of_counts(devices, counts))
    if problems:
        raise OperatorError(problems)
    struck: set[str] = set()
    incidents: list[Incident] = []
    for rule_type in AGENT_RULE_TYPES:
        able = [device for device in devices if reports(device, rule_type)]
        random.shuffle(able)
        able.sort(key=lambda device: device.device_id in struck)
        for device in able[: counts.get(rule_type, 0)]:
            struck.add(device.device_id)
            at = span[0] + span[1] * random.uniform(0.2, 0.6)
            value = value_of(rule_type, device, random)
            incidents.append(Incident(rule_type, device, at.replace(microsecond=0), value))
    return tuple(incidents)


def at_rate(devices: Sequence[Device], rate: float) -> dict[str, int]:
    """Return how many incidents of each type strike a share of the devices, at least one where any can."""
    counts = {}
    for rule_type in AGENT_RULE_TYPES:
        able = sum(reports(device, rule_type) for device in devices)
        counts[rule_type] = min(able, max(1, round(able * rate))) if rate else 0
    return counts


def problems_of_counts(devices: Sequence[Device], counts: Mapping[str, int]) -> list[Problem]:
    """Return what is wrong with the numbers of incidents that these devices are to meet with."""
    found = []
    for rule_type, count in counts.items():
        able = sum(reports(device, rule_type) for device in devices)
        if rule_type not in AGENT_RULE_TYPES:
            found.append(Problem(f"incidents.{rule_type}", "no incident of this type is simulated"))
        elif not 0 <= count <= able:
            found.append(Problem(f"incidents.{rule_type}", f"{count}: the fleet can report 0 to {able}"))
    return found


def reports(device: Device, rule_type: str) -> bool:
    """Return whether a device could tell of an incident of this type."""
    return device.style is not None or rule_type in ON_THREADX


def value_of(rule_type: str, device: Device, random: Random, again: int = 0) -> str | None:
    """Return what offends in an incident; another one than before where it is the device's second or later."""
    windows = device.style == "csharp-windows"
    number = str(again) if again else ""
    if rule_type == FOREIGN_CALL:
        return f"198.51.100.{again % 254 + 1}" if again else f"203.0.113.{random.randrange(1, 255)}"
    if rule_type == FOREIGN_PROCESS:
        # Windows knows no case, so alerts name its users and paths in lower case
        miner = "c:\\users\\public\\miner{}.exe" if windows else "/tmp/.x/miner{}"  # noqa: S108
        return miner.format(number)
    if rule_type == STRANGER:
        if windows:
            return f"{device.device_id}\\mallory{number}"
        return f"mallory{number}" if again else random.choice(("mallory", "visitor"))
    return None
