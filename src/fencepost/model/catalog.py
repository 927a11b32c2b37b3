"""
The catalogue of rule types: one row says all there is to say about one.

API, form, command line, docs and the Azure dialect are derived from these rows. The order is the one in
which Azure's service lists them; the types that Azure never had stand behind.
"""

from typing import Literal

from msgspec import Struct

from fencepost.model.event import Source

Family = Literal["timeWindow", "threshold", "allowlist", "denylist"]
Severity = Literal["Informational", "Low", "Medium", "High"]
ValueType = Literal["IpCidr", "String"]
Subject = Literal["connection", "sign-in", "process", "account", "drops", "hub"]
Direction = Literal["In", "Out"]
Intent = Literal[
    "Unknown",
    "InitialAccess",
    "Execution",
    "Persistence",
    "DefenseEvasion",
    "CredentialAccess",
    "CommandAndControl",
    "Exfiltration",
    "Impact",
]
"""What somebody may be after, in Azure's words; Unknown where a number alone says nothing."""


class RuleType(Struct, frozen=True, kw_only=True):
    """
    One kind of expectation.

    `event` is the event that it watches, `subject` what is judged or counted in it, `sources` who can
    feed it: nobody where there is none (S18). `alert_name`, `description` and `remediation` are our own
    words, `counted` names what a number is of (S22), `intent` what whoever breaks the rule may be after.
    """

    name: str
    family: Family
    event: str
    subject: Subject
    alert_name: str
    description: str
    remediation: str
    sources: tuple[Source, ...]
    counted: str = "occurrences"
    direction: Direction | None = None
    value_type: ValueType | None = None
    severity: Severity = "Low"
    intent: Intent = "Unknown"

    @property
    def alert_type(self) -> str:
        return f"IoT_CA_{self.name}"


_INVESTIGATE = "Look at the device's raw events around the time of the alert"
_MEND_LIST = "If the value belongs to the device's work, add it to the list of its security group."
_MEND_RANGE = "If this is how the device works now, change the allowed range of its security group."


def _hub(
    name: str,
    thing: str,
    cause: str,
    intent: Intent = "Unknown",
    *,
    sources: tuple[Source, ...] = ("hub",),
) -> RuleType:
    return RuleType(
        name=f"{name}NotInAllowedRange",
        family="timeWindow",
        event=name,
        subject="hub",
        alert_name=f"Custom alert - the number of {thing} is outside the allowed range",
        description=f"The number of {thing} within the time window is outside the range set for the device's security group.",
        remediation=f"{_INVESTIGATE} and find out {cause}. {_MEND_RANGE}",
        counted=thing,
        sources=sources,
        intent=intent,
    )


def _connection_list(name: str, family: Family, direction: Direction, what: str, cause: str) -> RuleType:
    return RuleType(
        name=name,
        family=family,
        event="ConnectionCreate",
        subject="connection",
        direction=direction,
        intent="CommandAndControl" if direction == "Out" else "InitialAccess",
        value_type="IpCidr",
        alert_name=f"Custom alert - {what}",
        description=f"The device had {what}.",
        remediation=f"{_INVESTIGATE}, find the program that {cause}, and stop it if it should not run. {_MEND_LIST}",
        sources=("legacy", "threadx"),
    )


def _user_list(name: str, family: Family, what: str) -> RuleType:
    return RuleType(
        name=name,
        family=family,
        event="Login",
        subject="sign-in",
        intent="InitialAccess",
        value_type="String",
        alert_name=f"Custom alert - sign-in of a user who is {what}",
        description=f"A user who is {what} signed in to the device.",
        remediation=(
            f"{_INVESTIGATE}, find where the sign-in came from, and lock the account or change its secret "
            f"if nobody answers for it. {_MEND_LIST}"
        ),
        sources=("legacy",),
    )


def _process_list(name: str, family: Family, what: str) -> RuleType:
    return RuleType(
        name=name,
        family=family,
        event="ProcessCreate",
        subject="process",
        intent="Execution",
        value_type="String",
        alert_name=f"Custom alert - start of a process that is {what}",
        description=f"A process that is {what} was started on the device.",
        remediation=(
            f"{_INVESTIGATE}, find which parent process and user started it, and remove the program if it "
            f"is foreign to the device. {_MEND_LIST}"
        ),
        sources=("legacy",),
    )


_ROWS = (
    RuleType(
        name="ActiveConnectionsNotInAllowedRange",
        family="timeWindow",
        event="ConnectionCreate",
        subject="connection",
        intent="CommandAndControl",
        alert_name="Custom alert - the number of active connections is outside the allowed range",
        description="The number of active connections within the time window is outside the range set for the device's security group.",
        remediation=(
            f"{_INVESTIGATE}, find the programs that opened the connections, or why they ceased. {_MEND_RANGE}"
        ),
        counted="active connections",
        sources=("legacy", "threadx"),
    ),
    _hub("AmqpC2DMessages", "cloud-to-device messages over AMQP", "which service sends them"),
    _hub("MqttC2DMessages", "cloud-to-device messages over MQTT", "which service sends them"),
    _hub("HttpC2DMessages", "cloud-to-device messages over HTTPS", "which service sends them"),
    _hub(
        "AmqpC2DRejectedMessages",
        "rejected cloud-to-device messages over AMQP",
        "why the device rejects them",
    ),
    _hub(
        "MqttC2DRejectedMessages",
        "rejected cloud-to-device messages over MQTT",
        "why the device rejects them",
    ),
    _hub(
        "HttpC2DRejectedMessages",
        "rejected cloud-to-device messages over HTTPS",
        "why the device rejects them",
    ),
    _hub(
        "AmqpD2CMessages",
        "device-to-cloud messages over AMQP",
        "what the device sends, or why it ceased",
        "Exfiltration",
    ),
    _hub(
        "MqttD2CMessages",
        "device-to-cloud messages over MQTT",
        "what the device sends, or why it ceased",
        "Exfiltration",
    ),
    _hub(
        "HttpD2CMessages",
        "device-to-cloud messages over HTTPS",
        "what the device sends, or why it ceased",
        "Exfiltration",
    ),
    _hub("DirectMethodInvokes", "direct method calls", "which service calls them", "Execution"),
    RuleType(
        name="FailedLocalLoginsNotInAllowedRange",
        family="timeWindow",
        event="Login",
        subject="sign-in",
        intent="CredentialAccess",
        alert_name="Custom alert - the number of failed local logins is outside the allowed range",
        description="The number of failed local logins within the time window is outside the range set for the device's security group.",
        remediation=(
            f"{_INVESTIGATE}, see which accounts were tried and from which addresses. Where they come from "
            "outside, close the way in (firewall, key-only sign-in) and check that no attempt succeeded; "
            f"where a service of yours fails, renew its secret. {_MEND_RANGE}"
        ),
        counted="failed logins",
        sources=("legacy",),
    ),
    _hub("FileUploads", "file uploads", "which program uploads them", "Exfiltration", sources=()),
    _hub(
        "QueuePurges", "purges of the device's command queue", "which service or person purges it", "Impact"
    ),
    _hub("TwinUpdates", "updates of the device twin", "which service or device program makes them"),
    _hub(
        "UnauthorizedOperations",
        "unauthorized operations",
        "who uses the device's identity, and renew its keys if in doubt",
        "CredentialAccess",
    ),
    _connection_list(
        "ConnectionToIpNotAllowed",
        "allowlist",
        "Out",
        "an outbound connection to an address that is not allowed",
        "made the call",
    ),
    _user_list("LocalUserNotAllowed", "allowlist", "not allowed"),
    _process_list("ProcessNotAllowed", "allowlist", "not allowed"),
    _connection_list(
        "ConnectionFromIpNotAllowed",
        "allowlist",
        "In",
        "an inbound connection from an address that is not allowed",
        "took the call",
    ),
    _connection_list(
        "ConnectionToIpDenied",
        "denylist",
        "Out",
        "an outbound connection to an address that is denied",
        "made the call",
    ),
    _connection_list(
        "ConnectionFromIpDenied",
        "denylist",
        "In",
        "an inbound connection from an address that is denied",
        "took the call",
    ),
    _user_list("LocalUserDenied", "denylist", "denied"),
    _process_list("ProcessDenied", "denylist", "denied"),
    RuleType(
        name="LocalUsersNotInAllowedRange",
        family="threshold",
        event="LocalUsers",
        subject="account",
        intent="Persistence",
        alert_name="Custom alert - the number of local accounts is outside the allowed range",
        description="The number of accounts that the device reports is outside the range set for the device's security group.",
        remediation=f"{_INVESTIGATE}, find the account that was added or removed, and undo it if nobody answers for it. {_MEND_RANGE}",
        counted="accounts",
        sources=("legacy",),
    ),
    RuleType(
        name="DroppedEventsNotInAllowedRange",
        family="threshold",
        event="DroppedEventsStatistics",
        subject="drops",
        intent="DefenseEvasion",
        alert_name="Custom alert - the number of dropped events is outside the allowed range",
        description="The number of events that the device's agent reports as dropped is outside the range set for the device's security group.",
        remediation=f"{_INVESTIGATE}, find what floods the agent, or give its cache more room. {_MEND_RANGE}",
        counted="dropped events",
        sources=("legacy",),
    ),
)

CATALOG: dict[str, RuleType] = {row.name: row for row in _ROWS}

AGENT_RULE_TYPES = (
    "ActiveConnectionsNotInAllowedRange",
    "FailedLocalLoginsNotInAllowedRange",
    "ConnectionToIpNotAllowed",
    "LocalUserNotAllowed",
    "ProcessNotAllowed",
)
"""The five custom alerts that the retired product raised from agents' events."""
