"""A fleet of simulated devices: the same arguments give the same messages, byte for byte."""

import heapq
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.device import Delivery, deliveries
from fencepost.simulation.incidents import Device, ExpectedAlert, Incident, at_rate, plan
from fencepost.simulation.legacy import Style

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SHORTEST = timedelta(minutes=20)
"""In less time an incident would not stand apart from the start and the end."""


class Fleet:
    """
    `devices` devices over `duration` from `start`: cameras, gateways and ThreadX controllers.

    `incidents` is the share of the devices that each type of incident strikes, or a number for each rule
    type. Iterating yields the messages in the order of their arrival; `expected` are the alerts that
    detection with the groups of `simulation/groups.yaml` must raise, and there must be no others.
    Raises OperatorError for arguments that make no fleet.
    """

    def __init__(
        self,
        devices: int,
        *,
        seed: int = 1,
        start: datetime = START,
        duration: timedelta = timedelta(hours=1),
        incidents: float | Mapping[str, int] = 0.02,
    ) -> None:
        self.seed = seed
        self.start = start.astimezone(UTC).replace(microsecond=0)
        self.duration = duration
        problems = list(_problems(devices, duration, incidents))
        if problems:
            raise OperatorError(problems)
        self.devices = make_devices(devices)
        counts = incidents if isinstance(incidents, Mapping) else at_rate(self.devices, incidents)
        random = Random(f"{seed} incidents")  # noqa: S311 - a simulation keeps no secrets
        self.incidents = plan(self.devices, counts, (self.start, duration), random)

    @property
    def expected(self) -> tuple[ExpectedAlert, ...]:
        alerts = (incident.expected for incident in self.incidents)
        return tuple(sorted(alerts, key=lambda alert: (alert.device_id, alert.rule_type)))

    def __iter__(self) -> Iterator[Delivery]:
        struck: dict[str, list[Incident]] = {}
        for incident in self.incidents:
            struck.setdefault(incident.device.device_id, []).append(incident)
        span = self.start, self.start + self.duration
        streams = (
            deliveries(
                device,
                struck.get(device.device_id, ()),
                span,
                Random(f"{self.seed} {device.device_id}"),  # noqa: S311
            )
            for device in self.devices
        )
        return heapq.merge(*streams, key=lambda delivery: (delivery.received_at, delivery.device_id))


def make_devices(number: int) -> tuple[Device, ...]:
    """Return of each ten devices six cameras, two gateways of either system and two controllers."""
    made: list[Device] = []
    cameras = gateways = controllers = 0
    for index in range(number):
        match index % 5:
            case 1:
                gateways += 1
                style: Style = "csharp-linux" if gateways % 2 else "csharp-windows"
                made.append(Device(f"gw-{gateways:04}", "gw", style))
            case 2:
                controllers += 1
                made.append(Device(f"plc-{controllers:04}", "plc"))
            case _:
                cameras += 1
                made.append(Device(f"cam-{cameras:04}", "cam", "c", aggregating=cameras % 3 == 0))
    return tuple(made)


def _problems(devices: int, duration: timedelta, incidents: float | Mapping[str, int]) -> Iterator[Problem]:
    if devices < 1:
        yield Problem("devices", "a fleet has at least one device")
    if duration < SHORTEST:
        yield Problem("duration", f"a simulation lasts at least {SHORTEST // timedelta(minutes=1)} minutes")
    if not isinstance(incidents, Mapping) and not 0 <= incidents <= 1:
        yield Problem("incidents", "the share of devices that incidents strike is between 0 and 1")
