"""Groups as a groups file, as an ARM template, and as Terraform's resources."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fencepost.cli.groups_export_azure import arm_template, literal
from fencepost.cli.groups_export_terraform import quoted, terraform_file
from fencepost.cli.groups_export_yaml import groups_file
from fencepost.config.groups import parse_groups
from fencepost.model.layer import Layer
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Members,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=30), NOW - timedelta(days=1)
TERRAFORM = shutil.which("terraform")
NOTE = EntryNote(
    entry="10.1.0.0/16",
    by="user/anna",
    at=EARLIER,
    reason='the vendor\'s: "update"',
    until=LATER,
    alert_id="55bdff3d-3dbf-4fd4-acf9-989222149de3",
)
ADDRESSES = AllowlistRule(
    type="ConnectionToIpNotAllowed",
    severity="High",
    allow=("10.0.0.0/24", "10.1.0.0/16", "192.0.2.1", "[2001:db8::/32]:8883", "10.9.0.0/16"),
    notes=(NOTE, structs.replace(NOTE, entry="10.9.0.0/16", until=EARLIER)),
)
WINDOW = TimeWindowRule(
    type="FailedLocalLoginsNotInAllowedRange",
    min=0,
    max=3,
    window=timedelta(minutes=10),
    count="records",
    alert_on="possible",
)
PROCESSES = AllowlistRule(
    type="ProcessNotAllowed", allow=("${HOME}/a", '"', "\\b", "%{if}", "[x]", "on", "0123")
)
GROUP = SecurityGroup(
    name="cameras: hall 2",
    description="a text\nof two lines",
    members=Members(ids=("0123", "on"), globs=("cam-*",)),
    allowed_lateness=timedelta(minutes=15),
    implicit_entries=("loopback",),
    rules=(
        WINDOW,
        ADDRESSES,
        PROCESSES,
        DenylistRule(type="LocalUserDenied", deny=("guest",)),
        ThresholdRule(type="LocalUsersNotInAllowedRange", min=1, max=8, enabled=False),
    ),
)
DEFAULT = SecurityGroup(name="default")


def without_ended(group: SecurityGroup) -> SecurityGroup:
    allow = tuple(entry for entry in ADDRESSES.allow if entry != "10.9.0.0/16")
    left = structs.replace(ADDRESSES, allow=allow, notes=(NOTE,))
    return structs.replace(group, rules=tuple(left if rule is ADDRESSES else rule for rule in group.rules))


# a groups file


def test_a_groups_file_reads_back_to_the_same_without_what_has_ended() -> None:
    read = parse_groups(groups_file([DEFAULT, GROUP], [], NOW), "export.yaml")
    assert read.groups == (DEFAULT, without_ended(GROUP))


def test_the_layers_of_fleet_and_devices_read_back_to_the_same() -> None:
    fleet = Layer(rules=(AllowlistRule(type="LocalUserNotAllowed", allow=("admin",)),))
    of_device = Layer(
        device_id="cam#1", rules=(structs.replace(WINDOW, max=9), without_ended(GROUP).rules[1])
    )
    bare = structs.replace(of_device.rules[1], severity=None)
    text = groups_file([GROUP], [fleet, of_device, Layer(device_id="empty")], NOW)
    read = parse_groups(text, "export.yaml")
    assert read.layers.fleet == fleet
    assert read.layers.devices == {"cam#1": structs.replace(of_device, rules=(of_device.rules[0], bare))}


def test_the_addresses_of_the_server_read_back_to_the_same() -> None:
    group = structs.replace(DEFAULT, server_addresses=("192.0.2.1",))
    assert parse_groups(groups_file([group], [], NOW), "export.yaml").groups == (group,)


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" :#-'\"{}[]*&!|>%@`\\"),
    min_size=1,
    max_size=30,
).filter(lambda text: text == text.strip())


@given(name=TEXTS, description=TEXTS, entries=st.lists(TEXTS, unique=True, max_size=5), reason=TEXTS)
def test_whatever_people_write_reads_back_to_the_same(
    name: str, description: str, entries: list[str], reason: str
) -> None:
    notes = tuple(structs.replace(NOTE, entry=entry, reason=reason) for entry in entries)
    rule = AllowlistRule(type="LocalUserNotAllowed", allow=tuple(entries), notes=notes)
    group = SecurityGroup(name=name, description=description, rules=(rule,))
    read = parse_groups(groups_file([group], [], NOW), "export.yaml")
    assert read.groups[0] == group


# an ARM template


def test_a_template_deploys_what_azures_model_can_say() -> None:
    text, warnings = arm_template([GROUP], NOW)
    template = json.loads(text)
    [resource] = template["resources"]
    assert template["$schema"].endswith("/2019-04-01/deploymentTemplate.json#")
    assert (resource["type"], resource["apiVersion"], resource["name"]) == (
        "Microsoft.Security/deviceSecurityGroups",
        "2019-08-01",
        "cameras: hall 2",
    )
    assert resource["scope"] == "[format('Microsoft.Devices/IotHubs/{0}', parameters('iotHubName'))]"
    assert resource["properties"]["timeWindowRules"] == [
        {
            "ruleType": "FailedLocalLoginsNotInAllowedRange",
            "isEnabled": True,
            "minThreshold": 0,
            "maxThreshold": 3,
            "timeWindowSize": "PT10M",
        }
    ]
    addresses, processes = resource["properties"]["allowlistRules"]
    assert addresses["allowlistValues"] == ["10.0.0.0/24", "192.0.2.1", "[2001:db8::/32]:8883"]
    assert processes["allowlistValues"][4] == "[[x]"
    assert [warning.removeprefix("group cameras: hall 2: ") for warning in warnings] == [
        (
            "description, members (devices belong to it by their twin tag SecurityGroup), allowed_lateness, "
            "implicit_entries: there is no place for this here"
        ),
        "FailedLocalLoginsNotInAllowedRange: count, alert_on: there is no place for this here",
        "ConnectionToIpNotAllowed: severity: there is no place for this here",
        "ConnectionToIpNotAllowed: 1 entry ends and so is left out: 10.1.0.0/16",
        "ConnectionToIpNotAllowed: who put entries there, when and why: there is no place for this here",
        "LocalUserDenied: Azure has no such rule: it is left out",
        "LocalUsersNotInAllowedRange: Azure has no such rule: it is left out",
    ]


def test_a_text_in_brackets_is_no_expression() -> None:
    assert [literal(text) for text in ("[x]", "[x", "x]", "[[x]")] == ["[[x]", "[x", "x]", "[[[x]"]


# Terraform


def test_resources_say_what_the_provider_takes_and_warn_of_the_rest() -> None:
    disabled = structs.replace(WINDOW, type="ActiveConnectionsNotInAllowedRange", enabled=False)
    huge = structs.replace(WINDOW, type="TwinUpdatesNotInAllowedRange", max=2**31)
    nobody = AllowlistRule(type="LocalUserNotAllowed")
    group = structs.replace(GROUP, rules=(ADDRESSES, nobody, disabled, huge))
    text, warnings = terraform_file([group], NOW)
    assert 'resource "azurerm_iot_security_device_group" "cameras__hall_2" {' in text
    assert "connection_to_ips_not_allowed = [" in text
    assert '"10.0.0.0/24",' in text
    assert "range_rule" not in text
    told = "\n".join(warnings)
    for words in (
        "1 entry is no IPv4 network, and the provider takes no others: left out: [2001:db8::/32]:8883",
        "LocalUserNotAllowed: an empty list, of which everything alerts, cannot be said",
        "ActiveConnectionsNotInAllowedRange: it is not enabled, which cannot be said",
        "TwinUpdatesNotInAllowedRange: max is more than 2,147,483,647",
    ):
        assert words in told


def test_groups_whose_names_are_alike_have_labels_of_their_own() -> None:
    groups = [SecurityGroup(name=name) for name in ("a b", "a_b", "a:b", "1")]
    text, _ = terraform_file(groups, NOW)
    labels = [line.split('"')[3] for line in text.splitlines() if line.startswith("resource ")]
    assert labels == ["a_b", "a_b_2", "a_b_3", "_1"]


@pytest.mark.skipif(TERRAFORM is None, reason="there is no terraform here")
def test_terraform_reads_the_file_and_finds_it_in_its_own_form(tmp_path: Path) -> None:
    text, _ = terraform_file([DEFAULT, GROUP], NOW)
    (tmp_path / "groups.tf").write_text(text, encoding="utf-8")
    done = _terraform("fmt", "-check", "-diff", "groups.tf", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.skipif(TERRAFORM is None, reason="there is no terraform here")
def test_terraform_takes_every_text_for_itself(tmp_path: Path) -> None:
    hostile = [
        *PROCESSES.allow,
        "$${a}",
        "$$${a}",
        "%%{a}",
        "a\nb\tc",
        "\x1b[31m",
        "\u202ex",
        "C:\\dir\\*",
        "é😀",
    ]
    for text in hostile:
        done = _terraform("console", cwd=tmp_path, stdin=f"jsonencode({quoted(text)})\n")
        assert done.returncode == 0, done.stderr
        assert json.loads(json.loads(done.stdout.strip())) == text


def _terraform(*arguments: str, cwd: Path, stdin: str = "") -> Any:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        [str(TERRAFORM), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
        timeout=120,
    )
