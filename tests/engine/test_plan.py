"""A group compiled: what it keeps, and for how long."""

import gc
import weakref

import pytest

from fencepost.engine.detector import Detector
from fencepost.engine.plan import Plan, served_delays
from fencepost.model.rule import SecurityGroup
from fencepost.service.security_twin import default_desired
from fencepost.testing import (
    active_connections,
    allowing,
    at,
    connection,
    failed_logins,
    flows,
    group,
    message,
)
from fencepost.wire.twin import legitimate_delays

RULES = (active_connections(low=1), failed_logins(high=3), allowing("ConnectionToIpNotAllowed", "10.0.0.0/8"))


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Plan]]:
    """Every plan that is made in the test, watched from aside."""
    made: list[weakref.ref[Plan]] = []
    initialise = Plan.__init__

    def noted(self: Plan, *args: object) -> None:
        made.append(weakref.ref(self))
        initialise(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "__init__", noted)
    return made


def alive(plans: list[weakref.ref[Plan]]) -> list[SecurityGroup]:
    gc.collect()
    return [plan.group for ref in plans if (plan := ref()) is not None]


def test_S24_the_plan_of_an_edited_group_is_gone_with_the_edit(plans: list[weakref.ref[Plan]]) -> None:
    """A list of 100,000 addresses takes 30 MB, and a group may be edited every day for years."""
    detector = Detector((group(*RULES),))
    detector.receive("cam", message(connection("10:00")), at("10:00"))
    detector.receive("rtos", message(flows("10:00", "10.0.0.1"), source="threadx"), at("10:00"))
    for version in range(2, 6):
        edited = group(*RULES, version=version)
        detector.replace_group(edited, at("10:01"))
        assert detector.not_measurable("rtos") == ("FailedLocalLoginsNotInAllowedRange",)
        assert alive(plans) == [edited, edited]
    detector.receive("cam", message(connection("10:02")), at("10:02"))
    assert len(alive(plans)) == 2


def test_S25_the_plan_of_a_group_taken_away_is_gone_with_it(plans: list[weakref.ref[Plan]]) -> None:
    detector = Detector((group(*RULES), group(*RULES, name="cameras")))
    detector.assign("cam", "cameras", at("09:00"))
    detector.receive("cam", message(connection("10:00")), at("10:00"))
    detector.remove_group("cameras", at("10:01"))
    assert [one.name for one in alive(plans)] == ["default"]


def test_S18_what_cannot_be_fed_is_asked_once_for_each_kind_of_sender() -> None:
    plan = Plan(group(*RULES), "legacy")
    none: frozenset[str] = frozenset()
    assert plan.unmeasurable(("legacy",), none) == ()
    assert plan.unmeasurable(("threadx",), none) == ("FailedLocalLoginsNotInAllowedRange",)
    assert plan.unmeasurable(("threadx",), none) is plan.unmeasurable(("threadx",), none)
    assert plan.unmeasurable(("threadx",), frozenset({"Login"})) == ()


def test_S06_the_twin_that_a_new_device_is_served_changes_no_delay() -> None:
    """Microsoft's defaults are those that S06 names."""
    delays, rejected = legitimate_delays(default_desired())
    assert rejected == ()
    plan = Plan(SecurityGroup(name="default"), "legacy", served_delays(delays))
    usual = Plan(SecurityGroup(name="default"), "legacy")
    for name in ("Login", "ConnectionCreate", "ProcessCreate"):
        assert plan.delay_of(name) == usual.delay_of(name)
