"""`/v1/audit`: who changed what, and what came of it."""

import asyncio
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import QueryParameter
from msgspec import Struct

from fencepost.model.record import AuditRecord
from fencepost.web.api.access import requires
from fencepost.web.api.documented import After, Limit, MomentText, moments, problems_of
from fencepost.web.api.service import Service

LONGEST = 2000


def _text(meaning: str) -> QueryParameter:
    return QueryParameter(description=meaning, max_length=LONGEST)


class Audit(Struct, frozen=True):
    """A page of what people changed, the latest first; `next` is null on the last page."""

    items: list[AuditRecord]
    next: str | None


@get(
    "/v1/audit",
    guards=[requires("administrator", everywhere=True)],
    operation_id="listAudit",
    summary="List what people changed.",
    responses=problems_of(400, 401, 403, 503),
    tags=["audit"],
)
async def list_audit(
    request: Request[Any, Any, Any],
    actor: Annotated[str | None, _text("By this actor: `user/anna`.")] = None,
    action: Annotated[str | None, _text("What was done: `put`, `resolve`, `allow`.")] = None,
    subject: Annotated[str | None, _text("To what: `group/cameras`; `group/` for all of a kind.")] = None,
    since: MomentText = None,
    until: MomentText = None,
    after: After = None,
    limit: Limit = 100,
) -> Audit:
    """Return who changed what and what came of it, the latest first; the audit only grows."""
    service: Service = request.app.state.service
    first, last = moments(since=since, until=until)
    page = await asyncio.to_thread(
        service.store.audit,
        actor=actor,
        action=action,
        subject=subject,
        since=first,
        until=last,
        after=after,
        limit=limit,
    )
    return Audit(page.items, page.after)
