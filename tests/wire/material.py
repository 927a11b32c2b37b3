"""What the tests of the wire build from: fixtures, small legacy messages, and the properties' settings."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fencepost.model.event import Connection, ConnectionCreate, Process, ProcessCreate, SecurityMessage

FIXTURES = Path(__file__).parent.parent / "fixtures" / "wire"
EXAMPLES = 2_000
"""How many examples each property tries; ten properties make about twenty thousand."""

property_settings = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def fixtures(pattern: str) -> list[Path]:
    found = sorted(FIXTURES.glob(pattern))
    assert found, pattern
    return found


def connection(**members: Any) -> dict[str, Any]:
    return {"Direction": "Out", "RemoteAddress": "203.0.113.7", "RemotePort": "443"} | members


def process(**members: Any) -> dict[str, Any]:
    return {"Executable": "/usr/bin/nc", "CommandLine": "nc -l", "UserId": "0"} | members


def login(**members: Any) -> dict[str, Any]:
    return {"Result": "Fail", "UserName": "alice", "Operation": "login"} | members


def aggregate(hits: Any = 3, **members: Any) -> dict[str, Any]:
    details = {"StartTimeUtc": "2020-01-01T10:00:00Z", "EndTimeUtc": "2020-01-01T11:00:00Z"}
    return {"HitCount": hits} | details | members


def event(name: str = "ConnectionCreate", payload: Any = None, **members: Any) -> dict[str, Any]:
    head = {"Name": name, "Id": "event-1", "TimestampUTC": "2020-01-01T11:00:00Z"}
    return head | {"Payload": [connection()] if payload is None else payload} | members


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def message(*events: Any, **members: Any) -> bytes:
    return json.dumps({"AgentVersion": "0.0.5", "Events": list(events)} | members).encode()


def connections(message: SecurityMessage) -> list[Connection]:
    return [item for told in message.events if isinstance(told, ConnectionCreate) for item in told.payload]


def processes(message: SecurityMessage) -> list[Process]:
    return [item for told in message.events if isinstance(told, ProcessCreate) for item in told.payload]


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 70000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            "In",
            "Out",
            "Fail",
            "Success",
            "",
            "10.0.0.1",
            "::1",
            "2020-01-01T11:00:00Z",
            "2020-01-01 11:00:00.5+01:00",
            "0001-01-01T00:00:00+05:00",
            "01/31/2020 19:05:09",
            "3",
            "HitCount",
            "2",
        ]
    )
    | st.text(max_size=8)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        "Direction",
        "RemoteAddress",
        "RemotePort",
        "LocalPort",
        "Protocol",
        "Executable",
        "UserId",
        "UserName",
        "Result",
        "Remote",
        "Span",
        "ExtraDetails",
        "DroppedEvents",
    ]
)
_details = st.dictionaries(
    st.sampled_from(["HitCount", "StartTimeUtc", "EndTimeUtc", "Hash"]), scalars, max_size=4
) | st.builds(aggregate, st.sampled_from([1, "7", 0, "x", None]))
_payloads = st.builds(
    lambda base, extra, details: base | extra | details,
    st.sampled_from([connection(), process(), login(), {}]),
    st.dictionaries(_names, anything, max_size=2),
    st.just({}) | st.builds(lambda details: {"ExtraDetails": details}, _details),
)
_heads = st.dictionaries(
    st.sampled_from(["Id", "TimestampUTC", "Name", "Payload", "Category", "IsEmpty"]), anything, max_size=1
)
events = (
    st.builds(
        lambda name, payload, head: event(name, payload) | head,
        st.sampled_from(["ConnectionCreate", "ProcessCreate", "Login", "LocalUsers", "Diagnostic"]),
        st.lists(_payloads, max_size=3),
        st.just({}) | _heads,
    )
    | anything
)
_addresses = st.sampled_from(
    [None, "", "10.0.0.1", "::1", "2001:0DB8::7", "::ffff:198.51.100.7", "localhost", "10.0.0", "1.2.3.4\0"]
) | st.ip_addresses().map(str)
_ports = st.none() | st.integers(0, 65535) | st.sampled_from(["", "*", "443"])
_times = st.sampled_from(
    [
        "2020-01-01T11:00:00Z",
        "2020-01-01 11:00:00",
        "2020-01-01T11:00:00.123456+05:30",
        "01/01/2020 10:00:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
    ]
) | st.datetimes().map(lambda at: at.isoformat(timespec="seconds"))
_hits = st.sampled_from([1, 2, "3", "x", "", 0, -1, None, 2**31, 2**31 + 1]) | st.integers()
_span = st.fixed_dictionaries(
    {},
    optional={
        "HitCount": _hits,
        "StartTimeUtc": _times,
        "EndTimeUtc": _times,
        "Hash": st.sampled_from(["", "a", 1]),
    },
)
_whole_span = st.builds(aggregate, st.sampled_from([1, "7"]), StartTimeUtc=_times, EndTimeUtc=_times)
_extra: st.SearchStrategy[Any] = st.none() | st.just({}) | _span | _whole_span
_plausible_payloads = {
    "ConnectionCreate": st.builds(
        connection, RemoteAddress=_addresses, RemotePort=_ports, ExtraDetails=_extra
    ),
    "ProcessCreate": st.builds(process, UserId=_ports, ExtraDetails=_extra),
    "Login": st.builds(login, UserId=_ports, ExtraDetails=_extra),
    "LocalUsers": st.builds(lambda user: {"UserId": user}, _ports),
    "Diagnostic": st.just({"Message": "x"}),
}
_iso_times = _times.filter(lambda text: "/" not in text)
_plausible_events = st.sampled_from(sorted(_plausible_payloads)).flatmap(
    lambda name: st.builds(
        event, st.just(name), st.lists(_plausible_payloads[name], max_size=4), TimestampUTC=_iso_times
    )
)
plausible_messages = st.lists(_plausible_events, min_size=1, max_size=4).map(lambda told: message(*told))
"""Messages whose every type is right, so that the typed decoder takes them, and whose values may not be."""

messages = st.builds(
    lambda told, extra: json.dumps({"Events": told} | extra).encode(),
    st.lists(events, max_size=4),
    st.dictionaries(st.text(max_size=5), anything, max_size=1),
)


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the originals with a few bytes changed, cut out, or put in."""
    body = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.integers(0, 6))
        body[at : at + cut] = draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"{}", b"[", b"0", b"null"])
        )
    return bytes(body)
