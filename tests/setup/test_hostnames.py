"""Names of a server: what is one, and what a certificate covers."""

import socket

import pytest

from fencepost.model.errors import OperatorError
from fencepost.setup.hostnames import is_local, machine_names, parse_hostname, parse_hostnames, uncovered


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gateway.example.com", "gateway.example.com"),
        ("GateWay", "gateway"),
        ("*.plant.example", "*.plant.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("edge_1", "edge_1"),
        ("1-2.example", "1-2.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        (".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
    ],
)
def test_a_name_or_an_address_is_read(text: str, name: str) -> None:
    assert parse_hostname(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "*", "**", "*.", "*.example", "a.*.example", "*a.example", "..", "a..b", ".a", "a."),
        *("-a", "a-", "xn--", "999.1.1.1", "1.2.3", "a\n", "a\x00b", "a;b", "a/b", "https://a.example"),
        *("a.example:8443", "[::1]", "fe80::1%eth0", "192.0.2.0/24", "user@a.example", "a" * 64, "'; rm -rf"),
    ],
)
def test_what_is_neither_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="neither a DNS name nor an address: write it as in") as caught:
        parse_hostname(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["münchen.example", "\u212a.example", "\uff45xample", "\ud800", "a\u200bb"])
def test_what_is_not_ascii_is_to_be_written_in_punycode(text: str) -> None:
    with pytest.raises(ValueError, match="punycode") as caught:
        parse_hostname(text)
    assert str(caught.value).isascii()


def test_a_name_of_300_characters_is_refused_without_being_repeated_in_full() -> None:
    with pytest.raises(ValueError, match="at most 253 characters, this one has 300") as caught:
        parse_hostname("ab." * 100)
    assert len(str(caught.value)) < 200


def test_all_wrong_names_are_said_at_once_and_none_counts_twice() -> None:
    with pytest.raises(OperatorError) as caught:
        parse_hostnames(["a b", "fine.example", ".."])
    assert [problem.path for problem in caught.value.problems] == ["--hostname"] * 2
    assert parse_hostnames(["B.example", "a", "b.example"]) == ("b.example", "a")


def test_a_wildcard_covers_one_label_and_no_address() -> None:
    names = ("*.plant.example", "192.0.2.7", "*.0.0.1")
    asked = ("a.plant.example", "a.b.plant.example", "plant.example", "192.0.2.7", "192.0.2.8")
    assert uncovered(asked, names) == ("a.b.plant.example", "plant.example", "192.0.2.8")


def test_only_loopback_names_mean_this_machine_wherever_they_are_asked() -> None:
    names = ("localhost", "127.0.0.1", "127.3.2.1", "::1", "192.0.2.7", "localhost.example", "edge-7")
    assert [name for name in names if is_local(name)] == ["localhost", "127.0.0.1", "127.3.2.1", "::1"]


@pytest.mark.parametrize(
    ("own", "names"),
    [
        ("Edge7", ("edge7",)),
        ("edge7.plant.example", ("edge7.plant.example", "edge7")),
        ("10.0.0.7", ("10.0.0.7",)),
        ("it's mine", ()),
    ],
)
def test_the_machine_is_known_by_its_own_name_where_that_is_one(
    monkeypatch: pytest.MonkeyPatch, own: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: own)
    monkeypatch.setattr("fencepost.setup.hostnames.gethostname", lambda: own)
    assert machine_names() == names
