"""Whatever is asked of alerts: the same as filtering and sorting all of them one by one."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import delete, event, text, update
from tests.store.control.material import HOSTILE, alert, commit, opened

from fencepost.model.alert import Alert, State
from fencepost.model.errors import OperatorError
from fencepost.model.page import AlertFilter, AlertSort
from fencepost.store.control import ControlStore, alert_search, alert_writing
from fencepost.store.control.alert_listing import SEVERITIES
from fencepost.store.control.alert_rows import is_hidden
from fencepost.store.control.tables import TEXTS, alert_bodies, alerts, meta
from fencepost.testing import at

STATES: tuple[State, ...] = get_args(State)
SORTS: tuple[AlertSort, ...] = get_args(AlertSort)
GROUPS = ("default", "Cameras", "floor 2")
DEVICES = ("cam-1", "cam-2", "sensor-1", "\U0001f600", "Straße")
RULES = ("ProcessNotAllowed", "ConnectionToIpNotAllowed")
VALUES = (None, "", "198.51.100.7", "/usr/bin/nc", "/USR/bin/NC", 'say "no" %_', "z", "zz", "ÄÖ", "a\nb")
SEARCHED = (
    "",
    "cam",
    "CAM-1",
    "100.7",
    "nc",
    "z",
    "zz",
    "zzz",
    '"',
    "%",
    "_",
    "ä",
    "Ö",
    "straße",
    "a\nb",
    "\n\n",
)

ORDERS: dict[str, Callable[[Alert], Any]] = {
    "started_at": lambda one: (one.started_at, one.alert_id),
    "last_seen_at": lambda one: (one.last_seen_at, one.alert_id),
    "severity": lambda one: (SEVERITIES.index(one.severity), one.started_at, one.alert_id),
}


def expected(fleet: list[Alert], wanted: AlertFilter, sort: AlertSort) -> list[Alert]:
    found = [one for one in fleet if fits(wanted, one)]
    return sorted(found, key=ORDERS[sort.removeprefix("-")], reverse=sort.startswith("-"))


def fits(wanted: AlertFilter, one: Alert) -> bool:
    looked_for = lowered(wanted.text or "")
    return (
        (wanted.hidden or not is_hidden(one))
        and (not wanted.states or one.state in wanted.states)
        and (not wanted.severities or one.severity in wanted.severities)
        and wanted.device_id in {None, one.device_id}
        and (wanted.group is None or one.group.casefold() == wanted.group.casefold())
        and (wanted.groups is None or one.group.casefold() in wanted.groups)
        and wanted.rule_type in {None, one.rule_type}
        and (wanted.assigned_to is None or (one.assigned_to or "") == wanted.assigned_to)
        and (wanted.since is None or one.last_seen_at >= wanted.since)
        and (wanted.until is None or one.last_seen_at < wanted.until)
        and any(looked_for in lowered(known) for known in (one.value or "", one.device_id))
    )


def lowered(said: str) -> str:
    """Return a text without case, as far as ASCII has one."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in said)


def empty(store: ControlStore) -> None:
    """Take all alerts away; that there were some of a facet stays known."""
    with store._writing() as connection:
        for table in (alerts, alert_bodies):
            connection.execute(delete(table))
        if connection.dialect.name == "sqlite":
            connection.execute(text("insert into alert_texts (alert_texts) values ('delete-all')"))
            connection.execute(update(meta).where(meta.c.name == TEXTS).values(number=0))


def some(choices: tuple[Any, ...]) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(choices), max_size=3)


def perhaps(*choices: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(choices)


MINUTES = [at("10:00") + timedelta(minutes=number) for number in range(14)]
KINDS = st.fixed_dictionaries(
    {
        "device_id": st.sampled_from(DEVICES),
        "value": st.sampled_from(VALUES),
        "state": st.sampled_from(STATES),
        "severity": st.sampled_from(SEVERITIES),
        "group": st.sampled_from(GROUPS),
        "rule_type": st.sampled_from(RULES),
        "assigned_to": perhaps("anna", "ben", "nul \0"),
        "begin": st.integers(0, 9),
        "lasts": st.integers(0, 3),
        "merged_into": perhaps("another"),
    }
)
FILTERS = st.builds(
    AlertFilter,
    states=some(STATES),
    severities=some(SEVERITIES),
    device_id=perhaps(*DEVICES, "CAM-1"),
    group=perhaps(*GROUPS, "CAMERAS", "nobody"),
    rule_type=perhaps(*RULES, "nothing"),
    since=perhaps(*MINUTES),
    until=perhaps(*MINUTES),
    text=perhaps(*SEARCHED),
    assigned_to=perhaps("", "anna", "nul \0", "dora"),
    groups=st.none() | some(("default", "cameras", "floor 2", "nobody")),
    hidden=st.booleans(),
)
WAYS = st.fixed_dictionaries(
    {
        "NEAR": st.sampled_from([1, 5, 4000]),
        "FEW": st.sampled_from([0, 3, 5000]),
        "MANY": st.sampled_from([0, 6, 50_000]),
    }
)


def fleet_of(kinds: list[dict[str, Any]]) -> list[Alert]:
    """Return alerts with many equal times, whose ids are in no order."""
    return [
        alert(
            started_at=MINUTES[kind.pop("begin")],
            last_seen_at=MINUTES[0] + timedelta(minutes=9 + kind.pop("lasts")),
            alert_id=f"{number * 7919 % 1000:03}",
            ordinal=number,
            **kind,
        )
        for number, kind in enumerate(map(dict, kinds), 1)
    ]


@given(
    kinds=st.lists(KINDS, min_size=5, max_size=40),
    asked=st.lists(st.tuples(FILTERS, st.sampled_from(SORTS), st.integers(1, 9)), min_size=5, max_size=5),
    ways=WAYS,
    every=st.sampled_from([0, 20, 1000]),
)
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
def test_any_question_is_answered_as_if_all_alerts_were_looked_at(
    store: ControlStore,
    kinds: list[dict[str, Any]],
    asked: list[tuple[AlertFilter, AlertSort, int]],
    ways: dict[str, Any],
    every: int,
) -> None:
    """Whatever way leads to it, whatever the pages' size, whether the index has the texts; after a change, too."""
    fleet = fleet_of(kinds)
    changed = [replace(one, state="Dismissed", assigned_to="anna", group="floor 2") for one in fleet[::3]]
    empty(store)
    with patch.object(alert_writing, "TEXTS_EVERY", every):
        commit(store, *fleet[:-3])
        commit(store, *fleet[-3:])
        commit(store, *changed)
    fleet = [one for number, one in enumerate(fleet) if number % 3] + changed
    with patch.multiple(alert_search, **ways):
        for wanted, sort, limit in asked:
            found: list[Alert] = []
            after = None
            while True:
                page = store.alerts(wanted, sort=sort, after=after, limit=limit)
                found += page.items
                if (after := page.after) is None:
                    break
                assert len(page.items) == limit
            assert found == expected(fleet, wanted, sort), (wanted, sort)


@pytest.mark.parametrize("few", [0, 5000])
def test_any_part_of_what_a_device_says_is_found(store: ControlStore, few: int) -> None:
    """One letter, two, three, all of it; in any script, with what no database stores; and nothing else."""
    said = [one for one in HOSTILE if one and len(one) < 100]
    fleet = [alert(f"cam-{number}", value) for number, value in enumerate(said)]
    commit(store, *fleet, alert("other", "nothing of it"))
    with patch.multiple(alert_search, FEW=few, NEAR=1, MANY=5000 - few):
        for value in said:
            parts = {value[begin : begin + size] for size in (1, 2, 3, 7) for begin in range(len(value))}
            for part in parts | {value}:
                assert value in {one.value for one in store.alerts(AlertFilter(text=part)).items}
        assert store.alerts(AlertFilter(text="nothing like it")).items == []
        assert store.alerts(AlertFilter(text="~")).items == []


@pytest.mark.parametrize("every", [0, 3, 1000])
def test_an_alert_is_found_by_its_text_as_soon_as_it_is_there(store: ControlStore, every: int) -> None:
    """Whether the index has it already or not."""
    fleet = [alert(f"cam-{number:02}", f"198.51.100.{number:03}") for number in range(10)]
    with patch.object(alert_writing, "TEXTS_EVERY", every):
        for number, one in enumerate(fleet, 1):
            commit(store, one, replace(fleet[0], count=number))
            for known in fleet[1:number]:
                assert store.alerts(AlertFilter(text=known.value)).items == [known]
            assert len(store.alerts(AlertFilter(text="CAM-0")).items) == number


def test_a_commit_that_came_to_nothing_leaves_nothing_behind(store: ControlStore) -> None:
    """What it would have written first is written by the next."""
    one = alert(group="Cameras")
    with pytest.raises(Exception, match=r"(?i)not.null"):
        commit(store, one, history=[replace(opened(one, 1), at=None)])
    assert store.alerts(AlertFilter()).items == []
    commit(store, one)
    for wanted in (AlertFilter(group="cameras"), AlertFilter(text="198.51")):
        assert store.alerts(wanted).items == [one]


def test_a_page_of_one_order_is_no_place_in_another(store: ControlStore) -> None:
    """Rather than to go on somewhere."""
    commit(store, *(alert(f"cam-{number}") for number in range(5)))
    places = {sort: store.alerts(AlertFilter(), sort=sort, limit=2).after for sort in SORTS}
    for sort, place in places.items():
        for other in SORTS:
            if other == sort:
                assert len(store.alerts(AlertFilter(), sort=other, after=place).items) == 3
            else:
                with pytest.raises(OperatorError, match="after: is no place in this list"):
                    store.alerts(AlertFilter(), sort=other, after=place)


def test_who_may_see_no_group_sees_nothing(store: ControlStore) -> None:
    """An empty set of groups is not all of them."""
    commit(store, alert())
    for sort in SORTS:
        assert store.alerts(AlertFilter(groups=frozenset()), sort=sort).items == []


def plans(store: ControlStore, ask: Callable[[], object]) -> list[str]:
    """Return how SQLite goes about everything that a question asks of it."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(store._reader, "before_cursor_execute")
    def keep(_: Any, cursor: Any, statement: str, parameters: Any, *others: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    ask()
    event.remove(store._reader, "before_cursor_execute", keep)
    with store._reading() as connection:
        return [
            row[3]
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"explain query plan {statement}", parameters)
        ]


@pytest.mark.parametrize("sort", SORTS)
def test_no_question_reads_the_whole_table(tmp_path: Path, sort: AlertSort) -> None:
    """SQLite, which the figure of docs/performance.md is of, goes along an index, whatever is asked."""
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        commit(store, *(alert(f"cam-{number}", group="Cameras") for number in range(9)))
        place = store.alerts(AlertFilter(), sort=sort, limit=3).after
        questions = [
            AlertFilter(),
            AlertFilter(states=frozenset({"Active"}), severities=frozenset({"Low", "High"})),
            AlertFilter(group="cameras", rule_type=RULES[0]),
            AlertFilter(groups=frozenset({"cameras"})),
            AlertFilter(since=at("09:00"), until=at("11:00")),
            AlertFilter(device_id="cam-1"),
            AlertFilter(assigned_to="anna"),
            AlertFilter(text="cam"),
            AlertFilter(text="c", group="cameras"),
            AlertFilter(text="cam-3", group="cameras", since=at("09:00")),
        ]
        for wanted, (near, many) in product(questions, [(4000, 50), (1, 50), (1, 0)]):
            with patch.multiple(alert_search, NEAR=near, FEW=many, MANY=many):
                found = plans(store, lambda: store.alerts(wanted, sort=sort, after=place, limit=3))  # noqa: B023
            assert any("alerts_by_" in step or "alert_texts" in step for step in found)
            scans = [step for step in found if step.startswith("SCAN alerts") and "INDEX alerts_" not in step]
            assert scans == [], wanted


def test_nor_does_what_the_pipeline_asks(tmp_path: Path) -> None:
    """With each message, and with each edit."""
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        commit(store, *(alert(f"cam-{number}") for number in range(9)))
        asked: list[Callable[[], object]] = [
            lambda: store.alert("an id"),
            lambda: store.histories([("cam-1", RULES[0], None)]),
            lambda: store.standing(group="default"),
            lambda: store.standing(device_id="cam-1"),
            lambda: store.changed_after(0, 100),
            store.counts,
        ]
        for ask in asked:
            found = plans(store, ask)
            assert any("INDEX alerts_" in step for step in found)
            whole = {"SCAN alerts", "SCAN alert_bodies"}
            assert not [step for step in found if step in whole]
