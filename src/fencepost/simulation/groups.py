"""The groups that judge a simulated fleet: as a file, and as a service takes them."""

from importlib.resources import files
from typing import Any

import yaml

GROUPS = "groups.yaml"


def groups_text() -> bytes:
    """Return the groups file that a simulated fleet is to be judged by."""
    return files("fencepost.simulation").joinpath(GROUPS).read_bytes()


def group_bodies() -> dict[str, Any]:
    """Return what that file says of each group, by the group's name."""
    groups: dict[str, Any] = yaml.safe_load(groups_text())["groups"]
    return groups
