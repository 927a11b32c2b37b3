"""Users over the API."""

import pytest
from tests.serving import Serving
from tests.web.people import PASSWORD, asked, grant, signed_in, token, user


def test_a_user_is_made_shown_changed_and_deleted(serving: Serving) -> None:
    made = user(serving, "Anna", "analyst:floor-2")
    assert made["grants"] == [{"role": "analyst", "group": "floor-2"}]
    assert (made["has_password"], made["disabled"], made["version"]) == (True, False, 1)
    assert not [name for name in made if name in ("password", "hash")]
    answer = serving.admin.get("/v1/users/anna")
    assert (answer.json(), answer.headers["etag"]) == (made, '"1"')
    assert made in serving.admin.get("/v1/users").json()["items"]
    answer = serving.admin.put("/v1/users/anna", json={"grants": [grant("viewer")], "disabled": True})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["grants"], answer.json()["disabled"]) == ([grant("viewer")], True)
    assert serving.admin.delete("/v1/users/ANNA").status_code == 204
    assert serving.admin.get("/v1/users/anna").status_code == 404
    assert serving.admin.delete("/v1/users/anna").status_code == 404


def test_a_name_that_is_taken_is_a_conflict(serving: Serving) -> None:
    user(serving, "taken")
    answer = serving.admin.post("/v1/users", json={"name": "TAKEN", "grants": []})
    assert answer.status_code == 409


def test_of_two_editors_the_second_is_told(serving: Serving) -> None:
    user(serving, "edited")
    body = {"grants": [grant("viewer")]}
    first = serving.admin.put("/v1/users/edited", json=body, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    for headers in ({"If-Match": '"1"'}, {"If-Match": '"nonsense"'}, {"If-Match": '"99999999999999999999"'}):
        assert serving.admin.put("/v1/users/edited", json=body, headers=headers).status_code == 412
        assert serving.admin.delete("/v1/users/edited", headers=headers).status_code == 412
    assert serving.admin.delete("/v1/users/edited", headers={"If-Match": '"2"'}).status_code == 204
    assert serving.admin.put("/v1/users/edited", json=body, headers={"If-Match": "*"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"name": "a/b", "grants": [grant("viewer:\0"), grant("viewer:\u202e")]}, {"name", "group"}),
        ({"name": "an\0na", "password": PASSWORD}, {"name"}),
        ({"name": "anna-katharina", "password": "Anna-Katharina"}, {"password"}),
        ({"name": "x" * 129}, {"name"}),
        ({"name": "short", "password": "short"}, {"password"}),
        ({"name": "long", "password": "\u00fc" * 1024}, {"password"}),
        ({"name": "role", "grants": [{"role": "god"}]}, {"role"}),
        ({"name": "more", "is_administrator": True}, {"is_administrator"}),
        ({"name": "many", "grants": [grant(f"viewer:{n}") for n in range(101)]}, {"grants"}),
        ({"grants": []}, {"name"}),
    ],
)
def test_what_is_no_user_is_a_problem_that_names_its_place(
    serving: Serving, body: dict[str, object], paths: set[str]
) -> None:
    before = serving.admin.get("/v1/users").json()
    answer = serving.admin.post("/v1/users", json=body)
    assert answer.status_code == 400
    assert all(path in answer.text for path in paths)
    assert serving.admin.get("/v1/users").json() == before


@pytest.mark.parametrize("path", ["..%2f..%2fetc", "%00", "a%2Fb", "%E2%80%AE", "x" * 129, "%ff"])
def test_a_path_that_names_nobody_finds_nobody(serving: Serving, path: str) -> None:
    assert serving.admin.get(f"/v1/users/{path}").status_code in (400, 404)


def test_the_last_administrator_for_everything_stays(serving: Serving) -> None:
    user(serving, "root", "administrator")
    administrators = [
        one["name"]
        for one in serving.admin.get("/v1/users").json()["items"]
        if grant("administrator") in one["grants"]
    ]
    assert administrators == ["root"]
    for answer in (
        serving.admin.delete("/v1/users/root"),
        serving.admin.put("/v1/users/root", json={"grants": [grant("administrator")], "disabled": True}),
        serving.admin.put("/v1/users/root", json={"grants": [grant("viewer")]}),
    ):
        assert answer.status_code == 409
        assert "last administrator" in answer.json()["detail"]


def test_who_is_disabled_is_out_at_once_and_so_are_their_tokens(serving: Serving) -> None:
    user(serving, "suspended", "viewer")
    with serving.client(signed_in(serving, "suspended")) as client:
        made = client.post("/v1/tokens", json={"name": "of-suspended", "grants": [grant("viewer")]}).json()
        assert asked(serving, made["token"]).status_code == 200
        serving.admin.put("/v1/users/suspended", json={"grants": [grant("viewer")], "disabled": True})
        assert client.get("/v1/me").status_code == 401
        assert asked(serving, made["token"]).status_code == 401
        shown = serving.admin.get(f"/v1/tokens/{made['token_id']}").json()
        assert shown["state"] == "suspended"


def test_only_administrators_of_everything_see_users(serving: Serving) -> None:
    user(serving, "of-one-group", "administrator:floor-2")
    with serving.client(signed_in(serving, "of-one-group")) as client:
        assert client.get("/v1/users").status_code == 403
        assert client.get("/v1/users/of-one-group").status_code == 403
        assert client.get("/v1/users/nobody").status_code == 403


# passwords


def test_ones_own_password_takes_the_old_one_and_ends_the_other_sessions(serving: Serving) -> None:
    user(serving, "changing", "viewer")
    there, new = signed_in(serving, "changing"), "another long password"
    with serving.client(signed_in(serving, "changing")) as here:
        for status, body in (
            (403, {"password": new}),
            (403, {"password": new, "old_password": "a wrong one"}),
            (400, {"password": "short", "old_password": PASSWORD}),
            (204, {"password": new, "old_password": PASSWORD}),
        ):
            assert here.put("/v1/users/changing/password", json=body).status_code == status
        assert here.get("/v1/me").status_code == 200
    assert asked(serving, there).status_code == 401
    signed_in(serving, "changing", new)


def test_an_administrators_own_password_takes_the_old_one_too(serving: Serving) -> None:
    user(serving, "second-root", "administrator")
    with serving.client(signed_in(serving, "second-root")) as client:
        assert client.put("/v1/users/second-root/password", json={"password": "x" * 12}).status_code == 403


def test_an_administrator_sets_the_passwords_of_others_and_nobody_else_does(serving: Serving) -> None:
    user(serving, "forgetful", "viewer")
    user(serving, "curious", "viewer", "administrator:floor-2")
    with serving.client(signed_in(serving, "curious")) as client:
        for name in ("forgetful", "nobody"):
            body = {"password": "x" * 12, "old_password": PASSWORD}
            assert client.put(f"/v1/users/{name}/password", json=body).status_code == 403
    assert serving.admin.put("/v1/users/nobody/password", json={"password": "x" * 12}).status_code == 404
    answer = serving.admin.put("/v1/users/forgetful/password", json={"password": "a new long one"})
    assert answer.status_code == 204
    signed_in(serving, "forgetful", "a new long one")


def test_a_token_of_ones_own_does_not_set_ones_password(serving: Serving) -> None:
    """A program that was given little does not take its owner's account over."""
    user(serving, "owner", "viewer")
    with serving.client(signed_in(serving, "owner")) as client:
        made = client.post("/v1/tokens", json={"name": "of-owner", "grants": [grant("viewer")]}).json()
    body = {"password": "x" * 12, "old_password": PASSWORD}
    assert asked(serving, made["token"], "/v1/users/owner/password", "PUT", json=body).status_code == 403


def test_guessing_the_old_password_is_slowed_down(serving: Serving) -> None:
    user(serving, "left-open", "viewer")
    with serving.client(signed_in(serving, "left-open")) as client:
        body = {"password": "x" * 12, "old_password": "a wrong one"}
        statuses = [client.put("/v1/users/left-open/password", json=body).status_code for _ in range(20)]
    assert set(statuses) == {403, 429}


def test_every_change_of_users_and_tokens_is_in_the_audit(serving: Serving) -> None:
    user(serving, "audited", "viewer")
    made = token(serving, "audited-token", "viewer")
    serving.admin.delete(f"/v1/tokens/{made['token_id']}")
    serving.admin.delete("/v1/users/audited")
    items = serving.admin.get("/v1/audit", params={"limit": 1000}).json()["items"]
    said = [(one["action"], one["subject"]) for one in items if "audited" in one["subject"]]
    assert said == [
        ("delete", "user/audited"),
        ("revoke", "token/audited-token"),
        ("create", "token/audited-token"),
        ("create", "user/audited"),
    ]
