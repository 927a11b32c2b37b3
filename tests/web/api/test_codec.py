"""JSON shapes that are derived from Structs of the model."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from fencepost.model.catalog import CATALOG
from fencepost.model.errors import Problem
from fencepost.model.rule import FAMILIES, AllowlistRule, DenylistRule, EntryNote, Rule
from fencepost.web.api.codec import Duration, built, derived, duration_in, said, written
from fencepost.web.api.rule_bodies import RuleBody, rule_body, rule_of

AT = datetime(2026, 3, 2, tzinfo=UTC)


class Range(Struct, frozen=True, kw_only=True):
    kind: str
    low: int
    span: timedelta
    until: datetime | None = None


class Names(Struct, frozen=True, kw_only=True):
    kind: str
    names: tuple[str, ...] = ()


@derived(Range, Names, meanings={"low": "The least."})
class Body(Struct):
    """One or the other."""

    names: Annotated[tuple[str, ...], Meta(max_length=2)]
    more: bool


@derived(Range, meanings={}, needed=True, without=("until",))
class View(Struct):
    """A range."""


def test_a_shape_has_the_members_of_all_models_and_its_own() -> None:
    assert set(get_type_hints(Body)) == {"kind", "low", "span", "until", "names", "more"}
    assert Body.__doc__ == "One or the other."
    body = msgspec.json.decode(b'{"kind": "x", "span": "PT5M"}', type=Body)
    assert said(body) == {"kind": "x", "span": "PT5M"}
    schema = msgspec.json.schema(Body)["$defs"]["Body"]
    assert schema["required"] == ["kind"], "what every model needs"
    assert schema["additionalProperties"] is False
    assert schema["properties"]["low"]["description"] == "The least."
    assert schema["properties"]["span"]["format"] == "duration"
    for wrong in (b'{"kind": "x", "extra": 1}', b"{}", b'{"kind": "x", "names": ["a", "b", "c"]}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=Body)


def test_what_is_shown_is_whole_and_may_leave_members_out() -> None:
    value = Range(kind="x", low=1, span=timedelta(minutes=5))
    view = built(View, **written(value, "until"))
    assert msgspec.to_builtins(view) == {"kind": "x", "low": 1, "span": "PT5M"}
    with pytest.raises(TypeError):
        built(View, kind="x")
    assert get_type_hints(View, include_extras=True)["span"] == Duration


def test_a_moment_says_its_zone() -> None:
    msgspec.json.decode(b'{"kind": "x", "until": "2026-01-01T00:00:00+02:00"}', type=Body)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind": "x", "until": "2026-01-01T00:00:00"}', type=Body)


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT5M", 300), ("PT05M", 300), ("P1DT1S", 86_401), ("PT0.5S", 0.5)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    problems: list[Problem] = []
    assert duration_in(text, "window", problems) == timedelta(seconds=seconds)
    assert problems == []


@given(st.text(max_size=20))
def test_what_is_no_duration_is_a_problem_with_its_path(text: str) -> None:
    problems: list[Problem] = []
    found = duration_in(f"{text}m", "window", problems)
    assert found == timedelta() or not problems
    assert all(one.path == "window" for one in problems)


ENTRIES = {"IpCidr": ["10.0.0.0/8", "::1", "192.0.2.1:443/tcp"], "String": ["/usr/bin/*", "root", "sh"]}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw a rule of any type that is in order."""
    row = CATALOG[draw(st.sampled_from(sorted(CATALOG)))]
    low = draw(st.integers(0, 100))
    common: dict[str, Any] = {
        "type": row.name,
        "enabled": draw(st.booleans()),
        "severity": draw(st.sampled_from([None, "Low", "High"])),
        "description": draw(st.sampled_from([None, "", "why"])),
    }
    family: Any = FAMILIES[row.family]
    made: Rule
    if family in (AllowlistRule, DenylistRule):
        entries = tuple(draw(st.lists(st.sampled_from(ENTRIES[row.value_type or "String"]), unique=True)))
        noted = draw(st.lists(st.sampled_from(entries), unique=True)) if entries else []
        end = draw(st.sampled_from([None, AT - timedelta(days=1), AT + timedelta(days=1)]))
        notes = tuple(
            EntryNote(
                entry=one,
                by="user/anna",
                at=AT,
                reason="x",
                until=end,
                alert_id=draw(st.sampled_from([None, "a"])),
            )
            for one in noted
        )
        made = family(**common, **{"allow" if family is AllowlistRule else "deny": entries, "notes": notes})
        return made
    bounds: dict[str, Any] = {"min": low, "max": low + draw(st.integers(0, 100))}
    if row.family == "timeWindow":
        bounds |= {"window": timedelta(seconds=draw(st.integers(1, 172_800)))}
    made = family(**common, **bounds)
    return made


@given(rules())
def test_what_is_shown_of_a_rule_is_the_rule_when_it_is_read_again(rule: Rule) -> None:
    sent = msgspec.json.encode(rule_body(rule, AT))
    problems: list[Problem] = []
    read = rule_of(msgspec.json.decode(sent, type=RuleBody), "", AT, problems)
    assert (read, problems) == (rule, [])


def test_every_family_has_its_members_in_the_shape_of_a_rule() -> None:
    members = set(get_type_hints(RuleBody))
    for family in FAMILIES.values():
        assert {field.name for field in msgspec.structs.fields(family)} <= members
