"""Many identities at once, as from the export of an IoT Hub: what can be registered is, the rest is told."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from tests.service.registry.world import World, world

from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, Authentication, IdentityKey
from fencepost.service.registry import Draft, RegistryCounts, assignments

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


def test_one_that_cannot_be_keeps_no_other_out(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        known = await made.registry.create(draft("known"), "ann")
        wrong = Authentication(type="sas", primary_key="x", secondary_key="y")
        refused = await made.registry.create_many(
            [
                (draft("cam-1"), None),
                (draft("known", status="disabled"), None),
                (draft("cam-1", status="disabled"), None),
                (draft("a b"), None),
                (draft("cam-2", authentication=wrong), None),
                (draft("cam-3"), {"a.b": 1}),
                (draft("nobody", "module"), None),
                (draft("cam-4", "module"), {"site": "north"}),
                (draft("cam-4"), {"SecurityGroup": "cameras"}),
            ],
            "ann",
        )
        reasons = {str(key): why for key, why in refused}
        assert reasons == {
            "known": "known is registered already",
            "cam-1": "cam-1 is registered already",
            "a b": "deviceId: an id is 1 to 128 letters and digits of ASCII and"
            " - . % _ # * ? ! ( ) , : = @ $ '",
            "cam-2": "authentication.symmetricKey.primaryKey: a key is base64 of 16 to 64 bytes; "
            "authentication.symmetricKey.secondaryKey: a key is base64 of 16 to 64 bytes",
            "cam-3": "tags.a.b: a name is text without control characters, '.', '$' and blanks",
            "nobody/module": "there is no device nobody",
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
        drafts = [(module, {"securityGroup": "cameras"}), (draft("cam-1"), None), (module, None)]
        refused = await made.registry.create_many(drafts, "ann")
        assert refused == [(module.key, "cam-1/azureiotsecurity is registered already")]
        found = await made.registry.identity(module.key)
        assert found.authentication == KEYS
        assert made.group_of("cam-1") == "cameras"
        assert await made.registry.create_many([(module, None)], "ann") == refused

    run(tmp_path, url, story)


def test_a_large_fleet_comes_in_few_transactions(tmp_path: Path, url: str) -> None:
    async def story(made: World) -> None:
        assert made.store._engines.writer is not None
        written: list[int] = []

        @event.listens_for(made.store._engines.writer, "after_cursor_execute")
        def count(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith("INSERT INTO identities"):
                written.append(len(parameters))

        drafts = [(draft(f"cam-{number:04}"), {"SecurityGroup": "cameras"}) for number in range(1600)]
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
        drafts = [(draft(f"cam-{number:04}"), None) for number in range(1200)]
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
        assert {device_id for device_id, _ in made.assigned()} == {one.key.device_id for one, _ in drafts}

    run(tmp_path, url, story)
