"""What tells versions and namesakes apart."""

from datetime import UTC, datetime, timedelta

from fencepost.service.registry.etags import Generations, new_etag, twin_etag

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_generations_grow_whatever_the_clock_does() -> None:
    generations = Generations()
    moments = [NOON, NOON, NOON - timedelta(days=1), NOON + timedelta(microseconds=1)]
    ids = [generations.next(moment) for moment in moments]
    assert ids == ["639080496000000000", "639080496000000001", "639080496000000002", "639080496000000010"]


def test_etags_are_short_and_no_two_are_the_same() -> None:
    etags = {new_etag() for _ in range(1000)}
    etags |= {twin_etag(f"{generation}", version) for generation in range(30) for version in range(30)}
    assert len(etags) == 1900
    assert {len(etag) for etag in etags} == {12}
    assert twin_etag("1", 2) == twin_etag("1", 2)
