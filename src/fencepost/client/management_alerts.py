"""A running service's alerts: found, followed, moved by hand, and mended the lists for."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from urllib.parse import quote, urlencode

from msgspec import Struct

from fencepost.client.management import BAD, CONFLICT, FORBIDDEN, MISSING, UNPROCESSABLE, Api, refused
from fencepost.client.management_shapes import (
    ActResult,
    ActResults,
    AlertPage,
    AlertWithHistory,
    Body,
    Choice,
    Choices,
    Mended,
    Preview,
    Undone,
)
from fencepost.client.requests import Answer
from fencepost.model.alert import Alert, State
from fencepost.model.catalog import Severity
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.page import AlertSort

MOST_AT_ONCE = 1000
"""Alerts of one call that moves several."""
PAGE = 200
LEAST_PREFIX, WHOLE = 6, 36
"""Characters of an alert's id that name it among the latest, and all of them."""
LATEST = 2000
"""Alerts among which the beginning of an id is looked for."""
REFUSALS = frozenset({BAD, CONFLICT, UNPROCESSABLE})


class AlertWish(Struct, frozen=True, kw_only=True):
    """Which alerts are asked for; what is left out asks nothing. `assigned_to` is empty for nobody's."""

    states: tuple[State, ...] = ()
    severities: tuple[Severity, ...] = ()
    device_id: str | None = None
    group: str | None = None
    rule_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    assigned_to: str | None = None

    def params(self) -> Body:
        """Return the parameters that ask for these."""
        times = {"since": self.since, "until": self.until}
        asked: Body = {name: moment.isoformat() for name, moment in times.items() if moment is not None}
        asked |= {"state": [*self.states], "severity": [*self.severities]}
        for name in ("device_id", "group", "rule_type", "text", "assigned_to"):
            if (value := getattr(self, name)) is not None:
                asked[name] = value
        return asked


class Alerts:
    """The alerts of a service."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def find(
        self, wish: AlertWish, *, sort: AlertSort = "-started_at", limit: int | None = None
    ) -> AsyncGenerator[Alert, None]:
        """Yield the alerts that are asked for in their order, at most so many."""
        number, after = 0, None
        while True:
            size = PAGE if limit is None else min(PAGE, limit - number)
            if not size:
                return
            answer = await self.api.get("/v1/alerts", **wish.params(), sort=sort, limit=size, after=after)
            page = self.api.understood(answer, AlertPage)
            for alert in page.items:
                yield alert
            number, after = number + len(page.items), page.next
            if after is None:
                return

    async def get(self, alert_id: str) -> AlertWithHistory:
        """Return an alert and its history; raises OperatorError where there is none of this id."""
        answer = await self.api.get(_path_of(alert_id), known={MISSING})
        if answer.status == MISSING:
            raise no_alert(alert_id)
        return self.api.understood(answer, AlertWithHistory)

    async def whole_ids(self, named: Sequence[str]) -> list[str]:
        """
        Return the ids of alerts of which the beginning may stand for the whole, each once.

        A beginning is looked for among the latest alerts; raises OperatorError where it fits none or several.
        """
        short = [name for name in named if len(name) < WHOLE]
        ids = [alert.alert_id async for alert in self._latest()] if short else []
        found, problems = [], []
        for name in dict.fromkeys(named):
            fit = (
                [one for one in ids if one.startswith(name.lower())] if len(name) < WHOLE else [name.lower()]
            )
            if len(fit) == 1 and len(name) >= LEAST_PREFIX:
                found += fit
            else:
                problems.append(Problem(name, _unclear(name, fit)))
        if problems:
            raise OperatorError(problems)
        return [*dict.fromkeys(found)]

    async def _latest(self) -> AsyncGenerator[Alert, None]:
        async for alert in self.find(AlertWish(), sort="-last_seen_at", limit=LATEST):
            yield alert

    async def follow(
        self, on_open: Callable[[], object], *, group: str | None = None, severities: Sequence[str] = ()
    ) -> AsyncGenerator[Alert, None]:
        """Yield alerts as they are opened and change, for ever; after a broken connection those missed first."""
        asked: Body = {"group": group, "severity": [*severities]}
        query = urlencode({name: value for name, value in asked.items() if value}, doseq=True)
        path = f"/v1/alerts/stream{f'?{query}' if query else ''}"
        async for event in self.api.requests.events(path, on_open):
            if event.event == "alert":
                yield self.api.understood(Answer(200, {}, event.data.encode()), Alert)

    async def act(
        self, alert_ids: Sequence[str], action: str, comment: str | None
    ) -> AsyncGenerator[ActResult, None]:
        """Move alerts by hand, and yield what became of each; raises OperatorError where nothing may be done."""
        for start in range(0, len(alert_ids), MOST_AT_ONCE):
            some = [*alert_ids[start : start + MOST_AT_ONCE]]
            body = {"action": action, "alert_ids": some, "comment": comment}
            answer = await self.api.post("/v1/alerts/actions", body, known=REFUSALS)
            if answer.status in REFUSALS:
                raise refused(action, answer)
            for result in self.api.understood(answer, ActResults).results:
                yield result

    async def assign(self, alert_id: str, assigned_to: str | None) -> None:
        """Say who works on an alert, or that nobody does; raises OperatorError."""
        path = f"{_path_of(alert_id)}/assignment"
        answer = await self.api.put(path, {"assigned_to": assigned_to}, known={MISSING, *REFUSALS})
        self._check(alert_id, answer)

    async def comment(self, alert_id: str, comment: str) -> None:
        """Write something into the history of an alert; raises OperatorError."""
        path = f"{_path_of(alert_id)}/comments"
        self._check(alert_id, await self.api.post(path, {"comment": comment}, known={MISSING, *REFUSALS}))

    async def choices(self, alert_id: str) -> tuple[Choice, ...]:
        """Return the ways to allow what alerted; none where this alert, or this token, has none."""
        known = {FORBIDDEN, MISSING, *REFUSALS}
        answer = await self.api.get(f"{_path_of(alert_id)}/allow", known=known)
        return () if answer.status in known else self.api.understood(answer, Choices).items

    async def preview(self, alert_id: str, wish: Body, days: int) -> Preview:
        """Return what an entry would change; raises OperatorError."""
        answer = await self.api.post(
            f"{_path_of(alert_id)}/allow", wish, known={MISSING, *REFUSALS}, preview="true", days=days
        )
        self._check(alert_id, answer)
        return self.api.understood(answer, Preview)

    async def allow(self, alert_id: str, wish: Body) -> Mended:
        """Put an entry on a list, so that what alerted is allowed; raises OperatorError."""
        answer = await self.api.post(f"{_path_of(alert_id)}/allow", wish, known={MISSING, *REFUSALS})
        self._check(alert_id, answer)
        return self.api.understood(answer, Mended)

    async def undo(self, alert_id: str) -> Undone:
        """Take back what was allowed from an alert; raises OperatorError where there is nothing."""
        answer = await self.api.post(f"{_path_of(alert_id)}/allow/undo", {}, known={MISSING, *REFUSALS})
        self._check(alert_id, answer)
        return self.api.understood(answer, Undone)

    def _check(self, alert_id: str, answer: Answer) -> None:
        if answer.status == MISSING:
            raise no_alert(alert_id)
        if answer.status in REFUSALS:
            raise refused(alert_id, answer)


def no_alert(alert_id: str) -> OperatorError:
    reason = "there is no alert of this id; `fencepost alerts list` names those that there are"
    return OperatorError([Problem(alert_id, reason)])


def _unclear(name: str, fit: Sequence[str]) -> str:
    if len(name) < LEAST_PREFIX:
        return f"name an alert by at least {LEAST_PREFIX} characters of its id"
    if fit:
        return f"{len(fit)} alerts have ids that begin so: write more of it"
    return f"no id among the latest {LATEST:,} alerts begins so; an older one is named by its whole id"


def _path_of(alert_id: str) -> str:
    return f"/v1/alerts/{quote(alert_id, safe='')}"
