"""
Mending the list from the alert: what could be allowed, what that would change, allowing it, and taking that back.

What a preview says is judged by the engine itself, with the list as it would be; it changes nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct, structs

from fencepost.model.alert import Alert, State
from fencepost.model.entry import Mend
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import EffectiveEntry, Layer, ListRule, Scope
from fencepost.model.page import MOST, AlertFilter, Page
from fencepost.model.record import MendedEdit
from fencepost.model.rule import AllowlistRule, DenylistRule, SecurityGroup
from fencepost.service.choices import Choice, choices_of
from fencepost.service.commands import MOST_AT_ONCE, ByHand, Commands, Conflict, Missing, Outdated, refuse
from fencepost.service.mending_plan import MendingPlan, denials, plan_of
from fencepost.service.undoing import UndoneEdit, latest_mends, told_of_undoing, undone
from fencepost.service.wishes import Stand, Subject, Wish, name_of, problems_of_wish, scope_of

SHOWN = 100
"""Alerts that an answer names."""
MOST_DAYS = 90
MOST_READ = 50_000
"""Stored alerts that a preview looks at, the latest."""
MOST_TRIES = 5
"""How often an edit begins anew because somebody else was faster."""
TAKEN_BACK = "what was allowed has been taken back"
SCOPES: frozenset[Scope] = frozenset({"device", "group", "fleet"})


class MendingStore(Protocol):
    """What is asked of the control store; every call may block and may raise StoreUnavailable."""

    def alert(self, alert_id: str) -> Alert | None: ...
    def alerts(self, wanted: AlertFilter, *, after: str | None, limit: int) -> Page[Alert]: ...
    def standing(self, *, group: str | None = None, device_id: str | None = None) -> list[Alert]: ...
    def mends(self, alert_id: str) -> list[MendedEdit]: ...
    def allowed_at(self, position: int) -> list[tuple[Alert, State]]: ...


class Preview(Struct, frozen=True, kw_only=True):
    """
    What a wish would change; `subject` is the group's name, the device's id, or None for the fleet.

    `resolves` are the open alerts that would resolve, at most a hundred of `resolves_count`. `events` is the sum
    of the occurrences of all stored alerts of the same rule and scope, last seen within `days` days, that alert
    by the list as it is and would not by the list as it would be: all occurrences of such an alert count, also
    those before these days. `covering` are entries of the device's list that hold the same already.
    """

    scope: Scope
    subject: str | None
    entry: str
    until: datetime | None
    resolves: list[str]
    resolves_count: int
    events: int
    days: int
    covering: list[EffectiveEntry]
    warnings: list[str]


class Mended(Struct, frozen=True, kw_only=True):
    """
    What a wish has changed; without `changed` the entry stood there already, as long as was wished.

    `resolved` are alerts that the edit resolved, at most a hundred of `resolved_count`. `version` is that of the
    group or layer.
    """

    scope: Scope
    subject: str | None
    entry: str
    until: datetime | None
    changed: bool
    version: int
    resolved: list[str]
    resolved_count: int
    warnings: list[str]


class Undone(Struct, frozen=True, kw_only=True):
    """What was taken back, and the alerts that are open again, at most a hundred of `reopened_count`."""

    edits: list[UndoneEdit]
    reopened: list[str]
    reopened_count: int


class Mending:
    """Mends lists from alerts. `clock` gives aware UTC."""

    def __init__(self, commands: Commands, store: MendingStore, clock: Callable[[], datetime]) -> None:
        self._commands = commands
        self._store = store
        self._clock = clock
        self._turn = asyncio.Lock()  # many who mend at once would only make each other begin anew

    def choices(self, alert: Alert) -> tuple[Choice, ...]:
        """
        Return the entries that would allow what an alert is about, the narrowest first.

        Of a deny-list, those that deny it. Raises Conflict for an alert that no list raised.
        """
        if isinstance(self._rule(alert), AllowlistRule):
            return choices_of(alert, self._clock())
        return tuple(denials(alert, self._stand(), self._clock()))

    async def preview(
        self, alert_id: str, wish: Wish, *, days: int = 7, groups: frozenset[str] | None = None
    ) -> Preview:
        """
        Return what a wish would change, and change nothing.

        With `groups`, names without case, nothing is told of the alerts of others. Raises Missing, Conflict
        where the list cannot be mended so, and OperatorError with all problems of the wish.
        """
        if not 1 <= days <= MOST_DAYS:
            raise OperatorError([Problem("days", f"days is between 1 and {MOST_DAYS}")])
        return await asyncio.to_thread(self._preview, alert_id, _stripped(wish), days, groups)

    async def allow(self, alert_id: str, wish: Wish, actor: str) -> Mended:
        """
        Mend the list as is wished: the alert resolves, and others do for which the same holds (S24).

        An entry that is there already stays as it is, or counts longer where that is wished. Raises as
        `preview` does, and Outdated where others edit the same list again and again.
        """
        async with self._turn:
            return await self._allow(alert_id, _stripped(wish), actor)

    async def _allow(self, alert_id: str, wish: Wish, actor: str) -> Mended:
        for _ in range(MOST_TRIES):
            alert = await asyncio.to_thread(self._known, alert_id)
            plan = await asyncio.to_thread(self._plan, alert, wish)
            warnings = [*plan.warnings()]
            if not plan.changes:
                return _mended(wish, plan.subject, [], warnings, changed=False)
            edited = plan.edited(actor)
            try:
                put = await self._put(
                    edited, plan.subject.version, actor, wish.reason or None, Mend(alert_id, "allow")
                )
            except Outdated:
                continue
            resolved = await asyncio.to_thread(self._resolved_by, alert_id)
            return _mended(wish, put, resolved, warnings, changed=True)
        raise Outdated("others edit this list at the same time: try again")

    async def undo(
        self,
        alert_id: str,
        actor: str,
        *,
        scopes: frozenset[Scope] = SCOPES,
        groups: frozenset[str] | None = None,
    ) -> Undone:
        """
        Take back what was allowed from an alert, and open the alerts again that were resolved by it.

        Entries go that nobody has put anew since; what stood there before stands there again. An alert stays
        resolved where another entry allows it, its device has another group by now, or a later alert of the same is
        open. With `groups`, names without
        case, nothing is touched of others: the device may have had another group before. Raises Missing, and
        Conflict where nothing in these scopes can be taken back.
        """
        async with self._turn:
            return await self._undo(alert_id, actor, scopes, groups)

    async def _undo(
        self, alert_id: str, actor: str, scopes: frozenset[Scope], groups: frozenset[str] | None
    ) -> Undone:
        alert = await asyncio.to_thread(self._known, alert_id)
        mends = await asyncio.to_thread(self._store.mends, alert_id)
        taken: list[UndoneEdit] = []
        positions: list[int] = []
        for key in dict.fromkeys(_key_of(edit.after) for edit in mends):
            edits = latest_mends(edit for edit in mends if _key_of(edit.after) == key)
            is_theirs = key[0] in scopes and (key[0] != "group" or groups is None or key[1] in groups)
            told = await self._take_back(alert, edits, actor) if is_theirs else None
            if told is not None:
                taken.append(told)
                positions += [edit.position for edit in edits]
        if not taken:
            raise Conflict("nothing that was allowed from this alert stands on a list any longer")
        reopened = await self._reopen(positions, actor, groups)
        return Undone(edits=taken, reopened=reopened[:SHOWN], reopened_count=len(reopened))

    # what is known

    def _known(self, alert_id: str) -> Alert:
        alert = self._store.alert(alert_id)
        if alert is None:
            raise Missing("there is no such alert")
        return alert

    def _stand(self) -> Stand:
        groups = {group.name.casefold(): group for group in self._commands.groups()}
        return Stand(groups=groups, layers=self._commands.layers())

    def _subject(self, alert: Alert, scope: Scope) -> Subject:
        """Return whose list is to be mended; raises Conflict where an alert says nothing about it any longer."""
        if scope == "group":
            return self._commands.group(alert.group)
        if scope == "fleet":
            return self._commands.fleet()
        if not self._is_judged(alert):
            raise Conflict(f"the device {alert.device_id} has left the group {alert.group}")
        return self._commands.device_layer(alert.device_id)

    def _rule(self, alert: Alert) -> ListRule:
        """Return the group's list that an alert is of; raises Conflict where there is none."""
        try:
            group = self._commands.group(alert.group)
        except Missing:
            raise Conflict(f"the group {alert.group} is no longer there") from None
        rule = next((rule for rule in group.rules if rule.type == alert.rule_type), None)
        if rule is None:
            raise Conflict(f"the group {group.name} no longer has the rule {alert.rule_type}")
        if not isinstance(rule, AllowlistRule | DenylistRule):
            reason = f"{rule.type} has no list: change the bounds, of the group {group.name} or of the device"
            raise Conflict(reason)
        return rule

    def _plan(self, alert: Alert, wish: Wish) -> MendingPlan:
        """Return what a wish comes to; raises Conflict and OperatorError where it cannot be."""
        rule, now = self._rule(alert), self._clock()
        refuse(problems_of_wish(wish, rule, now))
        return plan_of(alert, wish, rule, self._subject(alert, wish.scope), self._stand(), now)

    # what would change

    def _preview(self, alert_id: str, wish: Wish, days: int, groups: frozenset[str] | None) -> Preview:
        alert = self._known(alert_id)
        plan = self._plan(alert, wish)
        standing = [*self._standing(alert, wish.scope, groups)]
        stored, is_whole = self._stored(alert, wish.scope, days, groups, plan.now)
        known = {one.alert_id: one for one in (*standing, *stored)}
        settled = {alert_id for alert_id, one in known.items() if plan.settles(one)}
        resolves = [one.alert_id for one in standing if one.alert_id in settled]
        warnings = [*plan.warnings()]
        if not is_whole:
            warnings.append(f"there are more alerts than the latest {MOST_READ:,}: more events than said")
        return Preview(
            scope=wish.scope,
            subject=name_of(plan.subject),
            entry=wish.entry,
            until=wish.until,
            resolves=resolves[:SHOWN],
            resolves_count=len(resolves),
            events=sum(one.count for one in stored if one.alert_id in settled),
            days=days,
            covering=plan.covering(),
            warnings=warnings,
        )

    def _standing(self, alert: Alert, scope: Scope, groups: frozenset[str] | None) -> Iterator[Alert]:
        """Yield the open alerts of the same rule in a scope."""
        match scope:
            case "device":
                standing = self._store.standing(device_id=alert.device_id)
            case "group":
                standing = self._store.standing(group=alert.group)
            case "fleet":
                standing = self._store.standing()
        for one in standing:
            if one.rule_type == alert.rule_type and (groups is None or one.group.casefold() in groups):
                yield one

    def _stored(
        self, alert: Alert, scope: Scope, days: int, groups: frozenset[str] | None, now: datetime
    ) -> tuple[list[Alert], bool]:
        """Return the alerts of the same rule in a scope, and whether these are all of so many days."""
        wanted = AlertFilter(
            rule_type=alert.rule_type,
            since=now - timedelta(days=days),
            device_id=alert.device_id if scope == "device" else None,
            group=alert.group if scope == "group" else None,
            groups=groups,
        )
        found: list[Alert] = []
        after: str | None = None
        while len(found) < MOST_READ:
            page = self._store.alerts(wanted, after=after, limit=MOST)
            found += page.items
            after = page.after
            if after is None:
                return found, True
        return found, False

    # what is changed

    async def _put(
        self, subject: Subject, version: int, actor: str, reason: str | None, mend: Mend
    ) -> Subject:
        if isinstance(subject, Layer):
            return await self._commands.put_layer(subject, actor, version=version, reason=reason, mend=mend)
        put, _ = await self._commands.put_group(subject, actor, version=version, reason=reason, mend=mend)
        return put

    def _resolved_by(self, alert_id: str) -> list[str]:
        """Return the alerts that the latest mending from an alert has resolved."""
        latest = next((edit for edit in self._store.mends(alert_id) if edit.action == "allow"), None)
        return (
            [one.alert_id for one, _ in self._store.allowed_at(latest.position)] if latest is not None else []
        )

    async def _take_back(self, alert: Alert, mends: Sequence[MendedEdit], actor: str) -> UndoneEdit | None:
        """Undo the edits of one group or layer; None where nothing of them is left."""
        for _ in range(MOST_TRIES):
            subject = self._current(mends[0].after) if mends else None
            if subject is None:
                return None
            edited = subject
            for edit in mends:
                edited = undone(edited, alert, edit)
            if edited == subject:
                return None
            try:
                await self._put(edited, subject.version, actor, None, Mend(alert.alert_id, "undo"))
            except Outdated:
                continue
            return told_of_undoing(subject, edited, alert)
        raise Outdated("others edit this list at the same time: try again")

    def _current(self, subject: Subject) -> Subject | None:
        match scope_of(subject):
            case "group":
                named = (one for one in self._commands.groups() if _key_of(one) == _key_of(subject))
                return next(named, None)
            case "device":
                return self._commands.device_layer(str(name_of(subject)))
            case "fleet":
                return self._commands.fleet()

    async def _reopen(self, positions: Iterable[int], actor: str, groups: frozenset[str] | None) -> list[str]:
        """Open the alerts again that edits had resolved, each as it was before, and return which are open."""
        allowed = [
            pair
            for position in positions
            for pair in await asyncio.to_thread(self._store.allowed_at, position)
            if self._is_judged(pair[0]) and (groups is None or pair[0].group.casefold() in groups)
        ]
        stand, now = self._stand(), self._clock()
        before = {
            alert.alert_id: state
            for alert, state in allowed
            if alert.state == "Resolved" and alert.ended_by == "allow" and not stand.resolves(alert, now)
        }
        reopened = await self._act(before, "activate", actor)
        states: dict[State, ByHand] = {"InProgress": "start", "Dismissed": "dismiss"}
        for state, action in states.items():
            await self._act([one for one in reopened if before[one] == state], action, actor)
        return reopened

    def _is_judged(self, alert: Alert) -> bool:
        """Whether an alert's device still is in its group; another group's lists speak for themselves (S25)."""
        return self._commands.group_of(alert.device_id).name.casefold() == alert.group.casefold()

    async def _act(self, alert_ids: Iterable[str], action: ByHand, actor: str) -> list[str]:
        """Move alerts and return those that were moved."""
        ids = [*alert_ids]
        moved: list[str] = []
        for first in range(0, len(ids), MOST_AT_ONCE):
            part = ids[first : first + MOST_AT_ONCE]
            results = await self._commands.act_on_many(part, action, actor, TAKEN_BACK)
            moved += [one.alert_id for one in results if one.state is not None]
        return moved


def _mended(
    wish: Wish, subject: Subject, resolved: Sequence[str], warnings: list[str], *, changed: bool
) -> Mended:
    return Mended(
        scope=wish.scope,
        subject=name_of(subject),
        entry=wish.entry,
        until=wish.until,
        changed=changed,
        version=subject.version,
        resolved=[*resolved[:SHOWN]],
        resolved_count=len(resolved),
        warnings=warnings,
    )


def _stripped(wish: Wish) -> Wish:
    return structs.replace(wish, entry=wish.entry.strip(), reason=wish.reason.strip())


def _key_of(subject: Subject) -> tuple[Scope, str]:
    name = name_of(subject) or ""
    return scope_of(subject), name.casefold() if isinstance(subject, SecurityGroup) else name
