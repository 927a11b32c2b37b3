"""The ASGI application of the API."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from fencepost import __version__
from fencepost.web.api import alerts, devices, groups, health, messages, stream
from fencepost.web.api.problems import HANDLERS
from fencepost.web.api.service import Service

LARGEST_JSON = 8 << 20
"""Bytes of a request that is not a device's; a list of 100,000 entries fits."""


def application(service: Service) -> Litestar:
    """Return the application that serves this service."""
    return Litestar(
        [
            messages.send_messages,
            stream.stream_alerts,
            alerts.list_alerts,
            alerts.get_alert,
            alerts.act_on_alert,
            groups.list_groups,
            groups.get_group,
            groups.put_group,
            groups.delete_group,
            devices.list_devices,
            devices.get_device,
            devices.put_device,
            devices.list_tallies,
            devices.list_quarantine,
            devices.get_quarantined,
            devices.list_audit,
            health.get_health,
            health.get_readiness,
            health.get_metrics,
        ],
        state=State({"service": service}),
        exception_handlers=HANDLERS,
        request_max_body_size=LARGEST_JSON,
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )


def _openapi() -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", description="A token of `fencepost init --json`.")
    return OpenAPIConfig(
        title="Fencepost",
        version=__version__,
        summary="Tells the owner of an IoT fleet that a device has left the behaviour its owner expects.",
        path="/openapi",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes={"token": scheme}),
        security=[{"token": []}],
        use_handler_docstrings=True,
    )
