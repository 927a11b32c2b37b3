"""Who may connect: identities come, change and go, and what they may do at the moment follows."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.service.registry.world import World, now, world

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, Authentication, CloudMessage, Identity, IdentityKey
from fencepost.service.commands import Conflict, Missing, Outdated
from fencepost.service.registry import Draft, RegistryCounts, TwinPatch, Wanted

CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
KEY = b64encode(b"0123456789abcdef" * 2).decode()
OTHER_KEY = b64encode(b"fedcba9876543210" * 2).decode()


def draft(device_id: str = "cam-1", module_id: str | None = None, **members: Any) -> Draft:
    return Draft(key=IdentityKey(device_id, module_id), **members)


def with_keys(primary: str | None = KEY, secondary: str | None = OTHER_KEY) -> Authentication:
    return Authentication(type="sas", primary_key=primary, secondary_key=secondary)


def run(folder: Path, url: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        async with world(folder, url) as made, asyncio.timeout(30):
            await story(made)

    asyncio.run(told())


def test_a_new_device_has_two_keys_of_its_own_and_a_security_module_with_others(
    tmp_path: Path, url: str
) -> None:
    async def story(made: World) -> None:
        device = await made.registry.create(draft(), "ann")
        (module,) = await made.registry.modules("cam-1")
        assert module.key == MODULE
        found = [device.authentication, module.authentication]
        keys = {key for one in found for key in (one.primary_key, one.secondary_key)}
        assert len(keys) == 4
        assert all(len(b64decode(key or "", validate=True)) == 32 for key in keys)
        assert await made.registry.identity(CAM) == device
        assert await made.registry.find(IdentityKey("cam-2")) is None
        assert device.generation_id.isdigit()
        assert device.generation_id != module.generation_id

    run(tmp_path, url, story)


def test_given_keys_are_kept_and_thumbprints_stand_in_upper_case(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        first = await made.registry.create(draft(authentication=with_keys()), "ann")
        assert first.authentication == with_keys()
        by_print = Authentication(type="selfSigned", primary_thumbprint="ab" * 20, primary_key=KEY)
        second = await made.registry.create(draft("cam-2", authentication=by_print), "ann")
        assert second.authentication == Authentication(type="selfSigned", primary_thumbprint="AB" * 20)
        by_authority = Authentication(type="certificateAuthority", primary_key=KEY)
        third = await made.registry.create(draft("cam-3", authentication=by_authority), "ann")
        assert third.authentication == Authentication(type="certificateAuthority")

    run(tmp_path, url, story)


def test_all_problems_of_a_draft_are_told_at_once_and_quote_no_key(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        wrong = draft(
            "cam/1",
            "m" * 129,
            authentication=with_keys("c2VjcmV0", "no base64!"),
            status_reason="x" * 129,
            managed_by="line\nfeed",
        )
        with pytest.raises(OperatorError) as caught:
            await made.registry.create(wrong, "ann")
        assert [problem.path for problem in caught.value.problems] == [
            "deviceId",
            "moduleId",
            "authentication.symmetricKey.primaryKey",
            "authentication.symmetricKey.secondaryKey",
            "statusReason",
            "managedBy",
        ]
        assert "c2VjcmV0" not in str(caught.value)
        for thumbprints in ({}, {"primary_thumbprint": "AB"}, {"secondary_thumbprint": "G" * 40}):
            authentication = Authentication(type="selfSigned", **thumbprints)
            with pytest.raises(OperatorError, match="thumbprint"):
                await made.registry.create(draft(authentication=authentication), "ann")
        assert await made.registry.counts() == RegistryCounts(total=0, enabled=0, disabled=0)

    run(tmp_path, url, story)


@pytest.mark.parametrize("device_id", ["a", "A-.%_#*?!(),:=@$'9", "x" * 128])
def test_the_ids_of_iot_hub_are_ids(tmp_path: Path, device_id: str) -> None:
    async def story(made: World) -> None:
        await made.registry.create(draft(device_id), "ann")
        assert (await made.registry.identity(IdentityKey(device_id))).key.device_id == device_id

    run(tmp_path, f"sqlite:///{tmp_path / 'control.db'}", story)


@pytest.mark.parametrize("device_id", ["", "a b", "a/b", "a+b", "ä", "a\0", "a\n", "\ud800", "x" * 129])
def test_other_ids_are_none_and_nobody_has_them(tmp_path: Path, url: str, device_id: str) -> None:
    async def story(made: World) -> None:
        with pytest.raises(OperatorError, match="deviceId: an id is 1 to 128"):
            await made.registry.create(draft(device_id), "ann")
        assert await made.registry.find(IdentityKey(device_id)) is None
        assert await made.registry.find(IdentityKey("cam-1", device_id)) is None

    run(tmp_path, url, story)


def test_an_identity_is_registered_once(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        first = await made.registry.create(draft(), "ann")
        for again in (draft(), draft(module_id=SECURITY_MODULE)):
            with pytest.raises(Conflict, match="is registered already"):
                await made.registry.create(again, "bob")
        assert await made.registry.identity(CAM) == first
        with pytest.raises(Missing, match="there is no device cam-2"):
            await made.registry.create(draft("cam-2", "mine"), "ann")

    run(tmp_path, url, story)


def test_a_device_has_fifty_modules_at_most(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.create(draft(), "ann")
        for number in range(49):
            await made.registry.create(draft(module_id=f"m{number:02}"), "ann")
        with pytest.raises(Conflict, match="has 50 modules"):
            await made.registry.create(draft(module_id="one-more"), "ann")
        names = [module.key.module_id for module in await made.registry.modules("cam-1")]
        assert names == [SECURITY_MODULE, *(f"m{number:02}" for number in range(49))]

    run(tmp_path, url, story)


def test_an_update_keeps_the_keys_that_it_does_not_name(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        before = await made.registry.create(draft(authentication=with_keys()), "ann")
        after = await made.registry.update(draft(status="disabled", status_reason="lost"), "bob")
        assert after.authentication == with_keys()
        assert (after.status, after.status_reason) == ("disabled", "lost")
        assert after.status_updated_at is not None
        assert after.etag != before.etag
        assert after.generation_id == before.generation_id
        rotated = await made.registry.update(draft(authentication=with_keys(OTHER_KEY, None)), "bob")
        assert rotated.authentication == with_keys(OTHER_KEY, OTHER_KEY)
        assert await made.registry.identity(CAM) == rotated
        with pytest.raises(Missing):
            await made.registry.update(draft("cam-2"), "bob")

    run(tmp_path, url, story)


def test_of_two_editors_who_saw_the_same_one_is_told_to_read_again(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        seen = (await made.registry.create(draft(), "ann")).etag
        changes = [
            made.registry.update(draft(status_reason=f"by {number}"), "ann", etag=seen) for number in range(9)
        ]
        results = await asyncio.gather(*changes, return_exceptions=True)
        assert sum(isinstance(result, Identity) for result in results) == 1
        assert sum(isinstance(result, Outdated) for result in results) == 8
        with pytest.raises(Outdated):
            await made.registry.delete(CAM, "ann", etag=seen)
        await made.registry.update(draft(), "ann", etag="*")
        await made.registry.delete(CAM, "ann", etag="*")

    run(tmp_path, url, story)


def test_who_is_disabled_or_gets_other_credentials_is_sent_away(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.create(draft(authentication=with_keys()), "ann")
        await made.registry.create(draft("cam-2"), "ann")
        device, module, other = (
            made.connect("cam-1"),
            made.connect("cam-1", SECURITY_MODULE),
            made.connect("cam-2"),
        )
        await made.registry.update(draft(status_reason="only a word", is_edge=True), "ann")
        assert device.closed == module.closed == []
        await made.registry.update(draft(status="disabled"), "ann")
        assert device.closed == module.closed == ["the identity was disabled"]
        again, module = made.connect("cam-1"), made.connect("cam-1", SECURITY_MODULE)
        keys = with_keys(OTHER_KEY, KEY)
        await made.registry.update(draft(module_id=SECURITY_MODULE, authentication=keys), "ann")
        assert (again.closed, module.closed) == ([], ["the credentials were changed"])
        await made.registry.update(draft(authentication=keys), "ann")
        assert again.closed == ["the credentials were changed"]
        assert other.closed == []
        assert made.sessions.count() == 1

    run(tmp_path, url, story)


def test_with_a_device_go_its_modules_its_messages_and_its_sessions(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        for device_id in ("cam-1", "cam-2"):
            await made.registry.create(draft(device_id), "ann")
            message = CloudMessage(
                sequence=0,
                device_id=device_id,
                body=b"x",
                system={},
                properties={},
                enqueued_at=now(),
                expires_at=now() + timedelta(hours=1),
            )
            assert isinstance(made.store.enqueue_message(message, 1), CloudMessage)
        gone, stays = [made.connect("cam-1"), made.connect("cam-1", SECURITY_MODULE)], made.connect("cam-2")
        await made.registry.delete(CAM, "ann")
        assert [session.closed for session in gone] == [["the identity was deleted"]] * 2
        assert stays.closed == []
        for key in (CAM, MODULE):
            with pytest.raises(Missing):
                await made.registry.identity(key)
            with pytest.raises(Missing):
                await made.registry.delete(key, "ann")
        with pytest.raises(Missing):
            await made.registry.modules("cam-1")
        assert [made.store.has_messages(device_id) for device_id in ("cam-1", "cam-2")] == [False, True]
        await made.registry.delete(IdentityKey("cam-2", SECURITY_MODULE), "ann")
        assert await made.registry.modules("cam-2") == []

    run(tmp_path, url, story)


def test_a_namesake_of_a_deleted_device_is_another(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        first = await made.registry.create(draft(), "ann", {"site": "north"})
        twin = await made.registry.twin(CAM)
        await made.registry.delete(CAM, "ann")
        second = await made.registry.create(draft(), "ann")
        assert int(second.generation_id) > int(first.generation_id)
        assert (await made.registry.twin(CAM)).etag != twin.etag
        with pytest.raises(Outdated):
            await made.registry.update(draft(), "ann", etag=first.etag)

    run(tmp_path, url, story)


def test_devices_are_listed_page_by_page_and_counted(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        names = ["a", "B", "b-1", "b", "Z", "a!", "a'", "9"]
        for name in names:
            await made.registry.create(draft(name, status="disabled" if name == "Z" else "enabled"), "ann")
        found: list[str] = []
        after = None
        while True:
            page = await made.registry.devices(after=after, limit=3)
            found += [identity.key.device_id for identity in page.items]
            after = page.after
            if after is None:
                break
        assert found == sorted(names)
        modules = await made.registry.twins(after=None, limit=1000, modules=True)
        assert [twin.key for _, twin in modules.items] == [
            IdentityKey(name, SECURITY_MODULE) for name in sorted(names)
        ]
        twins = await made.registry.twins(after=None, limit=1000)
        assert [identity.key for identity, _ in twins.items] == [IdentityKey(name) for name in sorted(names)]
        assert await made.registry.counts() == RegistryCounts(total=8, enabled=7, disabled=1)
        with pytest.raises(OperatorError, match="after: is no place in this list"):
            await made.registry.devices(after="x", limit=3)
        with pytest.raises(OperatorError, match="limit"):
            await made.registry.twins(after=None, limit=0)

    run(tmp_path, url, story)


def test_the_audit_says_who_did_what_and_holds_no_key(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        thumbprint = "AB" * 32
        await made.registry.create(draft(authentication=with_keys()), "ann", {"site": "north"})
        await made.registry.update(draft(authentication=with_keys(OTHER_KEY, KEY), status="disabled"), "bob")
        by_print = Authentication(type="selfSigned", primary_thumbprint=thumbprint)
        await made.registry.update(draft(authentication=by_print), "bob")
        await made.registry.patch_twin(CAM, TwinPatch(tags={"site": None}), "carl")
        await made.registry.patch_twin(MODULE, TwinPatch(desired={"a": 1}, replace=True), "carl")
        await made.registry.delete(CAM, "dora")
        rows = [
            row for row in made.store.audit(limit=100).items if row.action != "put"
        ]  # those are the pipeline's
        assert [(row.actor, row.action, row.subject) for row in reversed(rows)] == [
            ("ann", "create", "device/cam-1"),
            ("bob", "update", "device/cam-1"),
            ("bob", "update", "device/cam-1"),
            ("carl", "patch twin", "device/cam-1"),
            ("carl", "replace twin", f"device/cam-1/modules/{SECURITY_MODULE}"),
            ("dora", "delete", "device/cam-1"),
        ]
        assert rows[-2].before is not None
        assert rows[-2].before["status"] == "enabled"
        assert rows[-2].after is not None
        assert rows[-2].after["status"] == "disabled"
        assert rows[-2].effect == "the credentials were changed"
        assert (rows[2].before, rows[2].after) == ({"tags": {"site": "north"}}, {"tags": {}})
        assert rows[0].position == made.store.position() > 0
        written = msgspec.json.encode(rows).decode()
        assert not any(secret in written for secret in (KEY, OTHER_KEY, thumbprint))

    run(tmp_path, url, story)


def test_what_a_vanished_caller_asked_for_is_done_to_its_end(tmp_path: Path, url: str) -> None:
    """Two threads that write beside each other would take each other's changes back."""

    async def story(made: World) -> None:
        await made.registry.create(draft(), "ann")
        tasks = [
            asyncio.create_task(made.registry.patch_twin(CAM, TwinPatch(tags={f"t{number}": number}), "ann"))
            for number in range(20)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.registry.patch_twin(CAM, TwinPatch(tags={"last": True}), "ann")
        twin = await made.registry.twin(CAM)
        assert twin.tags == {**{f"t{number}": number for number in range(20)}, "last": True}
        assert twin.version == 22

    run(tmp_path, url, story)


def test_while_the_store_is_away_everybody_is_told_so(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        registry = made.registry
        await registry.create(draft(), "ann", {"SecurityGroup": "cameras"})
        before = await registry.identity(CAM)
        made.store.away = True
        for call in (
            registry.find(CAM),
            registry.identity(CAM),
            registry.devices(after=None, limit=1),
            registry.modules("cam-1"),
            registry.twin(CAM),
            registry.twins(after=None, limit=1),
            registry.counts(),
            registry.create(draft("cam-2"), "ann"),
            registry.create_many([Wanted(draft("cam-2"))], "ann"),
            registry.update(draft(status="disabled"), "ann"),
            registry.delete(CAM, "ann"),
            registry.patch_twin(CAM, TwinPatch(tags={"SecurityGroup": "gateways"}), "ann"),
            registry.report(CAM, b"{}"),
            registry.assign("cam-1", None, "ann"),
            registry.reconcile(),
        ):
            with pytest.raises(StoreUnavailable):
                await call
        made.store.away = False
        assert await registry.identity(CAM) == before
        assert made.group_of("cam-1") == "cameras"

    run(tmp_path, url, story)
