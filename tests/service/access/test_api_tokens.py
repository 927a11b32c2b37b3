"""API tokens."""

import asyncio
from datetime import timedelta

import pytest
from tests.service.access.standing import EVERYTHING, NOON, ROOT, TOKENS, Standing

from fencepost.model.access import Grant, Principal
from fencepost.model.errors import OperatorError
from fencepost.service.access import NewToken, NotYours
from fencepost.service.commands import Conflict, Missing, Outdated

ADMINISTRATOR, INGEST = TOKENS["administrator"], TOKENS["ingest"]


async def session(standing: Standing, name: str = "anna", *grants: Grant) -> str:
    await standing.user(name, *grants)
    return (await standing.signed_in(name)).token


def test_a_token_is_shown_once_and_kept_as_a_digest(standing: Standing) -> None:
    token, text = asyncio.run(standing.token("nightly", ADMINISTRATOR, Grant("analyst", "floor-2")))
    secret = text.removeprefix(f"fpt_{token.token_id}_")
    standing.open()
    assert standing.principal(text) == Principal(actor="token/nightly", grants=(Grant("analyst", "floor-2"),))
    assert secret not in str(standing.store.access_tokens())
    assert secret not in str(standing.audit())
    assert token.digest.hex() not in str(standing.audit())


@pytest.mark.parametrize("change", ["secret", "id", "kind", "longer"])
def test_a_token_that_is_nearly_right_is_wrong(standing: Standing, change: str) -> None:
    token, text = asyncio.run(standing.token("nightly", ADMINISTRATOR))
    other, _ = asyncio.run(standing.token("other", ADMINISTRATOR))
    wrong = {
        "secret": text[:-1] + ("a" if text[-1] != "a" else "b"),
        "id": text.replace(token.token_id, other.token_id),
        "kind": text.replace("fpt_", "fps_"),
        "longer": text + "_",
    }
    assert standing.access.principal_of(wrong[change]) is None


def test_a_token_allows_no_more_than_who_made_it(standing: Standing) -> None:
    async def go() -> None:
        anna = await session(standing, "anna", Grant("analyst", "Floor-2"), Grant("viewer"))
        await standing.token("fits", anna, Grant("viewer", "anything"), Grant("analyst", "floor-2"))
        beyond = (Grant("analyst"), Grant("viewer"), Grant("administrator", "floor-2"), Grant("analyst", "b"))
        with pytest.raises(OperatorError) as caught:
            await standing.token("beyond", anna, *beyond)
        assert [one.path for one in caught.value.problems] == ["grants[0]", "grants[2]", "grants[3]"]

    asyncio.run(go())


def test_a_token_never_allows_more_than_its_owner_may_at_the_time(standing: Standing) -> None:
    async def go() -> None:
        anna = await session(standing, "anna", Grant("administrator"))
        _, text = await standing.token("nightly", anna, Grant("administrator"))
        await standing.user("root", *EVERYTHING)
        now = (Grant("analyst", "a"), Grant("viewer", "b"))
        await standing.access.users.change("anna", now, ROOT, disabled=False)
        assert standing.principal(text).grants == now
        await standing.access.users.change("anna", [], ROOT, disabled=False)
        assert standing.principal(text).grants == ()

    asyncio.run(go())


def test_programs_make_no_tokens_unless_they_may_all(standing: Standing) -> None:
    async def go() -> None:
        anna = await session(standing, "anna", Grant("administrator"))
        _, viewer = await standing.token("viewer", anna)
        _, root = await standing.token("root", anna, Grant("administrator"))
        for secret in (viewer, INGEST):
            with pytest.raises(NotYours):
                await standing.token("another", secret)
        made, _ = await standing.token("another", root)
        assert made.user == "anna"
        of_nobody, _ = await standing.token("of nobody", ADMINISTRATOR)
        assert of_nobody.user is None

    asyncio.run(go())


def test_a_token_that_is_over_is_not_taken_for_another_of_its_name(standing: Standing) -> None:
    async def go() -> None:
        bert = await session(standing, "bert", *EVERYTHING)
        await standing.token("root", bert, *EVERYTHING, expires_at=NOON + timedelta(hours=1))
        standing.later(hours=1)
        anna = await session(standing, "anna", *EVERYTHING)
        _, text = await standing.token("root", anna, *EVERYTHING)
        made, _ = await standing.token("another", text)
        assert made.user == "anna"

    asyncio.run(go())


def test_everybody_sees_their_own_and_administrators_of_everything_see_all(standing: Standing) -> None:
    async def go() -> None:
        anna, bert = (
            await session(standing, "anna"),
            await session(standing, "bert", Grant("administrator", "x")),
        )
        first, text = await standing.token("first", anna)
        second, _ = await standing.token("second", bert, Grant("viewer", "x"))

        def seen(secret: str) -> set[str]:
            return {one.name for one in standing.access.tokens.visible(standing.principal(secret))}

        assert seen(ADMINISTRATOR) == {"first", "second"}
        assert (seen(anna), seen(bert), seen(text), seen(INGEST)) == ({"first"}, {"second"}, {"first"}, set())
        for secret, other in ((anna, second), (bert, first), (text, second), (INGEST, first)):
            with pytest.raises(Missing, match="there is no token"):
                standing.access.tokens.one(other.token_id, standing.principal(secret))
            with pytest.raises(Missing, match="there is no token"):
                await standing.access.tokens.revoke(other.token_id, standing.principal(secret))

    asyncio.run(go())


def test_sessions_are_no_tokens(standing: Standing) -> None:
    async def go() -> None:
        anna = await session(standing)
        kept = standing.access.token_of(anna)
        assert kept is not None
        root = standing.principal(ADMINISTRATOR)
        assert standing.access.tokens.visible(root) == []
        with pytest.raises(Missing):
            await standing.access.tokens.revoke(kept.token_id, root)

    asyncio.run(go())


def test_a_revoked_token_is_out_at_once_and_its_name_is_free(standing: Standing) -> None:
    async def go() -> None:
        root = standing.principal(ADMINISTRATOR)
        token, text = await standing.token("nightly", ADMINISTRATOR)
        with pytest.raises(Conflict, match="there is a token 'Nightly' already"):
            await standing.token("Nightly", ADMINISTRATOR)
        with pytest.raises(Outdated):
            await standing.access.tokens.revoke(token.token_id, root, version=7)
        await standing.access.tokens.revoke(token.token_id, root, version=1)
        assert standing.access.principal_of(text) is None
        await standing.access.tokens.revoke(token.token_id, root)
        again, _ = await standing.token("Nightly", ADMINISTRATOR)
        assert again.token_id != token.token_id

    asyncio.run(go())
    assert [one.action for one in standing.audit()] == ["create", "revoke", "create"]


def test_a_token_ends_when_it_was_to_end(standing: Standing) -> None:
    until = NOON + timedelta(days=1)
    token, text = asyncio.run(standing.token("nightly", ADMINISTRATOR, expires_at=until))
    standing.later(hours=23, minutes=59, seconds=59)
    assert standing.access.principal_of(text) is not None
    standing.later(seconds=1)
    assert standing.access.principal_of(text) is None
    assert standing.access.tokens.state_of(token) == "expired"
    asyncio.run(standing.token("nightly", ADMINISTRATOR))


def test_the_last_use_is_shown_at_once_and_written_down_in_time(standing: Standing) -> None:
    token, text = asyncio.run(standing.token("nightly", ADMINISTRATOR))
    standing.later(minutes=5)
    standing.principal(text)
    root = standing.principal(ADMINISTRATOR)
    assert standing.access.tokens.one(token.token_id, root).used_at == standing.now
    [stored] = standing.store.access_tokens()
    assert stored.used_at is None
    audit = standing.audit()
    asyncio.run(standing.access.keep())
    [stored] = standing.store.access_tokens()
    assert stored.used_at == standing.now
    assert standing.audit() == audit, "a use is no change"
    standing.open()
    assert standing.access.tokens.one(token.token_id, root).used_at == standing.now


def test_a_look_that_is_no_use_leaves_no_trace(standing: Standing) -> None:
    _, text = asyncio.run(standing.token("nightly", ADMINISTRATOR))
    assert standing.access.principal_of(text, in_use=False) is not None
    [token] = standing.access.tokens.visible(standing.principal(ADMINISTRATOR))
    assert token.used_at is None


def test_ended_tokens_are_shown_for_thirty_days(standing: Standing) -> None:
    token, _ = asyncio.run(standing.token("nightly", ADMINISTRATOR))
    root = standing.principal(ADMINISTRATOR)
    asyncio.run(standing.access.tokens.revoke(token.token_id, root))
    standing.later(days=29)
    asyncio.run(standing.access.keep())
    assert len(standing.access.tokens.visible(root)) == 1
    standing.later(days=1)
    asyncio.run(standing.access.keep())
    assert standing.access.tokens.visible(root) == []
    assert standing.store.access_tokens() == []


def test_all_that_is_wrong_with_a_token_is_said_at_once(standing: Standing) -> None:
    draft = NewToken(name="metrics", grants=(), expires_at=NOON - timedelta(days=1))
    with pytest.raises(OperatorError) as caught:
        asyncio.run(standing.access.tokens.create(draft, standing.principal(ADMINISTRATOR)))
    assert [one.path for one in caught.value.problems] == ["name", "grants", "expires_at"]


@pytest.mark.parametrize("made_with", ["session", "token"])
def test_who_has_gone_meanwhile_leaves_no_token_behind(standing: Standing, made_with: str) -> None:
    async def go() -> None:
        session_of_anna = await session(standing, "anna", Grant("administrator"))
        await standing.user("bert", Grant("administrator"))
        _, text = await standing.token("tool", session_of_anna, Grant("administrator"))
        principal = standing.principal(text if made_with == "token" else session_of_anna)
        await standing.access.users.delete("anna", ROOT)
        with pytest.raises(NotYours):
            await standing.access.tokens.create(NewToken(name="for-ever", grants=EVERYTHING), principal)
        await standing.user("carl", Grant("administrator"))
        bert = standing.principal((await standing.signed_in("bert")).token)
        leaving = asyncio.create_task(standing.access.users.delete("bert", ROOT))
        await asyncio.sleep(0)  # the deletion comes first, and the token waits for its turn
        with pytest.raises(NotYours):
            await standing.access.tokens.create(NewToken(name="for-ever", grants=EVERYTHING), bert)
        await leaving
        assert "for-ever" not in [one.name for one in standing.store.access_tokens()]

    asyncio.run(go())


def test_a_token_sees_nothing_of_one_that_had_its_name_before(standing: Standing) -> None:
    async def go() -> None:
        anna = await session(standing, "anna", Grant("analyst", "floor-2"))
        ends = NOON + timedelta(hours=1)
        before, _ = await standing.token("nightly", anna, Grant("viewer", "floor-2"), expires_at=ends)
        standing.later(hours=2)
        now, text = await standing.token("nightly", ADMINISTRATOR, Grant("viewer", "floor-3"))
        principal = standing.principal(text)
        assert [one.token_id for one in standing.access.tokens.visible(principal)] == [now.token_id]
        with pytest.raises(Missing):
            standing.access.tokens.one(before.token_id, principal)

    asyncio.run(go())
