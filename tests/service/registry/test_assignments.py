"""What the tags of twins say, the engine does: at once, and also after whatever came between the two."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.service.registry.world import World, now, world

from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, Identity, IdentityKey
from fencepost.model.rule import SecurityGroup
from fencepost.service.commands import Commands, Conflict
from fencepost.service.pipeline import Busy
from fencepost.service.registry import Draft, TwinPatch, Wanted, assignments

CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)


def run(folder: Path, url: str, *stories: Callable[[World], Awaitable[None]]) -> None:
    """Tell stories one after the other, each to a process of its own."""

    async def told(story: Callable[[World], Awaitable[None]]) -> None:
        async with world(folder, url) as made, asyncio.timeout(30):
            await story(made)

    for story in stories:
        asyncio.run(told(story))


async def create(made: World, device_id: str = "cam-1", tags: dict[str, Any] | None = None) -> Identity:
    return await made.registry.create(Draft(key=IdentityKey(device_id)), "ann", tags)


async def tag(made: World, key: IdentityKey, **tags: Any) -> None:
    await made.registry.patch_twin(key, TwinPatch(tags=tags), "ann")


def test_S25_a_tag_holds_when_the_call_returns(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made, tags={"SecurityGroup": "cameras"})
        assert made.group_of("cam-1") == "cameras"
        await tag(made, CAM, securitygroup=None, SecurityGroup="gateways")
        assert made.group_of("cam-1") == "Gateways"
        await made.registry.patch_twin(CAM, TwinPatch(tags={}, replace=True), "ann")
        assert made.group_of("cam-1") == "default"
        record = made.store.device("cam-1")
        assert record is not None
        assert record.tag is None

    run(tmp_path, url, story)


def test_S25_the_tag_of_the_security_module_holds_where_the_device_has_none(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made)
        await tag(made, MODULE, securityGroup="cameras")
        assert made.group_of("cam-1") == "cameras"
        await tag(made, CAM, SecurityGroup="gateways")
        assert made.group_of("cam-1") == "Gateways"
        await tag(made, MODULE, securityGroup="default")
        assert made.group_of("cam-1") == "Gateways"
        await tag(made, CAM, SecurityGroup=None)
        assert made.group_of("cam-1") == "default"
        await tag(made, MODULE, securityGroup="cameras")
        await made.registry.delete(MODULE, "ann")
        assert made.group_of("cam-1") == "default"

    run(tmp_path, url, story)


def test_only_what_changes_a_group_is_journalled(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made)
        await create(made, "cam-2", {"site": "north"})
        assert made.assigned() == [("cam-1", None), ("cam-2", None)]  # now they are known
        await tag(made, CAM, SecurityGroup="cameras")
        await tag(made, CAM, SecurityGroup="cameras", site="north")
        await made.registry.report(CAM, b'{"SecurityGroup": "gateways"}')
        await made.registry.patch_twin(CAM, TwinPatch(desired={"SecurityGroup": "gateways"}), "ann")
        assert made.assigned()[2:] == [("cam-1", "cameras")]
        await made.registry.delete(IdentityKey("cam-2"), "ann")
        await made.registry.delete(CAM, "ann")
        assert made.assigned()[3:] == [("cam-1", None)]

    run(tmp_path, url, story)


def test_a_device_that_had_a_group_before_it_was_registered_keeps_it(tmp_path: Path, url: str) -> None:
    """Whose messages came over plain HTTPS until now, and whose group was set there."""

    async def story(made: World) -> None:
        commands = Commands(made.pipeline, now)
        for device_id in ("cam-1", "cam-2"):
            await commands.assign_device(device_id, "cameras", "ann")
        await create(made)
        await create(made, "cam-2", {"SecurityGroup": "gateways"})
        assert (await made.registry.twin(CAM)).tags == {"SecurityGroup": "cameras"}
        assert (made.group_of("cam-1"), made.group_of("cam-2")) == ("cameras", "Gateways")

    run(tmp_path, url, story)


def test_a_group_is_assigned_whether_a_device_is_registered_or_not(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made, tags={"SECURITYGROUP": "gateways", "site": "north"})
        before = await made.registry.twin(CAM)
        await made.registry.assign("cam-1", "cameras", "ann")
        after = await made.registry.twin(CAM)
        assert after.tags == {"SecurityGroup": "cameras", "site": "north"}
        assert after.etag != before.etag
        await made.registry.assign("cam-1", "cameras", "ann")
        assert await made.registry.twin(CAM) == after
        await made.registry.assign("cam-1", None, "ann")
        assert (await made.registry.twin(CAM)).tags == {"site": "north"}
        await made.registry.assign("stranger", "cameras", "ann")
        assert made.group_of("stranger") == "cameras"
        assert await made.registry.find(IdentityKey("stranger")) is None
        await made.registry.assign("stranger", None, "ann")
        assert made.assigned()[1:] == [
            ("cam-1", "cameras"),
            ("cam-1", None),
            ("stranger", "cameras"),
            ("stranger", None),
        ]

    run(tmp_path, url, story)


def test_what_the_journal_had_no_room_for_is_told_before_the_next_change(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made, "cam-2", {"SecurityGroup": "cameras"})
        made.journal.full = True
        with pytest.raises(Busy):
            await create(made, tags={"SecurityGroup": "cameras"})
        with pytest.raises(Busy):
            await made.registry.delete(IdentityKey("cam-2"), "ann")
        assert (await made.registry.find(CAM)) is not None
        made.journal.full = False
        with pytest.raises(Conflict):
            await create(made, tags={"SecurityGroup": "cameras"})
        await create(made, "cam-3")
        assert (made.group_of("cam-1"), made.group_of("cam-2")) == ("cameras", "cameras")
        await made.registry.identity(IdentityKey("cam-2"))

    run(tmp_path, url, story)


def test_a_deletion_that_fails_halfway_leaves_the_device_its_group(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made, tags={"SecurityGroup": "cameras"})
        made.store.writes_left = 1  # the engine's
        with pytest.raises(StoreUnavailable):
            await made.registry.delete(CAM, "ann")
        assert made.group_of("cam-1") == "default"
        made.store.writes_left = None
        await create(made, "cam-2")
        assert made.group_of("cam-1") == "cameras"

    run(tmp_path, url, story)


def test_nobody_waits_for_ever_for_the_store(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may go away between the change and its journal entry."""
    monkeypatch.setattr(assignments, "PATIENCE", 0.1)

    async def story(made: World) -> None:
        await create(made)
        made.store.writes_left = 1  # the registry's
        with pytest.raises(StoreUnavailable, match="is journalled, and holds as soon as"):
            await tag(made, CAM, SecurityGroup="cameras")
        made.store.writes_left = None
        async with asyncio.timeout(10):
            while made.group_of("cam-1") != "cameras":
                await asyncio.sleep(0.01)

    run(tmp_path, url, story)


def test_what_died_between_the_change_and_its_entry_is_set_right_at_the_start(
    tmp_path: Path, url: str
) -> None:
    async def before(made: World) -> None:
        await create(made)
        await create(made, "cam-2", {"SecurityGroup": "gateways"})
        made.journal.full = True  # and then the process ends
        for change in (
            tag(made, CAM, SecurityGroup="cameras"),
            create(made, "cam-3", {"SecurityGroup": "cameras"}),
            create(made, "cam-4"),
        ):
            with pytest.raises(Busy):
                await change

    async def after(made: World) -> None:
        made.detector.assign("cam-2", "gateways", now())
        assert await made.registry.reconcile() == 3
        assert made.assigned()[2:] == [("cam-1", "cameras"), ("cam-3", "cameras"), ("cam-4", None)]
        assert [made.group_of(f"cam-{number}") for number in range(1, 5)] == [
            "cameras",
            "Gateways",
            "cameras",
            "default",
        ]
        assert await made.registry.reconcile() == 0

    run(tmp_path, url, before, after)


def test_an_engine_that_lost_its_memory_is_told_again(tmp_path: Path, url: str) -> None:
    """A damaged journal may have lost what the store has committed long ago."""

    async def before(made: World) -> None:
        keys = [IdentityKey(f"cam-{number:04}") for number in range(1200)]
        drafts = [Wanted(Draft(key=key), {"SecurityGroup": "cameras"}) for key in keys]
        assert await made.registry.create_many(drafts, "ann") == []

    async def after(made: World) -> None:
        made.detector.assign("cam-0001", "cameras", now())
        made.detector.assign("cam-0002", "gateways", now())
        made.detector.assign("stranger", "gateways", now())
        assert await made.registry.reconcile() == 1199
        assert {made.group_of(f"cam-{number:04}") for number in range(1200)} == {"cameras"}
        assert made.group_of("stranger") == "Gateways"

    run(tmp_path, url, before, after)


def test_a_tag_of_no_group_takes_effect_when_the_group_comes(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await create(made, tags={"SecurityGroup": "plcs"})
        assert made.group_of("cam-1") == "default"
        assert await made.registry.reconcile() == 0
        await Commands(made.pipeline, now).put_group(SecurityGroup(name="PLCs"), "ann")
        assert made.group_of("cam-1") == "PLCs"

    run(tmp_path, url, story)


def test_the_audit_says_which_group_a_device_had_before(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        for tag in ("cameras", "gateways", None):
            drafts = [
                Wanted(Draft(key=IdentityKey(f"cam-{number}")), {"SecurityGroup": tag}, may_be_there=True)
                for number in range(3)
            ]
            assert await made.registry.create_many(drafts, "ann") == []
        moves = [one for one in made.store.audit(after=None, limit=50).items if one.action == "put"]
        of_one = [(one.before, one.after) for one in moves if one.subject == "device/cam-1"]
        assert [*reversed(of_one)] == [
            (None, {"SecurityGroup": "cameras"}),
            ({"SecurityGroup": "cameras"}, {"SecurityGroup": "gateways"}),
            ({"SecurityGroup": "gateways"}, {"SecurityGroup": None}),
        ]

    run(tmp_path, url, story)
