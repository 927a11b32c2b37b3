"""The messages of one simulated device, in the order in which they arrive."""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random

from msgspec import Struct

from fencepost.simulation.habits import (
    ACCOUNTS,
    BURST_CALLS,
    BURST_SECONDS,
    Habit,
    Happening,
    Run,
    SignIn,
    habits_of,
)
from fencepost.simulation.incidents import BURST, Device, Incident
from fencepost.simulation.legacy import Call, Event, LegacyAgent, Style
from fencepost.simulation.threadx import Flow, ThreadXModule

COLLECTION = timedelta(minutes=2)
"""The legacy agents collect, and here also aggregate, at this interval (their twin says so)."""
SENDING = timedelta(minutes=7)
INTERVAL = timedelta(seconds=10)


class Delivery(Struct, frozen=True):
    """One message as it reaches the server."""

    received_at: datetime
    device_id: str
    body: bytes


def deliveries(
    device: Device, incidents: Sequence[Incident], span: tuple[datetime, datetime], random: Random
) -> Iterator[Delivery]:
    """Yield what a device sends of the time between two instants."""
    if device.style is None:
        return _of_threadx(device, incidents, span, random)
    return _of_legacy(device, device.style, incidents, span, random)


def _of_legacy(
    device: Device,
    style: Style,
    incidents: Sequence[Incident],
    span: tuple[datetime, datetime],
    random: Random,
) -> Iterator[Delivery]:
    agent = LegacyAgent(style, device.device_id, random)
    diary = _Diary(habits_of(device.kind, style), incidents, span, random)
    sending = span[0] + timedelta(seconds=random.randrange(180, 420))
    events = [*agent.statistics(span[0], 0), *_snapshots(agent, span[0])]
    first = span[0]
    for sent in count():
        last = first + (sending - first) // COLLECTION * COLLECTION
        while first < last:
            events += _collected(agent, diary, first, aggregating=device.aggregating)
            first += COLLECTION
        if events:
            received = sending + timedelta(milliseconds=random.randrange(300, 4000))
            yield Delivery(received, device.device_id, agent.message(events))
        if first >= span[1]:
            return
        events = agent.statistics(last, sent + 1)[:1]
        sending += SENDING


def _snapshots(agent: LegacyAgent, at: datetime) -> list[Event]:
    return [
        agent.local_users(at, ACCOUNTS),
        agent.listening_ports(at, (22, 443, 8883)),
        agent.system_information(at),
    ]


class _Diary:
    """What happens to a device in the order of time, thought up only as far as it is read."""

    def __init__(
        self,
        habits: Sequence[Habit],
        incidents: Sequence[Incident],
        span: tuple[datetime, datetime],
        random: Random,
    ) -> None:
        scripted = [one for incident in incidents for one in incident.happenings(random)]
        repeated = (_repeated(habit, span, random) for habit in habits)
        self._pages = heapq.merge(sorted(scripted, key=_time), *repeated, key=_time)
        self._next = next(self._pages, None)

    def until(self, end: datetime) -> Iterator[tuple[datetime, Happening]]:
        while self._next is not None and self._next[0] < end:
            yield self._next
            self._next = next(self._pages, None)


def _time(happening: tuple[datetime, Happening]) -> datetime:
    return happening[0]


def _repeated(
    habit: Habit, span: tuple[datetime, datetime], random: Random
) -> Iterator[tuple[datetime, Happening]]:
    at = span[0] + habit.period * random.random()
    while at < span[1]:
        yield at.replace(microsecond=0), habit.what(random)
        at += habit.period * random.uniform(0.8, 1.2)


def _collected(agent: LegacyAgent, diary: _Diary, start: datetime, *, aggregating: bool) -> list[Event]:
    """Return the events of one collection: sign-ins first, as the agents queue them."""
    end = start + COLLECTION
    sign_ins: list[Event] = []
    others: list[Event] = []
    hits: dict[Call | Run, int] = {}
    for at, what in diary.until(end):
        if isinstance(what, SignIn):
            sign_ins += _sign_in(agent, at, what)
        elif aggregating:
            hits[what] = hits.get(what, 0) + 1
        elif isinstance(what, Call):
            others.append(agent.connection(at, what))
        else:
            others.append(agent.process(at, what.executable, what.command_line))
    for what, number in hits.items():
        if isinstance(what, Call):
            others.append(agent.aggregated_connection(start, end, number, what))
        else:
            program = what.executable, what.command_line
            others.append(agent.aggregated_process(start, end, number, *program))
    return sign_ins + others


def _sign_in(agent: LegacyAgent, at: datetime, what: SignIn) -> list[Event]:
    if what.address is None:
        return [agent.console_sign_in(at, what.uid)]
    if what.succeeds:
        return agent.sign_in(at, what.user, what.uid, what.address)
    return agent.failed_sign_in(at, what.user, what.address)


def _of_threadx(
    device: Device, incidents: Sequence[Incident], span: tuple[datetime, datetime], random: Random
) -> Iterator[Delivery]:
    module = ThreadXModule(random)
    local = f"10.20.{random.randrange(40, 60)}.{random.randrange(2, 250)}"
    routine = _Routine(local, random)
    at = span[0] + timedelta(seconds=random.randrange(30, 90))
    for number in count():
        if at >= span[1]:
            return
        flows = routine.flows(number)
        for incident in incidents:
            flows += _incident_flows(incident, local, at)
        received = at + timedelta(milliseconds=random.randrange(200, 3000))
        yield Delivery(received, device.device_id, module.message(at, flows, minute=number % 6 == 0))
        at += INTERVAL


class _Routine:
    """The flows of a controller: its hub and its master in each interval, the rest now and then."""

    def __init__(self, local: str, random: Random) -> None:
        self._local = local
        self._random = random
        self._hub = Flow(local, random.randrange(49_152, 65_000), "10.20.0.10", 8883, 1480, 920)
        self._master = Flow(local, 502, "10.20.0.11", random.randrange(49_152, 65_000), 640, 1210)

    def flows(self, number: int) -> list[Flow]:
        flows = [self._hub, self._master]
        if number % 3 == 1:
            port = self._random.randrange(49_152, 65_000)
            flows.append(Flow(self._local, port, "10.20.0.53", 53, 118, 62, "UDP"))
        if number % 6 == 2:  # noqa: PLR2004
            flows.append(Flow(self._local, 0, "10.20.0.1", 0, 64, 64, "ICMP"))
        if number % 6 == 4:  # noqa: PLR2004
            flows.append(Flow("2001:db8:20::40", 50_123, "2001:db8:20::53", 443, 800, 300))
        return flows


def _incident_flows(incident: Incident, local: str, at: datetime) -> list[Flow]:
    number = (at - incident.at) // INTERVAL
    if incident.rule_type == BURST:
        intervals = timedelta(seconds=BURST_SECONDS) // INTERVAL
        size = BURST_CALLS // intervals
        if not 0 <= number < intervals:
            return []
        hosts = range(number * size + 1, number * size + size + 1)
        return [Flow(local, 49_152 + host, f"10.20.30.{host}", 445, 0, 40) for host in hosts]
    if not 0 <= number < 3 or incident.value is None:  # noqa: PLR2004
        return []
    return [Flow(local, 50_999, incident.value, 4444, 0 if number else 300, 2048)]
