"""What a reader of alerts must also know: how much was read, and what of it could not be judged as it is."""

from collections.abc import Iterator, Mapping, Sequence

from fencepost.cli.output import plural, printable
from fencepost.service.refusals import Refusals
from fencepost.service.replay import Replay

DEVICES = 5
"""How many device ids a line names."""
_WIDTH = 15


def summary_of(replay: Replay, alerts: int) -> Iterator[str]:
    """Yield the lines of a summary; what did not occur has none."""
    counts = replay.counts
    devices = sum(1 for _ in replay.detector.device_ids())
    yield _line(
        "read",
        f"{plural(counts.messages, 'message')} of {plural(devices, 'device')}, {plural(counts.events, 'event')}",
    )
    yield _line("alerts", f"{alerts:,}")
    yield from _refused(replay)
    yield from _times(replay)
    yield from _gaps(replay)


def refusals_of(refusals: Refusals) -> Iterator[str]:
    """Yield each reason with the number of its cases and the first places."""
    for refusal in refusals:
        yield f"{refusal.count:>{_WIDTH - 2},}  {printable(refusal.reason)}"
        for place in refusal.places:
            yield f"{'':{_WIDTH}}at {printable(place)}"
        more = refusal.count - len(refusal.places)
        if more:
            yield f"{'':{_WIDTH}}and at {plural(more, 'more place')}"


def _line(label: str, text: str) -> str:
    return f"{label:<{_WIDTH}}{text}"


def _refused(replay: Replay) -> Iterator[str]:
    counts = replay.counts
    if replay.refusals.total:
        yield _line(
            "rejected",
            f"{plural(counts.rejected_messages, 'message')} or files, "
            f"{plural(counts.rejected_parts, 'part')} of other messages",
        )
        yield from refusals_of(replay.refusals)


def _times(replay: Replay) -> Iterator[str]:
    counts = replay.counts
    if counts.backwards:
        yield _line(
            "out of order",
            f"{plural(counts.backwards, 'message')} received before the one read before of the same device: "
            "sort the input by receive time for exact alerts",
        )
    if counts.late:
        beyond = f"; {counts.beyond_horizon:,} older than 48 h, not judged" if counts.beyond_horizon else ""
        yield _line("late", f"{plural(counts.late, 'event')}{beyond}")
    if counts.skewed:
        yield _line(
            "clock skew", f"{plural(counts.skewed, 'event')} with a wrong clock, judged by their receipt"
        )
    if counts.duplicate_messages or counts.duplicate_events:
        yield _line(
            "duplicates",
            f"{plural(counts.duplicate_messages, 'message')}, {plural(counts.duplicate_events, 'event')}: counted once",
        )
    if repaired := replay.repaired():
        yield _line("repaired", f"{plural(repaired, 'alert')} for a minimum, taken back by late data")


def _gaps(replay: Replay) -> Iterator[str]:
    counts = replay.counts
    if counts.possible:
        yield _line(
            "possible",
            f"{plural(counts.possible, 'window')} may hold more than allowed: {_by_rule(replay.possible())}",
        )
    if counts.incomplete:
        yield _line("incomplete", f"{plural(counts.incomplete, 'report')} of lost events: minimums hold")
    if missing := replay.not_measurable():
        yield _line("not measurable", _by_rule(missing))
    if unassigned := replay.unassigned():
        yield _line(
            "unassigned",
            f"{plural(len(unassigned), 'device')} in no group, judged by 'default': {_named(unassigned)}",
        )


def _by_rule(devices: Mapping[str, int]) -> str:
    return ", ".join(f"{rule} on {plural(number, 'device')}" for rule, number in devices.items())


def _named(devices: Sequence[str]) -> str:
    more = f" and {len(devices) - DEVICES:,} more" if len(devices) > DEVICES else ""
    return ", ".join(map(printable, devices[:DEVICES])) + more
