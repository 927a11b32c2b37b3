"""What lets one into a service is checked before anything is sent."""

import ssl
from pathlib import Path

import pytest

from fencepost.client.access import Access, check, host_of, is_loopback, trust
from fencepost.model.errors import OperatorError

TOKEN = "secret-of-the-owner"


def reasons_of(access: Access) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        check(access)
    return [str(problem) for problem in caught.value.problems]


def test_an_access_does_not_show_its_token() -> None:
    assert TOKEN not in repr(Access("https://localhost:8443", TOKEN))


@pytest.mark.parametrize("url", ["https://fencepost.example", "https://[::1]:8443/", "http://127.0.0.1:8080"])
def test_https_is_good_everywhere_and_http_on_this_machine(url: str) -> None:
    check(Access(url, TOKEN))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8443", "not the address of a service, such as https://localhost:8443"),
        ("ftp://localhost", "not the address of a service"),
        ("https://", "not the address of a service"),
        ("https://a:b", "is not an address: Invalid port"),
        ("http://fencepost.example", "would send the token in the clear"),
        ("https://me:word@fencepost.example", "has no user"),
        ("https://fencepost.example/?a=1", "no ?"),
    ],
)
def test_an_address_that_is_none_is_named(url: str, reason: str) -> None:
    (said,) = reasons_of(Access(url, TOKEN))
    assert reason in said


@pytest.mark.parametrize("token", ["", "two words", "naïve", "line\nbreak"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(token: str) -> None:
    (said,) = reasons_of(Access("https://localhost", token))
    assert said.startswith("token: ")
    assert not token or token not in said


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    assert len(reasons_of(Access("nowhere", "", tmp_path / "missing.pem"))) == 3


def test_a_file_that_is_no_authority_is_named_with_what_to_do(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    for file, reason in (
        (wrong, "no certificate in PEM"),
        (tmp_path, "cannot be read"),
        (tmp_path / "x", "no such"),
    ):
        (said,) = reasons_of(Access("https://localhost", TOKEN, file))
        assert said.startswith(str(file))
        assert reason in said


def test_without_an_authority_those_of_the_machine_count() -> None:
    assert trust(Access("https://localhost", TOKEN)) is True


def test_an_authority_of_ones_own_is_the_only_one(tmp_path: Path) -> None:
    from tests.client.loopback import certificates  # noqa: PLC0415

    context = trust(Access("https://localhost", TOKEN, certificates(("localhost",))[0]))
    assert isinstance(context, ssl.SSLContext)
    assert (len(context.get_ca_certs()), context.check_hostname) == (1, True)


def test_this_machine_is_known_by_its_names() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]")))
    assert not any(map(is_loopback, ("fencepost.example", "10.0.0.1", "")))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Hub.example:8443", "hub.example"),
        ("https://[::1]:8443/", "::1"),
        ("https://[::1", ""),
        ("localhost:8443", ""),
    ],
)
def test_the_host_of_an_address_is_named_as_certificates_name_it(url: str, host: str) -> None:
    assert host_of(url) == host
