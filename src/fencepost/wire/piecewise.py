"""
A legacy message read event by event and payload by payload, so that a bad one leaves its neighbours whole.

Slower than the typed decoder of `security_message`, and used only where that one refuses a message or
where the complete payloads are wanted.
"""

import json
from bisect import bisect_left
from datetime import datetime
from math import inf
from typing import Any, NamedTuple, cast

import msgspec

from fencepost.model import event as events
from fencepost.model.errors import DeviceError
from fencepost.model.event import Details, Event
from fencepost.wire.body import MOST_REFUSALS, quote
from fencepost.wire.fault import WHOLE_EVENT, Fault, bounded, explain
from fencepost.wire.settle import settle

_anything = msgspec.json.Decoder(float_hook=float)


class _Kind(NamedTuple):
    event: type[Any]
    payload: type[msgspec.Struct]


def _kind(event: type[Event], payload: type[msgspec.Struct] = Details) -> _Kind:
    return _Kind(event, payload)


KINDS = {
    "ConnectionCreate": _kind(events.ConnectionCreate, events.Connection),
    "Login": _kind(events.Login, events.SignIn),
    "ProcessCreate": _kind(events.ProcessCreate, events.Process),
    "ProcessTerminate": _kind(events.ProcessTerminate),
    "ListeningPorts": _kind(events.ListeningPorts),
    "FirewallConfiguration": _kind(events.FirewallConfiguration),
    "LocalUsers": _kind(events.LocalUsers, events.LocalUser),
    "ConnectedHardware": _kind(events.ConnectedHardware),
    "OSBaseline": _kind(events.OSBaseline),
    "SystemInformation": _kind(events.SystemInformation),
    "Diagnostic": _kind(events.Diagnostic),
    "ConfigurationError": _kind(events.ConfigurationError),
    "DroppedEventsStatistics": _kind(events.DroppedEventsStatistics, events.Drops),
    "MessageStatistics": _kind(events.MessageStatistics),
}
"""Event name -> the classes of the event and of its payload items: the union `model.event.LegacyEvent`."""


class _Syntax(msgspec.Struct):
    """Reads nothing: decoding into it checks the grammar of a whole JSON object."""


class Piece(NamedTuple):
    """One event that stands, the object it was read from, and which of its payload items stand."""

    event: Event
    said: dict[str, Any]
    places: list[int]


def parse(body: bytes) -> tuple[dict[str, Any], list[Any]]:
    """Return the envelope and its events as plain values; raises DeviceError when there are none."""
    try:
        envelope = _parse(body)
    except RecursionError:
        raise DeviceError("nested too deep") from None
    except ValueError as error:
        raise DeviceError(f"not JSON: {quote(str(error))}") from None
    if not isinstance(envelope, dict):
        raise DeviceError("not an object")
    if "Events" not in envelope:
        raise DeviceError("missing", "Events")
    items = envelope["Events"]
    if not isinstance(items, list):
        raise DeviceError("not an array", "Events")
    if not items:
        raise DeviceError("empty", "Events")
    return envelope, items


def read_event(index: int, item: Any, room: int = MOST_REFUSALS) -> tuple[Piece | None, list[Fault]]:
    """
    Return the event of one item of `Events` and, in the order of the payload, what had to be refused.

    More than `room` refusals end in a closing one, and nothing from its place on is in the event.
    """
    try:
        said, kind, at = _head(item)
    except _UnfitError as unfit:
        return None, bounded([Fault(index, WHOLE_EVENT, unfit.member, unfit.reason)], room)
    faults: list[Fault] = []
    payload, places = [], []
    for place, thing in enumerate(said["Payload"]):
        try:
            payload.append(_convert(thing, kind.payload))
            places.append(place)
        except _UnfitError as unfit:
            faults.append(Fault(index, place, unfit.member, unfit.reason))
            if len(faults) > room:
                break
    event = kind.event(id=said["Id"], occurred_at=at, payload=payload)
    return _settled(index, Piece(event, said, places), faults, room)


def _settled(index: int, piece: Piece, faults: list[Fault], room: int) -> tuple[Piece | None, list[Fault]]:
    late: list[Fault] = []
    if not settle([piece.event], late):
        return None, bounded([fault._replace(event=index) for fault in late], room)
    gone = {fault.payload for fault in late}
    faults += [fault._replace(event=index, payload=piece.places[fault.payload]) for fault in late]
    faults = bounded(sorted(faults), room)
    stand = [place for number, place in enumerate(piece.places) if number not in gone]
    if len(faults) > room:
        del stand[bisect_left(stand, faults[-1].payload) :]
        del cast("Any", piece.event).payload[len(stand) :]
    return piece._replace(places=stand), faults


class _UnfitError(ValueError):
    def __init__(self, member: str, reason: str) -> None:
        super().__init__(member, reason)
        self.member = member
        self.reason = reason


def _head(item: Any) -> tuple[dict[str, Any], _Kind, datetime]:
    if not isinstance(item, dict):
        raise _UnfitError("", "not an object")
    name = _text(item, "Name")
    if name not in KINDS:
        raise _UnfitError("Name", f"unknown event name '{quote(name)}'")
    _text(item, "Id")
    if "TimestampUTC" not in item:
        raise _UnfitError("TimestampUTC", "missing")
    try:
        at = msgspec.convert(item["TimestampUTC"], datetime)
    except msgspec.ValidationError:
        raise _UnfitError("TimestampUTC", "not a timestamp") from None
    if "Payload" not in item:
        raise _UnfitError("Payload", "missing")
    if not isinstance(item["Payload"], list):
        raise _UnfitError("Payload", "not an array")
    return item, KINDS[name], at


def _text(item: dict[str, Any], member: str) -> str:
    if member not in item:
        raise _UnfitError(member, "missing")
    value = item[member]
    if not isinstance(value, str):
        raise _UnfitError(member, "not text")
    return value


def _convert(thing: Any, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return a payload item; `Remote` and `Span` are names of ours that no device can set."""
    if not isinstance(thing, dict):
        raise _UnfitError("", "not an object")
    if issubclass(kind, events.Aggregable | events.SignIn):
        _refuse_details(thing.get("ExtraDetails"))
        thing = {key: value for key, value in thing.items() if key not in ("Remote", "Span")}
    try:
        return msgspec.convert(thing, kind)
    except msgspec.ValidationError as error:
        raise _UnfitError(*explain(error)) from None


def _refuse_details(details: Any) -> None:
    """Name the key of a value that is of no use anywhere; numbers are judged when the event is settled."""
    if isinstance(details, dict):
        for key, value in details.items():
            if type(value) not in (str, int, type(None)):
                reason = "not a number" if key == "HitCount" else "not a string"
                raise _UnfitError(f"ExtraDetails.{quote(key)}", reason)


def _parse(body: bytes) -> Any:
    try:
        return _anything.decode(body)
    except msgspec.ValidationError:
        # An integer of thousands of digits, which the typed decoder skips where no rule reads it.
        msgspec.json.decode(body, type=_Syntax)
        return json.loads(body, parse_int=_integer)


def _integer(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        return inf


def events_keys(body: bytes) -> int:
    """Return how often the outermost object names `Events`; 0 for what is not such an object."""
    try:
        pairs = json.loads(body, object_pairs_hook=_Pairs, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return 0
    return sum(key == "Events" for key, _ in pairs) if isinstance(pairs, _Pairs) else 0


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in their order, the repeated ones too."""
