"""Many identities at once, as from the export of an IoT Hub: what can be registered is, the rest is told."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from tests.service.registry.world import World, world

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, Authentication, IdentityKey
from fencepost.service.commands import Conflict, Missing
from fencepost.service.registry import Draft, RegistryCounts, Wanted, assignments
from fencepost.service.security_twin import default_desired
from fencepost.wire.twin import SECTION

KEYS = Authentication(
    type="sas",
    primary_key=b64encode(b"p" * 32).decode(),
    secondary_key=b64encode(b"s" * 32).decode(),
)


def run(folder: Path, url: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        async with world(folder, url) as made, asyncio.timeout(50):
            await story(made)

    asyncio.run(told())


def draft(device_id: str, module_id: str | None = None, **members: Any) -> Draft:
    return Draft(key=IdentityKey(device_id, module_id), **members)


def wanted(device_id: str, module_id: str | None = None, **members: Any) -> Wanted:
    of_twin = {name: members.pop(name) for name in ("tags", "desired", "may_be_there") if name in members}
    return Wanted(draft(device_id, module_id, **members), **of_twin)


def test_one_that_cannot_be_keeps_no_other_out(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        known = await made.registry.create(draft("known"), "ann")
        wrong = Authentication(type="sas", primary_key="x", secondary_key="y")
        refused = await made.registry.create_many(
            [
                wanted("cam-1"),
                wanted("known", status="disabled"),
                wanted("cam-1", status="disabled"),
                wanted("a b"),
                wanted("cam-2", authentication=wrong),
                wanted("cam-3", tags={"a.b": 1}, desired={"c": {"d.e": 1}}),
                wanted("nobody", "module"),
                wanted("cam-4", "module", tags={"site": "north"}),
                wanted("cam-4", tags={"SecurityGroup": "cameras"}),
            ],
            "ann",
        )
        name = "a name is text without control characters, '.', '$' and blanks"
        a_key = "a key is base64 of 16 to 64 bytes"
        assert {str(key): (type(error), str(error)) for key, error in refused} == {
            "known": (Conflict, "known is registered already"),
            "cam-1": (Conflict, "cam-1 is registered already"),
            "a b": (
                OperatorError,
                "deviceId: an id is 1 to 128 letters and digits of ASCII and - . % _ # * ? ! ( ) , : = @ $ '",
            ),
            "cam-2": (
                OperatorError,
                f"authentication.symmetricKey.primaryKey: {a_key}\nauthentication.symmetricKey.secondaryKey: {a_key}",
            ),
            "cam-3": (OperatorError, f"tags.a.b: {name}\nproperties.desired.c.d.e: {name}"),
            "nobody/module": (Missing, "there is no device nobody"),
        }
        assert await made.registry.counts() == RegistryCounts(total=3, enabled=3, disabled=0)
        assert await made.registry.identity(known.key) == known
        modules = [module.key.module_id for module in await made.registry.modules("cam-4")]
        assert modules == [SECURITY_MODULE, "module"]
        assert made.group_of("cam-4") == "cameras"
        assert (await made.registry.twin(IdentityKey("cam-4", "module"))).tags == {"site": "north"}

    run(tmp_path, url, story)


def test_an_exported_security_module_keeps_its_keys(tmp_path: Path, url: str) -> None:
    """The agents have them in files: a generated key would lock them out."""

    async def story(made: World) -> None:
        module = draft("cam-1", SECURITY_MODULE, authentication=KEYS)
        drafts = [Wanted(module, {"securityGroup": "cameras"}), wanted("cam-1"), Wanted(module)]
        [(key, error)] = await made.registry.create_many(drafts, "ann")
        assert (key, type(error)) == (module.key, Conflict)
        found = await made.registry.identity(module.key)
        assert found.authentication == KEYS
        assert made.group_of("cam-1") == "cameras"
        [(again, _)] = await made.registry.create_many([Wanted(module)], "ann")
        assert again == module.key

    run(tmp_path, url, story)


def test_a_large_fleet_comes_in_few_transactions(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        assert made.store._engines.writer is not None
        written: list[int] = []

        @event.listens_for(made.store._engines.writer, "after_cursor_execute")
        def count(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith("INSERT INTO identities"):
                written.append(len(parameters))

        drafts = [wanted(f"cam-{number:04}", tags={"SecurityGroup": "cameras"}) for number in range(1600)]
        assert await made.registry.create_many(drafts, "ann") == []
        assert sum(written) == 3200
        assert len(written) <= 8
        assert len(made.assigned()) == 1600
        assert {made.group_of(f"cam-{number:04}") for number in range(1600)} == {"cameras"}
        assert (await made.registry.counts()).total == 1600

    run(tmp_path, url, story)


def test_an_import_that_breaks_off_may_be_begun_again(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(made: World) -> None:
        drafts = [wanted(f"cam-{number:04}") for number in range(1200)]
        made.store.writes_left = 3
        with monkeypatch.context() as patch:
            patch.setattr(assignments, "PATIENCE", 0.5)
            with pytest.raises(StoreUnavailable):
                await made.registry.create_many(drafts, "ann")
        made.store.writes_left = None
        done = (await made.registry.counts()).total
        assert 0 < done < 1200
        assert done % 500 == 0
        refused = await made.registry.create_many(drafts, "ann")
        assert len(refused) == done
        assert (await made.registry.counts()).total == 1200
        assert {device_id for device_id, _ in made.assigned()} == {one.draft.key.device_id for one in drafts}

    run(tmp_path, url, story)


def test_a_first_twin_says_what_is_wanted_and_of_a_security_module_the_defaults_besides(
    tmp_path: Path, url: str
) -> None:
    async def story(made: World) -> None:
        frequency = {"highPriorityMessageFrequency": {"value": "PT1M"}}
        drafts = [
            wanted("cam-1", desired={"$version": 7, "rate": 5, "gone": None}),
            wanted("cam-1", SECURITY_MODULE, desired={SECTION: frequency}),
            wanted("cam-2", tags={"$version": 3}, desired={"$metadata": {}}),
        ]
        assert await made.registry.create_many(drafts, "ann") == []
        twin = await made.registry.twin(IdentityKey("cam-1"))
        assert (twin.version, twin.desired.version, twin.desired.values) == (1, 1, {"rate": 5})
        agents = (await made.registry.twin(IdentityKey("cam-1", SECURITY_MODULE))).desired.values
        assert agents == {SECTION: default_desired()[SECTION] | frequency}
        untouched = await made.registry.twin(IdentityKey("cam-2"))
        assert (untouched.tags, untouched.desired.values) == ({}, {})
        records = made.store.audit(after=None, limit=10).items
        assert {one.subject: one.after for one in records if one.action == "create"} == {
            "device/cam-1": {**SHOWN, "desired": {"rate": 5, "gone": None}},
            "device/cam-1/modules/azureiotsecurity": {**SHOWN, "desired": {SECTION: frequency}},
            "device/cam-2": SHOWN,
        }

    run(tmp_path, url, story)


SHOWN = {
    "status": "enabled",
    "statusReason": None,
    "authentication": "sas",
    "managedBy": None,
    "iotEdge": False,
}


def test_a_first_twin_has_the_bounds_of_any_other(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        much = {f"a{number}": "x" * 4000 for number in range(9)}
        refused = await made.registry.create_many([wanted("cam-1", tags=much, desired=much)], "ann")
        [(_, error)] = refused
        assert str(error) == "tags: larger than 8192 bytes\nproperties.desired: larger than 32768 bytes"
        assert (await made.registry.counts()).total == 0

    run(tmp_path, url, story)


def test_what_may_be_there_is_made_or_changed(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.create(draft("known"), "ann", {"site": "north", "SecurityGroup": "cameras"})
        await made.registry.create(draft("off"), "ann")
        session, closing = made.connect("known"), made.connect("off")
        before = await made.registry.identity(IdentityKey("known"))
        drafts = [
            wanted("known", may_be_there=True, tags={"SecurityGroup": "gateways"}, desired={"rate": 5}),
            wanted("known", SECURITY_MODULE, authentication=KEYS, may_be_there=True),
            wanted("off", status="disabled", may_be_there=True),
            wanted("new", may_be_there=True),
            wanted("new", SECURITY_MODULE, authentication=KEYS, may_be_there=True),
            wanted("new", may_be_there=True, tags={"site": "south"}),
            wanted("nobody", "m", may_be_there=True),
        ]
        [(key, error)] = await made.registry.create_many(drafts, "bob")
        assert (str(key), type(error)) == ("nobody/m", Missing)
        after = await made.registry.identity(IdentityKey("known"))
        assert after.authentication == before.authentication
        assert (after.generation_id, after.etag == before.etag) == (before.generation_id, False)
        tags = (await made.registry.twin(IdentityKey("known"))).tags
        assert tags == {"site": "north", "SecurityGroup": "gateways"}
        assert made.group_of("known") == "Gateways"
        assert session.pushed == [{"rate": 5, "$version": 2}]
        assert (session.closed, closing.closed) == ([], ["the identity was disabled"])
        for device_id in ("known", "new"):
            agent = await made.registry.identity(IdentityKey(device_id, SECURITY_MODULE))
            assert agent.authentication == KEYS
        assert (await made.registry.twin(IdentityKey("new"))).tags == {"site": "south"}
        assert sorted(made.notes) == [("known", "TwinUpdates"), ("new", "TwinUpdates")]

    run(tmp_path, url, story)


def test_a_draft_may_keep_the_status_of_what_is_known(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        await made.registry.create(draft("known", status="disabled", status_reason="stolen"), "ann")
        names = ("known", "new")
        drafts = [wanted(name, keeps_status=True, may_be_there=True) for name in names]
        assert await made.registry.create_many(drafts, "bob") == []
        known, new = [await made.registry.identity(IdentityKey(name)) for name in names]
        assert (known.status, known.status_reason, new.status) == ("disabled", "stolen", "enabled")
        drafts = [wanted("known", keeps_status=True, status_reason="found", may_be_there=True)]
        assert await made.registry.create_many(drafts, "bob") == []
        known = await made.registry.identity(IdentityKey("known"))
        assert (known.status, known.status_reason) == ("disabled", "found")

    run(tmp_path, url, story)


def test_a_change_that_cannot_be_leaves_all_of_an_identity_as_it_is(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        before = await made.registry.create(draft("known"), "ann")
        drafts = [
            wanted("known", status="disabled", tags={"a.b": 1}, may_be_there=True),
            wanted("known", "m", status="odd", may_be_there=True),
        ]
        refused = await made.registry.create_many(drafts, "bob")
        assert [type(error) for _, error in refused] == [OperatorError, OperatorError]
        assert await made.registry.identity(IdentityKey("known")) == before

    run(tmp_path, url, story)
