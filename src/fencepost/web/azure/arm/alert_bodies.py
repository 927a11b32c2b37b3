"""Alerts as Azure's service shows them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from fencepost.model.alert import Alert, Evidence
from fencepost.model.catalog import CATALOG
from fencepost.model.duration import iso_duration
from fencepost.web.azure.arm.service import Place

TYPE = "Microsoft.Security/Locations/alerts"
VERSION = "2022-01-01"
PRODUCT = "Fencepost"
COMPONENT = "Custom alerts"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def shown(alert: Alert, place: Place, vendor: str, origin: str) -> dict[str, Any]:
    """Return an alert as Azure's service answers it; `origin` is how the client reaches us."""
    return {
        "id": id_of(alert, place),
        "name": alert.alert_id,
        "type": TYPE,
        "properties": {
            "version": VERSION,
            "alertType": alert.alert_type,
            "systemAlertId": alert.alert_id,
            "productComponentName": COMPONENT,
            "alertDisplayName": alert.title,
            "description": alert.description,
            "severity": alert.severity,
            "intent": _intent(alert),
            "startTimeUtc": seven_digits(alert.started_at),
            "endTimeUtc": seven_digits(alert.last_seen_at),
            "resourceIdentifiers": _resources(place),
            "remediationSteps": steps(alert.remediation),
            "vendorName": vendor,
            "status": alert.state,
            "extendedLinks": [],
            "alertUri": f"{origin}/v1/alerts/{alert.alert_id}",
            "timeGeneratedUtc": seven_digits(alert.received_at),
            "productName": PRODUCT,
            "processingEndTimeUtc": seven_digits(alert.received_at),
            "entities": entities(alert),
            "isIncident": False,
            "correlationKey": _correlation(alert),
            "extendedProperties": extended(alert),
            "compromisedEntity": alert.device_id,
            "techniques": [],
            "subTechniques": [],
            "supportingEvidence": _evidence(alert),
        },
    }


def id_of(alert: Alert, place: Place) -> str:
    return f"{place.group}/providers/Microsoft.Security/locations/{place.location}/alerts/{alert.alert_id}"


def seven_digits(moment: datetime) -> str:
    """Return an instant as Azure's service writes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


def steps(remediation: str) -> list[str]:
    """Return a remedy sentence by sentence."""
    return [one for one in _SENTENCE.split(remediation) if one]


def extended(alert: Alert) -> dict[str, str]:
    """Return the facts of an alert as texts by name, without those that it does not have."""
    window = iso_duration(alert.window) if alert.window is not None else None
    facts = {
        "DeviceId": alert.device_id,
        "SecurityGroup": alert.group,
        "RuleType": alert.rule_type,
        "Value": alert.value,
        "Count": alert.count,
        "MinThreshold": alert.min,
        "MaxThreshold": alert.max,
        "TimeWindowSize": window,
        "DataSource": alert.data_source,
        "Certainty": alert.certainty,
        "Flags": ", ".join(alert.flags) or None,
        "NearestEntry": alert.nearest_entry,
        "AllowingEntry": alert.allowing_entry,
        "AssignedTo": alert.assigned_to,
        "Reason": alert.reason,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def entities(alert: Alert) -> list[dict[str, Any]]:
    """Return what an alert is about: the device, and the address, the user or the process, with what is known of it."""
    found = [{"type": "host", "hostName": alert.device_id}, *_offenders(alert)]
    return [{"$id": str(number), **one} for number, one in enumerate(found, 1)]


def _offenders(alert: Alert) -> Iterator[dict[str, Any]]:
    row = CATALOG.get(alert.rule_type)
    if alert.value is None or row is None:
        return
    facts = alert.evidence[-1].facts if alert.evidence else {}
    match row.subject:
        case "connection":
            yield {"type": "ip", "address": alert.value}
            if (path := _text(facts, "Executable")) is not None:
                yield {"type": "process", "commandLine": path}
        case "sign-in":
            yield {"type": "account", "name": alert.value}
            if (address := _text(facts, "RemoteAddress")) is not None:
                yield {"type": "ip", "address": address}
        case "process":
            yield _process(alert.value, facts)
            if (user := _text(facts, "UserName")) is not None:
                yield {"type": "account", "name": user}
        case _:
            pass


def _process(path: str, facts: dict[str, Any]) -> dict[str, Any]:
    folder, slash, name = path.replace("\\", "/").rpartition("/")
    number = _text(facts, "ProcessId")
    return {
        "type": "process",
        "commandLine": _text(facts, "CommandLine") or path,
        **({"processId": number} if number is not None else {}),
        "imageFile": {"type": "file", "name": name, "directory": folder or slash},
    }


def _text(facts: dict[str, Any], name: str) -> str | None:
    value = facts.get(name)
    return str(value) if value not in (None, "") else None


def _resources(place: Place) -> list[dict[str, str]]:
    return [
        {"type": "AzureResource", "azureResourceId": place.hub},
        {
            "type": "LogAnalytics",
            "workspaceId": place.workspace_id,
            "workspaceSubscriptionId": place.subscription_id,
            "workspaceResourceGroup": place.resource_group,
        },
    ]


def _intent(alert: Alert) -> str:
    row = CATALOG.get(alert.rule_type)  # of another version of ours it may be none that we know
    return row.intent if row is not None else "Unknown"


def _correlation(alert: Alert) -> str:
    """Return what the alerts of a device and a rule have in common; the value is not in it, for it may be masked."""
    return blake2b(
        f"{alert.device_id}\x1f{alert.rule_type}".encode(errors="replace"), digest_size=16
    ).hexdigest()


def _evidence(alert: Alert) -> dict[str, Any]:
    return {
        "type": "tabularEvidences",
        "title": "The events that the alert stands on",
        "columns": ["Time", "Event", "Facts"],
        "rows": [_row(one) for one in alert.evidence],
    }


def _row(evidence: Evidence) -> list[str]:
    facts = msgspec.json.encode(evidence.facts).decode()
    return [seven_digits(evidence.occurred_at), evidence.event_name, facts]
