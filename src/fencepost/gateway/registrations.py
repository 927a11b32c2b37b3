"""What a device hears that asks where it belongs, over every transport."""

from typing import Any

from fencepost.service.provisioning import Registration


def answer_of(registration: Registration) -> dict[str, Any]:
    """Return what the provisioning service says of a device that is assigned (DPS REST, 2019-03-31)."""
    at = registration.created_at.isoformat().replace("+00:00", "Z")
    return {
        "operationId": f"4.{registration.device_id.encode().hex()}",
        "status": registration.status,
        "registrationState": {
            "registrationId": registration.registration_id,
            "createdDateTimeUtc": at,
            "assignedHub": registration.assigned_hub,
            "deviceId": registration.device_id,
            "status": registration.status,
            "substatus": "initialAssignment",
            "lastUpdatedDateTimeUtc": at,
            "etag": registration.etag,
        },
    }
