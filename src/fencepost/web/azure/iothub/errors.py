"""What goes wrong, in the words of an IoT Hub."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest, handlers
from fencepost.service.commands import Conflict, Missing, Outdated
from fencepost.service.downlink import Full
from fencepost.service.pipeline import Busy
from fencepost.web.azure.iothub.service import HubService


@asynccontextmanager
async def about(hub: HubService, key: IdentityKey) -> AsyncIterator[None]:
    """Say of an identity what the registry raises about it: not found, there already, changed meanwhile."""
    try:
        yield
    except Missing as error:
        raise await not_found(hub, key) from error
    except Conflict as error:
        raise _taken(key) from error
    except Outdated as error:
        raise HubError(
            "PreconditionFailed", "Precondition failed: the ETag is not the current one"
        ) from error


async def not_found(hub: HubService, key: IdentityKey) -> HubError:
    """Return that an identity is not there, or that its device is not."""
    if key.module_id is not None and await hub.registry.find(IdentityKey(key.device_id)) is not None:
        return HubError("ModuleNotFound", f"{key.device_id}/{key.module_id}")
    return HubError("DeviceNotFound", key.device_id)


def _taken(key: IdentityKey) -> HubError:
    if key.module_id is None:
        return HubError("DeviceAlreadyExists", f"A device with ID '{key.device_id}' is already registered.")
    detail = f"Device {key.device_id} already contains Module {key.module_id}."
    return HubError("ModuleAlreadyExistsOnDevice", detail)


def of_full(error: Full) -> HubError:
    return HubError("DeviceMaximumQueueDepthExceeded", str(error))


def of_busy(error: Busy) -> HubError:
    return HubError("ThrottlingException", error.reason, retry_after=error.retry_after)


def _clock(request: AnyRequest) -> datetime:
    hub: HubService = request.app.state.hub
    return hub.clock()


HANDLERS: dict[Any, Any] = handlers(_clock, {Busy: of_busy, Full: of_full})
