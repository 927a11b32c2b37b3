"""What is in force after the latest commit: groups, layers, and the rules by which alerts are dismissed."""

from typing import Protocol

from fencepost.model.entry import (
    GroupDeleted,
    GroupPut,
    LayerPut,
    SuppressionDeleted,
    SuppressionPut,
)
from fencepost.model.layer import Layer
from fencepost.model.record import Changes
from fencepost.model.rule import SecurityGroup
from fencepost.model.suppression import SuppressionRule

Edit = GroupPut | GroupDeleted | LayerPut | SuppressionPut | SuppressionDeleted
Expected = SecurityGroup | Layer | SuppressionRule


class Stored(Protocol):
    """Where it stays."""

    def groups(self) -> tuple[SecurityGroup, ...]: ...
    def layers(self) -> tuple[Layer, ...]: ...
    def suppressions(self) -> tuple[SuppressionRule, ...]: ...


class Expectations:
    """
    What people have said, kept up by one thread; others may ask at any time.

    `suppressions` are in the order of their names, whatever the order in which they were made.
    """

    def __init__(self, stored: Stored) -> None:
        self._groups = {group.name.casefold(): group for group in stored.groups()}
        self._layers = {layer.device_id: layer for layer in stored.layers()}
        self.suppressions = _sorted(stored.suppressions())

    def layer(self, device_id: str | None) -> Layer:
        """Return the layer of a device, or with None of the fleet: an empty one that counts its edits where it is none."""
        return self._layers.get(device_id) or Layer(device_id=device_id)

    def carry_out(
        self, position: int, edit: Edit, changes: Changes
    ) -> tuple[Expected | None, Expected | None]:
        """Put an edit in force, add it to the changes of a commit, and return what stood and what stands now."""
        match edit:
            case GroupPut():
                return self._put_group(position, edit, changes)
            case GroupDeleted():
                return self._delete_group(edit.name, changes), None
            case LayerPut():
                return self._put_layer(position, edit, changes)
            case SuppressionPut():
                changes.suppressions_put.append(edit.rule)
                return self._put_suppression(edit.rule.name, edit.rule), edit.rule
            case SuppressionDeleted():
                key = edit.name.casefold()
                changes.suppressions_put = [
                    rule for rule in changes.suppressions_put if rule.name.casefold() != key
                ]
                changes.suppressions_deleted.append(edit.name)
                return self._put_suppression(edit.name, None), None

    def _put_group(
        self, position: int, edit: GroupPut, changes: Changes
    ) -> tuple[SecurityGroup | None, SecurityGroup]:
        name = edit.group.name.casefold()
        before, self._groups[name] = self._groups.get(name), edit.group
        changes.groups_put.append((edit.group, position))
        _note_mend(position, edit, changes)
        return before, edit.group

    def _delete_group(self, name: str, changes: Changes) -> SecurityGroup | None:
        changes.groups_put = [put for put in changes.groups_put if put[0].name.casefold() != name.casefold()]
        changes.groups_deleted.append(name)
        return self._groups.pop(name.casefold(), None)

    def _put_layer(self, position: int, edit: LayerPut, changes: Changes) -> tuple[Layer | None, Layer]:
        before, self._layers[edit.layer.device_id] = self._layers.get(edit.layer.device_id), edit.layer
        changes.layers.append((edit.layer, position))
        _note_mend(position, edit, changes)
        return before, edit.layer

    def _put_suppression(self, name: str, rule: SuppressionRule | None) -> SuppressionRule | None:
        """Let a rule, or with None nothing, take the place of the one of that name, and return that."""
        known = {one.name.casefold(): one for one in self.suppressions}
        before = known.pop(name.casefold(), None)
        self.suppressions = _sorted((*known.values(), *((rule,) if rule is not None else ())))
        return before


def _sorted(rules: tuple[SuppressionRule, ...]) -> tuple[SuppressionRule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.name.casefold()))


def _note_mend(position: int, edit: GroupPut | LayerPut, changes: Changes) -> None:
    if edit.mend is not None:
        changes.mends[position] = edit.mend
