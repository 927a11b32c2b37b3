"""The users, as administrators change them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.service.access.standing import EVERYTHING, PASSWORD, ROOT, Standing

from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.service.access import NewUser, SignInRefused
from fencepost.service.commands import Conflict, Missing, Outdated


def test_a_user_is_kept_with_a_hash_and_never_with_a_password(standing: Standing) -> None:
    asyncio.run(standing.user("Anna", Grant("analyst", "floor-2")))
    standing.open()
    user = standing.access.users.named("aNNa")
    assert (user.name, user.grants, user.version) == ("Anna", (Grant("analyst", "floor-2"),), 1)
    assert user.password is not None
    assert user.password.startswith("$argon2id$")
    assert PASSWORD not in str(standing.store.users())
    assert "argon2" not in repr(user)


def test_a_name_is_one_users_whatever_its_case(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    with pytest.raises(Conflict, match="there is a user 'ANNA' already"):
        asyncio.run(standing.user("ANNA"))


def test_two_who_make_the_same_user_at_once_make_one(standing: Standing) -> None:
    async def both() -> list[object]:
        return [*await asyncio.gather(standing.user("anna"), standing.user("Anna"), return_exceptions=True)]

    assert sorted(type(one).__name__ for one in asyncio.run(both())) == ["Conflict", "NoneType"]


def test_of_two_editors_the_second_is_told(standing: Standing) -> None:
    users = standing.access.users

    async def edit() -> None:
        await standing.user("anna")
        await users.change("anna", [Grant("analyst")], ROOT, disabled=False, version=1)
        with pytest.raises(Outdated):
            await users.change("anna", [Grant("viewer")], ROOT, disabled=False, version=1)
        with pytest.raises(Outdated):
            await users.delete("anna", ROOT, version=1)

    asyncio.run(edit())
    assert users.named("anna").grants == (Grant("analyst"),)


def test_putting_what_is_there_changes_nothing(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    before = standing.audit()
    changed = asyncio.run(standing.access.users.change("anna", [Grant("viewer")], ROOT, disabled=False))
    assert changed.version == 1
    assert standing.audit() == before


def test_who_is_not_there_cannot_be_changed(standing: Standing) -> None:
    users = standing.access.users
    for change in (
        users.change("nobody", [], ROOT, disabled=False),
        users.delete("nobody", ROOT),
        users.set_password("nobody", PASSWORD, ROOT),
    ):
        with pytest.raises(Missing, match="there is no user 'nobody'"):
            asyncio.run(change)


def test_all_that_is_wrong_with_a_user_is_said_at_once(standing: Standing) -> None:
    draft = NewUser(name="a/b", grants=(Grant("viewer", "\0"),), password="short")
    with pytest.raises(OperatorError) as caught:
        asyncio.run(standing.access.users.add(draft, ROOT))
    assert [one.path for one in caught.value.problems] == ["name", "grants[0].group", "password"]
    assert standing.access.users.all() == []


@pytest.mark.parametrize("way", ["disable", "demote", "limit", "delete"])
def test_the_last_administrator_for_everything_stays(standing: Standing, way: str) -> None:
    users = standing.access.users
    takes: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "disable": lambda: users.change("root", EVERYTHING, ROOT, disabled=True),
        "demote": lambda: users.change("root", [Grant("analyst")], ROOT, disabled=False),
        "limit": lambda: users.change("root", [Grant("administrator", "floor-2")], ROOT, disabled=False),
        "delete": lambda: users.delete("root", ROOT),
    }

    async def go() -> None:
        await standing.user("root", *EVERYTHING)
        await standing.user("idle", *EVERYTHING, password=None)
        await standing.user("anna", Grant("administrator", "floor-2"))
        with pytest.raises(Conflict, match="last administrator"):
            await takes[way]()
        await standing.user("second", *EVERYTHING)
        await takes[way]()

    asyncio.run(go())


def test_who_is_disabled_or_deleted_is_out_at_once_and_comes_back_as_somebody_else(
    standing: Standing,
) -> None:
    async def go() -> None:
        await standing.user("anna")
        session = (await standing.signed_in()).token
        token, text = await standing.token("nightly", session)
        await standing.access.users.change("anna", [Grant("viewer")], ROOT, disabled=True)
        assert standing.access.principal_of(session) is None
        assert standing.access.principal_of(text) is None
        with pytest.raises(SignInRefused):
            await standing.signed_in()
        await standing.access.users.change("anna", [Grant("viewer")], ROOT, disabled=False)
        assert standing.access.principal_of(session) is None, "a session that ended stays so"
        assert standing.access.principal_of(text) is not None, "a token was suspended"
        await standing.access.users.delete("anna", ROOT)
        await standing.user("anna", *EVERYTHING)
        assert standing.access.principal_of(text) is None
        ended = standing.access.tokens.one(token.token_id, standing.principal(ROOT_TOKEN))
        assert ended.revoked_at == standing.now

    asyncio.run(go())
    standing.open()
    assert len(standing.access.users.all()) == 1
    [deleted] = [one for one in standing.audit() if one.action == "delete"]
    assert deleted.effect == "1 token was revoked"


ROOT_TOKEN = "fpa_" + "a" * 43


def test_another_password_ends_the_sessions_but_the_one_that_asks(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna")
        here, there = (await standing.signed_in()).token, (await standing.signed_in()).token
        keep = standing.access.token_of(here)
        assert keep is not None
        await standing.access.users.set_password("anna", "another long one", "user/anna", keep=keep.token_id)
        assert standing.access.principal_of(here) is not None
        assert standing.access.principal_of(there) is None
        with pytest.raises(SignInRefused):
            await standing.signed_in()
        await standing.signed_in(password="another long one")

    asyncio.run(go())


def test_every_change_is_in_the_audit_and_no_hash_is(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna")
        await standing.access.users.change("anna", [Grant("analyst", "x")], "user/root", disabled=True)
        await standing.access.users.set_password("anna", "another long one", "user/root")
        await standing.access.users.delete("anna", "user/root")

    asyncio.run(go())
    assert standing.said() == [
        (ROOT, "create", "user/anna"),
        ("user/root", "update", "user/anna"),
        ("user/root", "set password", "user/anna"),
        ("user/root", "delete", "user/anna"),
    ]
    created, updated, _, deleted = standing.audit()
    assert created.before is None
    assert updated.before == created.after
    assert updated.after == {
        "grants": [{"role": "analyst", "group": "x"}],
        "disabled": True,
        "has_password": True,
        "subject": None,
    }
    assert deleted.after is None
    assert "argon2" not in str(standing.audit())


def test_what_the_store_does_not_take_has_not_happened(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise StoreUnavailable("the disk is full")

    asyncio.run(standing.user("anna"))
    with monkeypatch.context() as patch:
        patch.setattr(standing.store, "change_access", away)
        with pytest.raises(StoreUnavailable):
            asyncio.run(standing.access.users.change("anna", EVERYTHING, ROOT, disabled=False))
        with pytest.raises(StoreUnavailable):
            asyncio.run(standing.user("bert"))
    assert [(user.name, user.grants) for user in standing.access.users.all()] == [
        ("anna", (Grant("viewer"),))
    ]
    asyncio.run(standing.access.users.change("anna", EVERYTHING, ROOT, disabled=False))


def test_a_change_is_carried_out_to_its_end_though_who_asked_is_gone(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("root", *EVERYTHING)
        await standing.user("anna")
        task = asyncio.create_task(standing.access.users.delete("anna", ROOT))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await standing.access.settle()

    asyncio.run(go())
    in_memory = [user.name for user in standing.access.users.all()]
    standing.open()
    assert in_memory == [user.name for user in standing.access.users.all()]
