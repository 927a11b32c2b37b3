import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import material
from tests.wire.material import FIXTURES, property_settings

from fencepost.model.event import Rejected
from fencepost.wire.twin import SECTION, legitimate_delays, parse_duration

DEFAULTS = {
    "ConnectionCreate": timedelta(hours=6, minutes=15),
    "ProcessCreate": timedelta(hours=6, minutes=15),
    "Login": timedelta(minutes=10),
}


def twin(**settings: Any) -> dict[str, Any]:
    return {"desired": {SECTION: {name: {"value": value} for name, value in settings.items()}}}


def test_S06_without_settings_the_documented_defaults_hold() -> None:
    for nothing in (b"{}", b'{"desired":{}}', {}, twin(), {"properties": {"desired": {"$version": 1}}}):
        assert legitimate_delays(nothing) == (DEFAULTS, ())


def test_S06_the_twin_that_was_served_says_how_late_is_legitimate() -> None:
    served = (FIXTURES / "legacy" / "twin_served_aggregation_off.json").read_bytes()
    delays, rejected = legitimate_delays(served)
    assert rejected == ()
    assert delays == {
        "ConnectionCreate": timedelta(seconds=12, minutes=15),
        "ProcessCreate": timedelta(seconds=12, minutes=15),
        "Login": timedelta(minutes=10),
    }


def test_S06_the_interval_of_an_aggregate_is_added_per_event() -> None:
    delays, _ = legitimate_delays(
        twin(
            lowPriorityMessageFrequency="PT1H",
            aggregationIntervalConnectionCreate="PT2H",
            aggregationEnabledProcessCreate=False,
        )
    )
    assert delays["ConnectionCreate"] == timedelta(hours=3, minutes=15)
    assert delays["ProcessCreate"] == timedelta(hours=1, minutes=15)


@pytest.mark.parametrize("word", ["Low", "low", "LOW"])
def test_S06_a_login_of_low_priority_may_be_as_late_as_the_rest(word: str) -> None:
    delays, _ = legitimate_delays(twin(eventPriorityLogin=word, lowPriorityMessageFrequency="PT1H"))
    assert delays["Login"] == timedelta(hours=1, minutes=15)


def test_S06_a_login_of_high_priority_has_at_least_ten_minutes() -> None:
    assert legitimate_delays(twin(highPriorityMessageFrequency="PT8S"))[0]["Login"] == timedelta(minutes=10)
    assert legitimate_delays(twin(highPriorityMessageFrequency="PT1H"))[0]["Login"] == timedelta(minutes=63)


def test_the_desired_properties_may_stand_in_any_of_their_usual_wrappings() -> None:
    inner = twin(lowPriorityMessageFrequency="PT1H")
    for wrapped in (inner, {"properties": inner}, inner["desired"]):
        assert legitimate_delays(wrapped)[0]["ProcessCreate"] == timedelta(hours=2, minutes=15)
        assert legitimate_delays(json.dumps(wrapped).encode()) == legitimate_delays(wrapped)


@pytest.mark.parametrize(
    ("settings", "where", "reason"),
    [
        ({"lowPriorityMessageFrequency": "5 hours"}, "lowPriorityMessageFrequency.value", "'5 hours' is not"),
        ({"lowPriorityMessageFrequency": 5}, "lowPriorityMessageFrequency.value", "not text"),
        ({"lowPriorityMessageFrequency": "PT0S"}, "lowPriorityMessageFrequency.value", "a duration of zero"),
        ({"highPriorityMessageFrequency": "P2Y"}, "highPriorityMessageFrequency.value", "longer than a year"),
        ({"aggregationEnabledProcessCreate": "no"}, "aggregationEnabledProcessCreate.value", "not true"),
        ({"eventPriorityLogin": "Medium"}, "eventPriorityLogin.value", "not High, Low or Off"),
    ],
)
def test_a_bad_setting_counts_as_its_default_and_is_reported(
    settings: dict[str, Any], where: str, reason: str
) -> None:
    delays, (rejected,) = legitimate_delays(twin(**settings))
    assert delays == DEFAULTS
    assert rejected.where == where
    assert rejected.reason.startswith(reason)


@pytest.mark.parametrize(
    ("bad", "rejected"),
    [
        (b"{", Rejected("", "not JSON")),
        (b"[" * 100_000, Rejected("", "not JSON")),
        (b"[]", Rejected(SECTION, "not an object")),
        ({"desired": {SECTION: 5}}, Rejected(SECTION, "not an object")),
        (
            {SECTION: {"eventPriorityLogin": "Low"}},
            Rejected("eventPriorityLogin", "not an object with a value"),
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_twin_counts_as_the_defaults_and_is_reported(bad: Any, rejected: Rejected) -> None:
    assert legitimate_delays(bad) == (DEFAULTS, (rejected,))


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT7M", timedelta(minutes=7)),
        ("P1W", timedelta(days=7)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P1M", timedelta(days=30)),
        ("P1Y", timedelta(days=365)),
    ],
)
def test_durations_are_read_as_the_agents_read_them(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1", "1H", "PT1.5H", "P1DT", "pt1h", "PT-1H", "PT1H ", "PT\N{ARABIC-INDIC DIGIT ONE}H"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        parse_duration(text)


@given(st.binary(max_size=100) | st.builds(lambda value: json.dumps(value).encode(), material.anything))
@property_settings
def test_any_twin_gives_delays(body: bytes) -> None:
    delays, _ = legitimate_delays(body)
    assert set(delays) == set(DEFAULTS)


@given(
    st.dictionaries(st.sampled_from(["lowPriorityMessageFrequency", "eventPriorityLogin"]), material.anything)
)
@property_settings
def test_any_setting_gives_delays(settings: dict[str, Any]) -> None:
    delays, _ = legitimate_delays(twin(**settings))
    assert all(delay >= timedelta(minutes=10) for delay in delays.values())
