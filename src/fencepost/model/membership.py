"""
Which group a device belongs to (S25).

The device's own word goes first, then the owner's: the twin tag `SecurityGroup`, then a group that names
the id, then the first group in file order with a glob that matches, else `default`.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from fencepost.model.rule import DEFAULT_GROUP, SecurityGroup


class Membership:
    """
    The groups of a fleet, compiled to be asked once per device.

    Group names are compared without case, device ids and globs with it. Where an id stands in two
    groups the first one has it. A fleet without a group named `default` has an empty one.
    """

    def __init__(self, groups: Iterable[SecurityGroup]) -> None:
        self._by_name: dict[str, SecurityGroup] = {}
        self._by_id: dict[str, SecurityGroup] = {}
        self._globs: list[tuple[Callable[[str], object], SecurityGroup]] = []
        for group in groups:
            self._by_name.setdefault(group.name.casefold(), group)
            for device_id in group.members.ids:
                self._by_id.setdefault(device_id, group)
            self._globs += [(re.compile(translate(glob)).match, group) for glob in group.members.globs]
        self._default = self._by_name.setdefault(DEFAULT_GROUP, SecurityGroup(name=DEFAULT_GROUP))

    def named(self, name: str) -> SecurityGroup | None:
        """Return the group of that name, case and surrounding blanks aside."""
        return self._by_name.get(name.strip().casefold())

    def group_of(self, device_id: str, tag: str | None = None) -> tuple[SecurityGroup, bool]:
        """
        Return the device's group, and whether its twin tag names a group that does not exist.

        A tag that names no group is passed over: a slip in a tag does not take a device out of the
        group that its id would give it.
        """
        if tag is None or not tag.strip():
            return self._without_tag(device_id), False
        group = self.named(tag)
        return (self._without_tag(device_id), True) if group is None else (group, False)

    def _without_tag(self, device_id: str) -> SecurityGroup:
        group = self._by_id.get(device_id)
        if group is not None:
            return group
        return next((group for matches, group in self._globs if matches(device_id)), self._default)
