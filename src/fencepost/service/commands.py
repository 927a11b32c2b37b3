"""What people change: checked once, journalled, carried out between two messages, and answered when committed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal, get_args

from msgspec import UNSET, Struct, UnsetType, structs

from fencepost.model.alert import State
from fencepost.model.entry import (
    AlertActed,
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Mend,
    SuppressionDeleted,
    SuppressionPut,
)
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import Layer, Layers, problems_of_layer
from fencepost.model.rule import (
    DEFAULT_GROUP,
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    problems_of_group,
)
from fencepost.model.suppression import SuppressionRule, problems_of_suppression
from fencepost.service.answers import Conflict, Missing, Outdated
from fencepost.service.ledger import Refusal
from fencepost.service.notes import with_notes
from fencepost.service.pipeline import Pipeline

__all__ = ["ActResult", "ByHand", "Commands", "Conflict", "Missing", "Outdated"]

LONGEST_NAME = 128
LONGEST_COMMENT = 2000
MOST_AT_ONCE = 1000
"""Alerts that one call moves."""
ByHand = Literal["start", "resolve", "dismiss", "activate"]
BY_HAND: tuple[ByHand, ...] = get_args(ByHand)
"""The actions of the table of transitions that a person may take."""
LEADS_TO: dict[ByHand, State] = {
    "start": "InProgress",
    "resolve": "Resolved",
    "dismiss": "Dismissed",
    "activate": "Active",
}


class ActResult(Struct, frozen=True):
    """What became of one of many alerts: its state now, or the reason why it was not moved."""

    alert_id: str
    state: State | None
    reason: str | None


class Commands:
    """
    The changes that people make, one after the other.

    `server_addresses` are this server's own: the implicit entry `server` of every group (S16).
    """

    def __init__(
        self, pipeline: Pipeline, clock: Callable[[], datetime], server_addresses: Sequence[str] = ()
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._server_addresses = tuple(server_addresses)
        self._turn = asyncio.Lock()

    def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups in force, in the order in which they were made."""
        return self._pipeline.processor.detector.groups()

    def group(self, name: str) -> SecurityGroup:
        """Return a group by its name, without case; raises Missing."""
        group = self._named(name)
        if group is None:
            raise Missing(f"there is no group {name!r}")
        return group

    def _named(self, name: str) -> SecurityGroup | None:
        return next((one for one in self.groups() if one.name.casefold() == name.casefold()), None)

    def group_of(self, device_id: str) -> SecurityGroup:
        """Return the group that judges a device, known or not."""
        return self._pipeline.processor.detector.group_of(device_id)

    def layers(self) -> Layers:
        """Return the layers in force."""
        return self._pipeline.processor.detector.layers()

    def fleet(self) -> Layer:
        """Return the fleet's layer."""
        return self._pipeline.processor.expectations.layer(None)

    def device_layer(self, device_id: str) -> Layer:
        """Return a device's layer; an empty one where it has none, whose version still counts the edits."""
        return self._pipeline.processor.expectations.layer(device_id)

    def suppressions(self) -> tuple[SuppressionRule, ...]:
        """Return the rules by which alerts are dismissed as they open, by their names."""
        return self._pipeline.processor.expectations.suppressions

    async def put_group(
        self,
        draft: SecurityGroup,
        actor: str,
        *,
        version: int | None = None,
        reason: str | None = None,
        mend: Mend | None = None,
    ) -> tuple[SecurityGroup, bool]:
        """
        Put a group in force and return it as it stands now, and whether it is new (S24).

        Its version is counted here; `version` is the one that the editor has seen, 0 for none, None for any.
        Entries keep the notes they had (`notes.with_notes`). Putting what stands there already changes
        nothing. Raises OperatorError with all problems, and Outdated where somebody else was faster.
        """
        problems = await asyncio.to_thread(
            lambda: [*problems_of_group(draft)]
        )  # of very long lists it takes long
        refuse([*_problems_of_name(draft.name), *problems])
        async with self._turn:
            known = self._named(draft.name)
            if version is not None and version != (known.version if known is not None else 0):
                raise Outdated(f"the group {draft.name} has been changed meanwhile: read it again")
            now = self._clock()
            made = structs.replace(
                draft,
                name=known.name if known is not None else draft.name,
                version=known.version + 1 if known is not None else 1,
                server_addresses=self._server_addresses,
                rules=with_notes(draft.rules, known.rules if known is not None else (), actor, now),
            )
            if known is not None and structs.replace(made, version=known.version) == known:
                return known, False
            await self._pipeline.carry_out(GroupPut(made, now, actor, reason, mend))
            return made, known is None

    async def delete_group(self, name: str, actor: str, *, version: int | None = None) -> None:
        """Take a group away (S25); raises Missing, Conflict for `default`, Outdated for another version."""
        async with self._turn:
            group = self.group(name)
            if group.name.casefold() == DEFAULT_GROUP:
                raise Conflict(f"the group {DEFAULT_GROUP} has the devices of no other group: it stays")
            if version is not None and version != group.version:
                raise Outdated(f"the group {group.name} has been changed meanwhile: read it again")
            await self._pipeline.carry_out(GroupDeleted(group.name, self._clock(), actor))

    async def put_layer(
        self,
        draft: Layer,
        actor: str,
        *,
        version: int | None = None,
        reason: str | None = None,
        mend: Mend | None = None,
    ) -> Layer:
        """
        Put the additions for a device, or for the fleet, in force and return them as they stand now (S24).

        It is with a layer as with a group (`put_group`); one without rules is none, and lists without entries
        add nothing and are left out.
        """
        refuse(await asyncio.to_thread(lambda: [*problems_of_layer(draft)]))
        async with self._turn:
            known = self._pipeline.processor.expectations.layer(draft.device_id)
            if version is not None and version != known.version:
                raise Outdated("these additions have been changed meanwhile: read them again")
            now = self._clock()
            rules = tuple(rule for rule in draft.rules if not _is_empty(rule))
            made = Layer(
                device_id=draft.device_id,
                rules=with_notes(rules, known.rules, actor, now),
                version=known.version + 1,
            )
            if made.rules == known.rules:
                return known
            await self._pipeline.carry_out(LayerPut(made, now, actor, reason, mend))
            return made

    async def assign_device(self, device_id: str, tag: str | None, actor: str) -> None:
        """Register a device, and take its tag `SecurityGroup` down (S25)."""
        async with self._turn:
            await self._pipeline.carry_out(DeviceAssigned(device_id, tag, self._clock(), actor))

    async def put_suppression(
        self, rule: SuppressionRule, actor: str, *, seen: SuppressionRule | UnsetType | None = UNSET
    ) -> tuple[SuppressionRule, bool]:
        """
        Put a rule by which alerts are dismissed in force for alerts that open from now on.

        Returns it as it stands now and whether it is new; `changed_at` is set here. Putting what stands there
        already changes nothing. `seen` is the rule that the editor has seen, None for none. Raises
        OperatorError with all problems, and Outdated where somebody else was faster.
        """
        refuse([*_problems_of_name(rule.name), *problems_of_suppression(rule)])
        async with self._turn:
            known = self._seen_suppression(rule.name, seen)
            if (
                known is not None
                and structs.replace(rule, name=known.name, changed_at=known.changed_at) == known
            ):
                return known, False
            now = self._clock()
            made = structs.replace(rule, name=known.name if known is not None else rule.name, changed_at=now)
            await self._pipeline.carry_out(SuppressionPut(made, now, actor))
            return made, known is None

    async def delete_suppression(
        self, name: str, actor: str, *, seen: SuppressionRule | UnsetType | None = UNSET
    ) -> bool:
        """Take such a rule away; False where there is none. What it dismissed stays dismissed."""
        async with self._turn:
            known = self._seen_suppression(name, seen)
            if known is None:
                return False
            await self._pipeline.carry_out(SuppressionDeleted(known.name, self._clock(), actor))
            return True

    def _seen_suppression(
        self, name: str, seen: SuppressionRule | UnsetType | None
    ) -> SuppressionRule | None:
        known = self._suppression(name)
        if seen is not UNSET and seen != known:
            raise Outdated(f"the suppression rule {name} has been changed meanwhile: read it again")
        return known

    def _suppression(self, name: str) -> SuppressionRule | None:
        key = name.casefold()
        return next((rule for rule in self.suppressions() if rule.name.casefold() == key), None)

    async def act(
        self, alert_id: str, action: ByHand, actor: str, comment: str | None, *, seen: str | None = None
    ) -> None:
        """
        Move an alert by hand (S21).

        `seen` is its ETag that the person had seen, None for any. Raises OperatorError where its state does not
        allow the action, Outdated where somebody else was faster.
        """
        refuse(_problems_of_comment(comment or ""))
        await self._pipeline.carry_out(AlertActed(alert_id, action, self._clock(), actor, comment, seen))

    async def act_on_many(
        self, alert_ids: Sequence[str], action: ByHand, actor: str, comment: str | None
    ) -> list[ActResult]:
        """Move many alerts by hand, at most a thousand, in their order; what cannot be moved hinders no other."""
        problems = _problems_of_comment(comment or "")
        if len(alert_ids) > MOST_AT_ONCE:
            problems.append(Problem("alert_ids", f"at most {MOST_AT_ONCE:,} alerts at once"))
        refuse(problems)
        if not alert_ids:
            return []
        now = self._clock()
        entries = [AlertActed(alert_id, action, now, actor, comment) for alert_id in alert_ids]
        _, refusals = await self._pipeline.carry_out_all(entries)
        return [
            _result(alert_id, action, refusal) for alert_id, refusal in zip(alert_ids, refusals, strict=True)
        ]

    async def assign_alert(
        self, alert_id: str, assigned_to: str | None, actor: str, *, seen: str | None = None
    ) -> None:
        """Give an alert to somebody, or with None to nobody; `seen` and what is raised are as for `act`."""
        if assigned_to is not None:
            refuse(_problems_of_name(assigned_to, "assigned_to", "/"))
        await self._pipeline.carry_out(
            AlertAssigned(alert_id, assigned_to or None, self._clock(), actor, seen)
        )

    async def comment(self, alert_id: str, comment: str, actor: str) -> None:
        """Say something about an alert; raises OperatorError for an empty comment and where there is no alert."""
        problems = _problems_of_comment(comment)
        if not comment.strip():
            problems.append(Problem("comment", "a comment is not empty"))
        refuse(problems)
        await self._pipeline.carry_out(AlertCommented(alert_id, comment, self._clock(), actor))

    async def adopt_server_addresses(self, actor: str) -> None:
        """See that there is a default group, and that all groups know this server's addresses (S16)."""
        for group in self.groups() or (SecurityGroup(name=DEFAULT_GROUP),):
            await self.put_group(group, actor)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise OperatorError with all problems, if there are any."""
    found = [structs.replace(one, path=one.path.removeprefix(".")) for one in problems]
    if found:
        raise OperatorError(found)


def _is_empty(rule: Rule) -> bool:
    return isinstance(rule, AllowlistRule | DenylistRule) and not rule.entries


def _result(alert_id: str, action: ByHand, refusal: Refusal | None) -> ActResult:
    if refusal is None:
        return ActResult(alert_id, LEADS_TO[action], None)
    reason = refusal.problems[0].reason if isinstance(refusal, OperatorError) else str(refusal)
    return ActResult(alert_id, None, reason)


def _problems_of_name(name: str, path: str = "name", allowed: str = "") -> list[Problem]:
    if len(name) > LONGEST_NAME:
        return [Problem(path, f"a name has at most {LONGEST_NAME} characters")]
    if (
        not name.isprintable()
        or "/" in name.translate({ord(one): None for one in allowed})
        or name != name.strip()
    ):
        return [Problem(path, "a name is printable, without a slash and without blanks around it")]
    if name and not name.strip("."):
        return [Problem(path, "a name is not of dots alone: in an address they lead elsewhere")]
    return []


def _problems_of_comment(comment: str) -> list[Problem]:
    if len(comment) > LONGEST_COMMENT:
        return [Problem("comment", f"a comment has at most {LONGEST_COMMENT} characters")]
    return []
