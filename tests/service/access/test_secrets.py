"""The secrets that are handed out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.access import TokenKind
from fencepost.service.access.secrets import LONGEST, digest_of, new_secret, proves, read_secret

KINDS: tuple[TokenKind, ...] = ("api", "session", "oauth")


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_says_what_it_is_and_which_one(kind: TokenKind) -> None:
    made = new_secret(kind)
    shown = read_secret(made.text)
    assert shown is not None
    assert (shown.kind, shown.token_id) == (kind, made.token_id)
    assert proves(shown.secret, made.digest)
    assert not proves(shown.secret + "x", made.digest)
    assert not proves(shown.secret, None)


def test_no_two_are_alike() -> None:
    assert len({new_secret("api").text for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    ["", "_", "__", "fpt", "fpt_", "fpt_id", "fpt_id_", "fpx_id_secret", "FPT_id_secret", " fpt_id_secret"],
)
def test_what_is_none_of_ours_is_not_read(text: str) -> None:
    assert read_secret(text) is None


def test_an_endless_text_is_none_of_ours() -> None:
    assert read_secret("fpt_id_" + "x" * LONGEST) is None


@given(st.text(alphabet=st.characters()))
def test_any_text_is_read_or_not_and_never_fails(text: str) -> None:
    read_secret(text)
    read_secret(f"fpt_{text}")
    assert len(digest_of(text)) == 32


def test_nobodys_digest_is_proven_by_nothing() -> None:
    assert not proves("", bytes(32))
