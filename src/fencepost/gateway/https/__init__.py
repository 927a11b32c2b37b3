"""
What devices themselves call over HTTPS: an IoT Hub's device endpoints, and its provisioning service's.

Microsoft's public REST reference documents them. They need a `Gateway` as `app.state.gateway`.
"""

from datetime import datetime
from typing import Any

from litestar import Router

from fencepost.gateway.https import devicebound, events, registrations
from fencepost.gateway.https.access import gateway_of
from fencepost.model.hub_error import HubError
from fencepost.net.hub_http import AnyRequest, handlers, takes_versions
from fencepost.service.pipeline import Busy

__all__ = ["HANDLERS"]


def _clock(request: AnyRequest) -> datetime:
    return gateway_of(request).clock()


def _of_busy(error: Busy) -> HubError:
    return HubError("ThrottlingException", error.reason, retry_after=error.retry_after)


HANDLERS: list[Any] = [
    Router(
        "/",
        route_handlers=[
            events.send_event,
            devicebound.take_message,
            devicebound.settle_message,
            devicebound.abandon_message,
        ],
        guards=[takes_versions],
        exception_handlers=handlers(_clock, {Busy: _of_busy}),
        include_in_schema=False,
        request_max_body_size=None,
    ),
    Router(
        "/",
        route_handlers=[
            registrations.register,
            registrations.operation_status,
            registrations.registration_status,
        ],
        guards=[takes_versions],
        exception_handlers=handlers(_clock, {Busy: _of_busy}, "provisioning"),
        include_in_schema=False,
        request_max_body_size=None,
    ),
]
