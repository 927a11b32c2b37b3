"""`fencepost alerts allow` and `undo`: the list mended from the alert, after what it would change was shown."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from fencepost.cli.access import talk, target_of
from fencepost.cli.asking import ask
from fencepost.cli.groups_views import terms_of
from fencepost.cli.moments import span_of, until_of
from fencepost.cli.options import wall_clock
from fencepost.cli.output import console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.management import Api
from fencepost.client.management_alerts import Alerts
from fencepost.client.management_shapes import Body, Mended, Preview, Undone
from fencepost.client.requests import Requests
from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import EffectiveEntry, Scope

SHORT = 8
MOST_NAMED = 5


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be allowed, as the options state it."""

    scope: Scope
    entry: str | None
    form: str | None
    span: str | None
    until: str | None
    reason: str | None

    def body(self, now: datetime, *, is_preview: bool) -> Body:
        """Return what the API is asked; raises OperatorError with all that is wrong."""
        problems = []
        if self.entry is not None and self.form is not None:
            problems.append(Problem("--entry, --form", "name the entry or its form, not both"))
        if self.span is not None and self.until is not None:
            problems.append(Problem("--for, --until", "say how long or until when, not both"))
        if not (self.reason or is_preview):
            problems.append(Problem("--reason", "say why, for whoever reads the list next"))
        if problems:
            raise OperatorError(problems)
        until = until_of(self.until, "--until", now)
        until = now + span_of(self.span, "--for") if self.span is not None else until
        stated = {"entry": self.entry, "form": self.form}
        what = {name: value for name, value in stated.items() if value is not None}
        body: Body = {"scope": self.scope, **what, "reason": self.reason or ""}
        return body if until is None else body | {"until": until.isoformat()}


def allow(
    stated: Stated, named: str, wish: Wish, days: int, *, preview_only: bool, is_sure: bool, json: bool
) -> None:
    """Show what an entry would change, ask, and put it on the list; raises OperatorError."""
    access = target_of(stated).access
    body = wish.body(wall_clock(), is_preview=preview_only)

    async def look(requests: Requests) -> tuple[Alert, Preview]:
        alerts = Alerts(Api(requests))
        [alert_id] = await alerts.whole_ids([named])
        found = await alerts.get(alert_id)
        return found.alert, await alerts.preview(alert_id, body, days)

    alert, preview = talk(access, look)
    place = _place_of(alert, preview.scope, preview.subject)
    if preview_only and json:
        write_lines([preview])
        return
    if not json:
        width = console().width
        for label, text in lines_of(preview, place):
            say(labelled(label, text, width))
    if preview_only:
        return
    ask(
        f"{'Take' if place.startswith('off') else 'Put'} {printable(preview.entry)} {printable(place)}?",
        is_sure=is_sure,
        otherwise="say --yes to do this, or --preview to look only",
    )
    mended = talk(access, lambda requests: Alerts(Api(requests)).allow(alert.alert_id, body))
    if json:
        write_lines([mended])
        return
    say(f"\n{printable(_told(mended, place))}")
    if mended.changed:
        say(f"To take it back:\n  fencepost alerts undo {alert.alert_id}")


def lines_of(preview: Preview, place: str) -> Iterator[tuple[str, str]]:
    """Yield what an entry would change for people, each thing with its label; `place` is where it goes."""
    yield "entry", f"{preview.entry}, {place}, {_until(preview.until)}"
    count = preview.resolves_count
    yield "would resolve", plural(count, "open alert") + _named(preview.resolves, count)
    events = plural(preview.events, "occurrence")
    yield "would be silent", f"{events} of the last {plural(preview.days, 'day')}, if they came again"
    for number, one in enumerate(preview.covering):
        yield "" if number else "covered already", _covering(one)
    for warning in preview.warnings:
        yield "warning", warning


def _covering(one: EffectiveEntry) -> str:
    terms = f"; {terms_of(one.note, wall_clock())}" if one.note is not None else ""
    return f"{one.entry}  ({one.origin}{terms})"


def _named(ids: tuple[str, ...], count: int) -> str:
    shown = ", ".join(one[:SHORT] for one in ids[:MOST_NAMED])
    more = ", ..." if count > MOST_NAMED else ""
    return f": {shown}{more}" if shown else ""


def _place_of(alert: Alert, scope: Scope, subject: str | None) -> str:
    """Return where an entry goes: on an allow-list, or off the deny-list that denies."""
    row = CATALOG.get(alert.rule_type)
    word = "off" if row is not None and row.family == "denylist" else "on"
    return f"{word} {_whose(scope, subject)}"


def _whose(scope: Scope, subject: str | None) -> str:
    return (
        "the list of all groups"
        if scope == "fleet"
        else f"the list of the {scope} {printable(subject or '')}"
    )


def _until(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until is not None else "for good"


def _told(mended: Mended, place: str) -> str:
    if not mended.changed:
        return f"{mended.entry} is {place} already, {_until(mended.until)}: nothing was changed"
    resolved = f"{plural(mended.resolved_count, 'alert')} resolved"
    return f"{mended.entry} is {place}, {_until(mended.until)}: {resolved}"


def undo(stated: Stated, named: str, *, json: bool) -> None:
    """Take back what was allowed from an alert; raises OperatorError where there is nothing."""

    async def work(requests: Requests) -> Undone:
        alerts = Alerts(Api(requests))
        [alert_id] = await alerts.whole_ids([named])
        return await alerts.undo(alert_id)

    undone = talk(target_of(stated).access, work)
    if json:
        write_lines([undone])
        return
    for edit in undone.edits:
        place = _whose(edit.scope, edit.subject)
        told = [(edit.removed, "off"), (edit.restored, "back, as before, on")]
        for entries, word in told:
            for entry in entries:
                say(printable(f"{entry} is {word} {place}"))
    count = undone.reopened_count
    say(f"{plural(count, 'alert is', 'alerts are')} open again{_named(undone.reopened, count)}")
