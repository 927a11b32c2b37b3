"""What is expected of whom: the groups and layers in force, and the plans that are made of them."""

from collections.abc import Iterable

from msgspec import structs

from fencepost.engine.effective import OwnLists
from fencepost.engine.plan import Plan, Plans, Served
from fencepost.model.event import Source
from fencepost.model.layer import NO_LAYERS, Layer, Layers
from fencepost.model.membership import Membership
from fencepost.model.rule import AllowlistRule, Rule, SecurityGroup


class Expectations:
    """
    The groups by their names without case, and the layers, in force.

    `own` are the additions of single devices to allow-lists; it is the same object for good.
    """

    def __init__(self, groups: Iterable[SecurityGroup], layers: Layers = NO_LAYERS) -> None:
        self.groups: dict[str, SecurityGroup] = {}
        self.layers = layers
        self.own: dict[str, OwnLists] = {}
        self._plans = Plans()
        self.adopt(groups, layers)

    def adopt(self, groups: Iterable[SecurityGroup], layers: Layers) -> None:
        """Put other groups and layers in the place of all there are."""
        self.groups = {group.name.casefold(): group for group in groups}
        devices = {device_id: layer for device_id, layer in layers.devices.items() if layer.rules}
        self.layers = structs.replace(layers, devices=devices)
        self.own.clear()
        for device_id, layer in devices.items():
            self._note_own(device_id, layer)
        self._compile()

    def put_group(self, group: SecurityGroup) -> bool:
        """Put a group in force; returns whether devices may belong to another one now (S25)."""
        before = self.groups.get(group.name.casefold())
        self.groups[group.name.casefold()] = group
        self._compile()
        return before is None or before.members != group.members

    def remove_group(self, name: str) -> None:
        """Take a group away."""
        self.groups.pop(name.casefold(), None)
        self._compile()

    def put_layer(self, layer: Layer) -> list[SecurityGroup]:
        """Put the additions of the fleet or of a device in force; returns the groups whose rules that may change."""
        if layer.device_id is not None:
            devices = {**self.layers.devices, layer.device_id: layer}
            if not layer.rules:
                del devices[layer.device_id]
            self.layers = structs.replace(self.layers, devices=devices)
            self._note_own(layer.device_id, layer)
            return []
        before, self.layers = self.layers.fleet, structs.replace(self.layers, fleet=layer)
        self._compile()
        return self.concerned(before)

    def concerned(self, fleet: Layer) -> list[SecurityGroup]:
        """Return the groups that have a rule for which the fleet's additions are not those of another layer."""
        now = self.layers.fleet
        types = {rule.type for rule in (*fleet.rules, *now.rules)}
        edited = {rule_type for rule_type in types if fleet.rule(rule_type) != now.rule(rule_type)}
        return [group for group in self.groups.values() if any(rule.type in edited for rule in group.rules)]

    def group_of(self, device_id: str, tag: str | None = None) -> tuple[SecurityGroup, bool]:
        """Return the device's group, and whether its tag names one that does not exist (S25)."""
        return self._membership.group_of(device_id, tag)

    def plan_for(
        self, device_id: str, group: SecurityGroup, source: Source = "legacy", served: Served = ()
    ) -> Plan:
        """Return the plan for a device of a group, as a kind of sender whose twin we may have served (S06)."""
        return self._plans.of(group, source, served, self.rules_of(device_id))

    def plan_like(self, plan: Plan, own: tuple[Rule, ...]) -> Plan:
        """Return the plan that takes the place of another one after an edit, with these rules of a device's own."""
        group = self._membership.named(plan.group.name)
        assert group is not None  # noqa: S101 - a device whose group is gone has moved
        return self._plans.of(group, plan.source, plan.served, own)

    def rules_of(self, device_id: str) -> tuple[Rule, ...]:
        """Return the rules of a device's own for which it needs a plan of its own: all but its allow-lists."""
        layer = self.layers.devices.get(device_id)
        if layer is None:
            return ()
        return tuple(rule for rule in layer.rules if not isinstance(rule, AllowlistRule))

    def _note_own(self, device_id: str, layer: Layer) -> None:
        self.own.pop(device_id, None)
        if any(isinstance(rule, AllowlistRule) for rule in layer.rules):
            self.own[device_id] = OwnLists(layer)

    def _compile(self) -> None:
        self._membership = Membership(self.groups.values())
        self._plans.compile(self.groups.values(), self.layers.fleet)
