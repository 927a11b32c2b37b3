import pytest

from fencepost.model.errors import DeviceError
from fencepost.wire.body import fingerprint, quote, refuse_size


def test_a_fingerprint_fits_a_signed_column_and_differs_with_any_byte() -> None:
    seen = {fingerprint(bytes([first, second])) for first in range(64) for second in range(64)}
    assert len(seen) == 64 * 64
    assert max(seen) < 2**63


def test_a_body_of_exactly_the_limit_is_read() -> None:
    refuse_size(b"12345", 5)
    with pytest.raises(DeviceError, match="too large: 6 bytes, at most 5 are read"):
        refuse_size(b"123456", 5)


def test_a_quote_is_short_and_printable() -> None:
    assert quote("plain") == "plain"
    assert quote("a\x00b\x1b") == "a\ufffdb\ufffd"
    assert len(quote("x" * 1000)) == 81
