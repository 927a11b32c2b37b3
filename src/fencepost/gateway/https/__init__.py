"""
What devices themselves call over HTTPS: an IoT Hub's device endpoints, and its provisioning service's.

Microsoft's public REST reference documents them. They need a `Gateway` as `app.state.gateway`.
"""

from typing import Any

from fencepost.gateway.https import devicebound, events, registrations

__all__ = ["HANDLERS"]

HANDLERS: list[Any] = [
    events.send_event,
    devicebound.take_message,
    devicebound.settle_message,
    devicebound.abandon_message,
    registrations.register,
    registrations.operation_status,
    registrations.registration_status,
]
