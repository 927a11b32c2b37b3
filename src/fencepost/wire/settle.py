"""
What the types of a legacy message cannot say: UTC times, parsed addresses, spans of aggregates.

`settle` is the hot loop of the product: it runs once over the events of every message, right after
msgspec has built them. Both ways to decode a message (`security_message`, `piecewise`) end here, so
that they mean the same.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, cast

from fencepost.model.address import MAPPED, parse_address
from fencepost.model.event import (
    Aggregable,
    ConnectionCreate,
    Event,
    ExtraDetails,
    Login,
    ProcessCreate,
)
from fencepost.model.instant import EPOCH, MICROSECOND
from fencepost.wire.body import MOST_HITS, quote
from fencepost.wire.fault import WHOLE_EVENT, Fault

AHEAD = timedelta(minutes=5)
"""How far an aggregate may end after its own event's time."""

_DIGITS = 10
_FULL, _AMERICAN = 19, "/"
"""The length of a time without fraction and zone, and the mark of MM/dd/yyyy."""

_Seen = dict[str | int | None, tuple[int, datetime]]
"""The times of one message read so far: aggregates that were flushed together share theirs."""

_number = int.from_bytes


def settle_plain(events: Sequence[Event]) -> bool:  # noqa: C901, PLR0911, PLR0912 a call per record costs more than its work
    """
    Finish the events in place if nothing about them is unusual; returns False as soon as something is.

    This is `settle` for the common case alone, at half its price: times in UTC, addresses that are
    addresses, no aggregates, no text that is none. After False, `settle` begins anew.
    """
    try:
        for event in events:
            if event.occurred_at.tzinfo is not UTC:
                return False
            kind = type(event)
            if kind is ConnectionCreate:
                for connection in event.payload:  # type: ignore[attr-defined]  # by its kind
                    text = connection.remote_address
                    if not text:
                        connection.remote = None
                    elif ":" in text:
                        connection.remote = _number(inet_pton(AF_INET6, text))
                    else:
                        connection.remote = MAPPED | _number(inet_pton(AF_INET, text))
                    if connection.extra_details or connection.span is not None:
                        return False
            elif kind is ProcessCreate:
                for process in event.payload:  # type: ignore[attr-defined]  # by its kind
                    if process.span is not None:
                        return False
                    details = process.extra_details
                    if details:
                        if "HitCount" in details:
                            return False
                        for value in details.values():
                            if type(value) is int:
                                return False
            elif kind is Login:
                for sign_in in event.payload:  # type: ignore[attr-defined]  # by its kind
                    if sign_in.extra_details:
                        return False
    except (OSError, ValueError):
        return False
    return True


def settle(events: list[Event], faults: list[Fault]) -> list[Event]:  # noqa: C901, PLR0912 as above
    """
    Finish the events in place and return those that stand; what does not is appended to `faults`.

    A time without zone is UTC, another zone is turned into UTC (wire-formats 1.4). `remote` and `span`
    are always set, whatever a hostile message said under those names.
    """
    unfit = len(faults)
    seen: _Seen = {}
    for index, event in enumerate(events):
        at = event.occurred_at
        zone = at.tzinfo
        if zone is not UTC:
            try:
                event.occurred_at = at.replace(tzinfo=UTC) if zone is None else at.astimezone(UTC)
            except OverflowError:
                faults.append(Fault(index, WHOLE_EVENT, "TimestampUTC", "outside the years 1 to 9999"))
                continue
        if type(event) is ConnectionCreate:
            for place, connection in enumerate(event.payload):
                text = connection.remote_address
                try:
                    if not text:
                        connection.remote = None
                    elif ":" in text:
                        connection.remote = _number(inet_pton(AF_INET6, text))
                    else:
                        connection.remote = MAPPED | _number(inet_pton(AF_INET, text))
                except (OSError, ValueError):
                    try:
                        connection.remote = parse_address(text or "")  # with a zone, say
                    except ValueError:
                        connection.remote = None
                if text and connection.remote is None:
                    faults.append(Fault(index, place, "RemoteAddress", "not an IP address"))
                    continue
                if connection.extra_details:
                    if wrong := _settle_span(connection, event.occurred_at, seen):
                        faults.append(Fault(index, place, *wrong))
                elif connection.span is not None:
                    connection.span = None
        elif type(event) is ProcessCreate:
            for place, process in enumerate(event.payload):
                if process.extra_details:
                    if wrong := _settle_span(process, event.occurred_at, seen):
                        faults.append(Fault(index, place, *wrong))
                elif process.span is not None:
                    process.span = None
        elif type(event) is Login:
            for place, sign_in in enumerate(event.payload):
                if sign_in.extra_details and (key := _not_text(sign_in.extra_details)) is not None:
                    faults.append(Fault(index, place, f"ExtraDetails.{quote(key)}", "not a string"))
    return events if unfit == len(faults) else _fit(events, faults[unfit:])


def _fit(events: list[Event], faults: list[Fault]) -> list[Event]:
    """Return the events without those, and with payloads without those, that have a fault."""
    places: dict[int, set[int]] = {}
    for fault in faults:
        places.setdefault(fault.event, set()).add(fault.payload)
    for index, unfit in places.items():
        payload = cast("Any", events[index]).payload
        payload[:] = [item for place, item in enumerate(payload) if place not in unfit]
    return [event for index, event in enumerate(events) if WHOLE_EVENT not in places.get(index, ())]


def _settle_span(item: Aggregable, at: datetime, seen: _Seen) -> tuple[str, str] | None:
    """
    Set the span of a payload: None where it states no hits (S11, wire-formats 1.5).

    Returns the member and the reason of what has to be refused, or None.
    """
    details = item.extra_details or {}
    item.span = None
    if (key := _not_text(details)) is not None:
        return f"ExtraDetails.{quote(key)}", "not a string"
    hits = details.get("HitCount")
    if hits is None:
        return None
    member = "HitCount"
    try:
        count = hits if type(hits) is int and 1 <= hits <= MOST_HITS else _count(hits)
        member = "StartTimeUtc"
        start, _ = seen.get(details.get(member)) or _instant(details.get(member), seen)
        member = "EndTimeUtc"
        end, ended_at = seen.get(details.get(member)) or _instant(details.get(member), seen)
        if end < start:  # the clock was put back in between; a message is never refused for it (S08)
            start, end = end, start
        if ended_at - at > AHEAD:
            raise ValueError("more than 5 minutes after the event")  # noqa: TRY301
    except ValueError as error:
        return f"ExtraDetails.{member}", str(error)
    item.span = (start, end, count)
    return None


def _not_text(details: ExtraDetails) -> str | None:
    """Return the first key whose value is a number where only HitCount may be one."""
    for key, value in details.items():
        if type(value) is int and key != "HitCount":
            return key
    return None


def _count(hits: str | int) -> int:
    """Return the number of hits; the C agent sends a number, the C# agent its digits. Raises ValueError."""
    if isinstance(hits, str):
        if not (hits.isascii() and hits.isdigit() and len(hits) <= _DIGITS):
            raise ValueError("not a number")
        hits = int(hits)
    if not 1 <= hits <= MOST_HITS:
        raise ValueError(f"not between 1 and {MOST_HITS}")
    return hits


def _instant(text: str | int | None, seen: _Seen) -> tuple[int, datetime]:
    """
    Return the microseconds since 1970, and as aware datetime, of a time in ExtraDetails, and note it in `seen`.

    ISO 8601 with `T` or a blank, fraction and zone optional, or `MM/dd/yyyy HH:mm:ss` (wire-formats 1.4).
    Raises ValueError with the reason.
    """
    if not isinstance(text, str):
        raise ValueError("missing")  # noqa: TRY004
    iso = text
    if text[2:3] == text[5:6] == _AMERICAN and len(text) == _FULL and text[10] == " ":
        iso = f"{text[6:10]}-{text[:2]}-{text[3:5]}T{text[11:]}"
    # fromisoformat reads more than is promised here: week dates, other separators, times without seconds
    if iso[4:5] != "-" or iso[7:8] != "-" or iso[10:11] not in ("T", "t", " ") or iso[16:17] != ":":
        raise ValueError("not a timestamp")
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError("not a timestamp") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    seen[text] = reading = ((at - EPOCH) // MICROSECOND, at)
    return reading
