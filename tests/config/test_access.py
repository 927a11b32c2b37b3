"""The settings of how people come in."""

from datetime import timedelta
from pathlib import Path

import pytest

from fencepost.config.access import Oidc, grants_by_claim
from fencepost.config.service import Settings, load_settings
from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError

GOOD = """
[oidc]
issuer = "https://login.example.com"
client_id = "fencepost"
client_secret = "hidden-from-everybody"
grants = ["admins=administrator"]
"""


def read(folder: Path, text: str, **environ: str) -> Settings:
    (folder / "fencepost.toml").write_text(text, encoding="utf-8")
    return load_settings(folder, None, environ)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        read(folder, text)
    return [one.path for one in caught.value.problems]


def test_people_come_in_by_password_only_unless_something_is_set(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert (settings.oidc.issuer, settings.oidc.grants, settings.access.url) == ("", (), "")
    assert settings.access.session_idle == timedelta(hours=8)
    assert settings.access.session_lifetime == timedelta(days=7)


def test_what_is_off_may_be_written_down_as_off(tmp_path: Path) -> None:
    """As a new file states it, with the # taken away."""
    assert read(
        tmp_path, '[access]\nurl = ""\n[oidc]\nissuer = ""\nclient_id = ""\nclient_secret = ""\n'
    ) == read(tmp_path, "")


def test_a_provider_is_described_in_the_file_and_its_secret_by_a_variable(tmp_path: Path) -> None:
    text = GOOD.replace('client_secret = "hidden-from-everybody"\n', "")
    settings = read(tmp_path, text, FENCEPOST_OIDC_CLIENT_SECRET="of-the-environment")
    assert settings.oidc.client_secret == "of-the-environment"
    assert "of-the-environment" not in repr(settings)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    assert "hidden" not in repr(read(tmp_path, GOOD))
    assert "hidden" not in repr(Oidc(client_secret="hidden"))
    with pytest.raises(OperatorError) as caught:
        read(tmp_path, GOOD.replace("https://", "nonsense://"))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("missing", ["client_id", "grants"])
def test_a_provider_needs_to_know_us_and_to_mean_something(tmp_path: Path, missing: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(missing)]
    assert problems(tmp_path, "\n".join(lines)) == ["oidc.issuer"]


@pytest.mark.parametrize(
    "url",
    [
        "login.example.com",
        "ftp://login.example.com",
        "http://login.example.com",
        "https://",
        "https://user:password@login.example.com",
        "https://login.example.com/?a=b",
        "https://login.example.com/#a",
        "https://[::1",
        "https://login.example.com:port",
        "javascript:alert(1)",
    ],
)
def test_an_address_where_secrets_go_is_one_where_nobody_listens_in(tmp_path: Path, url: str) -> None:
    assert problems(tmp_path, GOOD.replace("https://login.example.com", url)) == ["oidc.issuer"]
    assert problems(tmp_path, f'[access]\nurl = "{url}"\n') == ["access.url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com/realms/works/",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:9",
    ],
)
def test_on_this_machine_nobody_listens_in(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, GOOD.replace("https://login.example.com", url)).oidc.issuer == url


@pytest.mark.parametrize(
    ("text", "value", "grant"),
    [
        ("admins=administrator", "admins", Grant("administrator")),
        ("*=viewer", "*", Grant("viewer")),
        ("floor 2=analyst:Floor 2", "floor 2", Grant("analyst", "Floor 2")),
        ("CN=ops,DC=example=viewer:a:b", "CN=ops,DC=example", Grant("viewer", "a:b")),
    ],
)
def test_a_value_gives_a_role(text: str, value: str, grant: Grant) -> None:
    assert grants_by_claim([text]) == [(value, grant)]


@pytest.mark.parametrize(
    "text", ["admins", "admins=", "admins=god", "=viewer", "admins=viewer:", "admins:viewer", "x=Viewer"]
)
def test_what_gives_no_role_is_a_problem(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, GOOD.replace("admins=administrator", text)) == ["oidc.grants"]


def test_without_openid_it_is_not_openid_connect(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + 'scopes = ["profile"]\n') == ["oidc.scopes"]


@pytest.mark.parametrize("value", ["PT0S", "PT59S", "P91D", "8h"])
def test_a_session_lasts_some_time_and_not_for_ever(tmp_path: Path, value: str) -> None:
    text = f'[access]\nsession_idle = "{value}"\nsession_lifetime = "{value}"\n'
    assert problems(tmp_path, text) == ["access.session_idle", "access.session_lifetime"]
