"""A device, or a module, of the SDK azure-iot-device. Actions: those of ACTIONS; events: those that are told."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.iot.device import (  # type: ignore[import-not-found]
    X509,
    IoTHubDeviceClient,
    IoTHubModuleClient,
    Message,
    MethodResponse,
)
from tests.conversation import converse, tell

clients: list[Any] = []


class Renewals(logging.Handler):
    """Tells when the SDK renews its token, which it says nowhere but in its log."""

    def emit(self, record: logging.LogRecord) -> None:
        if "Renewing SAS Token" in record.getMessage():
            tell(event="renewed")


def open_client(
    *,
    ca_file: str,
    connection_string: str = "",
    module: bool = False,
    certificate_file: str = "",
    key_file: str = "",
    hostname: str = "",
    device_id: str = "",
    **options: Any,
) -> None:
    """Make a client, by a connection string or with a certificate; it does not connect yet."""
    kind = IoTHubModuleClient if module else IoTHubDeviceClient
    options["server_verification_cert"] = Path(ca_file).read_text(encoding="utf-8")
    if certificate_file:
        x509 = X509(certificate_file, key_file)
        client = kind.create_from_x509_certificate(
            x509=x509, hostname=hostname, device_id=device_id, **options
        )
    else:
        client = kind.create_from_connection_string(connection_string, **options)
    client.on_connection_state_change = lambda: tell(event="connection", connected=client.connected)
    client.on_background_exception = lambda error: tell(event="trouble", name=type(error).__name__)
    clients.append(client)


def connect() -> None:
    clients[-1].connect()


def send(
    body: str, *, security: bool = False, properties: dict[str, str] | None = None, **system: str
) -> None:
    """Send a message; it returns when the server has acknowledged it. `system`: message_id and so on."""
    message = Message(body, content_type="application/json", content_encoding="utf-8")
    message.custom_properties.update(properties or {})
    for name, value in system.items():
        setattr(message, name, value)
    if security:
        message.set_as_security_message()
    clients[-1].send_message(message)


def twin() -> Any:
    return clients[-1].get_twin()


def report(patch: dict[str, Any]) -> None:
    clients[-1].patch_twin_reported_properties(patch)


def watch_desired() -> None:
    clients[-1].on_twin_desired_properties_patch_received = lambda patch: tell(event="desired", patch=patch)


def watch_messages() -> None:
    """Tell what comes: to a device from the cloud, to a module at its inputs."""
    clients[-1].on_message_received = lambda message: tell(
        event="message",
        body=message.data,
        properties=message.custom_properties,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
    )


def watch_method(name: str, status: int = 200) -> None:
    """Answer the calls of a method with what they said."""
    client = clients[-1]

    def answer(request: Any) -> None:
        tell(event="method", name=request.name, payload=request.payload)
        code = status if request.name == name else 404
        response = MethodResponse.create_from_method_request(request, code, {"echo": request.payload})
        client.send_method_response(response)

    client.on_method_request_received = answer


def connected() -> bool:
    return bool(clients[-1].connected)


def close() -> None:
    while clients:
        clients.pop().shutdown()


ACTIONS: dict[str, Callable[..., Any]] = {
    "open": open_client,
    "connect": connect,
    "send": send,
    "twin": twin,
    "report": report,
    "watch desired": watch_desired,
    "watch messages": watch_messages,
    "watch inputs": watch_messages,
    "watch method": watch_method,
    "connected": connected,
    "close": close,
}

if __name__ == "__main__":
    logging.getLogger("azure.iot.device").setLevel(logging.INFO)
    logging.getLogger("azure.iot.device").addHandler(Renewals())
    converse(ACTIONS)
    close()
