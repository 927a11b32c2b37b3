"""The pages by which people come in and go out, as a browser without scripts sees them."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.serving import Serving
from tests.web.people import PASSWORD, asked, browser, user

EVIL = '"><script>alert(1)</script>'


@pytest.fixture
def person(serving: Serving) -> Iterator[httpx2.Client]:
    with browser(serving) as one:
        yield one


def test_pages_hold_no_script_and_let_nobody_add_one(serving: Serving, person: httpx2.Client) -> None:
    user(serving, "reading", "viewer")
    pages = [
        person.get(path)
        for path in ("/sign-in", f"/welcome?code={EVIL}", "/sign-in/openid", "/sign-in/callback")
    ]
    pages.append(person.post("/sign-in", data={"name": EVIL, "password": EVIL}))
    pages.append(person.post("/welcome", data={"code": EVIL, "name": EVIL, "password": EVIL}))
    person.post("/sign-in", data={"name": "reading", "password": PASSWORD})
    pages.append(person.get("/signed-in"))
    for page in pages:
        assert page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {
            one.strip() for one in policy.split(";")
        }
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "<script" not in page.text
        assert "onclick" not in page.text


def test_every_field_has_a_label_and_says_what_a_browser_may_fill_in(person: httpx2.Client) -> None:
    for path in ("/sign-in", "/welcome?code=x"):
        text = person.get(path).text
        fields = re.findall(r'<input id="(\w+)" name="\w+" type="(\w+)"', text)
        assert fields
        for name, kind in fields:
            assert f'<label for="{name}">' in text
            assert kind == ("text" if name == "name" else "password")
        assert 'autocomplete="username"' in text
        assert re.search(r'autocomplete="(current|new)-password"', text)


def test_who_signs_in_is_shown_who_they_are_and_goes_out_again(
    serving: Serving, person: httpx2.Client
) -> None:
    user(serving, "Anna <b>", "analyst:floor-2", "viewer")
    answer = person.post("/sign-in", data={"name": "anna <b>", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signed-in")
    shown = person.get("/signed-in")
    assert shown.status_code == 200
    assert "<strong>Anna &lt;b&gt;</strong>" in shown.text
    assert "floor-2" in shown.text
    assert "fencepost tokens create" in shown.text
    [session] = [one.value for one in person.cookies.jar if one.name == "__Host-fencepost-session"]
    answer = person.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert person.get("/signed-in").headers["location"] == "/sign-in"
    assert asked(serving, session).status_code == 401


def test_who_has_not_signed_in_is_sent_to_do_so(serving: Serving) -> None:
    answer = asked(serving, None, "/signed-in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("name", ["known", "unknown"])
def test_a_wrong_password_is_said_on_the_same_page_and_the_name_stays(
    serving: Serving, person: httpx2.Client, name: str
) -> None:
    if name == "known":
        user(serving, name)
    answer = person.post("/sign-in", data={"name": name, "password": "a wrong password"})
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert f'value="{name}"' in answer.text
    assert "a wrong password" not in answer.text
    assert "set-cookie" not in answer.headers


def test_who_tried_too_often_is_told_how_long_to_wait(serving: Serving, person: httpx2.Client) -> None:
    user(serving, "guessed", "viewer")
    answers = [person.post("/sign-in", data={"name": "guessed", "password": "wrong"}) for _ in range(12)]
    waiting = [answer for answer in answers if answer.status_code == 429]
    assert waiting
    assert re.search(r"Wait \d+ seconds", waiting[0].text)
    assert int(waiting[0].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_forms_of_other_sites_are_refused(serving: Serving, headers: dict[str, str]) -> None:
    user_name = f"lured-{len(headers)}-{'-'.join(headers.values()).replace('/', '').replace(':', '')}"
    user(serving, user_name, "viewer")
    for path in ("/sign-in", "/sign-out", "/welcome"):
        form = {"name": user_name, "password": PASSWORD}
        answer = asked(serving, None, path, "POST", data=form, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("content", [b"{}", b"name=a&name=b", b"\xff\xfe", b"name=%ff"])
def test_what_is_no_form_is_refused(person: httpx2.Client, content: bytes) -> None:
    kind = "application/json" if content == b"{}" else "application/x-www-form-urlencoded"
    assert person.post("/sign-in", content=content, headers={"Content-Type": kind}).status_code == 403


def test_without_a_provider_there_is_no_button_and_no_way_to_one(person: httpx2.Client) -> None:
    assert "openid" not in person.get("/sign-in").text
    for path in ("/sign-in/openid", "/sign-in/callback?code=x&state=y"):
        assert person.get(path).status_code == 403


# the first administrator


def test_the_first_start_gives_a_link_that_makes_one_administrator(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "data")
    link = serving.welcome_url
    assert link is not None
    assert link.startswith(f"{serving.url}/welcome?code=")
    code = link.partition("code=")[2]
    good = {"code": code, "name": "root", "password": PASSWORD, "again": PASSWORD}
    with browser(serving) as person:
        assert "Nobody can sign in here yet" in person.get(link).text
        for status, said, change in (
            (400, "The two passwords differ.", {"again": "another one"}),
            (400, "at least 12 characters", {"password": "short", "again": "short"}),
            (400, "without a slash", {"name": "a/b"}),
            (403, "has been used, or is over", {"code": "guess"}),
        ):
            answer = person.post("/welcome", data={**good, **change})
            assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert serving.admin.get("/v1/users").json()["items"] == []
        assert person.post("/welcome", data=good).status_code == 303
        me = person.get("/v1/me").json()
        assert (me["actor"], me["grants"]) == ("user/root", [{"role": "administrator", "group": None}])
        answer = person.post("/welcome", data={**good, "name": "second"})
        assert answer.status_code == 403
    assert [one["name"] for one in serving.admin.get("/v1/users").json()["items"]] == ["root"]
    assert code not in serving.log()
    assert serving.stop() == 0
    serving.start()
    assert serving.welcome_url is None
    assert serving.stop() == 0


def test_each_start_gives_another_link_while_there_is_nobody(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "data")
    first = serving.welcome_url
    assert serving.stop() == 0
    serving.start(access_url="https://fencepost.example/")
    second = serving.welcome_url
    assert second is not None
    assert second.startswith("https://fencepost.example/welcome?code=")
    form = {"code": str(first).partition("code=")[2], "name": "root", "password": PASSWORD}
    with browser(serving) as person:
        assert person.post("/welcome", data=form).status_code == 403
        form["code"] = second.partition("code=")[2]
        assert person.post("/welcome", data=form).status_code == 303
    assert serving.stop() == 0
