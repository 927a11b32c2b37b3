"""Which alerts a suppression rule means, and which rules make no sense."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fencepost.model.alert import Alert
from fencepost.model.suppression import Condition, SuppressionRule, problems_of_suppression, suppressing

AT = datetime(2026, 3, 2, tzinfo=UTC)
PROCESS, ADDRESS, ACCOUNT = "ProcessNotAllowed", "ConnectionToIpNotAllowed", "LocalUserNotAllowed"


def alert(rule_type: str, value: str | None) -> Alert:
    return Alert(
        alert_id="a",
        alert_type=f"IoT_CA_{rule_type}",
        rule_type=rule_type,
        device_id="Cam-1",
        group="Cameras",
        severity="Low",
        state="Active",
        title="t",
        description="d",
        remediation="r",
        data_source="legacy",
        value=value,
        count=1,
        started_at=AT,
        last_seen_at=AT,
        received_at=AT,
        certainty="certain",
    )


def rule(*conditions: Condition, **said: Any) -> SuppressionRule:
    known = {"name": "known", "alert_type": "*", "reason": "known", "changed_at": AT, **said}
    return SuppressionRule(conditions=conditions, **known)


def holds(one: SuppressionRule, of: Alert, at: datetime = AT) -> bool:
    return suppressing([one], of, at) is one


def test_S29_all_conditions_have_to_hold_without_case() -> None:
    conditions = (
        Condition(field="Alert.DeviceId", among=("cam-1", "cam-2")),
        Condition(field="alert.value", contains=("EVIL",)),
    )
    assert holds(rule(*conditions), alert(PROCESS, "/opt/evil"))
    assert not holds(rule(*conditions), alert(PROCESS, "/opt/good"))
    assert holds(rule(), alert(PROCESS, None)), "a rule without conditions means its whole type"


@pytest.mark.parametrize(
    ("field", "means"),
    [
        ("entities.account.name", ACCOUNT),
        ("entities.process.commandLine", PROCESS),
        ("entities.file.name", PROCESS),
        ("entities.ip.address", ADDRESS),
    ],
)
def test_S29_an_entity_is_what_its_field_says_and_no_other_value_with_the_same_letters(
    field: str, means: str
) -> None:
    one = rule(Condition(field=field, contains=("root",)))
    meant = {kind: holds(one, alert(kind, "/root/x")) for kind in (PROCESS, ADDRESS, ACCOUNT)}
    assert meant == {kind: kind == means for kind in meant}


def test_S29_an_alert_type_is_compared_without_case() -> None:
    assert holds(rule(alert_type="iot_ca_processnotallowed"), alert(PROCESS, "x"))
    assert not holds(rule(alert_type="IoT_CA_LocalUserNotAllowed"), alert(PROCESS, "x"))


def test_S29_a_rule_that_is_off_or_over_suppresses_nothing() -> None:
    assert not holds(rule(enabled=False), alert(PROCESS, "x"))
    ending = rule(expires_at=AT + timedelta(hours=1))
    assert holds(ending, alert(PROCESS, "x"))
    assert not holds(ending, alert(PROCESS, "x"), AT + timedelta(hours=1))
    assert ending.state_at(AT + timedelta(hours=1)) == "Expired"


def test_all_problems_of_a_rule_are_named_at_once() -> None:
    wrong = rule(
        Condition(field="alert.nothing", among=("x",)),
        Condition(field="alert.value"),
        Condition(field="alert.value", among=("",), contains=(" ", "x")),
        alert_type=" ",
    )
    scope = "suppressionAlertsScope.allOf"
    assert [one.path for one in problems_of_suppression(wrong)] == [
        "alertType",
        f"{scope}[0].field",
        f"{scope}[1]",
        f"{scope}[2].in",
        f"{scope}[2].contains",
    ]
    assert list(problems_of_suppression(rule(Condition(field="alert.value", contains=("x",))))) == []
