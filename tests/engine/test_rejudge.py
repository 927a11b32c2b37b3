"""What an edit makes of open alerts, group by group (S24)."""

import gc
import weakref
from collections.abc import Iterable

import pytest

from fencepost.engine import rejudge
from fencepost.engine.rejudge import GROUPS, judge_again
from fencepost.model.alert import Alert
from fencepost.model.layer import NO_LAYERS
from fencepost.model.rule import DenylistRule, SecurityGroup
from fencepost.testing import Bench, allowing, at, connection, group, login, process

TO = "ConnectionToIpNotAllowed"
STRANGER = "198.51.100.7"


@pytest.fixture
def alert() -> Alert:
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", STRANGER))
    return bench.alert()


def is_allowed(alert: Alert, by: SecurityGroup) -> bool:
    return judge_again(alert, by, at("11:00")) is not None


def test_S24_each_edit_is_judged_by_its_own_list(alert: Alert) -> None:
    """Also where edits of one name go to and fro, equal or not."""
    open_to, closed = group(allowing(TO, STRANGER)), group(allowing(TO))
    for edited in (open_to, closed, open_to, closed, group(allowing(TO, STRANGER)), group(allowing(TO))):
        assert is_allowed(alert, edited) is (edited.rules == open_to.rules)


def test_S25_many_groups_in_turn_are_judged_each_by_its_own_list(alert: Alert) -> None:
    groups = [
        group(allowing(TO, *([STRANGER] if n % 2 else [])), name=f"site {n}") for n in range(GROUPS + 3)
    ]
    for _ in range(2):
        assert [is_allowed(alert, one) for one in groups] == [bool(n % 2) for n in range(GROUPS + 3)]


def test_S24_one_group_has_a_list_for_each_of_its_rules() -> None:
    before = group(
        allowing(TO),
        allowing("LocalUserNotAllowed"),
        allowing("ProcessNotAllowed"),
        DenylistRule(type="ConnectionToIpDenied", deny=(STRANGER,)),
    )
    bench = Bench(before)
    bench.send(
        "cam", connection("10:00", STRANGER), login("10:00", "ann", result="Success"), process("10:00", "/x")
    )

    def left(*rules: DenylistRule | object) -> set[str]:
        edited = group(*rules)  # type: ignore[arg-type]
        return {one.rule_type for one in bench.alerts() if not is_allowed(one, edited)}

    everything = {rule.type for rule in before.rules}
    assert left(*before.rules) == everything
    assert left(allowing(TO, STRANGER), *before.rules[1:]) == everything - {TO}
    assert left(before.rules[0], allowing("LocalUserNotAllowed", "ann"), *before.rules[2:]) == everything - {
        "LocalUserNotAllowed"
    }
    assert left(*before.rules[:2], allowing("ProcessNotAllowed", "x"), before.rules[3]) == everything - {
        "ProcessNotAllowed"
    }
    assert left(
        *before.rules[:3], DenylistRule(type="ConnectionToIpDenied", deny=("192.0.2.1",))
    ) == everything - {"ConnectionToIpDenied"}


def compiled(groups: Iterable[SecurityGroup]) -> list[weakref.ref[object]]:
    return [weakref.ref(rejudge._lists_of(one, NO_LAYERS.fleet)) for one in groups]


def test_S24_the_list_of_an_edited_group_is_not_kept() -> None:
    """The latest of a name is, for the alerts that are still to be judged."""
    refs = compiled(group(allowing(TO), version=version) for version in range(1, 5))
    gc.collect()
    assert [ref() is not None for ref in refs] == [False, False, False, True]


def test_S24_no_more_groups_are_kept_than_that() -> None:
    refs = compiled(group(allowing(TO), name=f"site {n}") for n in range(GROUPS + 4))
    gc.collect()
    assert sum(ref() is not None for ref in refs) == GROUPS
