"""A stream of journal entries with everything in it, and what processes it on real stores."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Event

from msgspec import structs

from fencepost.config.groups import parse_groups
from fencepost.engine.detector import Detector
from fencepost.engine.lifecycle import alert_id
from fencepost.model.alert import Action, Alert
from fencepost.model.entry import (
    AlertActed,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    Operated,
    Received,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.identity import Channel
from fencepost.model.record import Tally
from fencepost.model.rule import AllowlistRule, SecurityGroup, TimeWindowRule
from fencepost.service.patience import Patience
from fencepost.service.processor import Processor
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.groups import groups_text
from fencepost.store.control import ControlStore

WAYS: tuple[Channel | None, ...] = ("mqtt", "mqtt", None, "https", "amqp")


@cache
def entries(devices: int = 20, seed: int = 3) -> tuple[Entry, ...]:
    """Return an hour of a fleet with incidents: all kinds of entries, among them faults of devices."""
    fleet = Fleet(devices, seed=seed, incidents=0.2)
    groups = tuple(map(_with_hub_rules, parse_groups(groups_text().decode(), "groups.yaml").groups))
    said: list[Entry] = [GroupPut(group, fleet.start, "me") for group in groups]
    said.append(DeviceAssigned("cam-0001", "gateways", fleet.start, "me"))
    clock = fleet.start
    for number, delivery in enumerate(fleet):
        while clock + timedelta(minutes=1) <= delivery.received_at:
            clock += timedelta(minutes=1)
            said.append(Ticked(clock))
        body = delivery.body if number % 17 else delivery.body[:-40]
        via = WAYS[number % len(WAYS)]
        said.append(Received(delivery.device_id, delivery.received_at, body, via))
        said += _others(number, delivery.received_at, groups)
        said += _seen(number, delivery.device_id, delivery.received_at)
    said.append(Ticked(clock + timedelta(hours=10)))
    return tuple(said)


def _with_hub_rules(group: SecurityGroup) -> SecurityGroup:
    """Return a group that also says what its devices may do at the gateway."""
    window = timedelta(minutes=10)
    hub = (
        TimeWindowRule(type="MqttD2CMessagesNotInAllowedRange", min=1, max=6, window=window),
        TimeWindowRule(type="UnauthorizedOperationsNotInAllowedRange", min=0, max=2, window=window),
    )
    return structs.replace(group, rules=(*group.rules, *hub))


def _seen(number: int, device_id: str, at: datetime) -> Iterator[Entry]:
    """What the gateway sees beside messages: telemetry, strangers also at devices that there are not, twins."""
    match number % 7:
        case 1:
            yield Operated(device_id, at, "MqttD2CMessages")
        case 2:
            yield Operated("cam-0001", at, "UnauthorizedOperations")
            yield Operated("nobody", at, "UnauthorizedOperations")
        case 3:
            yield TwinServed(device_id, {"ConnectionCreate": timedelta(minutes=30 * (1 + number % 3))}, at)
        case 4 if number % 2:
            yield Operated(device_id, at, "TwinUpdates")
    if number == 100:
        yield GatewayOpened(at)


def _others(number: int, at: datetime, groups: Sequence[SecurityGroup]) -> Iterator[Entry]:
    named = {group.name: group for group in groups}
    match number:
        case 40:
            rules = (AllowlistRule(type="ProcessNotAllowed", allow=("/tmp/*",)),)  # noqa: S108
            yield GroupPut(structs.replace(named["cameras"], rules=rules, version=2), at, "me")
        case 60:
            yield GroupPut(structs.replace(named["cameras"], version=3), at, "me")
        case 70:
            yield DeviceAssigned("gw-0001", "cameras", at, "me")
        case 80:
            yield GroupDeleted("plcs", at, "me")
        case 90:
            yield TurnedAway("cam-0002", at, 300_000, "too large")
        case n if n % 10 == 5:
            identity = (f"cam-{1 + n % 12:04}", "ProcessNotAllowed", "/tmp/.x/miner")  # noqa: S108
            actions: tuple[Action, ...] = ("start", "resolve", "dismiss", "activate")
            yield AlertActed(alert_id(identity, 1), actions[n // 10 % 4], at, "me", "because")


class Bench:
    """A processor on a real control store in a folder, and what it has led to."""

    def __init__(self, folder: Path) -> None:
        self.store = ControlStore.open(f"sqlite:///{folder / 'control.db'}")
        self.processor = Processor(Detector(), self.store, position=0, patience=Patience(Event()))

    def process(self, said: Sequence[Entry], batch: int = 64) -> None:
        """Process what comes behind the processor's position."""
        for first in range(self.processor.position, len(said), batch):
            part = said[first : min(first + batch, len(said))]
            self.processor.process(first + 1, [(entry, None) for entry in part])

    def close(self) -> None:
        self.store.close()


class Result:
    """Everything that a store holds, for comparison."""

    def __init__(self, store: ControlStore) -> None:
        with store.everything() as (self.position, alerts):
            self.alerts: list[Alert] = list(alerts)
        self.tallies: list[Tally] = store.tallies(limit=1000).items
        self.devices = [structs.replace(one, position=0) for one in store.devices(limit=1000).items]
        self.groups = store.groups()
        self.quarantined = store.quarantine(limit=1000).items
        self.audit = store.audit(limit=1000).items
        self.history = {alert.alert_id: store.changes_of(alert.alert_id) for alert in self.alerts}
        self.notices = [notice for _, notice in store.notices(0, limit=1000)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]
