"""Security groups between Azure's words and ours, without a server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Members,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)
from fencepost.model.solution import GroupSpelling
from fencepost.web.azure.arm.errors import ArmError
from fencepost.web.azure.arm.group_bodies import STANDARD, merged, sent_group, shown
from fencepost.web.azure.arm.service import Place

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLACE = Place(
    subscription_id="5ub",
    tenant_id="t",
    resource_group="rg",
    iothub_name="hub",
    workspace_id="w",
    location="local",
)
CONNECTIONS, LOGINS = "ActiveConnectionsNotInAllowedRange", "FailedLocalLoginsNotInAllowedRange"
PUBLISHED = (
    "ActiveConnections",
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
    "FailedLocalLogins",
    "FileUploads",
    "QueuePurges",
    "TwinUpdates",
    "UnauthorizedOperations",
)
ALLOWLISTS = ("ConnectionToIpNotAllowed", "LocalUserNotAllowed", "ProcessNotAllowed")


def window(name: str = CONNECTIONS, **said: Any) -> dict[str, Any]:
    usual = {"isEnabled": True, "minThreshold": 0, "maxThreshold": 30, "timeWindowSize": "PT5M"}
    return {"ruleType": name, **usual, **said}


def allowed(name: str, *values: str, **said: Any) -> dict[str, Any]:
    return {"ruleType": name, "isEnabled": True, "allowlistValues": values, **said}


def put(known: SecurityGroup | None = None, **families: Any) -> SecurityGroup:
    body = msgspec.json.encode({"properties": families})
    return merged(known, "floor", sent_group(body).rules, NOW)


def refused(body: Any) -> dict[str, str]:
    """Return what is wrong with a body, by path."""
    with pytest.raises(ArmError) as error:
        sent_group(msgspec.json.encode(body))
    assert error.value.status == 400
    return {one.path: one.reason for one in error.value.details}


def test_a_group_with_nothing_in_it_shows_all_rules_at_their_defaults_in_the_published_order() -> None:
    group = shown(SecurityGroup(name="floor"), None, PLACE, NOW)
    assert group["id"] == (
        "/subscriptions/5ub/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/hub"
        "/providers/Microsoft.Security/deviceSecurityGroups/floor"
    )
    rules = group["properties"]
    assert [one["ruleType"] for one in rules["timeWindowRules"]] == [
        f"{name}NotInAllowedRange" for name in PUBLISHED
    ]
    assert [one["ruleType"] for one in rules["allowlistRules"]] == [*ALLOWLISTS]
    assert (rules["thresholdRules"], rules["denylistRules"]) == ([], [])
    for one in rules["timeWindowRules"]:
        said = (one["isEnabled"], one["minThreshold"], one["maxThreshold"], one["timeWindowSize"])
        assert said == (False, 0, 0, "PT15M")
    for one in rules["allowlistRules"]:
        assert (one["isEnabled"], one["allowlistValues"]) == (False, [])
    assert [one["valueType"] for one in rules["allowlistRules"]] == ["IpCidr", "String", "String"]
    assert all(one["displayName"] and one["description"] for one in rules["timeWindowRules"])


def test_what_is_shown_can_be_put_and_changes_nothing() -> None:
    group = put(
        timeWindowRules=[window(), window(LOGINS, minThreshold=1)],
        allowlistRules=[allowed(one, "10.0.0.1") for one in (*ALLOWLISTS, "ConnectionFromIpNotAllowed")],
    )
    body = msgspec.json.encode(shown(group, None, PLACE, NOW))
    assert merged(group, "floor", sent_group(body).rules, NOW) == group


def test_rules_that_are_left_out_are_at_their_defaults_and_go_without_saying() -> None:
    group = put(timeWindowRules=[window()], allowlistRules=[allowed("ProcessNotAllowed", "sshd")])
    assert {rule.type for rule in group.rules} == {CONNECTIONS, "ProcessNotAllowed"}
    assert put(group, timeWindowRules=[window()]).rules == (group.rules[0],)
    assert put(group).rules == ()


def test_what_azure_cannot_say_stays_through_a_put() -> None:
    denials = DenylistRule(type="ProcessDenied", deny=("miner",))
    accounts = ThresholdRule(type="LocalUsersNotInAllowedRange", min=1, max=4)
    connections = TimeWindowRule(
        type=CONNECTIONS,
        severity="High",
        description="ours",
        min=1,
        max=2,
        window=timedelta(hours=1),
        alert_on="possible",
    )
    group = SecurityGroup(
        name="Floor",
        description="second floor",
        members=Members(globs=("cam-*",)),
        allowed_lateness=timedelta(hours=1),
        implicit_entries=("loopback",),
        rules=(denials, connections, accounts),
        version=7,
    )
    edited = put(group, timeWindowRules=[window(maxThreshold=9)])
    expected = msgspec.structs.replace(connections, min=0, max=9, window=timedelta(minutes=5))
    assert edited == msgspec.structs.replace(group, rules=(denials, expected, accounts))
    reset = put(group)
    assert [rule.type for rule in reset.rules] == [
        "ProcessDenied",
        CONNECTIONS,
        "LocalUsersNotInAllowedRange",
    ]
    assert (reset.rules[1].enabled, reset.rules[1].severity) == (False, "High")
    assert not {"ProcessDenied", "LocalUsersNotInAllowedRange"} & {
        one["ruleType"] for family in shown(group, None, PLACE, NOW)["properties"].values() for one in family
    }


def test_entries_that_have_expired_are_not_shown_and_are_not_lost() -> None:
    old = EntryNote(entry="old", by="user/anna", at=NOW, until=NOW - timedelta(days=1))
    fresh = EntryNote(entry="fresh", by="user/anna", at=NOW, until=NOW + timedelta(days=1))
    rule = AllowlistRule(type="ProcessNotAllowed", allow=("old", "fresh", "plain"), notes=(old, fresh))
    group = SecurityGroup(name="floor", rules=(rule,))
    listed = shown(group, None, PLACE, NOW)["properties"]["allowlistRules"][2]
    assert listed["allowlistValues"] == ["fresh", "plain"]
    [kept] = put(group, allowlistRules=[allowed("ProcessNotAllowed", "fresh", "new")]).rules
    assert isinstance(kept, AllowlistRule)
    assert (kept.allow, kept.notes) == (("fresh", "new", "old"), (old,))
    [anew] = put(group, allowlistRules=[allowed("ProcessNotAllowed", "old")]).rules
    assert isinstance(anew, AllowlistRule)
    assert (anew.allow, anew.notes) == (("old",), ())


def test_a_rule_that_only_the_clients_know_is_shown_where_it_was_set() -> None:
    name = "ConnectionFromIpNotAllowed"
    group = put(allowlistRules=[allowed(name, isEnabled=False)])
    listed = shown(group, None, PLACE, NOW)["properties"]["allowlistRules"]
    assert [one["ruleType"] for one in listed] == [*ALLOWLISTS, name]
    assert len(shown(put(group), None, PLACE, NOW)["properties"]["allowlistRules"]) == 3


def test_a_duration_is_shown_as_it_was_written_while_the_window_is_the_same() -> None:
    body = msgspec.json.encode({"properties": {"timeWindowRules": [window(timeWindowSize="PT05M")]}})
    sent = sent_group(body)
    assert sent.spelling.durations == {CONNECTIONS: "PT05M"}
    group = merged(None, "floor", sent.rules, NOW)

    def written(one: SecurityGroup) -> str:
        return str(
            shown(one, sent.spelling, PLACE, NOW)["properties"]["timeWindowRules"][0]["timeWindowSize"]
        )

    assert written(group) == "PT05M"
    assert written(put(timeWindowRules=[window(timeWindowSize="PT6M")])) == "PT6M"


def test_rules_of_the_base_classes_are_kept_and_shown_again() -> None:
    threshold = {
        "ruleType": "ThresholdCustomAlertRule",
        "isEnabled": True,
        "minThreshold": 1,
        "maxThreshold": 2,
    }
    denials = {"ruleType": "DenylistCustomAlertRule", "isEnabled": False, "denylistValues": ["a"]}
    sent = sent_group(
        msgspec.json.encode({"properties": {"thresholdRules": [threshold], "denylistRules": [denials]}})
    )
    assert sent.rules == {}
    listed = shown(SecurityGroup(name="floor"), sent.spelling, PLACE, NOW)["properties"]
    assert listed["thresholdRules"][0].items() >= threshold.items()
    assert listed["denylistRules"][0].items() >= denials.items()
    assert "judged by nobody" in listed["thresholdRules"][0]["description"]


def test_the_spelling_of_a_later_group_is_not_that_of_an_earlier_one() -> None:
    """A group that was deleted and made anew begins with version 1."""
    spelling = GroupSpelling(version=5, threshold_rules=({"ruleType": "ThresholdCustomAlertRule"},))
    assert shown(SecurityGroup(name="floor"), spelling, PLACE, NOW)["properties"]["thresholdRules"] == []


@pytest.mark.parametrize("body", [{}, {"properties": None}, {"properties": {"timeWindowRules": None}}])
def test_a_body_without_rules_is_a_group_with_all_at_their_defaults(body: Any) -> None:
    assert sent_group(msgspec.json.encode(body)).rules == {}


def test_names_of_members_are_read_in_any_case() -> None:
    rule = {key.upper(): value for key, value in window().items()}
    assert sent_group(msgspec.json.encode({"Properties": {"TIMEWINDOWRULES": [rule]}})).rules


def test_all_that_is_wrong_is_said_at_once_each_with_its_path() -> None:
    found = refused(
        {
            "properties": {
                "timeWindowRules": [
                    window("NoSuchRule"),
                    window(timeWindowSize="5m"),
                    window(LOGINS, minThreshold=5, maxThreshold=4),
                    window("FileUploadsNotInAllowedRange", minThreshold=-1),
                    window("QueuePurgesNotInAllowedRange", maxThreshold=2**40),
                    window("TwinUpdatesNotInAllowedRange", maxThreshold="9"),
                    window("DirectMethodInvokesNotInAllowedRange", timeWindowSize="P3D"),
                    {"ruleType": "AmqpD2CMessagesNotInAllowedRange"},
                    window("ProcessNotAllowed"),
                    7,
                ],
                "allowlistRules": [
                    allowed("ConnectionToIpNotAllowed", "10.0.0.0/33", "10.0.0.1", "10.0.0.5/8", "x"),
                    allowed("ProcessNotAllowed", "", 7),  # type: ignore[arg-type]
                    allowed("ProcessDenied", "a"),
                    {"ruleType": "LocalUserNotAllowed", "isEnabled": "yes", "allowlistValues": "root"},
                ],
                "thresholdRules": [{"ruleType": "LocalUsersNotInAllowedRange"}],
                "denylistRules": "all",
            }
        }
    )
    windows, lists = "properties.timeWindowRules", "properties.allowlistRules"
    assert set(found) >= {
        f"{windows}[0].ruleType",
        f"{windows}[1].timeWindowSize",
        f"{windows}[2].maxThreshold",
        f"{windows}[3].minThreshold",
        f"{windows}[4].maxThreshold",
        f"{windows}[5].maxThreshold",
        f"{windows}[6].timeWindowSize",
        f"{windows}[7].isEnabled",
        f"{windows}[7].minThreshold",
        f"{windows}[7].maxThreshold",
        f"{windows}[7].timeWindowSize",
        f"{windows}[8].ruleType",
        f"{windows}[9]",
        f"{lists}[0].allowlistValues[0]",
        f"{lists}[0].allowlistValues[3]",
        f"{lists}[1].allowlistValues[0]",
        f"{lists}[1].allowlistValues[1]",
        f"{lists}[2].ruleType",
        f"{lists}[3].isEnabled",
        f"{lists}[3].allowlistValues",
        "properties.thresholdRules[0].ruleType",
        "properties.denylistRules",
    }
    assert f"{lists}[0].allowlistValues[2]" not in found, "host bits may be set"
    assert "NoSuchRule" in found[f"{windows}[0].ruleType"]
    assert "PT5M" in found[f"{windows}[1].timeWindowSize"]
    assert "allowlistRules" in found[f"{windows}[8].ruleType"]


def test_a_rule_stands_in_a_group_once() -> None:
    found = refused({"properties": {"timeWindowRules": [window(), window()]}})
    assert [*found] == ["properties.timeWindowRules[1].ruleType"]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'{"a": "\xff"}', b"[" * 100_000])
def test_what_is_no_object_of_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(ArmError, match="JSON") as error:
        sent_group(body)
    assert error.value.status == 400


def test_every_entry_of_a_long_list_is_taken_and_none_more_than_may_be() -> None:
    values = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(100_001)]
    rule = allowed("ConnectionToIpNotAllowed", *values[:-1])
    [taken] = put(allowlistRules=[rule]).rules
    assert isinstance(taken, AllowlistRule)
    assert taken.allow == tuple(values[:-1])
    found = refused({"properties": {"allowlistRules": [allowed("ConnectionToIpNotAllowed", *values)]}})
    assert found == {
        "properties.allowlistRules[0].allowlistValues": "a list has at most 100000 items",
    }


def test_the_standard_rules_are_those_that_azure_s_clients_know() -> None:
    assert len(STANDARD) == 16 + 4
