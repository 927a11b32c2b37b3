"""The tests of a groups file are judged by its layers too (S27)."""

import pytest

from fencepost.model.layer import Layer
from fencepost.service.scenario import alerts_of
from fencepost.testing import allowing, at, connection, device_layer, fleet, group, layers_of, message

TO, STRANGER = "ConnectionToIpNotAllowed", "198.51.100.7"


@pytest.mark.parametrize(
    ("layer", "alerts"),
    [
        (fleet(allowing(TO, STRANGER)), 0),
        (device_layer("cam", allowing(TO, STRANGER)), 0),
        (device_layer("gate", allowing(TO, STRANGER)), 1),
    ],
    ids=["fleet", "device", "another device"],
)
def test_S27_a_test_is_judged_by_the_layers_of_its_file(layer: Layer, alerts: int) -> None:
    said = [(at("10:00"), message(connection("10:00", STRANGER)))]
    found = alerts_of([group(allowing(TO))], "cam", None, said, None, layers_of(layer))
    assert len(found) == alerts
