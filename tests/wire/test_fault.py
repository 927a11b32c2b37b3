from datetime import datetime
from typing import Any

import msgspec
import pytest

from fencepost.model.event import Connection, Rejected
from fencepost.wire.body import TOO_MANY
from fencepost.wire.fault import WHOLE_EVENT, Fault, bounded, explain


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({}, Connection, ("Direction", "missing")),
        (5, Connection, ("", "not an object")),
        ({"Direction": "x"}, Connection, ("Direction", "unknown value 'x'")),
        (
            {"Direction": "In", "ExtraDetails": {"a": []}},
            Connection,
            ("ExtraDetails[...]", "neither a number nor text"),
        ),
        ("x", datetime, ("", "not a timestamp")),
        ("x", int, ("", "not a number")),
    ],
)
def test_a_complaint_of_the_decoder_becomes_a_place_and_a_human_reason(
    value: Any, kind: Any, said: tuple[str, str]
) -> None:
    with pytest.raises(msgspec.ValidationError) as complaint:
        msgspec.convert(value, kind)
    assert explain(complaint.value) == said


def test_a_complaint_of_an_unknown_kind_is_kept_as_it_is() -> None:
    assert explain(msgspec.ValidationError("Something new - at `$.A`")) == ("A", "Something new")


def test_a_fault_names_its_place_in_the_terms_of_the_message() -> None:
    assert Fault(3, 0, "RemoteAddress", "bad").rejected() == Rejected(
        "Events[3].Payload[0].RemoteAddress", "bad"
    )
    assert Fault(3, WHOLE_EVENT, "Name", "bad").rejected() == Rejected("Events[3].Name", "bad")
    assert Fault(3, WHOLE_EVENT, "", "bad").rejected() == Rejected("Events[3]", "bad")


def test_faults_beyond_the_room_for_them_end_in_one_that_closes() -> None:
    faults = [Fault(0, place, "Direction", "missing") for place in range(4)]
    assert bounded(faults, 4) == faults
    assert bounded(faults, 3) == [*faults[:3], Fault(0, 3, "", TOO_MANY)]
    assert bounded(faults, 0) == [Fault(0, 0, "", TOO_MANY)]
