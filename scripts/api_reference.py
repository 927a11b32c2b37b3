# ruff: noqa: INP001 - a script
"""
Writes docs/api-reference.md from the OpenAPI document: `python scripts/api_reference.py`.

A test says when the page is not what it should be.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from fencepost.web.api.application import application

PAGE = Path(__file__).parent.parent / "docs" / "api-reference.md"
HEAD = """\
# The API, operation by operation

Written from the OpenAPI document (`/openapi/openapi.json`) by `scripts/api_reference.py`: do not edit it.
[The API](api.md) tells what one does with it, and what errors mean.
"""
JSON = "application/json"
NOTHING: tuple[Any, ...] = (None, {"type": "null"})
LARGE = 1_000_000
"""From here on a number is written out."""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of a service that does not run."""
    made = application(cast("Any", None))
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made.openapi_schema.to_schema()))
    return plain


def reference(document: dict[str, Any]) -> str:
    """Return the page."""
    operations = [
        (tag, method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for tag in operation["tags"]
    ]
    blocks = [HEAD]
    for tag in document["tags"]:
        blocks += [f"## {tag['name'].capitalize()}", tag["description"]]
        for name, method, path, operation in operations:
            if name == tag["name"]:
                blocks += _operation(method, path, operation)
    blocks += ["## Shapes", "What requests and answers are made of; members in bold are always there."]
    for name, schema in sorted(document["components"]["schemas"].items()):
        blocks += _shape(name, schema)
    return "\n\n".join(block.strip() for block in blocks) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {operation['operationId']}"
    yield f"**`{method} {path}`**: {operation['summary']}"
    yield operation["description"]
    if parameters := operation.get("parameters"):
        rows = "\n".join(_parameter(one) for one in parameters)
        yield f"| parameter | in | type | meaning |\n|---|---|---|---|\n{rows}"
    for media, one in operation.get("requestBody", {}).get("content", {}).items():
        kind = _type(one["schema"]) or one["schema"].get("description", "")
        yield (
            f"Body: {kind}."
            if media == JSON and "$ref" in str(one["schema"])
            else f"Body (`{media}`): {kind}"
        )
        if isinstance(one.get("example"), dict):
            yield _json(one["example"])
    answers = operation["responses"]
    good = [f"{status} {_content(answer)}".strip() for status, answer in answers.items() if status < "400"]
    bad = ", ".join(status for status in sorted(answers) if status >= "400")
    yield f"Answers: {', '.join(good)}{f'; errors {bad}' if bad else ''}."


def _content(answer: dict[str, Any]) -> str:
    kinds = [
        _type(one["schema"]) for one in answer.get("content", {}).values() if one.get("schema") not in NOTHING
    ]
    return " or ".join(kinds)


def _parameter(one: dict[str, Any]) -> str:
    name = _bold(one["name"], is_bold=bool(one.get("required")))
    kind = _type(_without_text(one.get("schema", {})))
    return f"| {name} | {one['in']} | {kind} | {one.get('description', '')} |"


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield schema.get("description", "")
    needed = set(schema.get("required", ()))
    rows = [
        f"| {_bold(member, is_bold=member in needed)} | {_type(_without_text(one))} | {one.get('description', '')} |"
        for member, one in schema.get("properties", {}).items()
    ]
    yield "\n".join(["| member | type | meaning |", "|---|---|---|", *rows])
    for example in schema.get("examples", ()):
        yield _json(example)


def _bold(name: str, *, is_bold: bool) -> str:
    return f"**`{name}`**" if is_bold else f"`{name}`"


def _without_text(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(one) for one in choices))
    if "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        return ", ".join(f"`{value}`" for value in values) + (" or null" if None in schema["enum"] else "")
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {})) or 'anything'}{_limits(schema)}"
    kind = schema.get("type", "")
    kinds = kind if isinstance(kind, list) else [kind]
    shown = " or ".join(schema.get("format") or one for one in kinds if one)
    return f"{shown}{_limits(schema)}"


def _limits(schema: dict[str, Any]) -> str:
    found = []
    for least, most, what in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", ""),
    ):
        low, high = (_number(schema[key]) if key in schema else None for key in (least, most))
        if low is not None and high is not None:
            found.append(f"{low} to {high}{what}")
        elif low is not None or high is not None:
            found.append(f"at most {high}{what}" if low is None else f"at least {low}{what}")
    if "pattern" in schema:
        found.append(f"`{schema['pattern']}`".replace("|", "\\|"))
    return f" ({', '.join(found)})" if found else ""


def _number(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= LARGE else f"{number:g}"


def _json(example: Any) -> str:
    return f"```json\n{json.dumps(example, indent=1, ensure_ascii=False)}\n```"


if __name__ == "__main__":
    PAGE.write_text(reference(document()), encoding="utf-8")
