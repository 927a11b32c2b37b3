"""The groups of a simulated fleet say the same as a file and as bodies of requests."""

from msgspec import json

from fencepost.config.groups import parse_groups
from fencepost.simulation.groups import group_bodies, groups_text


def test_the_bodies_are_what_the_file_says() -> None:
    written = parse_groups(groups_text().decode(), "groups.yaml").groups
    sent = parse_groups(json.encode({"groups": group_bodies()}).decode(), "bodies").groups
    assert sent == written
    assert [group.name for group in written] == ["cameras", "gateways", "plcs", "default"]
