"""Files that a person wrote, and what may be wrong with them before they are read."""

from pathlib import Path

import pytest

from fencepost.config.text_file import MAXIMUM_BYTES, read_text
from fencepost.model.errors import OperatorError


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_text(tmp_path / "f") == "a = 1\n"


def test_what_cannot_be_read_is_said_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a = 1\nb = '\xe9'\n")
    (tmp_path / "large").write_bytes(b"#" * (MAXIMUM_BYTES + 1))
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        "missing": "there is no such file",
        ".": "this is a folder",
        "latin": "not UTF-8",
        "large": f"larger than {MAXIMUM_BYTES}",
        "loop": "cannot be read: Too many levels",
    }
    for name, reason in reasons.items():
        with pytest.raises(OperatorError) as caught:
            read_text(tmp_path / name)
        (problem,) = caught.value.problems
        assert problem.file == str(tmp_path / name)
        assert reason in problem.reason
        assert problem.line == (2 if name == "latin" else 0)
