"""A store full of alerts, as a fleet leaves them behind in three months: drawn from a seed, always the same."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct
from sqlalchemy import insert

from fencepost.engine.lifecycle import alert_id
from fencepost.model.alert import Alert, Evidence, Extent, State
from fencepost.model.catalog import CATALOG, Severity
from fencepost.store.control import ControlStore
from fencepost.store.control.alert_writing import AlertWriter
from fencepost.store.control.columns import key
from fencepost.store.control.tables import devices

DEVICES = 20_000
GROUPS = 30
SPAN = timedelta(days=90)
RETIRED = "group-02"
"""A large group whose alerts all began in the first third of the time."""
SMALL = "group-29"
"""A group of three devices."""
KINDS = ("cam", "sensor", "gate", "pump")
PEOPLE = ("anna", "ben", "chen")
_BATCH = 5000
_RULES = {
    "ConnectionToIpNotAllowed": 40.0,
    "ProcessNotAllowed": 20.0,
    "ActiveConnectionsNotInAllowedRange": 15.0,
    "FailedLocalLoginsNotInAllowedRange": 10.0,
    "LocalUserNotAllowed": 5.0,
    "ConnectionFromIpNotAllowed": 4.0,
    "MqttD2CMessagesNotInAllowedRange": 3.0,
    "TwinUpdatesNotInAllowedRange": 1.5,
    "ConnectionToIpDenied": 1.0,
    "LocalUsersNotInAllowedRange": 0.5,
}
_PROGRAMS = ("busybox", "curl", "nc", "python3", "wget", "ssh", "dropbear", "tcpdump")
_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/vendor/bin", "/tmp/.cache")  # noqa: S108 - names


class Fleet(Struct, frozen=True):
    """Devices by their names, each in a group; the first have far more alerts than the last."""

    device_ids: list[str]
    group_of: list[str]
    weights: list[float]


SEED = 5


def drawn() -> Fleet:
    """Return 20,000 devices, in groups of very unequal sizes, one of them with three devices."""
    random = Random(SEED)
    sizes = [1 / (number + 1) for number in range(GROUPS - 1)]
    numbers = random.choices(range(GROUPS - 1), sizes, k=DEVICES)
    for index in (500, 5000, 15_000):
        numbers[index] = GROUPS - 1
    ids = [f"{KINDS[number % len(KINDS)]}-{index:05}" for index, number in enumerate(numbers)]
    weights = list(itertools.accumulate(1 / (index + 20) ** 0.7 for index in range(DEVICES)))
    return Fleet(ids, [f"group-{number:02}" for number in numbers], weights)


def fill(url: str, number: int, now: datetime) -> Fleet:
    """Put so many alerts, and the fleet's devices, into the store of a service that is not running."""
    whole, random = drawn(), Random(SEED + 1)
    writer = AlertWriter("sqlite")
    alerts = _alerts(whole, random, number, now)
    with ControlStore.open(url) as store:
        with store._writing() as connection:  # noqa: SLF001 - no journal has these
            connection.execute(insert(devices), [_device(one, now) for one in whole.device_ids])
        while batch := list(itertools.islice(alerts, _BATCH)):
            with store._writing() as connection:  # noqa: SLF001 - no journal has these
                writer.write(connection, [(alert, 0) for alert in batch])
    return whole


def file_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'control.db'}"


def _alerts(whole: Fleet, random: Random, number: int, now: datetime) -> Iterator[Alert]:
    """Yield alerts in the order in which they began, as far as messages keep order."""
    begin = now - SPAN
    ordinals: dict[tuple[str, str, str | None], int] = {}
    indices: Sequence[int] = range(DEVICES)
    names, weights = list(_RULES), list(itertools.accumulate(_RULES.values()))
    for index in range(number):
        at = begin + SPAN * (index / number) - timedelta(seconds=random.randrange(3600))
        device = random.choices(indices, cum_weights=whole.weights)[0]
        while whole.group_of[device] == RETIRED and index > number / 3:
            device = random.choices(indices, cum_weights=whole.weights)[0]
        rule = random.choices(names, cum_weights=weights)[0]
        yield _alert(whole, random, device, rule, at, now, ordinals)


def _alert(
    whole: Fleet,
    random: Random,
    device: int,
    rule: str,
    at: datetime,
    now: datetime,
    ordinals: dict[tuple[str, str, str | None], int],
) -> Alert:
    device_id = whole.device_ids[device]
    value = _value(random, rule)
    identity = (device_id, rule, value)
    ordinal = ordinals[identity] = ordinals.get(identity, 0) + 1
    lasts = timedelta(seconds=random.expovariate(1 / 1800))
    if random.random() < 0.04:
        lasts = timedelta(hours=random.randrange(24 * 12))
    last = min(now, at + lasts)
    state = _state(random, (now - at) / timedelta(days=1))
    times = min(1 + int(random.expovariate(0.5)), 20)
    row = CATALOG[rule]
    bounds: dict[str, Any] = {
        "min": 0,
        "max": 10,
        "window": timedelta(minutes=5),
        "firm": Extent(at, last, times, True),
    }
    return Alert(
        alert_id=alert_id(identity, ordinal),
        alert_type=row.alert_type,
        rule_type=rule,
        device_id=device_id,
        group=whole.group_of[device],
        severity=_severity(random, rule),
        state=state,
        title=row.alert_name,
        description=f"{row.description} {value or times} at {at:%Y-%m-%d %H:%M:%S} on {device_id}.",
        remediation=row.remediation,
        data_source="legacy",
        value=value,
        count=times,
        started_at=at,
        last_seen_at=last,
        received_at=at + timedelta(seconds=2),
        certainty="certain",
        evidence=tuple(_evidence(random, value, at, device_id) for _ in range(min(times, 6))),
        ordinal=ordinal,
        merged_into="0" * 32 if state == "Resolved" and random.random() < 0.02 else None,
        ended_at=last if state in {"Resolved", "Dismissed"} else None,
        assigned_to=random.choice(PEOPLE) if state == "InProgress" or random.random() < 0.01 else None,
        **(bounds if row.family == "timeWindow" else {}),
    )


def _state(random: Random, days: float) -> State:
    """One alert in a hundred is open: the newest, and some that nobody looks at."""
    chance = random.random()
    if chance < (0.4 if days < 1 else 0.004):
        return "Active"
    if chance > 0.9985:
        return "InProgress"
    return "Dismissed" if 0.90 < chance < 0.94 else "Resolved"


def _severity(random: Random, rule: str) -> Severity:
    if rule in {"ConnectionToIpDenied", "LocalUsersNotInAllowedRange"}:
        return "High"
    return random.choices(["Low", "Medium", "High", "Informational"], [85, 10, 2, 3])[0]  # type: ignore[return-value]


def _value(random: Random, rule: str) -> str | None:
    if "Ip" in rule:
        return ".".join(str(random.randrange(1, 255)) for _ in range(4))
    if rule == "ProcessNotAllowed":
        name = random.choice(_PROGRAMS)
        return f"{random.choice(_PLACES)}/{name}" + (
            f"-{random.randrange(4000)}" if random.random() < 0.5 else ""
        )
    if rule == "LocalUserNotAllowed":
        return random.choice(["root", "admin", "guest", f"user{random.randrange(2000)}"])
    return None


def _evidence(random: Random, value: str | None, at: datetime, device_id: str) -> Evidence:
    facts = {
        "Protocol": "tcp",
        "RemoteAddress": value,
        "RemotePort": str(random.randrange(65536)),
        "LocalPort": str(random.randrange(65536)),
        "Direction": "Out",
        "Executable": "/usr/bin/curl",
        "ProcessId": random.randrange(32768),
        "UserId": "0",
    }
    return Evidence(
        event_id=f"{random.getrandbits(128):032x}",
        event_name="ConnectionCreate",
        occurred_at=at,
        received_at=at + timedelta(seconds=2),
        facts=facts,
    )


def _device(device_id: str, now: datetime) -> dict[str, object]:
    return {
        "device_key": key(device_id),
        "device_id": device_id,
        "position": 0,
        "registered_at": now - SPAN,
        "first_seen_at": now - SPAN,
        "last_seen_at": now,
        "source": "legacy",
        "messages": 1,
        "events": 1,
        "rejected": 0,
        "tag": None,
    }
