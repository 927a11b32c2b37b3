"""Groups and layers as JSON."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from fencepost.model.duration import iso_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import Layer
from fencepost.model.rule import Members, SecurityGroup
from fencepost.web.api.codec import built, derived, duration_in, said
from fencepost.web.api.rule_bodies import MOST_RULES, RuleBody, rule_body, rules_of

MOST_MEMBERS = 100_000
MOST_GLOBS = 1000
Rules = Annotated[list[RuleBody], Meta(max_length=MOST_RULES)]
_MEMBERS = {"ids": "Ids of devices.", "globs": "Patterns of ids: `cam-*`."}
_GIVEN = "Said by the service; sent back it says nothing."
_MEANINGS = {
    "name": "Compared without case. Put, it may be left out, and is the one of the path.",
    "description": "What the owner wants to be remembered of the group.",
    "members": "Which devices are in it, unless the twin tag SecurityGroup of a device says otherwise.",
    "allowed_lateness": "How late events may come, instead of what is known of the agents.",
    "implicit_entries": "What stands on every address list that allows, though nobody wrote it.",
    "server_addresses": f"This server's own, the implicit entry `server`. {_GIVEN}",
    "version": f"Counts the edits, and is the ETag. {_GIVEN}",
    "device_id": f"Whose layer it is, null for the fleet. {_GIVEN}",
    "rules": "At most one of each type.",
}


@derived(Members, meanings=_MEMBERS)
class MembersBody(Struct):
    """Devices that belong to a group by their ids; the twin tag SecurityGroup goes before both."""

    ids: Annotated[tuple[str, ...], Meta(max_length=MOST_MEMBERS)]
    globs: Annotated[tuple[str, ...], Meta(max_length=MOST_GLOBS)]


@derived(SecurityGroup, meanings=_MEANINGS, optional=("name",))
class GroupBody(Struct):
    """A security group, whole: what is left out has its default."""

    members: MembersBody
    rules: Rules


@derived(SecurityGroup, meanings=_MEANINGS, needed=True)
class GroupView(Struct):
    """A security group in force."""

    rules: list[RuleBody]


@derived(Layer, meanings=_MEANINGS)
class LayerBody(Struct):
    """What is expected beyond the groups, whole. Its lists add their entries; a device's ranges replace."""

    rules: Rules


@derived(Layer, meanings=_MEANINGS, needed=True)
class LayerView(Struct):
    """What is expected of all devices, or of one, beyond the groups."""

    rules: list[RuleBody]


def group_of(name: str, body: GroupBody, now: datetime) -> SecurityGroup:
    """Return the group that is written; raises OperatorError with all problems of its members."""
    problems: list[Problem] = []
    members = said(body)
    if members.pop("name", name).casefold() != name.casefold():
        problems.append(Problem("name", "is another than that of the path: a group is not renamed"))
    lateness = members.get("allowed_lateness")
    read: dict[str, Any] = {
        **{key: value for key, value in members.items() if key in ("description", "implicit_entries")},
        "members": Members(**said(members["members"])) if "members" in members else Members(),
        "allowed_lateness": duration_in(lateness, "allowed_lateness", problems) if lateness else None,
        "rules": rules_of(members.get("rules", ()), now, problems),
    }
    if problems:
        raise OperatorError(problems)
    return SecurityGroup(name=name, **read)


def group_view(group: SecurityGroup, now: datetime) -> GroupView:
    """Return a group as it is shown."""
    members = {name: getattr(group, name) for name in group.__struct_fields__}
    lateness = group.allowed_lateness
    members["allowed_lateness"] = iso_duration(lateness) if lateness is not None else None
    members["rules"] = [rule_body(rule, now) for rule in group.rules]
    return built(GroupView, **members)


def layer_of(device_id: str | None, body: LayerBody, now: datetime) -> Layer:
    """Return the layer that is written; raises OperatorError with all problems of its members."""
    problems: list[Problem] = []
    members = said(body)
    if members.get("device_id", device_id) != device_id:
        problems.append(Problem("device_id", "is another than that of the path"))
    rules = rules_of(members.get("rules", ()), now, problems)
    if problems:
        raise OperatorError(problems)
    return Layer(device_id=device_id, rules=rules)


def layer_view(layer: Layer, now: datetime) -> LayerView:
    """Return a layer as it is shown."""
    rules = [rule_body(rule, now) for rule in layer.rules]
    return built(LayerView, device_id=layer.device_id, version=layer.version, rules=rules)
