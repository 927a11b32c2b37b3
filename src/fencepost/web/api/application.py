"""The ASGI application of the API."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import MutableScopeHeaders, State
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from fencepost.web.api import (
    alert_actions,
    alerts,
    audit,
    devices,
    group_rules,
    groups,
    health,
    landing,
    layers,
    mending,
    messages,
    quarantine,
    rule_types,
    session,
    stream,
    summary,
    suppressions,
    tokens,
    users,
)
from fencepost.web.api.bodies import arrive
from fencepost.web.api.document import complete, openapi
from fencepost.web.api.idempotency import Answers
from fencepost.web.api.problems import HANDLERS
from fencepost.web.api.service import Service

OPERATIONS: list[Any] = [
    landing.get_landing,
    messages.send_messages,
    alerts.list_alerts,
    summary.summarize_alerts,
    stream.stream_alerts,
    alerts.get_alert,
    alert_actions.act_on_alert,
    alert_actions.assign_alert,
    alert_actions.comment_on_alert,
    alert_actions.act_on_alerts,
    mending.list_choices,
    mending.allow,
    mending.undo_allow,
    groups.list_groups,
    groups.get_group,
    groups.put_group,
    groups.delete_group,
    groups.list_group_versions,
    group_rules.list_rules,
    group_rules.get_rule,
    group_rules.put_rule,
    group_rules.delete_rule,
    rule_types.list_rule_types,
    layers.get_fleet,
    layers.put_fleet,
    layers.list_overrides,
    layers.get_overrides,
    layers.put_overrides,
    layers.delete_overrides,
    layers.get_effective_rules,
    suppressions.list_suppressions,
    suppressions.get_suppression,
    suppressions.put_suppression,
    suppressions.delete_suppression,
    devices.list_devices,
    devices.get_device,
    devices.put_device,
    devices.list_tallies,
    quarantine.list_quarantine,
    quarantine.get_quarantined,
    audit.list_audit,
    session.sign_in,
    session.sign_out,
    session.get_me,
    users.list_users,
    users.create_user,
    users.get_user,
    users.put_user,
    users.delete_user,
    users.put_password,
    tokens.list_tokens,
    tokens.create_token,
    tokens.get_token,
    tokens.revoke_token,
    health.get_health,
    health.get_readiness,
    health.get_metrics,
]
LARGEST_JSON = 8 << 20
"""Bytes of a request that is not a device's; a list of 100,000 entries fits."""


def application(service: Service, others: Sequence[Any] = (), **state: Any) -> Litestar:
    """Return the application that serves this service, and the operations of others with their own `state`."""
    answers = Answers()

    async def before(request: Request[Any, Any, Any]) -> Response[bytes] | None:
        await arrive(request)
        return await answers.before(request)

    made = Litestar(
        [*OPERATIONS, *others],
        state=State({"service": service, **state}),
        exception_handlers=HANDLERS,
        before_request=before,
        before_send=[_name_all_methods, answers.on_send],
        request_max_body_size=LARGEST_JSON,
        openapi_config=openapi(),
        logging_config=None,
        debug=False,
    )
    complete(made)
    return made


async def _name_all_methods(message: Message, scope: Scope) -> None:
    """Litestar answers OPTIONS with the methods of the path's first handler only."""
    path = scope.get("path_template")  # there is none where nothing is known by the path
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS" and path is not None:
        routes = (one for one in scope["litestar_app"].routes if isinstance(one, HTTPRoute))
        methods = (one.methods for one in routes if one.path_format == path)
        MutableScopeHeaders(message)["Allow"] = ", ".join(sorted(set().union(*methods)))
