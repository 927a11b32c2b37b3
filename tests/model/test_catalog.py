"""The catalogue is complete, and its words are ours."""

import re
from typing import get_args

import pytest

from fencepost.model.catalog import AGENT_RULE_TYPES, CATALOG, Family, RuleType, Severity
from fencepost.model.event import ARRIVALS, CONTACTS, LegacyEvent, NetworkActivity, Source
from fencepost.model.identity import Channel, Operation

HUB_RULE_TYPES = {
    f"{name}NotInAllowedRange"
    for name in (
        "AmqpC2DMessages",
        "MqttC2DMessages",
        "HttpC2DMessages",
        "AmqpC2DRejectedMessages",
        "MqttC2DRejectedMessages",
        "HttpC2DRejectedMessages",
        "AmqpD2CMessages",
        "MqttD2CMessages",
        "HttpD2CMessages",
        "DirectMethodInvokes",
        "FileUploads",
        "QueuePurges",
        "TwinUpdates",
        "UnauthorizedOperations",
    )
}
MICROSOFTS = (
    "isn't in the allowed range",
    "is not in the allowed range",
    "not in allowed range",
    "ip that isn't allowed",
    "an ip that is not allowed",
    "login of a user that",
    "execution of a process that",
    "was executed on the device",
    "within a specific time window",
    "outside the currently configured and allowable range",
    "outside your allowed ip list",
    "local user outside your allowed list",
    "monitor the new ip",
    "review security configuration",
)
"""Turns of phrase of the retired product, compared without case."""


def texts_of(row: RuleType) -> tuple[str, ...]:
    return row.alert_name, row.description, row.remediation


@pytest.mark.parametrize("row", CATALOG.values(), ids=CATALOG)
def test_every_row_says_all_there_is_to_say(row: RuleType) -> None:
    """All three texts are sentences for a person, and every other member has a known value."""
    assert all(text.strip() == text and len(text) > 20 for text in texts_of(row))
    assert row.alert_name.startswith("Custom alert - ")
    assert row.description.endswith(".")
    assert row.remediation.endswith(".")
    assert row.family in get_args(Family)
    assert row.severity in get_args(Severity)
    assert set(row.sources) <= set(get_args(Source))
    assert bool(row.sources) is (row.event != "FileUploads")
    assert bool(row.counted != "occurrences") is (row.family in ("timeWindow", "threshold"))
    assert row.alert_type == f"IoT_CA_{row.name}"
    assert CATALOG[row.name] is row


@pytest.mark.parametrize("row", CATALOG.values(), ids=CATALOG)
def test_no_text_is_microsofts(row: RuleType) -> None:
    """Names of rule types are an interface; sentences are somebody's work."""
    for text in texts_of(row):
        said = re.sub(r"\s+", " ", text).lower()
        assert not [phrase for phrase in MICROSOFTS if phrase in said]


def test_texts_are_told_apart() -> None:
    """No two rows speak the same way of different things."""
    for position in (0, 1):
        texts = [texts_of(row)[position] for row in CATALOG.values() if row.subject != "hub"]
        assert len(set(texts)) == len(texts)
    names = [row.alert_name for row in CATALOG.values()]
    assert len(set(names)) == len(names)


def test_the_five_agent_rules_and_the_fourteen_hub_rules_are_there() -> None:
    """Those that Azure had; S17 adds the mirrors, and two gauges."""
    assert set(AGENT_RULE_TYPES) == {
        "ActiveConnectionsNotInAllowedRange",
        "FailedLocalLoginsNotInAllowedRange",
        "ConnectionToIpNotAllowed",
        "LocalUserNotAllowed",
        "ProcessNotAllowed",
    }
    hub = {name for name, row in CATALOG.items() if row.subject == "hub"}
    assert len(hub) == 14
    assert hub == HUB_RULE_TYPES
    assert all(CATALOG[name].severity == "Low" for name in (*AGENT_RULE_TYPES, *hub))
    fed = {row.event for row in CATALOG.values() if row.sources == ("hub",)}
    assert fed == {*get_args(Operation)}
    assert {CATALOG[name].event for name in hub} - fed == {"FileUploads"}


def test_each_channel_has_its_own_arrivals_and_every_message_is_a_contact() -> None:
    """What a service or a stranger can do without the device is none."""
    assert set(ARRIVALS) == set(get_args(Channel))
    assert len(set(ARRIVALS.values())) == len(ARRIVALS)
    assert {*ARRIVALS.values()} < CONTACTS
    alone = {"DirectMethodInvokes", "QueuePurges", "TwinUpdates", "UnauthorizedOperations"}
    assert {*get_args(Operation)} - CONTACTS == alone


def test_every_allow_list_has_its_mirror() -> None:
    """Same event, subject, direction and values (S17)."""
    for row in CATALOG.values():
        if row.family == "allowlist":
            mirror = CATALOG[row.name.replace("NotAllowed", "Denied")]
            assert mirror.family == "denylist"
            assert (mirror.event, mirror.subject) == (row.event, row.subject)
            assert (mirror.direction, mirror.value_type) == (row.direction, row.value_type)


def test_lists_have_a_value_type_and_ranges_have_none() -> None:
    """And connections a direction."""
    for row in CATALOG.values():
        assert (row.value_type is not None) is (row.family in ("allowlist", "denylist"))
        assert (row.direction is not None) is (row.subject == "connection" and row.value_type is not None)


def test_every_event_that_an_agent_rule_watches_exists() -> None:
    """In the security message schema."""
    names = {str(cls.__struct_config__.tag) for cls in (*get_args(LegacyEvent), NetworkActivity)}
    assert {row.event for row in CATALOG.values() if row.subject != "hub"} <= names


def test_threadx_feeds_only_what_its_wire_carries() -> None:
    """Connections; no login and no process by default (S18)."""
    assert {row.subject for row in CATALOG.values() if "threadx" in row.sources} == {"connection"}
