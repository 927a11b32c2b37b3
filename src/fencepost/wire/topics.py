"""
The topics of IoT Hub and of its provisioning service, in both directions.

Twin and method topics name no device: they belong to the connection. A request id (`rid`) is opaque and
goes back as it came. Ids of devices stand as the client wrote them, raw or percent-encoded.
"""

from urllib.parse import quote, unquote

from msgspec import Struct, field

from fencepost.model.errors import DeviceError
from fencepost.model.identity import IdentityKey
from fencepost.wire import body
from fencepost.wire.mqtt.properties import PropertyBag, decode_bag, encode_bag

LONGEST_RID = 256
_MOST_DIGITS = 9


class Addressed(Struct, frozen=True):
    """What names an identity: a device, or a module on it, as the client wrote them."""

    device_id: str
    module_id: str | None = None

    def is_of(self, key: IdentityKey) -> bool:
        """Whether this is the identity that is meant, be it written raw or percent-encoded."""
        return _is_id(self.device_id, key.device_id) and _is_id(self.module_id, key.module_id)


# ------------------------------------------------------------------------------- what clients publish


class Telemetry(Addressed, frozen=True):
    """A device-to-cloud message."""

    properties: PropertyBag = field(default_factory=PropertyBag)


class TwinGet(Struct, frozen=True):
    """A client wants its twin."""

    rid: str


class TwinReport(Struct, frozen=True):
    """A client patches its reported properties."""

    rid: str


class MethodAnswer(Struct, frozen=True):
    """A client answers a direct method."""

    status: int
    rid: str


class ProvisioningRegister(Struct, frozen=True):
    """A device wants to be assigned to a hub."""

    rid: str


class ProvisioningStatus(Struct, frozen=True):
    """A device asks how its registration is going."""

    operation_id: str
    rid: str


ClientTopic = Telemetry | TwinGet | TwinReport | MethodAnswer | ProvisioningRegister | ProvisioningStatus


def parse_topic(topic: str) -> ClientTopic:
    """Return what a client publishes there; raises DeviceError for a topic that nobody listens to."""
    if topic.startswith("devices/"):
        return _telemetry(topic)
    place, _, query = topic.partition("?")
    match place.removesuffix("/").split("/", 5):
        case ["$iothub", "twin", "GET"]:
            return TwinGet(_rid(query))
        case ["$iothub", "twin", "PATCH", "properties", "reported"]:
            return TwinReport(_rid(query))
        case ["$iothub", "methods", "res", status]:
            return MethodAnswer(_status(status), _rid(query))
        case ["$dps", "registrations", "PUT", "iotdps-register"]:
            return ProvisioningRegister(_rid(query))
        case ["$dps", "registrations", "GET", "iotdps-get-operationstatus"]:
            return ProvisioningStatus(unquote(_asked(query, "operationId")), _rid(query))
        case _:
            raise _nobody_listens(topic)


def _telemetry(topic: str) -> Telemetry:
    match topic.split("/", 6):
        case ["devices", device_id, "messages", "events", *rest] if device_id:
            return Telemetry(device_id, None, _bag(rest))
        case ["devices", device_id, "modules", module_id, "messages", "events", *rest] if (
            device_id and module_id
        ):
            return Telemetry(device_id, module_id, _bag(rest))
        case _:
            raise _nobody_listens(topic)


def _bag(rest: list[str]) -> PropertyBag:
    """Return the properties behind a topic; the .NET client ends them with a slash that is none of theirs."""
    return decode_bag("/".join(rest).removesuffix("/"))


def _rid(query: str) -> str:
    rid = _asked(query, "$rid")
    if len(rid) > LONGEST_RID:
        raise DeviceError(f"a request id of more than {LONGEST_RID} characters")
    return rid


def _asked(query: str, name: str) -> str:
    """Return what a query says under a name, as it stands."""
    for part in query.split("&"):
        found, _, value = part.partition("=")
        if value and unquote(found) == name:
            return value
    raise DeviceError(f"a topic without {name}")


def _status(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise DeviceError(f"not the status of a method: {body.quote(text)}")
    return int(text)


def _nobody_listens(topic: str) -> DeviceError:
    return DeviceError(f"a topic that nobody listens to: {body.quote(topic)}")


# ----------------------------------------------------------------------------- what clients subscribe to


class CloudMessages(Addressed, frozen=True):
    """Cloud-to-device messages of a device."""


class Inputs(Addressed, frozen=True):
    """What is sent to a module."""


class TwinAnswers(Struct, frozen=True):
    """Answers to TwinGet and TwinReport."""


class DesiredUpdates(Struct, frozen=True):
    """Changes of the desired properties."""


class Methods(Struct, frozen=True):
    """Calls of direct methods."""


class ProvisioningAnswers(Struct, frozen=True):
    """Answers of the provisioning service."""


Subscribed = CloudMessages | Inputs | TwinAnswers | DesiredUpdates | Methods | ProvisioningAnswers


_ANSWERS: dict[str, Subscribed] = {
    "$iothub/twin/res/#": TwinAnswers(),
    "$iothub/twin/PATCH/properties/desired/#": DesiredUpdates(),
    "$iothub/methods/POST/#": Methods(),
    "$dps/registrations/res/#": ProvisioningAnswers(),
}


def parse_filter(topic_filter: str) -> Subscribed | None:
    """Return what a client subscribes to; None for what IoT Hub does not have."""
    match topic_filter.split("/", 6):
        case ["devices", device_id, "messages", "devicebound", "#"] if device_id:
            return CloudMessages(device_id)
        case ["devices", device_id, "modules", module_id, "#"] | [
            "devices",
            device_id,
            "modules",
            module_id,
            "inputs",
            "#",
        ] if device_id and module_id:
            return Inputs(device_id, module_id)
        case _:
            return _ANSWERS.get(topic_filter)


# ------------------------------------------------------------------------------------ what we publish


def devicebound_topic(device_id: str, bag: PropertyBag) -> str:
    """
    Return the topic of a cloud-to-device message; `device_id` is to be written as the client subscribed.

    The system property `to` is added where it is missing: the .NET client cannot read a topic without any.
    """
    to = {"to": f"/devices/{unquote(device_id)}/messages/devicebound"}
    whole = PropertyBag({**to, **bag.system}, bag.properties)
    return f"devices/{device_id}/messages/devicebound/{encode_bag(whole)}"


def twin_answer_topic(status: int, rid: str, version: int | None = None) -> str:
    """Return where a TwinGet (200) or a TwinReport (204, with the new version) is answered."""
    behind = "" if version is None else f"&$version={version}"
    return f"$iothub/twin/res/{status}/?$rid={rid}{behind}"


def desired_topic(version: int) -> str:
    """Return where a change of the desired properties is told."""
    return f"$iothub/twin/PATCH/properties/desired/?$version={version}"


def method_topic(name: str, rid: str) -> str:
    """Return where a direct method is called."""
    return f"$iothub/methods/POST/{quote(name, safe='')}/?$rid={rid}"


def provisioning_answer_topic(status: int, rid: str, retry_after: int | None = None) -> str:
    """Return where the provisioning service answers; `retry_after` in seconds, with status 202."""
    behind = "" if retry_after is None else f"&retry-after={retry_after}"
    return f"$dps/registrations/res/{status}/?$rid={rid}{behind}"


def _is_id(written: str | None, registered: str | None) -> bool:
    if written is None or registered is None:
        return written is registered
    return written == registered or unquote(written) == registered
