"""The ASGI application of the API."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders, State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from fencepost import __version__
from fencepost.web.api import alerts, devices, groups, health, landing, messages, stream
from fencepost.web.api.problems import HANDLERS
from fencepost.web.api.service import Service

OPERATIONS: list[Any] = [
    landing.get_landing,
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
]
CLOSED = ("Comment", "Assignment", "GroupBody", "RuleBody", "MembersBody")
"""The schemas that take no members but their own."""
LARGEST_JSON = 8 << 20
"""Bytes of a request that is not a device's; a list of 100,000 entries fits."""


def application(service: Service, others: Sequence[Any] = (), **state: Any) -> Litestar:
    """Return the application that serves this service, and the operations of others with their own `state`."""
    made = Litestar(
        [*OPERATIONS, *others],
        state=State({"service": service, **state}),
        exception_handlers=HANDLERS,
        before_send=[_name_all_methods],
        request_max_body_size=LARGEST_JSON,
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )
    _say_what_is_closed(made)
    return made


async def _name_all_methods(message: Message, scope: Scope) -> None:
    """Litestar answers OPTIONS with the methods of the path's first handler only."""
    path = scope.get("path_template")  # there is none where nothing is known by the path
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS" and path is not None:
        routes = (one for one in scope["litestar_app"].routes if isinstance(one, HTTPRoute))
        methods = (one.methods for one in routes if one.path_format == path)
        MutableScopeHeaders(message)["Allow"] = ", ".join(sorted(set().union(*methods)))


def _say_what_is_closed(made: Litestar) -> None:
    """Litestar does not tell of structs that they take no other members."""
    schemas = made.openapi_schema.components.schemas or {}
    for name in CLOSED:
        schemas[name].additional_properties = False


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
