"""
What Microsoft's tools ask before all else: which subscription there is, and which resource group.

An installation is one subscription with one resource group.
"""

from typing import Any

from litestar import Response

from fencepost.web.azure.arm.calls import Call, answered, listed
from fencepost.web.azure.arm.routing import ANY_VERSION, Operation

SUBSCRIPTION = "/subscriptions/{subscription}"


async def list_subscriptions(call: Call) -> Response[bytes]:
    """Return the one subscription."""
    return listed([_subscription(call)])


async def get_subscription(call: Call) -> Response[bytes]:
    """Return the subscription."""
    return answered(_subscription(call))


async def list_resource_groups(call: Call) -> Response[bytes]:
    """Return the one resource group."""
    return listed([_resource_group(call)])


async def get_resource_group(call: Call) -> Response[bytes]:
    """Return the resource group."""
    return answered(_resource_group(call))


OPERATIONS = (
    Operation("GET", "/subscriptions", ANY_VERSION, list_subscriptions),
    Operation("GET", SUBSCRIPTION, ANY_VERSION, get_subscription),
    Operation("GET", f"{SUBSCRIPTION}/resourceGroups", ANY_VERSION, list_resource_groups),
    Operation("GET", f"{SUBSCRIPTION}/resourceGroups/{{resource_group}}", ANY_VERSION, get_resource_group),
)


def _subscription(call: Call) -> dict[str, Any]:
    place = call.place
    return {
        "id": place.subscription,
        "subscriptionId": place.subscription_id,
        "tenantId": place.tenant_id,
        "displayName": "Fencepost",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
    }


def _resource_group(call: Call) -> dict[str, Any]:
    place = call.place
    return {
        "id": place.group,
        "name": place.resource_group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": place.location,
        "properties": {"provisioningState": "Succeeded"},
    }
