import pytest

from fencepost.model.errors import DeviceError
from fencepost.wire.mqtt.packets import (
    Connect,
    Malformed,
    TooLarge,
    UnsupportedProtocol,
    is_filter,
    is_topic,
)


@pytest.mark.parametrize("topic", ["a", "/", "a//b", "$iothub/twin/GET/?$rid=1", "a b", "ü", "devices/*!"])
def test_a_topic_may_hold_anything_but_wildcards(topic: str) -> None:
    assert is_topic(topic)
    assert is_filter(topic)


@pytest.mark.parametrize("topic", ["", "#", "+", "a/#", "a/+/b", "a+", "a#b"])
def test_a_topic_is_neither_empty_nor_has_wildcards(topic: str) -> None:
    assert not is_topic(topic)


@pytest.mark.parametrize(
    "topic_filter", ["#", "+", "/", "/#", "a/#", "a/+", "+/a/#", "+/+", "sport/+/player1"]
)
def test_wildcards_that_fill_their_level_make_a_filter(topic_filter: str) -> None:
    assert is_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter", ["", "a#", "#/a", "a/#/b", "##", "a+", "+a", "a/b+/c", "+#", "++", "#+/a"]
)
def test_wildcards_beside_other_characters_make_none(topic_filter: str) -> None:
    assert not is_filter(topic_filter)


def test_no_password_is_shown() -> None:
    shown = repr(Connect(client_id="d1", username="hub/d1", password=b"secret"))
    assert "d1" in shown
    assert "secret" not in shown


def test_every_fault_is_the_devices() -> None:
    assert issubclass(UnsupportedProtocol, Malformed)
    assert issubclass(Malformed, DeviceError)
    assert issubclass(TooLarge, DeviceError)
    assert not issubclass(TooLarge, Malformed)
