"""A place in a list goes out as a text and comes back unread, or bent."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.control.material import alert, commit

from fencepost.model.errors import OperatorError
from fencepost.model.page import MOST, AlertFilter
from fencepost.store.control import ControlStore
from fencepost.store.control.cursors import Cursor, Name, Number, check_limit

ALERTS = Cursor("alerts", tuple[Number, Name])


STORABLE = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""What a key may consist of: `columns.escaped` leaves nothing else."""


@given(st.integers(-(2**63), 2**63 - 1), st.text(STORABLE, max_size=1000))
def test_a_place_is_the_same_again(number: int, name: str) -> None:
    """In letters that a URL takes as they are."""
    written = ALERTS.write(number, name)
    assert ALERTS.read(written) == (number, name)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", written)


BENT = [
    "",
    "x",
    "====",
    "\N{SNOWMAN}",
    "\ud800",
    "W10",
    "AAAA",
    Cursor("devices", tuple[Number, Name]).write(1, "x"),
    ALERTS.write(1),
    ALERTS.write("x", 1),
    ALERTS.write(2**63, "x"),
    ALERTS.write(1, "nul \0"),
    ALERTS.write(1, "x" * 1001),
    ALERTS.write(1, "x")[:-2],
    ALERTS.write(1, "x") + "AAAA",
]


@pytest.mark.parametrize("cursor", BENT)
def test_what_is_no_place_is_the_askers_error(cursor: str) -> None:
    """It says what to do, and never what it was."""
    with pytest.raises(OperatorError, match="after: is no place in this list: take it from the page before"):
        ALERTS.read(cursor)


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_no_text_at_all_is_a_crash(cursor: str) -> None:
    """Whatever somebody types."""
    with pytest.raises(OperatorError):
        ALERTS.read(cursor)


@pytest.mark.parametrize("limit", [0, -1, MOST + 1])
def test_a_page_has_a_size(limit: int) -> None:
    """Neither none nor all."""
    check_limit(1)
    check_limit(MOST)
    with pytest.raises(OperatorError, match="limit: is between 1 and 1000"):
        check_limit(limit)


def test_every_list_of_the_store_checks_its_place_and_its_limit(store: ControlStore) -> None:
    """On both databases, a bent one is no error of the database."""
    commit(store, alert())
    lists: dict[str, Any] = {
        "alerts": lambda **options: store.alerts(AlertFilter(), **options),
        "devices": store.devices,
        "tallies": store.tallies,
        "quarantine": store.quarantine,
        "audit": store.audit,
    }
    for ask in lists.values():
        with pytest.raises(OperatorError):
            ask(limit=0)
        for cursor in BENT:
            with pytest.raises(OperatorError):
                ask(after=cursor)
    for number in (-(2**63), 2**63 - 1):
        assert store.alerts(AlertFilter(), after=ALERTS.write(number, "x")).items == [alert()][: number > 0]
        quarantine = Cursor("quarantine", tuple[Number, Number])
        assert store.quarantine(after=quarantine.write(number, number)).items == []
    for number in (-(10**30), 10**30):
        assert len(store.changed_after(number, 1)) == (number < 0)
        assert store.notices(number) == []
    with pytest.raises(OperatorError):
        store.notices(0, limit=0)
    with pytest.raises(OperatorError):
        store.changed_after(0, limit=0)
