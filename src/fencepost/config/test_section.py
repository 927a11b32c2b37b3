"""The `tests:` of a groups file, read into `RuleTest` values."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, cast, get_args

from fencepost.config.place import Place
from fencepost.config.rule_tests import Expected, Payload, RuleTest, Step
from fencepost.model.address import PORTS, PROTOCOLS, parse_address
from fencepost.model.alert import Certainty, State
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.event import Connection, Drops, LocalUser, Process, SignIn
from fencepost.model.identity import Operation
from fencepost.model.rule import DEFAULT_GROUP

TEST_KEYS = ("name", "group", "device", "events", "until", "expect")
STEP_KEYS = ("at", "received", "repeat", "every")
CONNECTION_KEYS = ("port", "local_port", "protocol", "executable", "hits", "over")
STEP_KINDS: dict[str, tuple[str, ...]] = {
    "connect": CONNECTION_KEYS,
    "accept": CONNECTION_KEYS,
    "login": ("result", "operation", "user_id", "process_id", "remote_address"),
    "process": ("command_line", "user_name", "user_id", "hash", "hits", "over"),
    "local_users": (),
    "dropped_events": (),
    "hub": (),
}
"""What can happen in a test, each with the keys that say more of it."""
_ALL_STEP_KEYS = tuple(
    dict.fromkeys([*STEP_KEYS, *STEP_KINDS, *(k for keys in STEP_KINDS.values() for k in keys)])
)
RESULTS = ("Success", "Fail")
MAXIMUM_EXPECTED = 200
MAXIMUM_MESSAGES = 100_000
MAXIMUM_OFFSET = timedelta(days=366)

Fields = dict[str, Place]


def step_keys(kind: str) -> tuple[str, ...]:
    """Return the keys of an event of a kind; what the gateway sees is received when it happens."""
    timing = tuple(key for key in STEP_KEYS if (kind, key) != ("hub", "received"))
    return (*timing, kind, *STEP_KINDS[kind])


def read_tests(place: Place, groups: Collection[str]) -> tuple[RuleTest, ...]:
    """Return the tests, given the names of the groups that the file defines."""
    return tuple(_test(item, groups) for item in place.items())


def _test(place: Place, groups: Collection[str]) -> RuleTest:
    fields = place.fields(TEST_KEYS, ("name", "events", "expect"))
    group, device = fields.get("group"), fields.get("device")
    if fields and (group is None) == (device is None):
        place.fault("a test has either a group or a device")
    return RuleTest(
        name=_text(fields, "name") or "",
        group=_group(group, groups) if group else None,
        device=_text(fields, "device"),
        events=_steps(fields["events"]) if "events" in fields else (),
        until=_offset(fields["until"]) if "until" in fields else None,
        expect=_expect(fields["expect"]) if "expect" in fields else (),
        line=place.line,
    )


def _group(place: Place, groups: Collection[str]) -> str | None:
    name = place.text()
    known = {group.casefold(): group for group in (DEFAULT_GROUP, *groups)}
    if name is not None and name.strip().casefold() not in known:
        place.unknown("group", name, tuple(known.values()))
        return None
    return name and known[name.strip().casefold()]


def _steps(place: Place) -> tuple[Step, ...]:
    steps = tuple(step for item in place.items() if (step := _step(item)) is not None)
    total = sum(step.repeat for step in steps)
    if total > MAXIMUM_MESSAGES:
        place.fault(f"{total} events are too many for a test: at most {MAXIMUM_MESSAGES}")
    return steps


def _step(place: Place) -> Step | None:
    written = place.value if isinstance(place.value, dict) else {}
    kinds = [kind for kind in STEP_KINDS if kind in written]
    if len(kinds) != 1:
        _note_kinds(place, kinds, [key for key in written if key not in _ALL_STEP_KEYS])
        return None
    kind = kinds[0]
    fields = place.fields(step_keys(kind), ("at",))
    payload = _PAYLOADS[kind](fields, fields[kind])
    at = _offset(fields["at"]) if "at" in fields else None
    timing = _timing(place, fields)
    if payload is None or at is None:
        return None
    return Step(at=at, payload=payload, **timing)


def _note_kinds(place: Place, kinds: list[str], unknown: list[str]) -> None:
    if not isinstance(place.value, dict) or (unknown and not kinds):
        place.fields(_ALL_STEP_KEYS)
        return
    found = f"not {' and '.join(kinds)} at once" if kinds else "none of them stands here"
    place.fault(f"an event is one of {', '.join(STEP_KINDS)}: {found}")


def _timing(place: Place, fields: Fields) -> dict[str, Any]:
    for key, other in (("every", "repeat"), ("hits", "over"), ("over", "hits")):
        if key in fields and other not in fields:
            place.fault(f"{key!r} needs {other!r} beside it")
    read = {
        "repeat": _whole(fields, "repeat", 1, MAXIMUM_MESSAGES),
        "every": _offset(fields["every"]) if "every" in fields else None,
        "received": _offset(fields["received"]) if "received" in fields else None,
        "hits": _whole(fields, "hits", 1, 10**9),
        "over": _offset(fields["over"]) if "over" in fields else None,
    }
    return {key: value for key, value in read.items() if value is not None}


def _offset(place: Place) -> timedelta | None:
    """Read a duration, or a plain number of seconds."""
    value, offset = place.value, None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= MAXIMUM_OFFSET.total_seconds():
            offset = timedelta(seconds=value)
    else:
        offset = place.duration()
        if offset is None:
            return None
    if offset is None or offset > MAXIMUM_OFFSET:
        place.fault("an offset is between PT0S and P366D")
        return None
    return offset


def _out(fields: Fields, subject: Place) -> Payload | None:
    return _connection(fields, subject, "Out")


def _in(fields: Fields, subject: Place) -> Payload | None:
    return _connection(fields, subject, "In")


def _connection(fields: Fields, subject: Place, direction: Any) -> Payload | None:
    port, local_port = _port(fields, "port"), _port(fields, "local_port")
    protocol = fields["protocol"].choice(PROTOCOLS) if "protocol" in fields else "tcp"
    executable = _text(fields, "executable")
    address = subject.text()
    remote = _address(subject, address)
    if remote is None:
        return None
    return Connection(
        direction=direction,
        remote_address=address,
        remote_port=port,
        local_port=local_port,
        protocol=protocol,
        executable=executable,
        remote=remote,
    )


def _address(place: Place, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_address(text)
    except ValueError:
        place.fault(f"{text!r} is not an IP address, such as 203.0.113.99 or 2001:db8::7")
        return None


def _port(fields: Fields, key: str) -> str | None:
    port = _whole(fields, key, 0, PORTS - 1)
    return None if port is None else str(port)


def _login(fields: Fields, subject: Place) -> Payload | None:
    result = fields["result"].choice(RESULTS) if "result" in fields else "Success"
    return SignIn(
        result=cast(Any, result),
        operation=_text(fields, "operation") or "login",
        user_name=subject.text(),
        user_id=_text(fields, "user_id"),
        process_id=_text(fields, "process_id"),
        remote_address=_text(fields, "remote_address"),
    )


def _process(fields: Fields, subject: Place) -> Payload | None:
    digest = _text(fields, "hash")
    executable = subject.text()
    if executable is None:
        return None
    return Process(
        executable=executable,
        command_line=_text(fields, "command_line"),
        user_name=_text(fields, "user_name"),
        user_id=_text(fields, "user_id"),
        extra_details={"Hash": digest} if digest else None,
    )


def _local_users(_: Fields, subject: Place) -> Payload | None:
    return tuple(LocalUser(user_name=name) for name in subject.texts())


def _drops(_: Fields, subject: Place) -> Payload | None:
    number = subject.whole()
    return None if number is None else Drops(dropped_events=number)


def _operation(_: Fields, subject: Place) -> Payload | None:
    return cast(Operation | None, subject.choice(get_args(Operation)))


_PAYLOADS: dict[str, Callable[[Fields, Place], Payload | None]] = {
    "connect": _out,
    "accept": _in,
    "login": _login,
    "process": _process,
    "local_users": _local_users,
    "dropped_events": _drops,
    "hub": _operation,
}


def _expect(place: Place) -> tuple[Expected, ...]:
    wishes = tuple(wish for item in place.items() if (wish := _wish(item)) is not None)
    if len(wishes) > MAXIMUM_EXPECTED:
        place.fault(f"a test expects at most {MAXIMUM_EXPECTED} alerts")
    return wishes


def _wish(place: Place) -> Expected | None:
    fields = place.fields(Expected.__struct_fields__, ("type",))
    choices = {"severity": Severity, "state": State, "certainty": Certainty}
    read: dict[str, Any] = {
        key: fields[key].choice(get_args(options)) for key, options in choices.items() if key in fields
    }
    read |= {"value": _text(fields, "value")}
    read |= {key: _whole(fields, key, 0, 10**12) for key in ("count", "min_count")}
    name = _text(fields, "type")
    if name is not None and name not in CATALOG:
        fields["type"].unknown("rule type", name, tuple(CATALOG))
    return None if name is None else Expected(type=name, **read)


def _text(fields: Fields, key: str) -> str | None:
    return fields[key].text() if key in fields else None


def _whole(fields: Fields, key: str, low: int, high: int) -> int | None:
    return fields[key].whole(low, high) if key in fields else None
