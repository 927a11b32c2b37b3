"""What an OpenID provider says is taken for true only where it cannot be anything else."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.web.pages.hostile import CLIENT, SECRET, Hostile, said

from fencepost.web.pages.openid import NotVouchedFor, OpenId, ProviderTrouble

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BACK = "https://fencepost.example/sign-in/callback"


class Trips:
    """People on their way to a provider and back."""

    def __init__(self, hostile: Hostile, **members: Any) -> None:
        self.hostile = hostile
        self.now = NOW
        self.openid = OpenId(hostile.provider(**members), lambda: self.now)

    async def out(self) -> tuple[dict[str, str], str]:
        """Return what the provider is asked, and what the browser keeps."""
        url, kept = await self.openid.way_out(BACK)
        return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}, kept

    async def back(self, **change: Any) -> dict[str, Any]:
        """Return the claims of who went and comes back, with claims of the ID token changed or, by None, left out."""
        asked, kept = await self.out()
        claims = {**self.claims(asked["nonce"]), **change}
        self.hostile.tokens["id_token"] = self.hostile.signed(
            {name: value for name, value in claims.items() if value is not None}
        )
        return await self.openid.way_back(kept, {"state": asked["state"], "code": "c"})

    def claims(self, nonce: str) -> dict[str, Any]:
        seconds = int(self.now.timestamp())
        return {
            "iss": self.hostile.issuer,
            "sub": "1",
            "aud": CLIENT,
            "exp": seconds + 600,
            "iat": seconds,
            "nonce": nonce,
            "name": "anna",
            "groups": ["admins"],
        }


@pytest.fixture(scope="module")
def running() -> Iterator[Hostile]:
    one = Hostile()
    yield one
    one.close()


@pytest.fixture
def hostile(running: Hostile) -> Iterator[Hostile]:
    """Give the provider as it was in the beginning."""
    before = (running.key, {**running.metadata}, [*running.keys], {**running.tokens}, {**running.answers})
    running.asked.clear()
    yield running
    running.key, running.metadata, running.keys, running.tokens, running.answers = before
    running.userinfo = {}


@pytest.fixture
def trips(hostile: Hostile) -> Trips:
    return Trips(hostile)


def test_who_comes_back_is_who_the_provider_says(trips: Trips) -> None:
    claims = asyncio.run(trips.back())
    assert (claims["sub"], claims["name"], claims["groups"]) == ("1", "anna", ["admins"])
    [(form, shown)] = [(form, shown) for path, form, shown in trips.hostile.asked if path == "/token"]
    assert form["redirect_uri"] == [BACK]
    assert form["grant_type"] == ["authorization_code"]
    assert len(form["code_verifier"][0]) >= 43
    assert shown.startswith("Basic ")


def test_every_way_out_has_a_state_a_nonce_and_a_challenge_of_its_own(trips: Trips) -> None:
    async def go() -> list[dict[str, str]]:
        return [(await trips.out())[0] for _ in range(3)]

    outs = asyncio.run(go())
    for name in ("state", "nonce", "code_challenge"):
        assert len({out[name] for out in outs}) == 3
        assert all(len(out[name]) >= 43 for out in outs)
    assert {out["code_challenge_method"] for out in outs} == {"S256"}
    assert not any(SECRET in str(out) for out in outs)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": [CLIENT, "another-client"]},
        {"aud": None},
        {"aud": 7},
        {"iss": ["x"]},
        {"auth_time": "today"},
        {"amr": "pwd"},
        {"azp": "another-client"},
        {"exp": int(NOW.timestamp()) - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": int(NOW.timestamp()) + 3600},
        {"nbf": int(NOW.timestamp()) + 3600},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_word_that_is_not_for_us_or_not_for_now_is_not_taken(trips: Trips, change: dict[str, Any]) -> None:
    with pytest.raises(NotVouchedFor):
        asyncio.run(trips.back(**change))


@pytest.mark.parametrize("way", ["nobody", "shared", "another", "public key as a secret", "none at all"])
def test_a_word_that_the_providers_key_has_not_signed_is_not_taken(trips: Trips, way: str) -> None:
    hostile = trips.hostile

    async def go() -> dict[str, Any]:
        asked, kept = await trips.out()
        claims = trips.claims(asked["nonce"])
        pem = hostile.key.as_pem(private=False)
        words: dict[str, Callable[[], str]] = {
            "nobody": lambda: hostile.signed(claims, "none"),
            "shared": lambda: hostile.signed(claims, "HS256", hostile.shared_key()),
            "another": lambda: hostile.signed(claims, key=hostile.other),
            "public key as a secret": lambda: hostile.signed(claims, "HS256", octets(pem)),
            "none at all": lambda: "not.a.token",
        }
        hostile.tokens["id_token"] = words[way]()
        return await trips.openid.way_back(kept, {"state": asked["state"], "code": "c"})

    with pytest.raises(NotVouchedFor):
        asyncio.run(go())


def octets(secret: bytes) -> Any:
    """Return a key of these bytes, which the library itself would refuse to make of a public key."""
    key = Hostile.shared_key(Hostile.__new__(Hostile))
    return type(key)(secret, secret)


def test_a_key_that_came_since_is_fetched(trips: Trips) -> None:
    async def go() -> None:
        await trips.back()
        trips.hostile.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
        trips.hostile.keys = [trips.hostile.key.as_dict(private=False)]
        claims = await trips.back()
        assert claims["sub"] == "1"

    asyncio.run(go())


def test_what_the_provider_says_of_itself_is_good_for_an_hour(trips: Trips) -> None:
    async def go() -> int:
        for _ in range(3):
            await trips.out()
        trips.now += timedelta(minutes=61)
        await trips.out()
        return [path for path, _, _ in trips.hostile.asked].count("/.well-known/openid-configuration")

    assert asyncio.run(go()) == 2


def test_strange_keys_among_the_good_ones_do_no_harm(trips: Trips) -> None:
    extra = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
        {"kty": "new"},
        "nonsense",
        {"use": "enc", "kty": "RSA"},
    ]
    elliptic = ECKey.generate_key("P-256", {"kid": "other", "use": "sig"}).as_dict(private=False)
    trips.hostile.keys = [*extra, elliptic, *trips.hostile.keys]
    assert asyncio.run(trips.back())["sub"] == "1"


@pytest.mark.parametrize("kept", ["", ".", "nonsense", "bm9uc2Vuc2U.00", "\ud800.x"])
def test_who_did_not_go_does_not_come_back(trips: Trips, kept: str) -> None:
    with pytest.raises(NotVouchedFor):
        asyncio.run(trips.openid.way_back(kept, {"state": "s", "code": "c"}))


def test_what_the_browser_keeps_cannot_be_changed_or_kept_for_ever(trips: Trips) -> None:
    async def go() -> None:
        asked, kept = await trips.out()
        answer = {"state": asked["state"], "code": "c"}
        body, _, seal = kept.partition(".")
        for wrong in (f"{body}x.{seal}", f"{body}.{seal[:-1]}", f"{body}.", f"A{body[1:]}.{seal}"):
            with pytest.raises(NotVouchedFor):
                await trips.openid.way_back(wrong, answer)
        another = OpenId(trips.hostile.provider(), lambda: trips.now)
        with pytest.raises(NotVouchedFor):
            await another.way_back(kept, answer)
        with pytest.raises(NotVouchedFor):
            await trips.openid.way_back(kept, {**answer, "state": "another"})
        trips.now += timedelta(minutes=10)
        with pytest.raises(NotVouchedFor, match="took too long"):
            await trips.openid.way_back(kept, answer)

    asyncio.run(go())
    assert "/token" not in [path for path, _, _ in trips.hostile.asked]


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "ftp://127.0.0.1/"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
def test_a_provider_that_describes_itself_strangely_is_not_used(trips: Trips, change: dict[str, Any]) -> None:
    trips.hostile.metadata.update(change)
    with pytest.raises(ProviderTrouble):
        asyncio.run(trips.out())


def test_a_provider_over_https_sends_no_secret_in_the_clear(hostile: Hostile) -> None:
    openid = OpenId(hostile.provider(issuer="https://login.example"), lambda: NOW)
    assert openid._is_safe("https://login.example/token")
    assert not openid._is_safe("http://login.example/token")


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
@pytest.mark.parametrize("answer", ["error", "no json", "no object", "endless", "elsewhere"])
def test_a_provider_that_answers_nonsense_is_said_to_the_operator(
    trips: Trips, path: str, answer: str
) -> None:
    answers = {
        "error": lambda: said({"error": "x"}, 500),
        "no json": lambda: (200, {}, b"<html>"),
        "no object": lambda: said([1, 2, 3]),
        "endless": lambda: (200, {}, b"{" + b" " * (2 << 20)),
        "elsewhere": lambda: said({}, 302, Location="http://127.0.0.1:1/"),
    }
    trips.hostile.answers[path] = answers[answer]
    with pytest.raises(ProviderTrouble) as caught:
        asyncio.run(trips.back(groups=None))
    assert SECRET not in str(caught.value)


def test_a_provider_that_is_away_is_said_to_the_operator(hostile: Hostile) -> None:
    openid = OpenId(hostile.provider(issuer="http://127.0.0.1:1"), lambda: NOW)
    with pytest.raises(ProviderTrouble, match="cannot be reached"):
        asyncio.run(openid.way_out(BACK))


def test_claims_that_the_id_token_lacks_are_asked_for(trips: Trips) -> None:
    trips.hostile.userinfo = {"sub": "1", "groups": ["admins"], "name": "mallory"}
    claims = asyncio.run(trips.back(groups=None))
    assert (claims["groups"], claims["name"]) == (["admins"], "anna")
    assert ("/userinfo", {}, "Bearer at") in trips.hostile.asked


def test_claims_of_somebody_else_are_not_taken(trips: Trips) -> None:
    trips.hostile.userinfo = {"sub": "2", "groups": ["admins"]}
    with pytest.raises(NotVouchedFor, match="somebody else"):
        asyncio.run(trips.back(groups=None))


def test_a_public_client_shows_no_secret(hostile: Hostile) -> None:
    trips = Trips(hostile, client_secret=None)
    asyncio.run(trips.back())
    [(form, shown)] = [(form, shown) for path, form, shown in hostile.asked if path == "/token"]
    assert (form["client_id"], shown) == ([CLIENT], "")


def test_a_secret_goes_into_the_body_where_the_provider_wants_it_there(trips: Trips) -> None:
    trips.hostile.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    asyncio.run(trips.back())
    [(form, shown)] = [(form, shown) for path, form, shown in trips.hostile.asked if path == "/token"]
    assert (form["client_secret"], shown) == ([SECRET], "")
