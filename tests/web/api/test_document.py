"""The OpenAPI document says all of every operation, and its examples are right."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from scripts.api_reference import PAGE, document, reference

PROBLEM_JSON = "application/problem+json"
BYTES = "application/octet-stream"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def shown(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield every JSON body and answer: where it is, its schema, and its example."""
    for method, path, operation in operations(described):
        parts = [("body", operation.get("requestBody", {})), *operation["responses"].items()]
        for name, part in parts:
            for media, one in (part.get("content") or {}).items():
                if "json" in media and "schema" in one:
                    yield f"{method} {path} {name}", one["schema"], example_of(described, one)


def example_of(described: dict[str, Any], media: dict[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    schema = media["schema"]
    for one in (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        name = one.get("$ref", "").rsplit("/", 1)[-1]
        if examples := described["components"]["schemas"].get(name, {}).get("examples"):
            return examples[0]
    return None


def test_every_operation_says_what_it_does_and_belongs_somewhere(described: dict[str, Any]) -> None:
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    for method, path, operation in operations(described):
        assert operation["summary"].endswith("."), path
        assert operation["description"], path
        assert set(operation["tags"]) <= set(tags), (method, path)
    assert all(tags.values())
    assert {tag for _, _, operation in operations(described) for tag in operation["tags"]} == set(tags)


def test_every_parameter_of_a_question_says_what_it_asks(described: dict[str, Any]) -> None:
    silent = [
        (path, one["name"])
        for _, path, operation in operations(described)
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    assert silent == []


def test_every_body_and_every_answer_has_an_example_that_its_schema_allows(described: dict[str, Any]) -> None:
    seen = 0
    for where, schema, example in shown(described):
        if schema == {"type": "null"}:
            continue
        if "oneOf" in schema:  # of several shapes the first is shown
            schema = {"anyOf": schema["oneOf"]}  # noqa: PLW2901
        assert example is not None, where
        jsonschema.validate(
            example,
            {**schema, "components": described["components"]},
            cls=jsonschema.Draft202012Validator,
            format_checker=jsonschema.FormatChecker(),
        )
        seen += 1
    assert seen > 100


def test_what_is_sent_has_no_members_but_its_own(described: dict[str, Any]) -> None:
    for where, schema, _ in shown(described):
        for one in (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())):
            if where.endswith(" body") and "$ref" in one:
                name = one["$ref"].rsplit("/", 1)[1]
                assert described["components"]["schemas"][name]["additionalProperties"] is False, where


def test_whatever_is_posted_may_have_a_key(described: dict[str, Any]) -> None:
    with_key = {
        operation["operationId"]
        for method, _, operation in operations(described)
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
        if method == "post"
    }
    posts = {operation["operationId"] for method, _, operation in operations(described) if method == "post"}
    assert posts - with_key == {"sendMessages", "signIn"}


def test_every_write_that_replaces_or_deletes_may_name_what_was_seen(described: dict[str, Any]) -> None:
    without = {
        operation["operationId"]
        for method, _, operation in operations(described)
        if method in ("put", "delete")
        and not any(one["name"] == "If-Match" for one in operation.get("parameters", ()))
    }
    assert without <= {"signOut", "putPassword"}


def test_tokens_and_sessions_are_both_ways_in(described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    assert (schemes["token"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")
    assert described["security"] == [{"token": []}, {"session": []}]
    open_ones = {op["operationId"] for _, _, op in operations(described) if op.get("security") == [{}]}
    assert open_ones == {"getHealth", "getReadiness", "signIn"}


def test_the_reference_in_the_docs_is_what_the_document_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(document()), "run python scripts/api_reference.py"
