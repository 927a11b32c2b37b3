import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.material import property_settings

from fencepost.model.errors import DeviceError
from fencepost.wire.mqtt.properties import PropertyBag, decode_bag, encode_bag

SECURITY = "urn:azureiot:Security:SecurityAgent:1"


@pytest.mark.parametrize(
    "text",
    [
        "%24.ce=application%2fjson&%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1",  # C
        "%24.ce=application%2Fjson&%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1",  # Python
        "$.ce=application%2Fjson&$.ifid=urn:azureiot:Security:SecurityAgent:1",
    ],
)
def test_every_agent_marks_its_messages_in_its_own_spelling(text: str) -> None:
    assert decode_bag(text).system == {"content-encoding": "application/json", "interface-id": SECURITY}


def test_properties_of_a_client_are_decoded_behind_the_split() -> None:
    bag = decode_bag("%24.mid=mid-1&site=plant%207%2Fa%2Bb%26c%3Dd&mti=2.3-1-0-0")
    assert bag == PropertyBag({"message-id": "mid-1"}, {"site": "plant 7/a+b&c=d", "mti": "2.3-1-0-0"})


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("", {}),
        ("a", {"a": None}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1+2", {"a": "1+2"}),
        ("a+b=1", {"a+b": "1"}),
        ("a=b/c", {"a": "b/c"}),
        ("&&a=1&&b=2&", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("=1", {"": "1"}),
        ("a=%", {"a": "%"}),
        ("a=%zz%4", {"a": "%zz%4"}),
        ("a=%FF", {"a": "\N{REPLACEMENT CHARACTER}"}),
        ("%C3%BC=%e2%82%ac", {"ü": "€"}),
        ("iothub-ack=full", {"iothub-ack": "full"}),
        ("a%26b=1", {"a&b": "1"}),
    ],
)
def test_the_forms_of_a_property(text: str, properties: dict[str, str | None]) -> None:
    assert decode_bag(text) == PropertyBag({}, properties)


def test_system_properties_have_long_names() -> None:
    short = ["mid", "cid", "uid", "ct", "ce", "ifid", "exp", "on", "to", "ctime", "sub", "cdid", "cmid"]
    assert list(decode_bag("&".join(f"%24.{name}=x" for name in short)).system) == [
        "message-id",
        "correlation-id",
        "user-id",
        "content-type",
        "content-encoding",
        "interface-id",
        "expiry",
        "output-name",
        "to",
        "creation-time",
        "component",
        "connection-device-id",
        "connection-module-id",
    ]


def test_an_unknown_system_property_is_no_property_of_the_sender() -> None:
    assert decode_bag("%24.diagid=7&%24.mid") == PropertyBag({"diagid": "7", "message-id": None}, {})


def test_a_bag_is_written_as_agents_look_for_it() -> None:
    bag = PropertyBag(
        {"message-id": "m/1", "to": "/devices/d", "user-id": None},
        {"iothub-ack": "full", "plain": "a b+c", "empty": "", "null": None},
    )
    assert encode_bag(bag) == (
        "%24.mid=m%2F1&%24.to=%2Fdevices%2Fd&%24.uid&iothub-ack=full&plain=a%20b%2Bc&empty=&null"
    )


def test_a_bag_of_the_largest_size_is_read_and_a_larger_one_refused() -> None:
    assert len(decode_bag("a=" + "x" * 65_534).properties["a"] or "") == 65_534
    assert len(decode_bag("".join(f"{n}&" for n in range(10_000))).properties) == 10_000
    for text in ("a=" + "x" * 65_535, "a&" * 50_000):
        with pytest.raises(DeviceError, match="at most 65536"):
            decode_bag(text)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
values = st.none() | st.text(st.characters(codec="utf-8"), max_size=12)
LONG_NAMES = ["message-id", "content-type", "interface-id", "output-name", "to", "diagid"]


@given(
    st.dictionaries(st.sampled_from(LONG_NAMES), values),
    st.dictionaries(names.filter(lambda name: not name.startswith("$.")), values),
)
@property_settings
def test_what_is_written_is_read_back(
    system: dict[str, str | None], properties: dict[str, str | None]
) -> None:
    bag = PropertyBag(system, properties)
    written = encode_bag(bag)
    assert decode_bag(written) == bag
    assert not set(written) & set("$#+/\0 ")


@given(st.text(st.sampled_from("a=&%24.+/$Ff\u20ac"), max_size=40))
@property_settings
def test_any_text_is_a_bag(text: str) -> None:
    bag = decode_bag(text)
    assert len(bag.system) + len(bag.properties) <= text.count("&") + 1
