from typing import Any

import pytest

from fencepost.wire.payload_shape import deeper_than, misfit
from fencepost.wire.piecewise import KINDS

WATCHED = {"ConnectionCreate", "Login", "ProcessCreate"}


@pytest.mark.parametrize("name", sorted(set(KINDS) - WATCHED))
def test_members_may_be_missing_or_unknown_in_every_unwatched_payload(name: str) -> None:
    assert misfit(name, {}) is None
    assert misfit(name, {"Unheard": [1, {}], "ExtraDetails": {"Of": 5}}) is None
    assert misfit(name, {"ExtraDetails": "x"}) == ("ExtraDetails", "not an object")


@pytest.mark.parametrize("port", [22, "22", "*", None])
def test_ports_may_be_numbers_or_text(port: Any) -> None:
    assert misfit("ListeningPorts", {"LocalPort": port, "RemotePort": port}) is None


def test_depth_is_counted_through_objects_and_arrays() -> None:
    assert not deeper_than({"a": [1]}, 2)
    assert deeper_than({"a": [1]}, 1)
    assert not deeper_than(5, 0)
