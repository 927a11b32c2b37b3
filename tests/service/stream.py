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
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Mend,
    Operated,
    Received,
    SuppressionDeleted,
    SuppressionPut,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.identity import Channel
from fencepost.model.layer import Layer
from fencepost.model.record import Tally
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, SecurityGroup, TimeWindowRule
from fencepost.model.suppression import Condition, SuppressionRule
from fencepost.service.patience import Patience
from fencepost.service.processor import Processor
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.groups import groups_text
from fencepost.store.control import ControlStore

MINER = "/tmp/.x/miner"  # noqa: S108
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
        said += _edits(number, delivery.received_at, groups)
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
            actions: tuple[Action, ...] = ("start", "resolve", "dismiss", "activate")
            yield AlertActed(_miner(n), actions[n // 10 % 4], at, "me", "because")
            yield AlertActed(_miner(n), "start", at, "me", None, "what it never was")


def _edits(number: int, at: datetime, groups: Sequence[SecurityGroup]) -> Iterator[Entry]:
    """What people say beyond the groups, and about alerts."""
    named = {group.name: group for group in groups}
    match number:
        case 20 | 700:
            yield LayerPut(_fleet(number), at, "me", "known servers", None)
        case 33 | 600 | 1200:
            yield LayerPut(_own_layer(number), at, "me")
        case 640 | 690 | 1000:
            yield SuppressionPut(_known_visitor(number, at), at, "me")
        case 850:
            yield SuppressionDeleted("KNOWN", at, "me")
        case 1010:
            yield GroupPut(_mended(named["cameras"], at), at, "anna", "known", Mend(_miner(1), "allow"))
        case 1100:
            yield GroupPut(
                structs.replace(named["cameras"], version=5), at, "anna", None, Mend(_miner(1), "undo")
            )
        case n if n % 10 == 3:
            yield AlertAssigned(_miner(n), f"anna-{n % 4}" if n % 3 else None, at, "me")
            yield AlertAssigned(_miner(n), "late", at, "me", seen="what it never was")
            yield AlertCommented(_miner(n), "it is known", at, "bert")


def _miner(number: int) -> str:
    """Return the id of an alert that there is, or may be."""
    return alert_id((f"cam-{1 + number % 12:04}", "ProcessNotAllowed", MINER), 1)


def _fleet(number: int) -> Layer:
    allow = ("192.0.2.1",) if number == 20 else ("192.0.2.0/24", "203.0.113.0/24")
    allowed = AllowlistRule(type="ConnectionToIpNotAllowed", allow=allow)
    denied = DenylistRule(type="ProcessDenied", deny=("nc",))
    return Layer(rules=(allowed, denied), version=number)


def _own_layer(number: int) -> Layer:
    """Return what is expected of one device alone; the last edit leaves nothing."""
    rule = AllowlistRule(type="ProcessNotAllowed", allow=(f"/opt/{number}/*",))
    window = TimeWindowRule(
        type="ActiveConnectionsNotInAllowedRange", min=0, max=number, window=timedelta(minutes=5)
    )
    return Layer(device_id="cam-0002", rules=() if number == 1200 else (rule, window), version=number)


def _known_visitor(number: int, at: datetime) -> SuppressionRule:
    known = Condition(field="alert.value", contains=("visitor",))
    expires_at = at + timedelta(minutes=1) if number == 640 else None
    name = "Other" if number == 1000 else "Known"
    return SuppressionRule(
        name=name, alert_type="*", reason="test", conditions=(known,), changed_at=at, expires_at=expires_at
    )


def _mended(group: SecurityGroup, at: datetime) -> SecurityGroup:
    note = EntryNote(
        entry=MINER, by="anna", at=at, until=at + timedelta(minutes=3), alert_id=_miner(1), reason="known"
    )
    rules = tuple(
        structs.replace(rule, allow=(*rule.allow, MINER), notes=(note,))
        if isinstance(rule, AllowlistRule) and rule.type == "ProcessNotAllowed"
        else rule
        for rule in group.rules
    )
    return structs.replace(group, rules=rules, version=4)


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
        self.layers = store.layers()
        self.suppressions = store.suppressions()
        self.mends = {alert.alert_id: store.mends(alert.alert_id) for alert in self.alerts}
        self.quarantined = store.quarantine(limit=1000).items
        self.audit = store.audit(limit=1000).items
        self.history = {alert.alert_id: store.changes_of(alert.alert_id) for alert in self.alerts}
        self.notices = [notice for _, notice in store.notices(0, limit=1000)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]
