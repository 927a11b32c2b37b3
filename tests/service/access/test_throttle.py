"""How often somebody may try."""

from datetime import timedelta

import pytest
from tests.service.access.standing import NOON

from fencepost.service.access.throttle import FREE_OF_ADDRESS, FREE_OF_NAME, Throttle, TooMany

ANNA, HERE = "anna", "192.0.2.1"


class Tries:
    """A throttle, and a clock that goes on when it is told to."""

    def __init__(self, room: int = 1000) -> None:
        self.now = NOON
        self.throttle = Throttle(lambda: self.now, room)

    def wait_of(self, name: str = ANNA, address: str = HERE) -> int:
        """Try, and return how long one has to wait instead: 0 where the try counted."""
        try:
            self.throttle.attempt(address, name)
        except TooMany as error:
            return error.retry_after
        return 0


def test_after_five_failures_the_waits_grow_to_a_quarter_of_an_hour() -> None:
    tries = Tries()
    assert [tries.wait_of(address=f"192.0.2.{n}") for n in range(FREE_OF_NAME)] == [0] * FREE_OF_NAME
    waits = []
    for number in range(15):
        waits.append(wait := tries.wait_of(address=f"198.51.100.{number}"))
        tries.now += timedelta(seconds=wait)
        assert tries.wait_of(address=f"198.51.100.{number}") == 0
    assert waits[:3] == [2, 4, 8]
    assert waits == sorted(waits)
    assert 600 <= waits[-1] <= 900


def test_who_waits_is_told_how_long_and_waiting_costs_nothing() -> None:
    tries = Tries()
    for _ in range(FREE_OF_NAME):
        tries.wait_of()
    assert [tries.wait_of() for _ in range(100)] == [2] * 100
    tries.now += timedelta(seconds=1)
    assert tries.wait_of() == 1


def test_names_are_told_apart_and_case_makes_no_other_name() -> None:
    tries = Tries()
    for name in ("anna", "Anna", "ANNA", "annA", "aNNa"):
        tries.wait_of(name)
    assert tries.wait_of("AnnA") > 0
    assert tries.wait_of("bert") == 0


def test_a_success_forgives_the_name_and_not_what_the_address_did_besides() -> None:
    tries = Tries()
    for number in range(FREE_OF_ADDRESS):
        tries.wait_of(f"name-{number}")
    tries.now += timedelta(seconds=2)
    tries.throttle.attempt(HERE, ANNA).forgiven()
    assert tries.wait_of("bert") > 0


def test_somebody_who_signs_in_again_and_again_never_waits() -> None:
    tries = Tries()
    for _ in range(1000):
        tries.throttle.attempt(HERE, ANNA).forgiven()


def test_many_names_from_one_address_are_slowed_down_and_others_are_not() -> None:
    tries = Tries()
    assert [tries.wait_of(f"name-{n}") for n in range(FREE_OF_ADDRESS)] == [0] * FREE_OF_ADDRESS
    assert tries.wait_of("another") > 0
    assert tries.wait_of("another", "192.0.2.2") == 0


@pytest.mark.parametrize(
    ("first", "second"), [("2001:db8::1", "2001:db8::ffff:1"), ("192.0.2.1", "::ffff:192.0.2.1")]
)
def test_a_network_of_ipv6_is_one_address(first: str, second: str) -> None:
    tries = Tries()
    for number in range(FREE_OF_ADDRESS):
        tries.wait_of(f"name-{number}", first)
    assert tries.wait_of("another", second) > 0
    assert tries.wait_of("another", "2001:db8:0:1::1") == 0


def test_where_nobody_can_guess_only_the_address_is_slowed_down() -> None:
    tries = Tries()
    for _ in range(FREE_OF_ADDRESS):
        tries.throttle.attempt(HERE)
    with pytest.raises(TooMany):
        tries.throttle.attempt(HERE)
    tries.throttle.attempt("192.0.2.2").forgiven()
    assert tries.wait_of(address="192.0.2.3") == 0


def test_attempts_at_the_same_time_are_no_way_round() -> None:
    tries = Tries()
    attempts = [tries.throttle.attempt(f"192.0.2.{n}", ANNA) for n in range(FREE_OF_NAME)]
    with pytest.raises(TooMany):
        tries.throttle.attempt("192.0.2.99", ANNA)
    attempts[0].forgiven()


def test_failures_are_forgotten_in_time() -> None:
    tries = Tries()
    for _ in range(FREE_OF_NAME):
        tries.wait_of()
    tries.now += timedelta(hours=2)
    assert [tries.wait_of() for _ in range(FREE_OF_NAME)] == [0] * FREE_OF_NAME


def test_one_failure_an_hour_is_nobodys_attack() -> None:
    tries = Tries()
    for _ in range(200):
        assert tries.wait_of() == 0
        tries.now += timedelta(hours=1)


def test_the_memory_is_bounded() -> None:
    tries = Tries(room=100)
    for number in range(10_000):
        tries.wait_of(f"name-{number}", f"192.0.{number % 256}.{number // 256}")
    assert len(tries.throttle) == 100


def test_a_stranger_elsewhere_keeps_nobody_out_where_they_have_come_in_before() -> None:
    tries = Tries()
    tries.throttle.attempt(HERE, ANNA).forgiven()
    while tries.wait_of(address="198.51.100.1") == 0:
        pass
    assert tries.wait_of(address="192.0.2.2") > 0
    tries.throttle.attempt(HERE, "ANNA").forgiven()
    assert [tries.wait_of() for _ in range(FREE_OF_NAME)] == [0] * FREE_OF_NAME
    assert tries.wait_of() > 0


def test_where_people_have_come_in_is_remembered_within_bounds() -> None:
    tries = Tries(room=2)
    for name in (ANNA, "bert", "carl"):
        tries.throttle.attempt(HERE, name).forgiven()
    while tries.wait_of(address="198.51.100.1") == 0:
        pass
    assert tries.wait_of() > 0
