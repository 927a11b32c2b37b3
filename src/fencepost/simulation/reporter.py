"""What a device tells of itself: a reporter knows what happened so far, and packs it when it is asked to send."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

from fencepost.simulation.diary import Diary
from fencepost.simulation.habits import ACCOUNTS, BURST_CALLS, BURST_SECONDS, Run, SignIn, habits_of
from fencepost.simulation.incidents import BURST, Device, Incident
from fencepost.simulation.legacy import Call, Event, LegacyAgent, Style
from fencepost.simulation.threadx import Flow, ThreadXModule

COLLECTION = timedelta(minutes=2)
"""The legacy agents collect, and here also aggregate, at this interval (their twin says so)."""
INTERVAL = timedelta(seconds=10)
"""A ThreadX module's routine goes round in these steps, and this long it takes to measure what it sends."""
MEMORY = timedelta(minutes=7)
"""What a device has not reported by then, it has forgotten: no sender here is slower."""
CYCLE = 6
MOST_FLOWS = 60
"""A module's cache holds 64 flows; one that is full could not be sure of its numbers (S18)."""


class LegacyReporter:
    """A legacy agent on its device; `until` is how far it has collected."""

    def __init__(
        self,
        device: Device,
        style: Style,
        incidents: Sequence[Incident],
        span: tuple[datetime, datetime],
        random: Random,
    ) -> None:
        self._agent = LegacyAgent(style, device.device_id, random)
        self._diary = Diary(habits_of(device.kind, style), incidents, span, random)
        self._aggregating = device.aggregating
        self._events: list[Event] = []
        self._sent = 0
        self.until = span[0]

    def add(self, incident: Incident) -> None:
        self._diary.add(incident)

    def introduce(self) -> None:
        """Take down what an agent says first: its statistics, and snapshots of the device."""
        agent, at = self._agent, self.until
        self._events += agent.statistics(at, 0)
        self._events.append(agent.local_users(at, ACCOUNTS))
        self._events.append(agent.listening_ports(at, (22, 443, 8883)))
        self._events.append(agent.system_information(at))

    def collect(self, until: datetime) -> None:
        """Collect what happened up to an instant: sign-ins first, as the agents queue them."""
        agent, start = self._agent, self.until
        sign_ins: list[Event] = []
        others: list[Event] = []
        hits: dict[Call | Run, int] = {}
        for at, what in self._diary.until(until):
            if isinstance(what, SignIn):
                sign_ins += _sign_in(agent, at, what)
            elif self._aggregating:
                hits[what] = hits.get(what, 0) + 1
            elif isinstance(what, Call):
                others.append(agent.connection(at, what))
            else:
                others.append(agent.process(at, what.executable, what.command_line))
        for what, number in hits.items():
            if isinstance(what, Call):
                others.append(agent.aggregated_connection(start, until, number, what))
            else:
                program = what.executable, what.command_line
                others.append(agent.aggregated_process(start, until, number, *program))
        self._events += sign_ins + others
        self.until = until

    def message(self) -> bytes:
        """Return the message of all that has been collected since the last one."""
        body = self._agent.message(self._events)
        self._sent += 1
        self._begin_message()
        return body

    def report(self, at: datetime) -> bytes:
        """Collect up to an instant, in steps as the agents do, and return the message."""
        if self.until < at - MEMORY:
            self.until = at - MEMORY
            deque(self._diary.until(self.until), maxlen=0)
            self._begin_message()
        while at - self.until > COLLECTION:
            self.collect(self.until + COLLECTION)
        self.collect(at)
        return self.message()

    def _begin_message(self) -> None:
        self._events = self._agent.statistics(self.until, self._sent)[:1]


def _sign_in(agent: LegacyAgent, at: datetime, what: SignIn) -> list[Event]:
    if what.address is None:
        return [agent.console_sign_in(at, what.uid)]
    if what.succeeds:
        return agent.sign_in(at, what.user, what.uid, what.address)
    return agent.failed_sign_in(at, what.user, what.address)


class ThreadXReporter:
    """A security module on its controller."""

    def __init__(self, incidents: Sequence[Incident], random: Random) -> None:
        self._module = ThreadXModule(random)
        local = f"10.20.{random.randrange(40, 60)}.{random.randrange(2, 250)}"
        self._routine = _Routine(local, random)
        self._attacks = [_Attack(incident, local) for incident in incidents]
        self._local = local
        self._first: datetime | None = None
        self._step = -1
        self._measured: datetime | None = None

    def add(self, incident: Incident) -> None:
        self._attacks.append(_Attack(incident, self._local))

    def report(self, at: datetime) -> bytes:
        """Return the message of what was measured since the last one, in intervals of 10 s."""
        self._first = self._first or at
        step = (at - self._first) // INTERVAL
        steps = range(max(self._step + 1, step + 1 - MEMORY // INTERVAL), step + 1)
        flows = self._routine.flows(steps)
        for attack in self._attacks:
            flows += attack.flows(at, MOST_FLOWS - len(flows))
        self._attacks = [attack for attack in self._attacks if not attack.is_over(at)]
        length = at - self._measured if self._measured is not None else INTERVAL
        self._step, self._measured = step, at
        seconds = max(1, round(length.total_seconds()))
        return self._module.message(at, flows, minute=any(n % CYCLE == 0 for n in steps), interval=seconds)


class _Routine:
    """The flows of a controller: its hub and its master in each message, the rest now and then."""

    def __init__(self, local: str, random: Random) -> None:
        self._local = local
        self._random = random
        self._hub = Flow(local, random.randrange(49_152, 65_000), "10.20.0.10", 8883, 1480, 920)
        self._master = Flow(local, 502, "10.20.0.11", random.randrange(49_152, 65_000), 640, 1210)

    def flows(self, steps: Iterable[int]) -> list[Flow]:
        flows = [self._hub, self._master]
        for step in steps:
            if step % 3 == 1:
                port = self._random.randrange(49_152, 65_000)
                flows.append(Flow(self._local, port, "10.20.0.53", 53, 118, 62, "UDP"))
            if step % CYCLE == 2:  # noqa: PLR2004
                flows.append(Flow(self._local, 0, "10.20.0.1", 0, 64, 64, "ICMP"))
            if step % CYCLE == 4:  # noqa: PLR2004
                flows.append(Flow("2001:db8:20::40", 50_123, "2001:db8:20::53", 443, 800, 300))
        return flows


class _Attack:
    """The flows of an incident, as they show from message to message."""

    def __init__(self, incident: Incident, local: str) -> None:
        self._incident = incident
        self._local = local
        self._step = INTERVAL / incident.haste
        self._shown = 0

    def flows(self, at: datetime, most: int) -> list[Flow]:
        """Return those that have come since the last message; what finds no room comes with the next."""
        incident = self._incident
        if at < incident.at:
            return []
        number = (at - incident.at) // self._step
        if incident.rule_type == BURST:
            return self._scan(number, most)
        if incident.value is None or (number >= 3 and self._shown):  # noqa: PLR2004
            return []
        self._shown += 1
        received = 300 if self._shown == 1 else 0
        return [Flow(self._local, 50_999, incident.value, 4444, received, 2048)]

    def is_over(self, at: datetime) -> bool:
        done = BURST_CALLS if self._incident.rule_type == BURST else 1
        return self._shown >= done and at >= self._incident.at + 3 * self._step

    def _scan(self, number: int, most: int) -> list[Flow]:
        size = BURST_CALLS // (timedelta(seconds=BURST_SECONDS) // INTERVAL)
        come = min(BURST_CALLS, (number + 1) * size, self._shown + most)
        hosts = range(self._shown + 1, come + 1)
        self._shown = come
        return [Flow(self._local, 49_152 + host, f"10.20.30.{host}", 445, 0, 40) for host in hosts]
