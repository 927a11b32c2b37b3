"""
JSON for the model's Structs: what is put and what is shown has their members, derived from them.

What a person writes otherwise than the model holds it (durations, entries with their notes) is a text or an
object on the wire, and is read with all else that is wrong with it, so that all problems are said at once.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from fencepost.model.duration import iso_duration
from fencepost.model.errors import Problem

T = TypeVar("T", bound=Struct)
Duration = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "duration"}, examples=["PT10M"])]
Moment = Annotated[datetime, Meta(tz=True)]
WIRE: dict[Any, Any] = {
    timedelta: Duration,
    timedelta | None: Duration | None,
    datetime: Moment,
    datetime | None: Moment | None,
}
"""What stands on the wire for types of the model."""


def derived(
    *models: type[Struct],
    meanings: Mapping[str, str],
    needed: bool = False,
    optional: Container[str] = (),
    without: Container[str] = (),
) -> Callable[[type[T]], type[T]]:
    """
    Give a Struct the members of models besides its own, the first that has a member saying of which type it is.

    What the Struct itself declares goes before: where the type on the wire is another, and what no model has.
    With `needed` all members are there; else the Struct takes no others, and all may be left out but those
    that have no default in each of the models. `optional` ones have none and yet may, `without` names members
    that are nobody's business.
    """

    def complete(shape: type[T]) -> type[T]:
        declared = get_type_hints(shape, include_extras=True)
        fields = _fields(models, optional, without)
        kinds = {name: declared.get(name, kind) for name, (kind, _) in fields.items()} | declared
        members = [
            _member(name, kind, meanings.get(name, ""), needed=needed or fields.get(name, (kind, False))[1])
            for name, kind in kinds.items()
        ]
        made = msgspec.defstruct(
            shape.__name__,
            members,
            kw_only=True,
            forbid_unknown_fields=not needed,
            namespace={"__doc__": shape.__doc__},
            module=shape.__module__,
        )
        return cast("type[T]", made)

    return complete


def built(shape: type[T], **members: Any) -> T:
    """Return a Struct that was derived, with these members."""
    return shape(**members)


def _fields(
    models: Sequence[type[Struct]], optional: Container[str], without: Container[str]
) -> dict[str, tuple[Any, bool]]:
    """Return the members of models, each with its type on the wire and whether it must be there."""
    found: dict[str, tuple[Any, bool]] = {}
    for model in models:
        hints = get_type_hints(model)
        for field in msgspec.structs.fields(model):
            in_all = all(field.name in one.__struct_fields__ for one in models)
            required = field.required and field.name not in optional and in_all
            if field.name not in without:
                kind = WIRE.get(hints[field.name], hints[field.name])
                found.setdefault(field.name, (kind, required))
    return found


def said(body: Struct) -> dict[str, Any]:
    """Return the members that somebody wrote."""
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


def written(value: Struct, *without: str) -> dict[str, Any]:
    """Return a value's members as they stand on the wire."""
    return {
        name: iso_duration(member) if isinstance(member, timedelta) else member
        for name in value.__struct_fields__
        if name not in without
        for member in (getattr(value, name),)
    }


def duration_in(text: str, path: str, problems: list[Problem]) -> timedelta:
    """Return the duration that is written, zero where it is none and a problem says so."""
    try:
        return msgspec.convert(text, timedelta)
    except msgspec.ValidationError:
        problems.append(Problem(path, f"{text!r} is no duration: one is written as PT10M, P1DT12H or P30D"))
        return timedelta()


def utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _member(name: str, kind: Any, meaning: str, *, needed: bool) -> Any:
    shown = Meta(description=meaning) if meaning else None
    if needed:
        return (name, Annotated[kind, shown] if shown else kind)
    kind = kind | UnsetType
    return (name, Annotated[kind, shown] if shown else kind, UNSET)
