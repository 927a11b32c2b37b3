"""
The groups file: groups, their rules and members, and the tests of them.

All that is wrong with a file is said at once, each problem with its file, line and path.
"""

from pathlib import Path

from msgspec import Struct

from fencepost.config.advice import advice_on, advice_on_layers
from fencepost.config.group_section import read_groups
from fencepost.config.layer_section import read_layers
from fencepost.config.place import Place
from fencepost.config.rule_tests import RuleTest
from fencepost.config.test_section import read_tests
from fencepost.config.text_file import read_text
from fencepost.config.yaml_tree import Tree, join, parse_tree
from fencepost.model.address import parse_entry
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import NO_LAYERS, Layers
from fencepost.model.rule import DEFAULT_GROUP, SecurityGroup

FILE_KEYS = ("server_addresses", "groups", "fleet", "devices", "tests")


class GroupsFile(Struct, frozen=True, kw_only=True):
    """
    A groups file that is in order.

    `groups` stand in file order and hold one named `default`, if need be an empty one. `layers` are what the file
    says of the fleet and of single devices; a note of an entry that says nothing of who made it has an empty `by`.
    `warnings` are lawful things that an owner may not have meant. `lines` gives the line of a path.
    """

    file: str
    groups: tuple[SecurityGroup, ...]
    layers: Layers = NO_LAYERS
    server_addresses: tuple[str, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: dict[str, int] = {}


def load_groups(path: Path) -> GroupsFile:
    """Read a groups file; raises OperatorError with all problems that it has."""
    return parse_groups(read_text(path), str(path))


def parse_groups(text: str, file: str) -> GroupsFile:
    """Return what the text of a groups file says; raises OperatorError with all problems that it has."""
    tree = parse_tree(text, file)
    problems = list(tree.problems)
    if tree.data is None:
        raise OperatorError([*problems, Problem("", "the file is empty: it needs the key 'groups'", file)])
    place = Place(tree, problems, "", tree.data)
    fields = place.fields(FILE_KEYS, ("groups",))
    server = _server_addresses(fields["server_addresses"]) if "server_addresses" in fields else ()
    groups = read_groups(fields["groups"], server) if "groups" in fields else ()
    layers = read_layers(fields.get("fleet"), fields.get("devices"))
    tests = read_tests(fields["tests"], [group.name for group in groups]) if "tests" in fields else ()
    if problems:
        raise OperatorError(sorted(problems, key=lambda problem: problem.line))
    return GroupsFile(
        file=file,
        groups=_with_default(groups, server),
        layers=layers,
        server_addresses=server,
        tests=tests,
        warnings=_warnings(groups, layers, tree),
        lines=tree.lines,
    )


def _server_addresses(place: Place) -> tuple[str, ...]:
    for item in place.items():
        text = item.text()
        try:
            parse_entry(text or "0.0.0.0")  # noqa: S104 - a text that is missing has its fault already
        except ValueError as error:
            item.fault(str(error))
    return () if place.problems else place.texts()


def _with_default(groups: tuple[SecurityGroup, ...], server: tuple[str, ...]) -> tuple[SecurityGroup, ...]:
    if any(group.name.casefold() == DEFAULT_GROUP for group in groups):
        return groups
    return (*groups, SecurityGroup(name=DEFAULT_GROUP, server_addresses=server))


def _warnings(groups: tuple[SecurityGroup, ...], layers: Layers, tree: Tree) -> tuple[Problem, ...]:
    paths = {group.name: join("groups", group.name) for group in groups}
    of_devices = ((join("devices", device_id), layer) for device_id, layer in layers.devices.items())
    advice = (*advice_on(groups, paths), *advice_on_layers([("fleet", layers.fleet), *of_devices], groups))
    found = map(tree.located, advice)
    return tuple(sorted(found, key=lambda problem: problem.line))
