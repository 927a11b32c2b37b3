"""Passwords by argon2id."""

from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from fencepost.web.passwords import Argon2

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_a_hash_is_made_as_rfc_9106_recommends() -> None:
    made = Argon2().made("correct horse battery")
    parameters = extract_parameters(made)
    assert parameters.type is Type.ID
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (3, 65536, 4)
    assert Argon2().matches(made, "correct horse battery")
    assert not Argon2().is_outdated(made)


def test_another_password_is_another_one() -> None:
    hashes = Argon2(FAST)
    made = hashes.made("correct horse battery")
    for other in ("", "correct horse batter", "Correct horse battery", "correct horse battery\0"):
        assert not hashes.matches(made, other)


def test_the_same_password_has_another_hash_each_time() -> None:
    hashes = Argon2(FAST)
    assert hashes.made("correct horse battery") != hashes.made("correct horse battery")


def test_any_text_can_be_tried() -> None:
    hashes = Argon2(FAST)
    made = hashes.made("\0ü\U0001f40e and more")
    assert hashes.matches(made, "\0ü\U0001f40e and more")
    assert not hashes.matches(made, "\ud800")


def test_what_is_no_hash_matches_nothing() -> None:
    assert not Argon2(FAST).matches("plain", "plain")


def test_a_hash_of_other_parameters_still_does_and_is_outdated() -> None:
    made = Argon2(FAST).made("correct horse battery")
    assert Argon2().matches(made, "correct horse battery")
    assert Argon2().is_outdated(made)
