"""What the twin of a new security module tells its agent."""

import msgspec

from fencepost.engine.plan import Plan
from fencepost.model.identity import SECURITY_MODULE
from fencepost.model.instant import length
from fencepost.model.rule import SecurityGroup
from fencepost.service.registry.sections import PROPERTIES_BYTES, problems_of, size_of
from fencepost.service.security_twin import DEFAULTS, default_desired, with_whole_section
from fencepost.wire.twin import SECTION, legitimate_delays


def test_S06_the_defaults_are_read_without_a_rejection_and_are_those_of_the_engine() -> None:
    delays, rejected = legitimate_delays(msgspec.json.encode(default_desired()))
    assert rejected == ()
    plan = Plan(SecurityGroup(name="default"), "legacy")
    assert {name: length(delay) for name, delay in delays.items()} == {
        name: plan.delay_of(name) for name in ("ConnectionCreate", "ProcessCreate", "Login")
    }


def test_every_setting_of_the_agents_is_there_wrapped_in_a_value() -> None:
    section = default_desired()[SECTION]
    assert len(section) == 5 + 14 + 6 + 1
    assert all(set(setting) == {"value"} for setting in section.values())
    high = {name for name, setting in section.items() if setting["value"] == "High"}
    assert high == {"eventPriorityListeningPorts", "eventPriorityLocalUsers", "eventPriorityLogin"}
    assert section["aggregationIntervalProcessTerminate"] == {"value": "PT1H"}
    assert section["maxLocalCacheSizeInBytes"] == {"value": 2_560_000}


def test_the_defaults_may_stand_in_a_twin() -> None:
    assert problems_of(default_desired(), SECURITY_MODULE) == []
    assert size_of(default_desired()) < PROPERTIES_BYTES / 8


def test_nobody_can_change_the_defaults_of_the_next_module() -> None:
    default_desired()[SECTION]["snapshotFrequency"]["value"] = "PT1S"
    assert default_desired()[SECTION]["snapshotFrequency"] == {"value": DEFAULTS["snapshotFrequency"]}


def test_a_patch_of_the_section_carries_the_whole_of_it() -> None:
    desired = {SECTION: {"a": {"value": 1}, "b": {"value": 2}}, "x": 1}
    assert with_whole_section({SECTION: {"b": {"value": 2}, "c": None}}, desired) == {
        SECTION: {"a": {"value": 1}, "b": {"value": 2}, "c": None}
    }
    assert with_whole_section({"x": 1}, desired) == {"x": 1}
    assert with_whole_section({SECTION: None}, {"x": 1}) == {SECTION: None}
    assert with_whole_section({SECTION: 7}, {SECTION: 7}) == {SECTION: 7}
