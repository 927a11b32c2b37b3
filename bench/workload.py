"""
The benchmark's stream: a fleet as it was measured, drawn from a seed.

Of the registered devices 44 % are active, and these very unequally (lognormal). A message carries about
4.6 events, an event 1.8 records; half of the records are connections. Up to 1 % of the records break a rule.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random

from msgspec import Struct, json

from fencepost.model.rule import AllowlistRule, Rule, SecurityGroup, TimeWindowRule

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SPAN = timedelta(minutes=30)
ACTIVE = 0.44
ACTIVITY_SIGMA = 0.8
EVENTS_PER_MESSAGE = 4.6
CSHARP = 0.15
FRESH = 0.10
"""The share of outbound addresses that never repeat; the allow-lists know their networks."""
OFFENDING = 0.004
BESIEGED = 0.01
"""The share of devices that somebody guesses passwords of."""
REACH = timedelta(minutes=7)
"""The longest that a message reaches back: an agent sends every seven minutes."""
NAMES = (
    ("ConnectionCreate", 0.536),
    ("ProcessCreate", 0.252),
    ("Login", 0.122),
    ("ListeningPorts", 0.022),
    ("LocalUsers", 0.020),
    ("SystemInformation", 0.024),
    ("Diagnostic", 0.024),
)
EVENT_NAMES = tuple(name for name, _ in NAMES)
BESIEGED_WEIGHTS = tuple(accumulate(3.0 if name == "Login" else weight for name, weight in NAMES))
WEIGHTS = tuple(accumulate(weight for _, weight in NAMES))
RECORDS = {"ConnectionCreate": (1, 2, 2), "ProcessCreate": (1, 2, 2), "Login": (1, 2)}
SNAPSHOT = {"ListeningPorts": (4, 9), "LocalUsers": (4, 8), "SystemInformation": (1, 1), "Diagnostic": (1, 1)}

Message = tuple[str, bytes, datetime]


class Workload(Struct, frozen=True):
    """`group_of` names each device's group; `messages` are (device, body, received) in arrival order."""

    groups: tuple[SecurityGroup, ...]
    device_ids: list[str]
    group_of: dict[str, str]
    messages: list[Message]


class _Group(Struct, frozen=True):
    group: SecurityGroup
    networks: list[str]
    """The first three numbers of allowed /24 networks."""
    peers: list[str]
    programs: list[str]
    users: list[str]


def generate(
    messages: int,
    devices: int = 100_000,
    groups: int = 50,
    seed: int = 7,
    start: datetime = START,
    span: timedelta = SPAN,
    part: int = 0,
) -> Workload:
    """
    Return the stream of the time `span` from `start` on: the same arguments give the same bytes.

    Another `part` is another stream of the same fleet.
    """
    random = Random(seed)
    made = [_group(number, random) for number in range(groups)]
    device_ids = [_uuid(random) for _ in range(devices)]
    placed = random.choices(range(groups), k=devices)
    active = sorted(random.sample(range(devices), max(1, int(devices * ACTIVE))))
    if part:
        random = Random(f"{seed} {part}")  # what comes now is drawn anew, the fleet is the same
    weights = list(accumulate(random.lognormvariate(0, ACTIVITY_SIGMA) for _ in active))
    chosen = Counter(random.sample(active, min(len(active), messages)))  # who is active sends something
    chosen.update(random.choices(active, cum_weights=weights, k=messages - chosen.total()))
    stream: list[Message] = []
    for device, number in chosen.items():
        stream += _Device(device_ids[device], made[placed[device]], random, start, span).messages(number)
    stream.sort(key=lambda message: (message[2], message[0]))
    return Workload(
        tuple(one.group for one in made),
        device_ids,
        {device: made[group].group.name for device, group in zip(device_ids, placed, strict=True)},
        stream,
    )


def statistics(workload: Workload) -> dict[str, float]:
    """Return what the stream really holds: counts, means and shares; it decodes every message."""
    names: Counter[str] = Counter()
    events = size = csharp = 0
    for _, body, _ in workload.messages:
        message = json.decode(body)
        size += len(body)
        csharp += message["AgentVersion"] != "0.0.5"
        events += len(message["Events"])
        for event in message["Events"]:
            names[event["Name"]] += len(event["Payload"])
    records, messages = names.total(), len(workload.messages)
    return {
        "messages": messages,
        "events": events,
        "records": records,
        "megabytes": size / 1e6,
        "events_per_message": events / messages,
        "records_per_message": records / messages,
        "bytes_per_record": size / records,
        "active_devices": len({device for device, _, _ in workload.messages}),
        "csharp_share": csharp / messages,
        **{f"{name}_share": number / records for name, number in sorted(names.items())},
    }


def _group(number: int, random: Random) -> _Group:
    networks = [f"10.{number}.{third}" for third in random.sample(range(256), random.randrange(40, 160))]
    cidrs = [f"{network}.0/24" for network in networks]
    wider = [f"172.16.{third}.0/28" for third in range(random.randrange(10, 40))]
    peers = [f"{network}.{random.randrange(1, 255)}" for network in networks for _ in range(3)]
    paths = [f"/usr/bin/tool{number}-{index}" for index in range(random.randrange(10, 30))]
    bases = [f"svc{number}-{index}" for index in range(random.randrange(8, 26))]
    wildcards = [f"/opt/vendor{number}/*", f"/srv/{number}/bin/?pp*"]
    users = [f"user{number}x{index}" for index in range(random.randrange(3, 12))]
    starved = number % 5 == 0
    rules: tuple[Rule, ...] = (
        TimeWindowRule(
            type="ActiveConnectionsNotInAllowedRange",
            min=1 if starved else 0,
            max=random.choice((30, 40, 60)),
            window=timedelta(minutes=30 if starved else random.choice((2, 5, 5, 10))),
        ),
        TimeWindowRule(
            type="FailedLocalLoginsNotInAllowedRange",
            min=0,
            max=random.choice((5, 6, 8)),
            window=timedelta(minutes=random.choice((5, 10, 10))),
        ),
        AllowlistRule(type="ConnectionToIpNotAllowed", allow=(*cidrs, *wider)),
        AllowlistRule(type="LocalUserNotAllowed", allow=tuple(users)),
        AllowlistRule(type="ProcessNotAllowed", allow=(*paths, *bases, *wildcards)),
    )
    programs = [*paths, *(f"/usr/sbin/{base}" for base in bases), f"/opt/vendor{number}/agent"]
    group = SecurityGroup(name=f"group-{number:02}", rules=rules)
    return _Group(group, networks, peers, programs, users)


class _Device:
    """One device's agent; it writes JSON text itself, because encoding objects would take minutes."""

    def __init__(
        self, device_id: str, group: _Group, random: Random, start: datetime, span: timedelta
    ) -> None:
        self._device_id = device_id
        self._start, self._span = start, span
        self._group = group
        self._random = random
        self._csharp = random.random() < CSHARP
        self._agent_id = _uuid(random)
        self._kinds: Mapping[str, Callable[[], str]] = {
            "ConnectionCreate": self._connection,
            "ProcessCreate": self._process,
            "Login": self._login,
            "ListeningPorts": self._listener,
            "LocalUsers": self._account,
            "SystemInformation": self._system,
            "Diagnostic": self._diagnostic,
        }
        besieged = random.random() < BESIEGED
        self._failing = 0.95 if besieged else 0.25
        self._weights = BESIEGED_WEIGHTS if besieged else WEIGHTS

    def messages(self, number: int) -> Iterator[Message]:
        """Yield the device's messages; its events are in order over all of them."""
        cuts = sorted(self._random.uniform(0.02, 1) for _ in range(number))
        first, received = 0.0, self._start
        for cut in cuts:
            first = max(first, cut - REACH / self._span)
            moments = sorted(self._random.uniform(first, cut) for _ in range(self._event_count()))
            first = cut
            text = ",".join(self._event(self._start + self._span * moment) for moment in moments)
            delay = timedelta(seconds=60 + 120 * self._random.random())
            received = max(
                received, self._start + self._span * moments[-1] + delay
            )  # a device's messages keep their order
            version = "0.0.5.27854" if self._csharp else "0.0.5"
            body = (
                f'{{"AgentVersion":"{version}","AgentId":"{self._agent_id}",'
                f'"MessageSchemaVersion":"1.0","Events":[{text}]}}'
            )
            yield self._device_id, body.encode(), received

    def _event_count(self) -> int:
        """Geometric with its mean at EVENTS_PER_MESSAGE, as bursts and quiet times make it."""
        drawn = math.log(1 - self._random.random()) / math.log(1 - 1 / EVENTS_PER_MESSAGE)
        return min(60, 1 + int(drawn))

    def _event(self, moment: datetime) -> str:
        name = self._random.choices(EVENT_NAMES, cum_weights=self._weights)[0]
        if name in RECORDS:
            count = self._random.choice(RECORDS[name])
        else:
            count = self._random.randint(*SNAPSHOT[name])
        write = self._kinds[name]
        payload = ",".join(write() for _ in range(count))
        category = "Triggered" if name in RECORDS or name == "Diagnostic" else "Periodic"
        kind = "Diagnostic" if name == "Diagnostic" else "Security"
        time = moment.strftime("%Y-%m-%dT%H:%M:%S" if self._csharp else "%Y-%m-%dT%H:%M:%SZ")
        times = f'"TimestampLocal":"{time}","TimestampUTC":"{time}"'
        identity = f'"PayloadSchemaVersion":"1.0","Id":"{_uuid(self._random)}"'
        if self._csharp:
            return (
                f'{{"Name":"{name}","EventType":"{kind}","Category":"{category}","IsEmpty":false,'
                f'{identity},{times},"Payload":[{payload}]}}'
            )
        return (
            f'{{"Category":"{category}","EventType":"{kind}","Name":"{name}",{identity},{times},'
            f'"IsEmpty":false,"Payload":[{payload}]}}'
        )

    def _connection(self) -> str:
        random = self._random
        inbound = random.random() < 0.25
        remote, direction = self._remote(inbound), "In" if inbound else "Out"
        program, pid = random.choice(self._group.programs), random.randrange(300, 32_000)
        port = random.randrange(1024, 65_536) if inbound else random.choice((443, 8883, 53, 123, 5671))
        command = f'"Executable":"{program}","CommandLine":"{program} --serve --config /etc/vendor/app{pid % 9}.conf --listen-backlog 64 --quiet"'
        if not self._csharp:
            return (
                f'{{"Protocol":"tcp","Direction":"{direction}","RemoteAddress":"{remote}",'
                f'"RemotePort":"{port}",{command},"ProcessId":{pid},"UserId":"1000"}}'
            )
        local = f'"LocalAddress":"10.0.0.5","LocalPort":"{random.choice((22, 443))}",' if inbound else ""
        return (
            f'{{{command},"ProcessId":{pid},"UserId":"1000",{local}"RemoteAddress":"{remote}",'
            f'"RemotePort":"{port}","Protocol":"Tcp","Direction":"{direction}"}}'
        )

    def _remote(self, inbound: bool) -> str:
        random = self._random
        drawn = random.random()
        if not inbound and drawn < OFFENDING * 2:
            return f"203.0.{random.randrange(256)}.{random.randrange(1, 255)}"
        if not inbound and drawn < FRESH:
            return f"{random.choice(self._group.networks)}.{random.randrange(1, 255)}"
        return random.choice(self._group.peers)

    def _process(self) -> str:
        random = self._random
        offending = random.random() < OFFENDING
        program = f"/tmp/x{random.randrange(99)}" if offending else random.choice(self._group.programs)  # noqa: S108
        pid = random.randrange(300, 32_000)
        return (
            f'{{"Executable":"{program}","CommandLine":"{program} --run --interval {pid % 60} --log-file /var/log/vendor/app{pid % 9}.log --no-daemon --retry 3",'
            f'"UserId":"1000","ProcessId":{pid},"ParentProcessId":1,"ExtraDetails":{{"Hash":""}}}}'
        )

    def _login(self) -> str:
        random = self._random
        user = "mallory" if random.random() < OFFENDING else random.choice(self._group.users)
        result = "Fail" if random.random() < self._failing else "Success"
        return (
            f'{{"ProcessId":{random.randrange(300, 32_000)},"UserName":"{user}","Executable":"/usr/sbin/sshd",'
            f'"RemoteAddress":"10.9.0.{random.randrange(1, 255)}","Result":"{result}","Operation":"login"}}'
        )

    def _listener(self) -> str:
        port = self._random.randrange(20, 9000)
        return (
            f'{{"Protocol":"tcp","LocalAddress":"0.0.0.0","LocalPort":"{port}","RemoteAddress":"0.0.0.0",'
            f'"RemotePort":"*","ExtraDetails":{{"Pid":"{port}"}}}}'
        )

    def _account(self) -> str:
        user, uid = self._random.choice(self._group.users), self._random.randrange(1000, 1100)
        return f'{{"UserName":"{user}","UserId":"{uid}","GroupNames":"{user};sudo","GroupIds":"{uid};27"}}'

    def _system(self) -> str:
        return (
            '{"OSName":"Linux","OSVersion":"4.15.0-72-generic #81-Ubuntu SMP Tue Nov 26 12:20:02 UTC 2019",'
            '"OsArchitecture":"x86_64","HostName":"edge-gw-01","TotalPhysicalMemoryInKB":24684084,'
            f'"FreePhysicalMemoryInKB":{self._random.randrange(1_000_000, 20_000_000)}}}'
        )

    def _diagnostic(self) -> str:
        return (
            '{"Message":"[process_utils.c] Excution of [./omsbaseline -d .] failed with return value of 127.",'
            f'"Severity":"Error","ProcessId":28836,"ThreadId":{self._random.randrange(1 << 30)}}}'
        )


def _uuid(random: Random) -> str:
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
