"""The ways in."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from tests.service.access.standing import EVERYTHING, PASSWORD, ROOT, TOKENS, Standing

from fencepost.model.access import Grant, Principal
from fencepost.model.errors import OperatorError
from fencepost.service.access import Lifetimes, SignInRefused, Subject, TooMany
from fencepost.service.access.sign_ins import MOST_SESSIONS
from fencepost.service.access.throttle import FREE_OF_ADDRESS

ADMINISTRATOR = TOKENS["administrator"]
HERE = "192.0.2.1"


def test_who_knows_the_password_comes_in_as_who_they_are(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("Anna", Grant("analyst", "floor-2"))
        opened = await standing.signed_in("anna")
        assert standing.principal(opened.token) == Principal(
            actor="user/Anna", grants=(Grant("analyst", "floor-2"),)
        )
        assert standing.access.users.named("anna").last_sign_in_at == standing.now
        assert opened.token not in repr(opened)

    asyncio.run(go())
    assert standing.said()[-1] == ("user/Anna", "sign in", "user/Anna")
    after = standing.audit()[-1].after
    assert after is not None
    assert (after["address"], after["by"]) == (HERE, "password")
    assert standing.access.counts.succeeded == 1


@pytest.mark.parametrize("name", ["anna", "nobody", "disabled", "without", "", "x" * 5000, "\ud800"])
def test_unknown_names_go_the_same_way_as_known_ones(standing: Standing, name: str) -> None:
    """The same answer after the same work: one check of one hash of the same cost."""

    async def go() -> None:
        await standing.user("anna")
        await standing.user("disabled")
        await standing.access.users.change("disabled", [], ROOT, disabled=True)
        await standing.user("without", password=None)
        await standing.access.prepare()
        standing.hashes.asked.clear()
        with pytest.raises(SignInRefused) as caught:
            await standing.signed_in(name, "a wrong password")
        assert str(caught.value) == "name or password is wrong"

    asyncio.run(go())
    [asked] = standing.hashes.asked
    assert asked.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert standing.access.counts.failed == 1
    assert standing.store.access_tokens() == []


def test_a_right_password_of_somebody_disabled_is_answered_like_a_wrong_one(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna")
        await standing.access.users.change("anna", [], ROOT, disabled=True)
        with pytest.raises(SignInRefused, match="name or password is wrong"):
            await standing.signed_in()

    asyncio.run(go())


def test_after_five_failures_even_the_right_password_waits(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna")
        for _ in range(5):
            with pytest.raises(SignInRefused):
                await standing.signed_in("anna", "wrong")
        standing.hashes.asked.clear()
        for name in ("anna", "ANNA"):
            with pytest.raises(TooMany) as caught:
                await standing.signed_in(name)
        assert caught.value.retry_after == 2
        assert standing.hashes.asked == [], "who waits costs nothing"
        standing.later(seconds=2)
        await standing.signed_in()
        await standing.signed_in()

    asyncio.run(go())
    assert standing.access.counts.throttled == 2


def test_unknown_names_wait_as_known_ones_do(standing: Standing) -> None:
    async def go(name: str) -> list[str]:
        said: list[str] = []
        for _ in range(8):
            try:
                await standing.access.sign_ins.by_password(name, "wrong", f"192.0.2.{len(said)}")
            except (SignInRefused, TooMany) as error:
                said.append(str(error))
        return said

    asyncio.run(standing.user("anna"))
    assert asyncio.run(go("anna")) == asyncio.run(go("nobody"))


def test_a_session_ends_unused_after_hours_and_used_after_days(standing: Standing) -> None:
    standing.open(Lifetimes(idle=timedelta(hours=8), session=timedelta(days=7)))
    asyncio.run(standing.user("anna"))
    idle, used = asyncio.run(standing.signed_in()).token, asyncio.run(standing.signed_in()).token
    for _ in range(23):
        standing.later(hours=7)
        assert standing.access.principal_of(used) is not None
    assert standing.access.principal_of(idle) is None
    standing.later(hours=7)
    assert standing.access.principal_of(used) is None


def test_who_only_waits_does_not_keep_a_session_alive(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    session = asyncio.run(standing.signed_in()).token
    for _ in range(8):
        assert standing.access.principal_of(session, in_use=False) is not None
        standing.later(hours=1)
    assert standing.access.principal_of(session, in_use=False) is None


def test_a_session_goes_on_after_a_restart(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    session = asyncio.run(standing.signed_in()).token
    standing.later(hours=7)
    standing.principal(session)
    asyncio.run(standing.access.keep())
    standing.open()
    standing.later(hours=7)
    assert standing.access.principal_of(session) is not None


def test_every_sign_in_has_a_session_of_its_own_and_the_oldest_make_room(standing: Standing) -> None:
    async def go() -> list[str]:
        await standing.user("anna")
        await standing.user("bert")
        other = (await standing.signed_in("bert")).token
        opened = []
        for _ in range(MOST_SESSIONS + 2):
            standing.later(seconds=1)
            opened.append((await standing.signed_in()).token)
        return [other, *opened]

    other, *opened = asyncio.run(go())
    assert len({*opened}) == len(opened)
    alive = [standing.access.principal_of(one) is not None for one in opened]
    assert alive == [False, False, *[True] * MOST_SESSIONS]
    assert standing.access.principal_of(other) is not None


def test_who_signs_out_is_out(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna")
        here, there = (await standing.signed_in()).token, (await standing.signed_in()).token
        assert await standing.access.sign_ins.sign_out(here)
        assert not await standing.access.sign_ins.sign_out(here)
        assert standing.access.principal_of(here) is None
        assert standing.access.principal_of(there) is not None
        for none in (ADMINISTRATOR, "", "fps_x_y"):
            assert not await standing.access.sign_ins.sign_out(none)

    asyncio.run(go())
    assert standing.said()[-1] == ("user/anna", "sign out", "user/anna")


def test_who_is_changed_while_their_password_is_checked_is_not_let_in(standing: Standing) -> None:
    async def go(change: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        known = standing.hashes.matches
        changed: list[Any] = []
        loop = asyncio.get_running_loop()

        def matches(hashed: str, password: str) -> bool:
            found = known(hashed, password)
            changed.append(asyncio.run_coroutine_threadsafe(change(), loop).result(30))
            return found

        standing.hashes.matches = matches  # type: ignore[method-assign, assignment]
        with pytest.raises(SignInRefused):
            await standing.signed_in()
        assert changed

    users = standing.access.users
    asyncio.run(standing.user("anna"))
    asyncio.run(go(lambda: users.set_password("anna", "another long one", ROOT)))
    standing.open()
    users = standing.access.users
    asyncio.run(users.set_password("anna", PASSWORD, ROOT))
    asyncio.run(go(lambda: users.change("anna", [], ROOT, disabled=True)))
    assert standing.store.access_tokens() == []


def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    standing.open(time_cost=2)
    asyncio.run(standing.signed_in())
    renewed = standing.access.users.named("anna").password
    assert renewed is not None
    assert "t=2" in renewed
    asyncio.run(standing.signed_in())
    assert standing.access.users.named("anna").password == renewed


# the first administrator


def test_the_first_administrator_comes_in_once_by_the_link(standing: Standing) -> None:
    async def go() -> None:
        code = standing.access.sign_ins.invite()
        assert code is not None
        with pytest.raises(SignInRefused):
            await standing.access.sign_ins.by_invitation(code + "x", "anna", PASSWORD, HERE)
        with pytest.raises(OperatorError) as caught:
            await standing.access.sign_ins.by_invitation(code, "a/b", "short", HERE)
        assert [one.path for one in caught.value.problems] == ["name", "password"]
        opened = await standing.access.sign_ins.by_invitation(code, "anna", PASSWORD, HERE)
        assert standing.principal(opened.token) == Principal(actor="user/anna", grants=EVERYTHING)
        with pytest.raises(SignInRefused, match="has been used"):
            await standing.access.sign_ins.by_invitation(code, "bert", PASSWORD, HERE)
        assert code not in str(standing.audit())

    asyncio.run(go())
    assert standing.said() == [("user/anna", "create", "user/anna"), ("user/anna", "sign in", "user/anna")]


def test_of_two_who_use_the_link_at_once_one_comes_in(standing: Standing) -> None:
    async def go() -> list[object]:
        code = standing.access.sign_ins.invite() or ""
        come = standing.access.sign_ins.by_invitation
        both = (come(code, "anna", PASSWORD, HERE), come(code, "bert", PASSWORD, HERE))
        return [*await asyncio.gather(*both, return_exceptions=True)]

    assert sorted(type(one).__name__ for one in asyncio.run(go())) == ["SignInRefused", "SignedIn"]
    assert len(standing.access.users.all()) == 1


def test_the_link_is_good_for_a_day_and_until_the_next_start(standing: Standing) -> None:
    come = standing.access.sign_ins.by_invitation
    first, second = standing.access.sign_ins.invite(), standing.access.sign_ins.invite()
    assert first is not None
    assert second is not None
    with pytest.raises(SignInRefused):
        asyncio.run(come(first, "anna", PASSWORD, HERE))
    standing.later(hours=24)
    with pytest.raises(SignInRefused, match="is over"):
        asyncio.run(come(second, "anna", PASSWORD, HERE))


@pytest.mark.parametrize("code", ["", "x", "\ud800"])
def test_without_a_link_nobody_comes_in_by_one(standing: Standing, code: str) -> None:
    with pytest.raises(SignInRefused):
        asyncio.run(standing.access.sign_ins.by_invitation(code, "anna", PASSWORD, HERE))


def test_where_there_are_users_there_is_no_link(standing: Standing) -> None:
    asyncio.run(standing.user("anna"))
    assert standing.access.sign_ins.invite() is None


def test_guessing_the_link_is_slowed_down_and_keeps_nobody_else_out(standing: Standing) -> None:
    async def go() -> None:
        code = standing.access.sign_ins.invite() or ""
        come = standing.access.sign_ins.by_invitation
        for _ in range(FREE_OF_ADDRESS):
            with pytest.raises(SignInRefused):
                await come("guess", "mallory", PASSWORD, HERE)
        with pytest.raises(TooMany):
            await come("guess", "mallory", PASSWORD, HERE)
        await come(code, "anna", PASSWORD, "192.0.2.2")

    asyncio.run(go())


# OpenID Connect


def subject(name: str = "anna", *grants: Grant, who: str = "https://login 1") -> Subject:
    return Subject(subject=who, name=name, grants=grants)


def test_the_first_sign_in_by_openid_makes_a_user_who_is_known_by_the_subject(standing: Standing) -> None:
    async def go() -> None:
        come = standing.access.sign_ins.by_subject
        opened = await come(subject("anna", Grant("viewer")), HERE)
        assert standing.principal(opened.token).actor == "user/anna"
        renamed = await come(subject("anna-new-name", Grant("analyst", "floor-2")), HERE)
        assert standing.principal(renamed.token).actor == "user/anna"
        assert standing.principal(opened.token).grants == (Grant("analyst", "floor-2"),)
        [user] = standing.access.users.all()
        assert (user.subject, user.password, user.version) == ("https://login 1", None, 2)
        with pytest.raises(SignInRefused):
            await standing.signed_in("anna", "")

    asyncio.run(go())
    assert [one.action for one in standing.audit()] == ["create", "sign in", "update", "sign in"]


def test_nobody_takes_over_a_user_of_the_same_name(standing: Standing) -> None:
    async def go() -> None:
        await standing.user("anna", *EVERYTHING)
        come = standing.access.sign_ins.by_subject
        with pytest.raises(SignInRefused, match="another user 'Anna'"):
            await come(subject("Anna", Grant("viewer")), HERE)
        await come(subject("bert", Grant("viewer")), HERE)
        with pytest.raises(SignInRefused, match="another user 'bert'"):
            await come(subject("bert", Grant("viewer"), who="https://login 2"), HERE)

    asyncio.run(go())
    assert standing.access.users.named("anna").subject is None


def test_who_has_no_role_at_the_provider_has_none_here_and_is_out(standing: Standing) -> None:
    async def go() -> None:
        come = standing.access.sign_ins.by_subject
        with pytest.raises(SignInRefused, match="nothing that it says of you gives a role"):
            await come(subject("anna"), HERE)
        assert standing.access.users.all() == []
        session = (await come(subject("anna", Grant("viewer")), HERE)).token
        with pytest.raises(SignInRefused):
            await come(subject("anna"), HERE)
        assert standing.access.principal_of(session) is None
        assert standing.access.users.named("anna").grants == ()

    asyncio.run(go())


@pytest.mark.parametrize("name", ["a/b", "an\u202ena", "", "x" * 200])
def test_a_name_that_cannot_be_one_here_is_refused(standing: Standing, name: str) -> None:
    with pytest.raises(SignInRefused, match="your name at the OpenID provider"):
        asyncio.run(standing.access.sign_ins.by_subject(subject(name, Grant("viewer")), HERE))
    assert standing.access.users.all() == []


def test_who_is_disabled_here_does_not_come_in_by_openid_either(standing: Standing) -> None:
    async def go() -> None:
        come = standing.access.sign_ins.by_subject
        await come(subject("anna", Grant("viewer")), HERE)
        await standing.access.users.change("anna", [Grant("viewer")], ROOT, disabled=True)
        with pytest.raises(SignInRefused, match="disabled"):
            await come(subject("anna", Grant("viewer")), HERE)

    asyncio.run(go())


# OAuth 2


def test_a_program_gets_a_token_for_its_token(standing: Standing) -> None:
    async def go() -> None:
        token, text = await standing.token("nightly", ADMINISTRATOR, Grant("analyst", "floor-2"))
        secret = text.rpartition(f"{token.token_id}_")[2]
        for shown in (secret, text):
            opened = await standing.access.sign_ins.by_client(token.token_id, shown, HERE)
            assert standing.principal(opened.token) == standing.principal(text)
            assert opened.expires_at == standing.now + timedelta(hours=1)
        standing.open()
        assert standing.access.principal_of(opened.token) is not None
        standing.later(hours=1)
        assert standing.access.principal_of(opened.token) is None

    asyncio.run(go())
    assert standing.said()[-1] == ("token/nightly", "sign in", "token/nightly")


@pytest.mark.parametrize("end", ["revoke", "expire", "disable"])
def test_what_was_handed_out_ends_with_the_token_it_was_for(standing: Standing, end: str) -> None:
    async def go() -> None:
        await standing.user("anna")
        anna = (await standing.signed_in()).token
        until = standing.now + timedelta(minutes=10)
        token, text = await standing.token("nightly", anna, expires_at=until)
        opened = await standing.access.sign_ins.by_client(token.token_id, text, HERE)
        match end:
            case "revoke":
                await standing.access.tokens.revoke(token.token_id, standing.principal(anna))
            case "expire":
                standing.later(minutes=10)
            case _:
                await standing.access.users.change("anna", [], ROOT, disabled=True)
        assert standing.access.principal_of(opened.token) is None
        with pytest.raises(SignInRefused):
            await standing.access.sign_ins.by_client(token.token_id, text, HERE)

    asyncio.run(go())


def test_wrong_clients_are_answered_alike_and_slowed_down(standing: Standing) -> None:
    async def go() -> None:
        token, text = await standing.token("nightly", ADMINISTRATOR)
        other, _ = await standing.token("other", ADMINISTRATOR)
        await standing.user("anna")
        session = (await standing.signed_in()).token
        kept = standing.access.token_of(session)
        assert kept is not None
        pairs = [
            ("nobody", "x"),
            (token.token_id, "x"),
            (other.token_id, text),
            (kept.token_id, session),
            ("", ""),
        ]
        said = set()
        for client_id, secret in pairs:
            with pytest.raises(SignInRefused) as caught:
                await standing.access.sign_ins.by_client(client_id, secret, HERE)
            said.add(str(caught.value))
        assert len(said) == 1
        for _ in range(FREE_OF_ADDRESS - len(pairs)):
            with pytest.raises(SignInRefused):
                await standing.access.sign_ins.by_client(token.token_id, "x", HERE)
        with pytest.raises(TooMany):
            await standing.access.sign_ins.by_client(token.token_id, text, HERE)
        await standing.access.sign_ins.by_client(token.token_id, text, "192.0.2.2")

    asyncio.run(go())


def test_tokens_that_were_handed_out_are_bounded_and_go_when_they_are_over(standing: Standing) -> None:
    async def go() -> None:
        token, text = await standing.token("nightly", ADMINISTRATOR)
        for _ in range(MOST_SESSIONS + 5):
            standing.later(seconds=1)
            await standing.access.sign_ins.by_client(token.token_id, text, HERE)
        assert len(standing.store.access_tokens()) == 1 + MOST_SESSIONS
        standing.later(hours=2)
        await standing.access.keep()
        assert len(standing.store.access_tokens()) == 1

    asyncio.run(go())
