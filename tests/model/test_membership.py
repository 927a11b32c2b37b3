"""S25: a device's group is its twin tag, then its id, then the first glob, else `default`."""

import pytest

from fencepost.model.membership import Membership
from fencepost.model.rule import Members, SecurityGroup

CAMERAS = SecurityGroup(name="Cameras", members=Members(ids=("odd-1",), globs=("cam-*", "*-lens")))
GATEWAYS = SecurityGroup(name="gateways", members=Members(ids=("cam-0009",), globs=("gw-?", "cam-gw-*")))
FLEET = Membership([CAMERAS, GATEWAYS])


@pytest.mark.parametrize(
    ("device_id", "tag", "name"),
    [
        pytest.param("cam-0001", "gateways", "gateways", id="the tag goes before a glob"),
        pytest.param("odd-1", "gateways", "gateways", id="the tag goes before an id"),
        pytest.param("x", "CAMERAS", "Cameras", id="a tag names a group without case"),
        pytest.param("x", " cameras ", "Cameras", id="blanks around a tag mean nothing"),
        pytest.param("cam-0009", None, "gateways", id="an id goes before a glob of an earlier group"),
        pytest.param("cam-gw-1", None, "Cameras", id="of two globs the one of the first group wins"),
        pytest.param("gw-1", None, "gateways", id="a question mark stands for one character"),
        pytest.param("gw-12", None, "default", id="a glob matches the whole id"),
        pytest.param("CAM-0001", None, "default", id="ids have case, as in IoT Hub"),
        pytest.param("cam-1\n", None, "Cameras", id="a star spans line ends"),
        pytest.param("cam-0001", "", "Cameras", id="an empty tag is no tag"),
        pytest.param("cam-0001", "default", "default", id="a tag may name the default group"),
    ],
)
def test_S25_a_device_belongs_to_one_group(device_id: str, tag: str | None, name: str) -> None:
    group, unknown = FLEET.group_of(device_id, tag)
    assert (group.name, unknown) == (name, False)


def test_S25_a_tag_that_names_no_group_is_told_and_passed_over() -> None:
    assert FLEET.group_of("cam-0001", "camreas") == (CAMERAS, True)
    group, unknown = FLEET.group_of("stranger", "camreas")
    assert (group.name, unknown) == ("default", True)


def test_a_default_group_that_the_owner_wrote_is_the_default_group() -> None:
    own = SecurityGroup(name="Default", description="everything else")
    assert Membership([CAMERAS, own]).group_of("stranger") == (own, False)


def test_no_groups_at_all_leave_an_empty_default_group() -> None:
    assert Membership([]).group_of("anything") == (SecurityGroup(name="default"), False)


def test_an_id_in_two_groups_belongs_to_the_first() -> None:
    twin = SecurityGroup(name="twins", members=Members(ids=("odd-1",)))
    assert Membership([CAMERAS, twin]).group_of("odd-1")[0] is CAMERAS


def test_a_group_is_found_by_its_name_without_case() -> None:
    assert FLEET.named("GATEWAYS") is GATEWAYS
    assert FLEET.named("none") is None
