"""`fencepost tokens` from the outside, against a real service."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.managed import Managed, alone, running

from fencepost.cli.grants import grants_of, shown_grants
from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    yield from running(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)


def test_a_token_is_shown_once_and_then_never_again(service: Managed) -> None:
    said = service.done("tokens", "create", "once", "--grant", "viewer", "--grant", "analyst:floor-2")
    first, second, secret = said.splitlines()
    assert first.startswith("once has the roles viewer, analyst:floor-2, without an end. Its id is ")
    assert second == "Keep it secret; it is shown this once:"
    token_id = first.removesuffix(".").rsplit(" ", 1)[1]
    assert secret.strip().startswith("fpt_")
    for arguments in (("list",), ("list", "--json"), ("show", token_id), ("show", token_id, "--json")):
        assert secret.strip() not in service.done("tokens", *arguments)


def test_a_quiet_token_is_all_that_is_printed_and_it_works(service: Managed) -> None:
    token = service.done("tokens", "create", "quiet", "--grant", "viewer", "--quiet")
    assert token.count("\n") == 1
    assert service.run("groups", "list", "--token", token.strip()).exit_code == 0


def test_a_token_for_programs_has_its_secret_and_its_end(service: Managed) -> None:
    [made] = service.reports("tokens", "create", "ends", "--grant", "viewer", "--expires", "90d")
    assert made["token"].startswith("fpt_")
    ends = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < ends <= timedelta(days=90)
    [shown] = service.reports("tokens", "show", made["token_id"])
    assert (shown["name"], shown["state"], "token" in shown) == ("ends", "active", False)


def test_a_revoked_token_lets_nobody_in(service: Managed) -> None:
    [made] = service.reports("tokens", "create", "gone", "--grant", "viewer")
    assert "say --yes to revoke" in service.refused("tokens", "revoke", made["token_id"])
    said = service.done("tokens", "revoke", made["token_id"], "--yes")
    assert said == f"{made['token_id']} (gone) is revoked\n"
    assert "not accepted" in service.refused("groups", "list", "--token", made["token"])
    [shown] = service.reports("tokens", "show", made["token_id"])
    assert shown["state"] == "revoked"


def test_a_token_cannot_do_more_than_whoever_made_it(service: Managed) -> None:
    weak = service.token("viewer")
    result = service.run("tokens", "create", "more", "--grant", "administrator", "--token", weak)
    assert result.exit_code == 2
    assert "fpt_" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--grant: say what it may do"),
        (("--grant", "chief"), "--grant: 'chief' is no role: write viewer, analyst, administrator"),
        (("--grant", "viewer:"), "--grant: 'viewer:' names no group"),
        (("--grant", "viewer", "--expires", "soon"), "--expires: 'soon' is no time"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_granted_is_said(service: Managed, options: tuple[str, ...], said: str) -> None:
    assert service.refused("tokens", "create", "wrong", *options).startswith(said)


def test_a_token_that_is_not_there_is_said(service: Managed) -> None:
    for command in (("show",), ("revoke", "--yes")):
        assert "there is no token of this id" in service.refused("tokens", *command, "nothing")


def test_grants_are_written_as_they_are_read() -> None:
    grants = (Grant("viewer"), Grant("analyst", "floor:2"))
    assert grants_of(["VIEWER", "analyst:floor:2", "viewer"]) == grants
    assert shown_grants(grants) == "viewer, analyst:floor:2"
    with pytest.raises(OperatorError) as raised:
        grants_of(["boss", "viewer:"], "--revoke")
    assert [problem.path for problem in raised.value.problems] == ["--revoke", "--revoke"]
