"""What owners and devices say in a twin, and who hears of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.service.registry.world import World, world

from fencepost.model.errors import DeviceError, OperatorError
from fencepost.model.identity import SECURITY_MODULE, IdentityKey, Section, Twin
from fencepost.service.commands import Missing, Outdated
from fencepost.service.registry import Draft, TwinPatch
from fencepost.service.registry.twins import desired_push, tag_of, tags_with_group
from fencepost.service.security_twin import default_desired
from fencepost.wire.twin import SECTION

CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
KIB = 1024


def run(folder: Path, url: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        async with world(folder, url) as made, asyncio.timeout(30):
            await made.registry.create(Draft(key=CAM), "ann")
            made.notes.clear()
            await story(made)

    asyncio.run(told())


def deep(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"in": value}
    return {"top": value}


def test_a_new_twin_is_empty_but_for_the_defaults_of_the_security_module(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        twin = await made.registry.twin(CAM)
        assert (twin.version, twin.tags, twin.desired.values, twin.reported.values) == (1, {}, {}, {})
        assert (twin.desired.version, twin.reported.version) == (1, 1)
        module = await made.registry.twin(MODULE)
        assert module.desired.values == default_desired()
        created = module.desired.updated["$lastUpdated"]
        frequency = module.desired.updated[SECTION]["snapshotFrequency"]
        assert frequency["value"] == {"$lastUpdated": created, "$lastUpdatedVersion": 1}
        assert await made.registry.twin(MODULE) == module  # and not another one each time
        with pytest.raises(Missing):
            await made.registry.twin(IdentityKey("cam-1", "no-such"))

    run(tmp_path, url, story)


def test_a_patch_is_merged_and_null_takes_away(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        first = TwinPatch(tags={"site": {"hall": 3, "row": "b"}}, desired={"led": {"on": True, "hue": 7}})
        before = await made.registry.patch_twin(CAM, first, "ann")
        second = TwinPatch(tags={"site": {"row": None}, "new": [1, 2]}, desired={"led": {"hue": None}})
        after = await made.registry.patch_twin(CAM, second, "ann")
        assert after.tags == {"site": {"hall": 3}, "new": [1, 2]}
        assert after.desired.values == {"led": {"on": True}}
        assert (before.desired.version, after.desired.version) == (2, 3)
        assert (before.version, after.version) == (2, 3)
        assert before.etag != after.etag
        led = after.desired.updated["led"]
        assert led["$lastUpdatedVersion"] == 3
        assert led["on"]["$lastUpdatedVersion"] == 2
        assert "hue" not in led
        assert await made.registry.twin(CAM) == after
        tags_only = await made.registry.patch_twin(CAM, TwinPatch(tags={"x": 1}), "ann")
        assert tags_only.desired == after.desired

    run(tmp_path, url, story)


def test_a_replacement_leaves_nothing_of_what_was(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.patch_twin(CAM, TwinPatch(tags={"a": 1}, desired={"a": {"b": 1}, "c": 2}), "ann")
        after = await made.registry.patch_twin(CAM, TwinPatch(desired={"a": {"d": 1}}, replace=True), "ann")
        assert after.tags == {"a": 1}
        assert after.desired.values == {"a": {"d": 1}}
        assert after.desired.version == 3
        after = await made.registry.patch_twin(CAM, TwinPatch(tags={}, replace=True), "ann")
        assert (after.tags, after.desired.version) == ({}, 3)

    run(tmp_path, url, story)


def test_what_a_client_read_it_may_send_back(tmp_path: Path, url: str) -> None:
    """SDKs patch with the whole of what they were given."""

    async def story(made: World) -> None:
        back = {"$version": 7, "$metadata": {"$lastUpdated": "2026"}, "on": True}
        twin = await made.registry.patch_twin(CAM, TwinPatch(tags=dict(back), desired=dict(back)), "ann")
        assert (twin.tags, twin.desired.values, twin.desired.version) == ({"on": True}, {"on": True}, 2)
        assert await made.registry.report(CAM, json.dumps(back).encode()) == 2

    run(tmp_path, url, story)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"a.b": 1}, "a name is text without"),
    ({"a": {"$version": 1}}, "a name is text without"),
    ({"a b": 1}, "a name is text without"),
    ({"a\x85": 1}, "a name is text without"),
    ({"": 1}, "a name is text without"),
    ({"n" * 1025: 1}, "a name has at most 1024 bytes"),
    ({"a": "t" * 4097}, "a text has at most 4096 bytes"),
    ({"a": 2**52}, "an integer is between"),
    ({"a": -(2**52) - 1}, "an integer is between"),
    ({"a": [{"b.c": 1}]}, "a name is text without"),
    (deep(11), "nested deeper than 10 levels"),
]
GOOD: list[dict[str, Any]] = [
    {"n" * 1024: "t" * 4096, "ä": 2**52 - 1, "b": -(2**52), "c": 1.5, "d": [None, {"e": []}], "f": False},
    deep(10),
]


@pytest.mark.parametrize(("members", "reason"), BAD)
def test_what_may_not_stand_in_a_twin_changes_nothing(
    tmp_path: Path, members: dict[str, Any], reason: str
) -> None:
    async def story(made: World) -> None:
        before = await made.registry.twin(CAM)
        with pytest.raises(OperatorError) as caught:
            await made.registry.patch_twin(CAM, TwinPatch(tags=members, desired=members), "ann")
        assert [problem.path.split(".")[0] for problem in caught.value.problems] == ["tags", "properties"]
        assert all(problem.reason.startswith(reason) for problem in caught.value.problems)
        with pytest.raises(DeviceError, match=reason):
            await made.registry.report(CAM, json.dumps(members).encode())
        assert await made.registry.twin(CAM) == before
        assert made.notes == []

    run(tmp_path, f"sqlite:///{tmp_path / 'control.db'}", story)


@pytest.mark.parametrize("members", GOOD)
def test_what_may_stand_in_a_twin_is_kept_as_it_is(tmp_path: Path, url: str, members: dict[str, Any]) -> None:
    async def story(made: World) -> None:
        await made.registry.patch_twin(CAM, TwinPatch(tags=members, desired=members), "ann")
        await made.registry.report(CAM, json.dumps(members).encode())
        twin = await made.registry.twin(CAM)
        assert twin.tags == twin.desired.values == twin.reported.values == members

    run(tmp_path, url, story)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud800", b"bytes", {1: 2}])
def test_what_is_no_json_is_refused(tmp_path: Path, value: Any) -> None:
    async def story(made: World) -> None:
        with pytest.raises(OperatorError):
            await made.registry.patch_twin(CAM, TwinPatch(desired={"a": value}), "ann")

    run(tmp_path, f"sqlite:///{tmp_path / 'control.db'}", story)


def test_a_section_has_a_greatest_size(tmp_path: Path, url: str) -> None:
    """Counted as it stands in the end, not as it was sent."""

    def filling(size: int) -> dict[str, Any]:
        room = size - len(json.dumps({"a": [], "b": ""}, separators=(",", ":")))
        return {"a": [1] * ((room - 999) // 2), "b": "x" * (999 + (room - 999) % 2 + 1)}

    async def story(made: World) -> None:
        assert len(json.dumps(filling(8 * KIB), separators=(",", ":"))) == 8 * KIB
        fits = TwinPatch(tags=filling(8 * KIB), desired=filling(32 * KIB))
        await made.registry.patch_twin(CAM, fits, "ann")
        await made.registry.report(CAM, json.dumps(filling(32 * KIB)).encode())
        before = await made.registry.twin(CAM)
        with pytest.raises(OperatorError) as caught:
            await made.registry.patch_twin(CAM, TwinPatch(tags={"c": 1}, desired={"c": 1}), "ann")
        assert [str(problem) for problem in caught.value.problems] == [
            "tags: larger than 8192 bytes",
            "properties.desired: larger than 32768 bytes",
        ]
        with pytest.raises(DeviceError, match="larger than 32768 bytes"):
            await made.registry.report(CAM, b'{"c": 1}')
        assert await made.registry.twin(CAM) == before
        await made.registry.report(CAM, b'{"a": null, "c": 1}')

    run(tmp_path, url, story)


def test_the_very_identity_hears_of_its_desired_properties(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        device, module = made.connect("cam-1"), made.connect("cam-1", SECURITY_MODULE)
        await made.registry.patch_twin(CAM, TwinPatch(desired={"a": {"b": 1}, "c": 2}), "ann")
        await made.registry.patch_twin(CAM, TwinPatch(desired={"a": {"d": None}}), "ann")
        await made.registry.patch_twin(CAM, TwinPatch(tags={"site": "north"}), "ann")
        await made.registry.patch_twin(CAM, TwinPatch(desired={"a": {"e": 3}}, replace=True), "ann")
        assert device.pushed == [
            {"a": {"b": 1}, "c": 2, "$version": 2},
            {"a": {"d": None}, "$version": 3},
            {"a": {"b": None, "e": 3}, "c": None, "$version": 4},
        ]
        assert module.pushed == []

    run(tmp_path, url, story)


def test_the_security_agents_hear_all_of_their_section(tmp_path: Path, url: str) -> None:
    """A setting that a patch does not name would fall back to its default in both agents."""

    async def story(made: World) -> None:
        module = made.connect("cam-1", SECURITY_MODULE)
        settings = {"snapshotFrequency": {"value": "PT1H"}, "maxMessageSizeInBytes": None}
        await made.registry.patch_twin(MODULE, TwinPatch(desired={SECTION: settings, "x": 1}), "ann")
        (pushed,) = module.pushed
        expected = {**default_desired()[SECTION], **settings}
        assert pushed == {SECTION: expected, "x": 1, "$version": 2}
        assert "maxMessageSizeInBytes" not in (await made.registry.twin(MODULE)).desired.values[SECTION]
        await made.registry.patch_twin(MODULE, TwinPatch(desired={SECTION: None}), "ann")
        assert module.pushed[-1] == {SECTION: None, "$version": 3}

    run(tmp_path, url, story)


def test_of_two_editors_of_a_twin_the_later_one_is_told(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        seen = (await made.registry.twin(CAM)).etag
        await made.registry.report(CAM, b'{"busy": 1}')  # moves no etag: else nobody could ever edit
        twin = await made.registry.patch_twin(CAM, TwinPatch(tags={"a": 1}), "ann", etag=seen)
        with pytest.raises(Outdated):
            await made.registry.patch_twin(CAM, TwinPatch(tags={"b": 1}), "bob", etag=seen)
        await made.registry.patch_twin(CAM, TwinPatch(tags={"b": 1}), "bob", etag=twin.etag)
        await made.registry.patch_twin(CAM, TwinPatch(tags={"c": 1}), "bob", etag="*")
        assert (await made.registry.twin(CAM)).tags == {"a": 1, "b": 1, "c": 1}

    run(tmp_path, url, story)


def test_an_editor_of_the_identity_does_not_disturb_one_of_the_twin(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.patch_twin(CAM, TwinPatch(tags={"a": 1}), "ann")
        twin, identity = await made.registry.twin(CAM), await made.registry.identity(CAM)
        await made.registry.update(Draft(key=CAM, status="disabled"), "ann", etag=identity.etag)
        assert await made.registry.twin(CAM) == twin
        identity = await made.registry.identity(CAM)
        await made.registry.patch_twin(CAM, TwinPatch(tags={"a": 2}), "ann", etag=twin.etag)
        assert await made.registry.identity(CAM) == identity

    run(tmp_path, url, story)


def test_each_update_of_a_twin_is_one_operation(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.patch_twin(MODULE, TwinPatch(desired={"a": 1}), "ann")
        await made.registry.report(MODULE, b'{"a": 1}')
        await made.registry.report(CAM, b"{}")
        assert made.notes == [("cam-1", "TwinUpdates")] * 3

    run(tmp_path, url, story)


NO_REPORTS = [b"", b"[]", b'"x"', b"null", b"{", b'{"a":1e999}', b"\xff", b'{"a":' * 100_000]


@pytest.mark.parametrize("patch", NO_REPORTS)
def test_a_report_that_is_no_json_object_is_the_devices_fault(tmp_path: Path, patch: bytes) -> None:
    async def story(made: World) -> None:
        with pytest.raises(DeviceError, match=r"properties.reported: not an object of JSON"):
            await made.registry.report(CAM, patch)
        assert (await made.registry.twin(CAM)).version == 1

    run(tmp_path, f"sqlite:///{tmp_path / 'control.db'}", story)


def test_many_reports_at_once_all_count_and_each_has_its_answer(tmp_path: Path, url: str) -> None:
    """A fleet comes back together; what one device says wrong harms no other."""

    async def story(made: World) -> None:
        for number in range(2, 6):
            await made.registry.create(Draft(key=IdentityKey(f"cam-{number}")), "ann")
        calls = [
            made.registry.report(IdentityKey(f"cam-{1 + number % 5}"), b'{"n%d": %d}' % (number, number))
            for number in range(250)
        ]
        bad = [made.registry.report(CAM, b"[]"), made.registry.report(IdentityKey("stranger"), b"{}")]
        results = await asyncio.gather(*calls, *bad, return_exceptions=True)
        assert results[:250] == [2 + number // 5 for number in range(250)]
        assert [type(result) for result in results[250:]] == [DeviceError, Missing]
        twin = await made.registry.twin(IdentityKey("cam-3"))
        assert twin.reported.values == {f"n{number}": number for number in range(2, 250, 5)}
        assert (twin.version, twin.reported.version) == (51, 51)

    run(tmp_path, url, story)


def test_a_report_whose_device_hangs_up_is_no_fault_of_anybody(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        report = asyncio.create_task(made.registry.report(CAM, b'{"a": 1}'))
        await asyncio.sleep(0)
        report.cancel()
        assert await made.registry.report(CAM, b'{"b": 2}') == 3
        assert (await made.registry.twin(CAM)).reported.values == {"a": 1, "b": 2}

    run(tmp_path, url, story)


@pytest.mark.parametrize(
    ("key", "tags", "group"),
    [
        (CAM, {"SecurityGroup": "cameras"}, "cameras"),
        (CAM, {"securitygroup": "cameras"}, "cameras"),
        (CAM, {"x": 1, "SECURITYGROUP": "a", "SecurityGroup": "b"}, "a"),
        (CAM, {"SecurityGroup": 7, "securityGroup": "b"}, "b"),
        (CAM, {"SecurityGroup": " "}, None),
        (CAM, {"SecurityGroup": {"in": "cameras"}}, None),
        (CAM, {}, None),
        (MODULE, {"securityGroup": "cameras"}, "cameras"),
        (MODULE, {"SecurityGroup": "cameras"}, "cameras"),
        (IdentityKey("cam-1", "other"), {"securityGroup": "cameras"}, None),
    ],
)
def test_S25_the_tag_of_the_group_is_found_without_case(
    key: IdentityKey, tags: dict[str, Any], group: str | None
) -> None:
    assert tag_of(key, tags) == group


def test_a_group_takes_the_place_of_every_other() -> None:
    tags = {"a": 1, "securitygroup": "old", "SECURITYGROUP": "older"}
    assert tags_with_group(tags, "new") == {"SecurityGroup": "new", "a": 1}
    assert tags_with_group(tags, None) == {"a": 1}


def test_a_push_of_other_properties_is_the_patch_itself() -> None:
    section = Section({"a": 1}, {}, 5)
    twin = Twin(key=CAM, etag="", version=1, tags={}, desired=section, reported=section)
    assert desired_push(twin, twin, TwinPatch(desired={"a": 1, "$version": 3})) == {"a": 1, "$version": 5}
