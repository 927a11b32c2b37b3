"""The `fleet:` and `devices:` of a groups file, read into `Layers`: what is expected beyond the groups."""

from fencepost.config.group_section import read_rules
from fencepost.config.place import Place
from fencepost.model.layer import Layer, Layers
from fencepost.model.text import fault_of_text

LAYER_KEYS = ("rules",)


def read_layers(fleet: Place | None, devices: Place | None) -> Layers:
    """Return the layers of a file; what is wrong stands in the places' problems."""
    of_devices = {} if devices is None or devices.value is None else devices.members()
    for device_id, place in of_devices.items():
        if fault := fault_of_text(device_id):
            place.fault(fault)
    layers = {device_id: _layer(place, device_id) for device_id, place in of_devices.items()}
    return Layers(
        Layer() if fleet is None else _layer(fleet, None),
        {device_id: layer for device_id, layer in layers.items() if layer.rules},
    )


def _layer(place: Place, device_id: str | None) -> Layer:
    fields = {} if place.value is None else place.fields(LAYER_KEYS)
    rules = read_rules(fields["rules"], lists_only=device_id is None) if "rules" in fields else ()
    return Layer(device_id=device_id, rules=rules)
