from typing import get_args

import pytest

from fencepost.model.errors import DeviceError
from fencepost.model.event import LegacyEvent
from fencepost.wire.piecewise import KINDS, events_keys, parse


def test_the_table_of_events_is_the_union_that_the_typed_decoder_reads() -> None:
    assert {kind.event for kind in KINDS.values()} == set(get_args(LegacyEvent))
    assert all(name == kind.event.__name__ for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"Events":1,"Events":2}', 2),
        (b'{"Events":1,"\\u0045vents":2}', 2),
        (b'{"a":{"Events":1,"Events":2}}', 0),
        (b"[1]", 0),
        (b"{", 0),
        (b"[" * 100_000, 0),
    ],
    ids=repr,
)
def test_only_the_outermost_events_members_are_counted(body: bytes, count: int) -> None:
    assert events_keys(body) == count


def test_numbers_beyond_any_type_do_not_stop_the_rest() -> None:
    body = b'{"a":1e999,"b":%s,"Events":[1]}' % (b"9" * 5000)
    envelope, items = parse(body)
    assert items == [1]
    assert envelope["a"] == envelope["b"] == float("inf")


def test_what_is_no_json_stays_refused_beside_a_number_beyond_any_type() -> None:
    with pytest.raises(DeviceError, match="not JSON"):
        parse(b'{"b":%s,"c":NaN,"Events":[1]}' % (b"9" * 5000))
