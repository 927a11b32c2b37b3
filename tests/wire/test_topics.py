import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.material import property_settings

from fencepost.model.errors import DeviceError
from fencepost.model.identity import IdentityKey
from fencepost.wire.mqtt.packets import is_topic
from fencepost.wire.mqtt.properties import PropertyBag
from fencepost.wire.topics import (
    ClientTopic,
    CloudMessages,
    DesiredUpdates,
    Inputs,
    MethodAnswer,
    Methods,
    ProvisioningAnswers,
    ProvisioningRegister,
    ProvisioningStatus,
    Subscribed,
    Telemetry,
    TwinAnswers,
    TwinGet,
    TwinReport,
    desired_topic,
    devicebound_topic,
    method_topic,
    parse_filter,
    parse_topic,
    provisioning_answer_topic,
    twin_answer_topic,
)

SECURITY = {"interface-id": "urn:azureiot:Security:SecurityAgent:1"}
MARK = "%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1"
ODD = "a-.%_#*?!(),:=@$'z"
ODD_ENCODED = "a-.%25_%23%2A%3f%21%28%29%2C%3A%3D%40%24%27z"


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("devices/d1/messages/events/", Telemetry("d1")),
        ("devices/d1/messages/events", Telemetry("d1")),
        (
            "devices/d1/messages/events/mti=2.3-1-0-0",
            Telemetry("d1", None, PropertyBag({}, {"mti": "2.3-1-0-0"})),
        ),
        (
            f"devices/d1/modules/azureiotsecurity/messages/events/%24.ce=application%2fjson&{MARK}",
            Telemetry(
                "d1",
                "azureiotsecurity",
                PropertyBag({"content-encoding": "application/json", **SECURITY}),
            ),
        ),
        # the .NET client ends a bag with a slash
        (f"devices/d1/messages/events/{MARK}/", Telemetry("d1", None, PropertyBag(SECURITY))),
        (
            "devices/d1/messages/events/a=b/c/d=e/f",
            Telemetry("d1", None, PropertyBag({}, {"a": "b/c/d=e/f"})),
        ),
        (
            "devices/d1/modules/m/messages/events/a=b/c/d/e",
            Telemetry("d1", "m", PropertyBag({}, {"a": "b/c/d/e"})),
        ),
        ("devices/messages/modules/events/messages/events/", Telemetry("messages", "events")),
        ("devices/modules/messages/events/", Telemetry("modules")),
        ("$iothub/twin/GET/?$rid=1", TwinGet("1")),
        ("$iothub/twin/GET/?%24rid=a-b", TwinGet("a-b")),
        ("$iothub/twin/GET?$rid=1", TwinGet("1")),
        ("$iothub/twin/PATCH/properties/reported/?$rid=%20x", TwinReport("%20x")),
        ("$iothub/twin/PATCH/properties/reported/?$version=3&$rid=4", TwinReport("4")),
        ("$iothub/methods/res/200/?$rid=7", MethodAnswer(200, "7")),
        ("$iothub/methods/res/-1/?$rid=7", MethodAnswer(-1, "7")),
        ("$dps/registrations/PUT/iotdps-register/?$rid=1", ProvisioningRegister("1")),
        (
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.2f79%2Bade",
            ProvisioningStatus("4.2f79+ade", "2"),
        ),
        (
            "$dps/registrations/GET/iotdps-get-operationstatus/?operationId=4.2f&$rid=2",
            ProvisioningStatus("4.2f", "2"),
        ),
    ],
)
def test_what_a_client_publishes_is_told_by_its_topic(topic: str, expected: ClientTopic) -> None:
    assert parse_topic(topic) == expected


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "devices",
        "devices/",
        "devices/d1",
        "devices//messages/events/",
        "devices/d1/messages/event/",
        "devices/d1/messages/eventsx",
        "devices/d1/messages/devicebound/",
        "devices/d1/modules/m/events/",
        "devices/d1/modules//messages/events/",
        "devices/d1/modules/m/inputs/x",
        "Devices/d1/messages/events/",
        "/devices/d1/messages/events/",
        "$iothub/twin/GET/",
        "$iothub/twin/GET/?",
        "$iothub/twin/GET/?$rid",
        "$iothub/twin/GET/?$rid=",
        "$iothub/twin/GET/?rid=1",
        "$iothub/twin/GET/more/?$rid=1",
        "$iothub/twin/get/?$rid=1",
        "$iothub/twin/POST/?$rid=1",
        "$iothub/twin/res/200/?$rid=1",
        "$iothub/twin/PATCH/properties/desired/?$rid=1",
        "$iothub/twin/PATCH/properties/reported/x/?$rid=1",
        "$iothub/methods/res/?$rid=1",
        "$iothub/methods/res/ok/?$rid=1",
        "$iothub/methods/res/--1/?$rid=1",
        "$iothub/methods/res/-/?$rid=1",
        "$iothub/methods/res/\u0662/?$rid=1",
        "$iothub/methods/res/1234567890/?$rid=1",
        "$iothub/methods/POST/reboot/?$rid=1",
        "$dps/registrations/PUT/iotdps-register/",
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1",
        "$dps/registrations/res/200/?$rid=1",
        "sensors/temperature",
        "/" * 60_000,
    ],
)
def test_a_topic_that_nobody_listens_to_is_the_devices_fault(topic: str) -> None:
    with pytest.raises(DeviceError) as refused:
        parse_topic(topic)
    assert len(str(refused.value)) < 200


def test_a_request_id_that_could_not_be_answered_is_refused() -> None:
    assert parse_topic(f"$iothub/twin/GET/?$rid={'r' * 256}") == TwinGet("r" * 256)
    with pytest.raises(DeviceError, match="256"):
        parse_topic(f"$iothub/twin/GET/?$rid={'r' * 257}")


def test_a_bag_that_is_too_large_is_refused() -> None:
    with pytest.raises(DeviceError, match="at most 65536"):
        parse_topic(f"devices/d1/messages/events/{'a&' * 50_000}")


@pytest.mark.parametrize("written", [ODD, ODD_ENCODED, ODD_ENCODED.lower()])
def test_an_id_may_be_written_raw_or_encoded(written: str) -> None:
    key, module = IdentityKey(ODD), IdentityKey(ODD, ODD)
    telemetry = parse_topic(f"devices/{written}/messages/events/")
    assert isinstance(telemetry, Telemetry)
    assert telemetry.is_of(key)
    assert not telemetry.is_of(module)
    of_module = parse_topic(f"devices/{written}/modules/{written}/messages/events/a=b")
    assert isinstance(of_module, Telemetry)
    assert of_module.is_of(module)
    assert not of_module.is_of(key)
    subscribed = parse_filter(f"devices/{written}/messages/devicebound/#")
    assert isinstance(subscribed, CloudMessages)
    assert subscribed.is_of(key)


def test_an_id_that_looks_encoded_may_be_written_raw() -> None:
    assert Telemetry("d%41").is_of(IdentityKey("d%41"))
    assert Telemetry("d%2541").is_of(IdentityKey("d%41"))


@pytest.mark.parametrize("written", ["D1", "d", "d1 ", "d%32", "d%2531", "+"])
def test_another_id_is_another_identity(written: str) -> None:
    assert not Telemetry(written).is_of(IdentityKey("d1"))
    assert not Inputs("d1", written).is_of(IdentityKey("d1", "d1"))


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [
        ("devices/d1/messages/devicebound/#", CloudMessages("d1")),
        ("devices/d1/modules/m/#", Inputs("d1", "m")),
        ("devices/d1/modules/m/inputs/#", Inputs("d1", "m")),
        ("$iothub/twin/res/#", TwinAnswers()),
        ("$iothub/twin/PATCH/properties/desired/#", DesiredUpdates()),
        ("$iothub/methods/POST/#", Methods()),
        ("$dps/registrations/res/#", ProvisioningAnswers()),
        ("#", None),
        ("+/#", None),
        ("devices/#", None),
        ("devices/d1/#", None),
        ("devices/d1/messages/#", None),
        ("devices/d1/messages/events/#", None),
        ("devices/d1/messages/devicebound", None),
        ("devices/d1/messages/devicebound/#/x", None),
        ("devices//messages/devicebound/#", None),
        ("devices/d1/modules//#", None),
        ("$iothub/#", None),
        ("$iothub/twin/#", None),
        ("$iothub/twin/res/200/#", None),
        ("$iothub/twin/PATCH/properties/reported/#", None),
        ("", None),
    ],
)
def test_what_a_client_subscribes_to_is_told_by_its_filter(
    topic_filter: str, expected: Subscribed | None
) -> None:
    assert parse_filter(topic_filter) == expected


def test_outgoing_topics_are_those_that_clients_wait_for() -> None:
    assert twin_answer_topic(200, "a-b") == "$iothub/twin/res/200/?$rid=a-b"
    assert twin_answer_topic(204, "4", 7) == "$iothub/twin/res/204/?$rid=4&$version=7"
    assert desired_topic(3) == "$iothub/twin/PATCH/properties/desired/?$version=3"
    assert method_topic("reboot", "1") == "$iothub/methods/POST/reboot/?$rid=1"
    assert method_topic("a/b c#", "1") == "$iothub/methods/POST/a%2Fb%20c%23/?$rid=1"
    assert provisioning_answer_topic(200, "1") == "$dps/registrations/res/200/?$rid=1"
    assert provisioning_answer_topic(202, "1", 3) == "$dps/registrations/res/202/?$rid=1&retry-after=3"


def test_a_cloud_message_always_says_to_whom_it_is() -> None:
    assert devicebound_topic("d%231", PropertyBag()) == (
        "devices/d%231/messages/devicebound/%24.to=%2Fdevices%2Fd%231%2Fmessages%2Fdevicebound"
    )
    bag = PropertyBag({"to": "/x", "message-id": "m"}, {"k": None})
    assert devicebound_topic("d1", bag) == "devices/d1/messages/devicebound/%24.to=%2Fx&%24.mid=m&k"
    assert bag.system == {"to": "/x", "message-id": "m"}


PIECES = [
    "devices",
    "modules",
    "messages",
    "events",
    "d1",
    "$iothub",
    "twin",
    "GET",
    "res",
    "methods",
    "$dps",
]
PARTS = [*PIECES, "registrations", "PUT", "iotdps-register", "?$rid=1", "?", "$rid", "=", "&", "%24", "", "/"]


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8), st.sampled_from(["/", ""]))
@property_settings
def test_any_topic_is_read_or_refused(parts: list[str], between: str) -> None:
    topic = between.join(parts)
    parse_filter(topic)
    try:
        parse_topic(topic)
    except DeviceError as error:
        assert error.reason  # noqa: PT017 - either is right


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0#+&"), min_size=1, max_size=20))
@property_settings
def test_a_request_id_goes_back_as_it_came(rid: str) -> None:
    asked = parse_topic(f"$iothub/twin/GET/?$rid={rid}")
    assert asked == TwinGet(rid)
    assert twin_answer_topic(200, asked.rid, 1) == f"$iothub/twin/res/200/?$rid={rid}&$version=1"
    assert is_topic(twin_answer_topic(200, asked.rid))
