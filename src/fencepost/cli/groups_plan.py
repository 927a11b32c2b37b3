"""What groups files ask of a service: read, compared with what is in force, and carried out one by one."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from json import loads
from pathlib import Path
from typing import Literal

from msgspec import Struct

from fencepost.cli.groups_diff import Difference, differences_of_groups, differences_of_layers
from fencepost.client.management_groups import Expectations
from fencepost.config.groups import GroupsFile, load_groups, parse_groups
from fencepost.config.yaml_tree import join
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import Layer
from fencepost.model.rule import DEFAULT_GROUP, AllowlistRule, DenylistRule, SecurityGroup

STANDARD = Path("-")
_PLAIN_KEY = re.compile(r"[\w-]+")
What = Literal["create", "update", "delete"]


class Place(Struct, frozen=True):
    """Where something stands in a file."""

    file: str
    path: str
    lines: Mapping[str, int]

    def problem(self, reason: str, below: str = "") -> Problem:
        """Return a problem with what stands here."""
        path = f"{self.path}.{below}" if below else self.path
        around = path
        while around and around not in self.lines:
            around = around[: max(around.rfind("."), around.rfind("["), 0)]
        return Problem(path, reason, self.file, self.lines.get(around, 0))


class Wanted(Struct, frozen=True):
    """What some files say together; `files` are they, `places` where each thing stands."""

    files: tuple[GroupsFile, ...]
    groups: tuple[SecurityGroup, ...]
    layers: tuple[Layer, ...]
    places: Mapping[str, Place]


class Standing(Struct, frozen=True):
    """What is in force in a service: all groups, and the layers that are asked for."""

    groups: tuple[SecurityGroup, ...]
    layers: Mapping[str | None, Layer]

    def group(self, name: str) -> SecurityGroup | None:
        return next((one for one in self.groups if one.name.casefold() == name.casefold()), None)


class Step(Struct, frozen=True, kw_only=True):
    """One thing to change: a group, or a layer. `before` is what was seen, None where there was nothing."""

    what: What
    subject: str
    name: str
    before: SecurityGroup | Layer | None
    after: SecurityGroup | Layer | None
    differences: tuple[Difference, ...]


def read_files(paths: Sequence[Path]) -> Wanted:
    """Return what files say together; raises OperatorError with all problems of all of them."""
    files: list[GroupsFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files.append(
                parse_groups(sys.stdin.read(), "standard input") if path == STANDARD else load_groups(path)
            )
        except OperatorError as error:
            problems += error.problems
    wanted = _joined(files, problems)
    if problems:
        raise OperatorError(problems)
    return wanted


def _joined(files: Sequence[GroupsFile], problems: list[Problem]) -> Wanted:
    groups: list[SecurityGroup] = []
    layers: list[Layer] = []
    places: dict[str, Place] = {}

    def take(key: str, place: Place) -> bool:
        first = places.setdefault(key, place)
        if first is not place:
            problems.append(place.problem(f"it stands in {first.file} too: keep one of them"))
        return first is place

    for file in files:
        groups += (
            group
            for group in _stated_groups(file)
            if take(group_key(group.name), Place(file.file, join("groups", group.name), file.lines))
        )
        layers += (
            layer
            for layer, path in _stated_layers(file)
            if take(layer_key(layer.device_id), Place(file.file, path, file.lines))
        )
    return Wanted(tuple(files), tuple(groups), tuple(layers), places)


def _stated_groups(file: GroupsFile) -> Iterator[SecurityGroup]:
    """Yield the groups that a file names: an empty `default` is added to files that have none."""
    for group in file.groups:
        if group.name != DEFAULT_GROUP or join("groups", group.name) in file.lines:
            yield group


def _stated_layers(file: GroupsFile) -> Iterator[tuple[Layer, str]]:
    """Yield the layers that a file names, also those that it says are empty."""
    if "fleet" in file.lines:
        yield file.layers.fleet, "fleet"
    for path in file.lines:
        if (device_id := _device_at(path)) is not None:
            yield file.layers.of(device_id), path


def _device_at(path: str) -> str | None:
    """Return the device whose layer stands at a path, None for every other path."""
    start, _, key = path.partition(".")
    if start != "devices" or not key:
        return None
    if _PLAIN_KEY.fullmatch(key):
        return key
    try:
        named = loads(key)
    except ValueError:
        return None
    return named if isinstance(named, str) else None


def group_key(name: str) -> str:
    return f"group/{name.casefold()}"


def layer_key(device_id: str | None) -> str:
    return "layer/fleet" if device_id is None else f"layer/device/{device_id}"


async def standing_of(expectations: Expectations, wanted: Wanted) -> Standing:
    """Return what is in force of what files speak of, and all groups."""
    layers: dict[str | None, Layer] = {}
    for layer in wanted.layers:
        if layer.device_id is None:
            layers[None] = await expectations.fleet() or Layer()
        else:
            layers[layer.device_id] = await expectations.device_layer(layer.device_id)
    return Standing(await expectations.groups(), layers)


def steps_of(wanted: Wanted, standing: Standing, now: datetime, *, prune: bool) -> tuple[Step, ...]:
    """
    Return what is to be done, in the order in which it is: groups, layers, then what goes.

    A group that gives devices away comes before the one that takes them: an id stands in one group only.
    """
    steps = [step for group in wanted.groups if (step := _group_step(group, standing, now))]
    steps.sort(key=lambda step: not _gives_ids_away(step))
    steps += [step for layer in wanted.layers if (step := _layer_step(layer, standing, now))]
    return (*steps, *(_deletions(wanted, standing, now) if prune else ()))


def _group_step(group: SecurityGroup, standing: Standing, now: datetime) -> Step | None:
    known = standing.group(group.name)
    differences = differences_of_groups(known, group, now)
    if known is not None and not differences:
        return None
    return Step(
        what="create" if known is None else "update",
        subject=f"group/{known.name if known is not None else group.name}",
        name=f"group {known.name if known is not None else group.name}",
        before=known,
        after=group,
        differences=differences,
    )


def _gives_ids_away(step: Step) -> bool:
    return any(one.key == "members.ids" and one.sign == "-" for one in step.differences)


def _layer_step(layer: Layer, standing: Standing, now: datetime) -> Step | None:
    known = standing.layers[layer.device_id]
    differences = differences_of_layers(known, layer, now)
    if not differences:
        return None
    return Step(
        what="update",
        subject=layer_key(layer.device_id),
        name="fleet" if layer.device_id is None else f"device {layer.device_id}",
        before=known,
        after=layer,
        differences=differences,
    )


def _deletions(wanted: Wanted, standing: Standing, now: datetime) -> Iterator[Step]:
    named = {group_key(group.name) for group in wanted.groups} | {group_key(DEFAULT_GROUP)}
    for group in standing.groups:
        if group_key(group.name) not in named:
            yield deletion_of(group, now)


def deletion_of(group: SecurityGroup, now: datetime) -> Step:
    """Return what takes a group away."""
    bare = SecurityGroup(name=group.name)
    return Step(
        what="delete",
        subject=f"group/{group.name}",
        name=f"group {group.name}",
        before=group,
        after=None,
        differences=differences_of_groups(group, bare, now),
    )


async def carry_out(expectations: Expectations, step: Step, now: datetime) -> str:
    """Do one step, and return what came of it in words; raises OperatorError."""
    before, after = step.before, step.after
    if isinstance(after, SecurityGroup) and not isinstance(before, Layer):
        await expectations.put_group(after, before, now)
    elif isinstance(after, Layer) and isinstance(before, Layer):
        await expectations.put_layer(after, before, now)
    elif isinstance(before, SecurityGroup):
        await expectations.delete_group(before)
    return await expectations.effect_on(step.subject)


def warnings_of(wanted: Wanted, standing: Standing, now: datetime) -> Iterator[str]:
    """Yield what a person may not have meant, and what of the files has no effect here."""
    yield from (str(warning) for file in wanted.files for warning in file.warnings)
    for file in wanted.files:
        own = {address for group in standing.groups for address in group.server_addresses}
        if file.server_addresses and standing.groups and set(file.server_addresses) != own:
            yield (
                f"{file.file}: server_addresses: the service goes by its own setting "
                f"({', '.join(sorted(own)) or 'none'}); what stands here has no effect on it"
            )
    for subject, entry in _ended(wanted, now):
        yield f"{subject}: {entry} has ended: it is left out"
    if (asked := _with_globs(wanted.groups)) != _order_of(asked, standing):
        yield (
            "members.globs: the first group that was made has a device whose id fits several; the groups of "
            "the service stand in another order than those of the files"
        )


def _ended(wanted: Wanted, now: datetime) -> Iterator[tuple[str, str]]:
    subjects: Iterable[tuple[str, SecurityGroup | Layer]] = (
        *((f"group {group.name}", group) for group in wanted.groups),
        *((layer_key(layer.device_id), layer) for layer in wanted.layers),
    )
    for subject, one in subjects:
        for rule in one.rules:
            if isinstance(rule, AllowlistRule | DenylistRule):
                yield from (
                    (f"{subject}: {rule.type}", note.entry)
                    for note in rule.notes
                    if note.until is not None and note.until <= now
                )


def _with_globs(groups: Iterable[SecurityGroup]) -> list[str]:
    return [group_key(group.name) for group in groups if group.members.globs]


def _order_of(asked: Sequence[str], standing: Standing) -> list[str]:
    """Return the same groups in the order that they have in the service, in which new ones are the last."""
    places = {group_key(group.name): number for number, group in enumerate(standing.groups)}
    return sorted(asked, key=lambda key: places.get(key, len(places)))


def located(error: OperatorError, step: Step, wanted: Wanted) -> OperatorError:
    """Return what a service refuses with the places in the files where it stands."""
    after = step.after
    if after is None:
        return error
    key = group_key(after.name) if isinstance(after, SecurityGroup) else layer_key(after.device_id)
    place = wanted.places.get(key)
    if place is None:
        return error
    name = after.name if isinstance(after, SecurityGroup) else step.name
    return OperatorError(
        place.problem(one.reason, one.path.removeprefix(name).removeprefix(": "))
        if one.path == name or one.path.startswith(f"{name}: ")
        else one
        for one in error.problems
    )
