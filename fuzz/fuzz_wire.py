"""
Coverage-guided fuzzing of the decoders: whatever the bytes, nothing but DeviceError, and both faces agree.

By hand, from the root of the repository; corpus folders may follow the options, the first (mkdir .fuzz) takes what is found:

    uv run --isolated --python 3.12 --group fuzz python fuzz/fuzz_wire.py -max_total_time=60 .fuzz tests/fixtures/wire/threadx

atheris has wheels for Python 3.12 and later.
"""

import sys

import atheris

with atheris.instrument_imports(include=["fencepost"]):
    from fencepost.model.errors import DeviceError
    from fencepost.model.event import Rejected
    from fencepost.wire.message import decode, rows
    from fencepost.wire.twin import legitimate_delays


def one_input(body: bytes) -> None:
    """Read one body in every way there is."""
    legitimate_delays(body)
    try:
        read = decode(body)
    except DeviceError:
        _refused(body)
        return
    found = list(rows(body))
    refused = [row for row in found if isinstance(row, Rejected)]
    if len(read.events) + len(read.rejected) > len(body) or len(found) > len(body):
        raise AssertionError("more was read than the message can hold")
    if read.source == "threadx" and tuple(refused) != read.rejected:
        raise AssertionError("events and rows refuse different things")
    if not set(read.rejected) <= set(refused):
        raise AssertionError("a refusal of decode is not among those of rows")


def _refused(body: bytes) -> None:
    try:
        rows(body)
    except DeviceError:
        return
    raise AssertionError("rows reads what decode refuses")


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
