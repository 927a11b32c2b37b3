"""`fencepost users` from the outside, against a real service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.managed import Managed, alone, running

from fencepost.cli import users_work
from fencepost.cli.users_work import password_of
from fencepost.model.errors import OperatorError

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    yield from running(tmp_path_factory.mktemp("users"))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)
    Path("password.txt").write_text(f"{PASSWORD}\n")


def add(service: Managed, name: str, *grants: str) -> None:
    options = [word for grant in grants for word in ("--grant", grant)]
    service.done("users", "add", name, *options, "--password-file", "password.txt")


def signs_in(service: Managed, name: str, password: str = PASSWORD) -> bool:
    body = {"name": name, "password": password}
    return service.serving.stranger.post("/v1/session", json=body).status_code == 201


def test_a_user_signs_in_with_the_password_of_the_file(service: Managed) -> None:
    add(service, "anna", "viewer", "analyst:floor-2")
    assert signs_in(service, "anna")
    [shown] = service.reports("users", "show", "ANNA")
    assert shown["grants"] == [
        {"role": "viewer", "group": None},
        {"role": "analyst", "group": "floor-2"},
    ]
    said = service.done("users", "show", "anna")
    assert "viewer, analyst:floor-2" in said
    assert "a password" in said
    assert PASSWORD not in said + service.done("users", "list")


def test_a_password_comes_from_the_standard_input_too(service: Managed) -> None:
    arguments = ("users", "add", "bert", "--grant", "viewer", "--password-file", "-")
    service.done(*arguments, stdin=f"{PASSWORD}\r\nmore\n".encode())
    assert signs_in(service, "bert")


def test_a_password_is_asked_for_twice_and_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_work, "is_attended", lambda: True)
    asked = iter([PASSWORD, PASSWORD, PASSWORD, "another one altogether"])
    monkeypatch.setattr(users_work, "getpass", lambda _: next(asked))
    assert password_of(None, "carl") == PASSWORD
    with pytest.raises(OperatorError, match="not the same"):
        password_of(None, "carl")


def test_a_password_that_cannot_be_had_is_said(service: Managed) -> None:
    assert "nobody to ask for the password" in service.refused("users", "add", "dora")
    Path("empty.txt").write_text("\n")
    said = service.refused("users", "add", "dora", "--password-file", "empty.txt")
    assert said == "--password-file: its first line is empty\n"
    assert "no such file" in service.refused("users", "add", "dora", "--password-file", "nowhere.txt")
    both = ("--password-file", "password.txt", "--no-password")
    assert "name one of them" in service.refused("users", "add", "dora", *both)
    Path("short.txt").write_text("short\n")
    assert "password" in service.refused("users", "add", "dora", "--password-file", "short.txt")
    assert "there is no user" in service.refused("users", "show", "dora")


def test_a_name_that_is_taken_is_said(service: Managed) -> None:
    add(service, "emil", "viewer")
    said = service.refused("users", "add", "Emil", "--password-file", "password.txt")
    assert said.startswith("Emil: ")


def test_a_user_without_a_role_is_warned_of(service: Managed) -> None:
    result = service.run("users", "add", "fred", "--no-password")
    assert result.exit_code == 0
    assert "warning: without a role they see nothing" in result.stderr
    assert not signs_in(service, "fred", "")


def test_grants_are_given_and_taken_and_the_others_stay(service: Managed) -> None:
    add(service, "gina", "viewer", "analyst:floor-2")
    said = service.done("users", "grant", "gina", "--grant", "analyst:floor-3", "--revoke", "analyst:FLOOR-2")
    assert said == "gina has the roles: viewer, analyst:floor-3\n"
    again = service.done("users", "grant", "gina", "--grant", "viewer")
    assert again == said
    refused = service.refused("users", "grant", "gina", "--revoke", "administrator")
    assert refused == "--revoke: gina has no grant administrator: they have viewer, analyst:floor-3\n"
    assert service.run("users", "grant", "gina").exit_code == 2


def test_a_disabled_user_is_out_at_once_and_back_when_enabled(service: Managed) -> None:
    add(service, "hans", "viewer")
    signed_in = service.serving.stranger.post("/v1/session", json={"name": "hans", "password": PASSWORD})
    token = signed_in.json()["token"]
    assert service.run("groups", "list", "--token", token).exit_code == 0
    assert service.done("users", "disable", "hans") == "hans is disabled\n"
    assert service.run("groups", "list", "--token", token).exit_code == 2
    assert not signs_in(service, "hans")
    assert service.done("users", "enable", "hans") == "hans may sign in\n"
    assert signs_in(service, "hans")


def test_a_new_password_takes_the_place_of_the_old(service: Managed) -> None:
    add(service, "inge", "viewer")
    Path("new.txt").write_text("another one altogether\n")
    service.done("users", "password", "inge", "--password-file", "new.txt")
    assert signs_in(service, "inge", "another one altogether")
    assert not signs_in(service, "inge")


def test_users_are_deleted_after_a_yes(service: Managed) -> None:
    add(service, "jana", "viewer")
    assert "say --yes to delete" in service.refused("users", "delete", "jana")
    assert service.done("users", "delete", "jana", "--yes") == "jana is deleted\n"
    assert "there is no user" in service.refused("users", "delete", "jana", "--yes")


def test_a_viewer_sees_no_users(service: Managed) -> None:
    token = service.token("viewer")
    assert "does not allow it" in service.refused("users", "list", "--token", token)
    assert "does not allow it" in service.refused(
        "users", "add", "kurt", "--password-file", "password.txt", "--token", token
    )
