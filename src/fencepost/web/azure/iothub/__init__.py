"""
The service side of an IoT Hub over HTTP: identities, twins, queries, direct methods, messages to devices.

Microsoft's public REST reference for IoT Hub, api-versions 2016-11-14 to 2021-04-12, documents it; so it is not
in the document of our own API. It needs a `HubService` as `app.state.hub`.
"""

from typing import Any

from fencepost.web.azure.iothub import (
    bulk,
    devices,
    messages,
    methods,
    modules,
    querying,
    statistics,
    twins,
)
from fencepost.web.azure.iothub.service import HubService

__all__ = ["HANDLERS", "HubService"]

HANDLERS: list[Any] = [
    devices.list_devices,
    devices.get_device,
    devices.put_device,
    devices.delete_device,
    bulk.change_many,
    querying.query_twins,
    modules.list_modules,
    modules.get_module,
    modules.put_module,
    modules.delete_module,
    twins.get_twin,
    twins.patch_twin,
    twins.put_twin,
    methods.invoke_method,
    messages.send_message,
    messages.purge_messages,
    statistics.device_statistics,
    statistics.service_statistics,
]
