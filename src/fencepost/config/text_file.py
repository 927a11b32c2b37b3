"""The text of a file that a person wrote."""

from pathlib import Path

from fencepost.model.errors import OperatorError, Problem

MAXIMUM_BYTES = 1_000_000


def read_text(path: Path) -> str:
    """Return the text of a file of bounded size; whatever keeps it from being read is an OperatorError."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a folder: name a file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"the file cannot be read: {reason}") from error
    if len(content) > MAXIMUM_BYTES:
        raise _unreadable(path, f"the file is larger than {MAXIMUM_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "the file is not UTF-8: save it in that encoding", line) from error


def _unreadable(path: Path, reason: str, line: int = 0) -> OperatorError:
    return OperatorError([Problem("", reason, str(path), line)])
