"""Commands find the service that they talk to: by options, by variables, or by the data folder."""

from pathlib import Path

import pytest

from fencepost.cli.access import access_of, target_of
from fencepost.cli.data import prepared
from fencepost.cli.service_options import Stated
from fencepost.model.errors import OperatorError

TOKEN = "the-token-of-the-tests"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PORT", "HTTP_TLS", "CONFIG", "DATA"):
        monkeypatch.delenv(f"FENCEPOST_{name}", raising=False)


def test_token_and_authority_come_from_a_data_folder(tmp_path: Path) -> None:
    """The usual one, too, if it is here and no token is named."""
    installation = prepared(tmp_path / "fencepost-data")
    for data in (tmp_path / "fencepost-data", None):
        access = access_of("https://localhost", None, None, data)
        assert access.token == installation.tokens.admin
        assert access.ca is not None
        assert access.ca.resolve() == installation.ca_file
    stated = access_of("https://localhost", TOKEN, Path("ca.pem"), tmp_path / "fencepost-data")
    assert (stated.token, stated.ca) == (TOKEN, Path("ca.pem"))
    assert access_of("https://localhost", TOKEN, None, None).ca is None


def test_without_a_url_it_is_the_service_of_the_data_folder_on_this_machine(tmp_path: Path) -> None:
    installation = prepared(tmp_path / "fencepost-data", ["*.plant.example", "hub.example"])
    (tmp_path / "fencepost-data" / "fencepost.toml").write_text("[http]\nport = 9443\n")
    for data in (tmp_path / "fencepost-data", None):
        target = target_of(Stated(None, None, None, data))
        assert (target.access.url, target.hostname) == ("https://localhost:9443", "hub.example")
        assert target.access.token == installation.tokens.admin


def test_devices_know_a_service_by_the_host_of_its_url() -> None:
    for url, host in (("https://hub.example:8443", "hub.example"), ("https://[::1]:8443", "::1")):
        assert target_of(Stated(url, TOKEN, None, None)).hostname == host


def test_a_service_that_nothing_names_is_an_operators_fault() -> None:
    with pytest.raises(
        OperatorError, match=r"^which service\? Name its data folder with --data DIR, or --url URL"
    ):
        target_of(Stated(None, TOKEN, None, None))
    with pytest.raises(OperatorError, match="--url: --token TOKEN is missing"):
        target_of(Stated("https://localhost", None, None, None))


def test_an_address_and_a_token_are_named_by_their_options() -> None:
    with pytest.raises(OperatorError) as raised:
        access_of("localhost", "a b", None, None, "--to")
    assert [problem.path for problem in raised.value.problems] == ["--to", "--token"]


def test_what_is_stated_shows_no_token() -> None:
    stated = Stated("https://localhost", TOKEN, None, None)
    assert TOKEN not in repr(stated)
    assert TOKEN not in repr(target_of(stated))
