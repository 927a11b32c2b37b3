"""
The JSON message of the legacy agents, security message schema 1.0 (wire-formats 1).

Two ways to the same events. The typed decoder builds the model's values straight from the text and
`settle` finishes them: the way of nearly every message. Where it refuses, `piecewise` reads the
message again, event by event and payload by payload, and says of each bad one where and why.

Tolerant on purpose (wire-formats 1.3): unknown members are ignored, and the emptiness and category of an
event are not judged. Of a member given twice the last one counts, as in every JSON reader; only a second
`Events` refuses the message, because it would hide the first (an escaped spelling of that key is not
looked for, and counts like any other repetition).
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from fencepost.model.errors import DeviceError
from fencepost.model.event import Event, LegacyEvent, Rejected, SecurityMessage
from fencepost.model.raw_event import RawEvent
from fencepost.wire.body import LIMIT, MOST_REFUSALS, fingerprint, quote, refuse_size
from fencepost.wire.fault import Fault
from fencepost.wire.payload_shape import misfit
from fencepost.wire.piecewise import Piece, events_keys, parse, read_event
from fencepost.wire.settle import settle, settle_plain

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Envelope(msgspec.Struct, gc=False):
    events: Annotated[list[LegacyEvent], msgspec.Meta(min_length=1)] = msgspec.field(name="Events")


_decode = msgspec.json.Decoder(_Envelope).decode


def decode(body: bytes, limit: int = LIMIT) -> SecurityMessage:
    """
    Return the events of a message and what had to be refused of it, each with its place (S31).

    Behind `MOST_REFUSALS` refusals one more says where the reading ended.

    Raises DeviceError only when nothing of it can be used: too large, not UTF-8, not JSON, not an object,
    nested too deep, or without events.
    """
    plain = body.isascii() and 0 < len(body) <= limit and body.count(b'"Events"') == 1
    text = body if plain else _checked(body, limit)
    faults: list[Fault] = []
    try:
        events: list[Any] = _decode(text).events
        if not settle_plain(events):
            events = settle(events, faults)
            if len(faults) > MOST_REFUSALS:
                events, faults = _by_pieces(text)
    except msgspec.ValidationError:
        events, faults = _by_pieces(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(error) from None
    rejected = tuple([fault.rejected() for fault in faults]) if faults else ()
    return SecurityMessage("legacy", fingerprint(body), events, rejected)


def rows(body: bytes, limit: int = LIMIT, *, device_id: str = "") -> Iterator[RawEvent | Rejected]:
    """
    Return one row per payload item, none for an empty event, and every refusal in its place between them.

    The refusals are those of `decode`, and besides those of payloads that no rule reads (`payload_shape`);
    `MOST_REFUSALS` bounds them all together. Raises DeviceError as `decode` does, before the first row.
    """
    envelope, items = parse(_checked(body, limit))
    return _rows(items, device_id, _text(envelope, "AgentVersion"))


def _checked(body: bytes, limit: int) -> bytes:
    refuse_size(body, limit)
    body = body.removeprefix(BYTE_ORDER_MARK)
    if not body.isascii():
        try:
            body.decode()  # msgspec does not look into the texts that it skips
        except UnicodeDecodeError as error:
            raise DeviceError(f"not UTF-8: byte {error.start}") from None
    if body.count(b'"Events"') != 1 and events_keys(body) > 1:
        raise DeviceError("given more than once", "Events")
    return body


def _unreadable(error: Exception) -> DeviceError:
    deep = isinstance(error, RecursionError)
    return DeviceError("nested too deep" if deep else f"not JSON: {quote(str(error))}")


def _by_pieces(text: bytes) -> tuple[list[Event], list[Fault]]:
    """Read again, piece by piece, what the typed decoder refused as a whole or found too much wrong with."""
    events: list[Event] = []
    faults: list[Fault] = []
    for index, item in enumerate(parse(text)[1]):
        piece, refused = read_event(index, item, MOST_REFUSALS - len(faults))
        faults += refused
        if piece is not None:
            events.append(piece.event)
        if len(faults) > MOST_REFUSALS:
            break
    return events, faults


def _rows(items: list[Any], device_id: str, version: str) -> Iterator[RawEvent | Rejected]:
    room = MOST_REFUSALS
    for index, item in enumerate(items):
        for row in _rows_of(index, item, room, device_id, version):
            if isinstance(row, RawEvent):
                yield row
            elif room:
                room -= 1
                yield row.rejected()
            else:
                yield row.closing().rejected()
                return


def _rows_of(index: int, item: Any, room: int, device_id: str, version: str) -> Iterator[RawEvent | Fault]:
    piece, faults = read_event(index, item, room)
    if piece is None:
        yield from faults
        return
    refused = {fault.payload: fault for fault in faults}
    for place, payload in enumerate(piece.said["Payload"]):
        if place in refused:
            yield refused[place]
        elif wrong := misfit(piece.said["Name"], payload):
            yield Fault(index, place, *wrong)
        else:
            yield _row(piece, payload, device_id, version)


def _row(piece: Piece, payload: dict[str, Any], device_id: str, version: str) -> RawEvent:
    said = piece.said
    local = {"TimestampLocal": said["TimestampLocal"]} if _text(said, "TimestampLocal") else {}
    return RawEvent(
        device_id=device_id,
        name=said["Name"],
        category=_text(said, "Category"),
        event_type=_text(said, "EventType"),
        id=said["Id"],
        occurred_at=piece.event.occurred_at,
        is_empty=said.get("IsEmpty") is True,
        agent_version=version,
        details=local | payload,
    )


def _text(said: dict[str, Any], member: str) -> str:
    value = said.get(member)
    return value if isinstance(value, str) else ""
