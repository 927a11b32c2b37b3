"""Devices that hold a key derived from the group's find their hub, and are registered by it."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.service.registry.world import World, now, world

from fencepost.model.identity import SECURITY_MODULE, Authentication, IdentityKey
from fencepost.model.sas import derived_key, sign
from fencepost.service.policies import NotAllowed
from fencepost.service.provisioning import Provisioning
from fencepost.service.registry import Draft

SCOPE = "0ne0012AB34"
PRIMARY, SECONDARY, OWN, STRANGE = (b64encode(bytes([n]) * 32).decode() for n in range(1, 5))
LATER = 4_000_000_000
CAM = IdentityKey("cam-1")


def run(folder: Path, story: Callable[[World, Provisioning], Awaitable[None]]) -> None:
    async def told() -> None:
        async with world(folder, f"sqlite:///{folder / 'control.db'}") as made, asyncio.timeout(30):
            provisioning = Provisioning(made.registry, SCOPE, (PRIMARY, SECONDARY), "hub.example", now)
            await story(made, provisioning)

    asyncio.run(told())


def token(
    key: str,
    registration_id: str = "cam-1",
    *,
    scope: str = SCOPE,
    until: int = LATER,
    policy: str = "registration",
) -> str:
    return sign(f"{scope}/registrations/{registration_id}", key, until, policy)


def derived(registration_id: str = "cam-1", group_key: str = PRIMARY) -> str:
    return derived_key(group_key, registration_id)


@pytest.mark.parametrize("group_key", [PRIMARY, SECONDARY])
def test_a_device_of_the_group_is_registered_with_the_keys_that_it_has(
    tmp_path: Path, group_key: str
) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        first = await provisioning.register(SCOPE, "cam-1", token(derived(group_key=group_key)))
        assert (first.device_id, first.assigned_hub, first.status) == ("cam-1", "hub.example", "assigned")
        device = await made.registry.identity(CAM)
        assert device.authentication == Authentication(
            type="sas", primary_key=derived(), secondary_key=derived(group_key=SECONDARY)
        )
        assert [one.key.module_id for one in await made.registry.modules("cam-1")] == [SECURITY_MODULE]
        again = await provisioning.register(SCOPE, "cam-1", token(derived(group_key=group_key)))
        assert again == first
        assert await made.registry.identity(CAM) == device

    run(tmp_path, story)


def test_who_asks_many_times_at_once_is_registered_once(tmp_path: Path) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        asked = [provisioning.register(SCOPE, "cam-1", token(derived())) for _ in range(10)]
        answers = await asyncio.gather(*asked)
        assert all(answer == answers[0] for answer in answers)
        assert (await made.registry.counts()).total == 1

    run(tmp_path, story)


def test_a_device_that_was_registered_before_shows_its_own_key(tmp_path: Path) -> None:
    """As with an individual enrollment; it keeps its keys."""

    async def story(made: World, provisioning: Provisioning) -> None:
        own = Authentication(type="sas", primary_key=OWN, secondary_key=STRANGE)
        known = await made.registry.create(Draft(key=CAM, authentication=own), "ann")
        for key in (OWN, STRANGE):
            answer = await provisioning.register(SCOPE, "cam-1", token(key))
            assert (answer.created_at, answer.etag) == (known.created_at, known.etag)
        assert (await made.registry.identity(CAM)).authentication == own
        with pytest.raises(NotAllowed):
            await provisioning.register(SCOPE, "cam-2", token(OWN, "cam-2"))

    run(tmp_path, story)


def test_a_token_that_names_no_policy_is_taken_as_the_legacy_agent_writes_it(tmp_path: Path) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        shown = f"{sign(f'{SCOPE}/registrations/cam-1', derived(), LATER)}&skn="
        assert (await provisioning.register(SCOPE, "cam-1", shown)).device_id == "cam-1"

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("scope", "registration_id", "shown"),
    [
        (SCOPE, "cam-1", ""),
        (SCOPE, "cam-1", token(STRANGE)),
        (SCOPE, "cam-1", token(PRIMARY)),  # the group's own key is nobody's
        (SCOPE, "cam-1", token(derived("cam-2"))),
        (SCOPE, "cam-1", token(derived("cam-2"), "cam-2")),
        (SCOPE, "cam-1", token(derived(), until=1)),
        (SCOPE, "cam-1", token(derived(), policy="iothubowner")),
        (SCOPE, "cam-1", sign(SCOPE, derived(), LATER, "registration")),
        (SCOPE, "cam-1", sign(f"{SCOPE}/registrations", derived(), LATER, "registration")),
        (SCOPE, "cam-1", token(derived(), "cam-1/more")),
        (SCOPE, "cam-1", token(derived(), scope="0ne00000000")),
        ("0ne00000000", "cam-1", token(derived())),
        ("0ne00000000", "cam-1", token(derived(), scope="0ne00000000")),
        (SCOPE, "CAM-1", token(derived("CAM-1"), "CAM-1")),
        (SCOPE, "cam 1", token(derived("cam 1"), "cam 1")),
        (SCOPE, "", token(derived(""), "")),
        (SCOPE, "x" * 129, token(derived("x" * 129), "x" * 129)),
    ],
)
def test_nobody_else_is_registered_and_all_are_told_the_same(
    tmp_path: Path, scope: str, registration_id: str, shown: str
) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        with pytest.raises(NotAllowed) as caught:
            await provisioning.register(scope, registration_id, shown)
        assert str(caught.value) == "the token does not allow this"
        assert (await made.registry.counts()).total == 0

    run(tmp_path, story)


@pytest.mark.parametrize(
    "members",
    [{"status": "disabled"}, {"authentication": Authentication(type="certificateAuthority")}],
)
def test_a_device_that_may_not_sign_in_so_is_not_sent_to_a_hub(
    tmp_path: Path, members: dict[str, object]
) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        await provisioning.register(SCOPE, "cam-1", token(derived()))
        await made.registry.update(Draft(key=CAM, **members), "ann")  # type: ignore[arg-type]
        with pytest.raises(NotAllowed):
            await provisioning.register(SCOPE, "cam-1", token(derived()))

    run(tmp_path, story)


@pytest.mark.parametrize("registration_id", ["a", "a-b._:9", "x" * 128])
def test_the_registration_ids_of_the_service_are_ids(tmp_path: Path, registration_id: str) -> None:
    async def story(made: World, provisioning: Provisioning) -> None:
        shown = token(derived(registration_id), registration_id)
        await provisioning.register(SCOPE, registration_id, shown)
        assert (await made.registry.identity(IdentityKey(registration_id))).status == "enabled"

    run(tmp_path, story)
