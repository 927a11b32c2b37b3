"""`/metadata/endpoints`: where Microsoft's tools find what, once they are told that we are a cloud of our own."""

from typing import Any

from litestar import Response, get

from fencepost.net.hub_http import AnyRequest
from fencepost.web.azure.arm.calls import answered
from fencepost.web.azure.arm.errors import HANDLERS
from fencepost.web.azure.arm.service import ArmService
from fencepost.web.azure.origin import origin_of

CLOUD = "Fencepost"


@get("/metadata/endpoints", exception_handlers=HANDLERS, include_in_schema=False)
async def get_endpoints(request: AnyRequest) -> Response[bytes]:
    """Say that everything is here; nobody needs a token for it, for it comes before all tokens."""
    arm: ArmService = request.app.state.arm
    origin = origin_of(request)
    endpoints: dict[str, Any] = {
        "name": CLOUD,
        "portal": origin,
        "resourceManager": f"{origin}/",
        "authentication": {
            "loginEndpoint": f"{origin}/",
            "audiences": [f"{origin}/"],
            "tenant": arm.place.tenant_id,
            "identityProvider": "AAD",
        },
        "logAnalyticsResourceId": origin,
        "microsoftGraphResourceId": f"{origin}/",
        "suffixes": {},
    }
    return answered(endpoints)
