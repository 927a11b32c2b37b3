"""
Security events as the engine reads them: only the members that rules and evidence name.

The member names are those of the security message schema 1.0, so that a JSON message decodes straight
into these values; the ThreadX decoder makes the same values from FlatBuffers. `occurred_at` is always
aware UTC once a decoder has returned (S01).
"""

from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct, field

from fencepost.model.identity import Channel, Operation

Source = Literal["legacy", "threadx", "hub"]
"""Who can say a thing: the legacy agents, the ThreadX module, or our own gateway."""

ExtraDetails = dict[str, str | int | None]


class Details(Struct, gc=False, rename="pascal"):
    """A payload that no rule reads; only its being an object is asked."""


class Aggregable(Struct, gc=False, rename="pascal", kw_only=True):
    """
    A payload that may stand for several occurrences (S11).

    `span` is set by the decoder, and only for a payload that states hits:
    (first instant, last instant, hits), in microseconds since 1970.
    """

    extra_details: ExtraDetails | None = None
    span: tuple[int, int, int] | None = None


class Connection(Aggregable, gc=False, rename="pascal", kw_only=True, omit_defaults=True):
    """
    One connection or flow.

    `remote` is set by the decoder: the parsed remote address (see `model.address`), None where the
    source names none.
    """

    direction: Literal["In", "Out"]
    remote_address: str | None = None
    remote_port: str | int | None = None
    local_address: str | None = None
    local_port: str | int | None = None
    protocol: str | None = None
    executable: str | None = None
    remote: int | None = None


class SignIn(Struct, gc=False, rename="pascal", kw_only=True, omit_defaults=True):
    """One record of a sign-in, or of a failure to sign in."""

    result: Literal["Success", "Fail"]
    operation: str | None = None
    user_name: str | None = None
    user_id: str | int | None = None
    process_id: int | str | None = None
    remote_address: str | None = None
    extra_details: ExtraDetails | None = None


class Process(Aggregable, gc=False, rename="pascal", kw_only=True, omit_defaults=True):
    """One start of a process."""

    executable: str
    command_line: str | None = None
    user_id: str | int | None = None
    user_name: str | None = None
    process_id: int | str | None = None


class LocalUser(Struct, gc=False, rename="pascal", omit_defaults=True):
    """One account of the device."""

    user_id: str | int | None = None
    user_name: str | None = None


class Drops(Struct, gc=False, rename="pascal"):
    """What an agent's queue had to drop."""

    dropped_events: int | str = 0


class Event(Struct, gc=False, kw_only=True, tag_field="Name"):
    """What every event says of itself."""

    id: str = field(name="Id")
    occurred_at: datetime = field(name="TimestampUTC")


class ConnectionCreate(Event, gc=False, tag="ConnectionCreate"):
    payload: list[Connection] = field(name="Payload")


class Login(Event, gc=False, tag="Login"):
    payload: list[SignIn] = field(name="Payload")


class ProcessCreate(Event, gc=False, tag="ProcessCreate"):
    payload: list[Process] = field(name="Payload")


class LocalUsers(Event, gc=False, tag="LocalUsers"):
    payload: list[LocalUser] = field(name="Payload")


class DroppedEventsStatistics(Event, gc=False, tag="DroppedEventsStatistics"):
    payload: list[Drops] = field(name="Payload")


class Unwatched(Event, gc=False):
    """An event that no rule reads; it still tells that the device lives."""

    payload: list[Details] = field(name="Payload")


class ProcessTerminate(Unwatched, gc=False, tag="ProcessTerminate"): ...


class ListeningPorts(Unwatched, gc=False, tag="ListeningPorts"): ...


class FirewallConfiguration(Unwatched, gc=False, tag="FirewallConfiguration"): ...


class ConnectedHardware(Unwatched, gc=False, tag="ConnectedHardware"): ...


class OSBaseline(Unwatched, gc=False, tag="OSBaseline"): ...


class SystemInformation(Unwatched, gc=False, tag="SystemInformation"): ...


class Diagnostic(Unwatched, gc=False, tag="Diagnostic"): ...


class ConfigurationError(Unwatched, gc=False, tag="ConfigurationError"): ...


class MessageStatistics(Unwatched, gc=False, tag="MessageStatistics"): ...


class Heartbeat(Unwatched, gc=False, tag="Heartbeat"): ...


class NetworkActivity(Event, gc=False, tag="NetworkActivity"):
    """
    The flows that a ThreadX device saw in one collection interval; directions are inferred (S15).

    `full` says that the device's flow cache was full, so that further flows went unseen (S18).
    """

    payload: list[Connection] = field(name="Payload")
    full: bool = False


class HubOperation(Event, gc=False):
    """Something that our own gateway saw a device do, or be asked to; `occurred_at` is our receive time."""

    operation: Operation


ARRIVALS: dict[Channel, Operation] = {
    "mqtt": "MqttD2CMessages",
    "amqp": "AmqpD2CMessages",
    "https": "HttpD2CMessages",
}
"""What a message of a device is to the gateway, by the way on which it came."""
CONTACTS: frozenset[Operation] = frozenset(one for one in get_args(Operation) if one.endswith("Messages"))
"""The operations in which the device has a part itself; the others a service can do alone, or a stranger."""


LegacyEvent = (
    ConnectionCreate
    | Login
    | ProcessCreate
    | ProcessTerminate
    | ListeningPorts
    | FirewallConfiguration
    | LocalUsers
    | ConnectedHardware
    | OSBaseline
    | SystemInformation
    | Diagnostic
    | ConfigurationError
    | DroppedEventsStatistics
    | MessageStatistics
)
"""The fourteen events of the security message schema 1.0."""


class Rejected(Struct, frozen=True):
    """Something that could not be decoded: the place in the message and the reason (S31)."""

    where: str
    reason: str


class SecurityMessage(Struct, gc=False):
    """
    One decoded message.

    `fingerprint` is a 63-bit number of the exact bytes, the same for a redelivered message (S09).
    """

    source: Source
    fingerprint: int
    events: list[Event]
    rejected: tuple[Rejected, ...] = ()
