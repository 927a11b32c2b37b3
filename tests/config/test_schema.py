"""The shipped JSON Schema says what the loader says, as far as a schema can."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from fencepost.config.groups import parse_groups
from fencepost.config.schema import groups_schema, schema_text, shipped_schema
from fencepost.model.errors import OperatorError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src/fencepost/config/groups.schema.json"


def complaints(text: str) -> list[str]:
    """Judge by the shipped schema, with YAML read as an editor reads it."""
    validator = Draft202012Validator(shipped_schema())
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_the_shipped_schema_is_the_one_that_the_code_states() -> None:
    current = SHIPPED.read_text(encoding="utf-8") == schema_text()
    assert current, "run: python -m fencepost.config.schema > groups.schema.json"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(groups_schema())


def test_the_example_is_valid() -> None:
    assert complaints((ROOT / "examples/groups.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "groups: {g: }",
        "groups: {g: {rules: [{type: LocalUserNotAllowed, allow: [no, 12, 1.5, a], enabled: no}]}}",
        "groups: {g: {}}\ntests: [{name: t, group: g, until: 5, events: [{at: 1.5, connect: '::1'}], expect: []}]",
        "groups: {g: {allowed_lateness: P1DT6H15M, implicit_entries: []}}",
    ],
)
def test_what_is_right_is_right_in_both(text: str) -> None:
    assert complaints(text) == []
    assert parse_groups(text, "f").groups


def rule(text: str) -> str:
    return f"groups: {{g: {{rules: [{{{text}}}]}}}}"


def case(test: str) -> str:
    return f"groups: {{g: {{}}}}\ntests: [{{{test}}}]"


@pytest.mark.parametrize(
    "text",
    [
        "groups: {}",
        "groups: []",
        "group: {g: {}}",
        "groups: {g: {rule: []}}",
        "groups: {g: {members: {id: [a]}}}",
        "groups: {g: {members: {ids: a}}}",
        "groups: {g: {allowed_lateness: -PT5M}}",
        "groups: {g: {allowed_lateness: 5m}}",
        "groups: {g: {implicit_entries: [lopback]}}",
        rule("type: LocalUserNotAlowed, allow: [a]"),
        rule("type: LocalUserNotAllowed"),
        rule("type: LocalUserNotAllowed, deny: [a]"),
        rule("type: LocalUserNotAllowed, allow: [[a]]"),
        rule("type: LocalUserNotAllowed, allow: [a], severity: low"),
        rule("type: LocalUserNotAllowed, allow: [a], enabled: 1"),
        rule("type: ActiveConnectionsNotInAllowedRange, min: 0, max: 5"),
        rule("type: ActiveConnectionsNotInAllowedRange, min: -1, max: 5, window: PT5M"),
        rule("type: ActiveConnectionsNotInAllowedRange, min: 0, max: '5', window: PT5M"),
        rule("type: LocalUsersNotInAllowedRange, min: 0, max: 5, window: PT5M"),
        case("name: t, events: [], expect: []"),
        case("name: t, group: g, device: d, events: [], expect: []"),
        case("name: t, group: g, expect: []"),
        case("name: t, group: g, events: [{at: 0}], expect: []"),
        case("name: t, group: g, events: [{at: 0, login: a, port: 5}], expect: []"),
        case("name: t, group: g, events: [{at: -5, login: a}], expect: []"),
        case("name: t, group: g, events: [], expect: [{type: Nothing}]"),
        case("name: t, group: g, events: [], expect: [{type: ProcessNotAllowed, state: Open}]"),
    ],
)
def test_what_is_wrong_is_wrong_in_both(text: str) -> None:
    assert complaints(text)
    with pytest.raises(OperatorError):
        parse_groups(text, "f")


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return own.union(*map(keys_of, schema.values())) if schema else own


def test_every_key_is_in_the_docs() -> None:
    page = (ROOT / "docs/groups.md").read_text(encoding="utf-8")
    assert [key for key in sorted(keys_of(groups_schema())) if f"`{key}`" not in page] == []


def test_every_rule_type_is_in_the_docs() -> None:
    page = (ROOT / "docs/groups.md").read_text(encoding="utf-8")
    names = groups_schema()["$defs"]["expected"]["properties"]["type"]["enum"]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_example_in_the_docs_is_in_order() -> None:
    page = (ROOT / "docs/groups.md").read_text(encoding="utf-8")
    examples = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    assert examples
    for example in examples:
        assert parse_groups(example, "docs/groups.md").warnings == ()
        assert complaints(example) == []
