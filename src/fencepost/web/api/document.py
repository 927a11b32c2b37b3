"""The OpenAPI document: what Litestar derives from the operations, and what it cannot know."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.routes import HTTPRoute
from msgspec import Struct

from fencepost import __version__
from fencepost.web.api.access import COOKIE
from fencepost.web.api.documented import problems_of
from fencepost.web.api.examples import EXAMPLES, example, problem_example
from fencepost.web.api.idempotency import HEADER, PATTERN, WITHOUT
from fencepost.web.api.problems import PROBLEM_JSON

TAGS = {
    "messages": "What devices say.",
    "alerts": "What is wrong, what happened to it, and what people do about it.",
    "mending": "Allowing what an alert is about, after a look at what that would change, and undoing it.",
    "groups": "What the owner expects of the devices of a group: its rules.",
    "layers": "What is expected beyond the groups: of all devices, or of one.",
    "suppressions": "Which alerts are no news.",
    "devices": "Who sends, and what else befell them.",
    "quarantine": "What could not be decoded.",
    "audit": "Who changed what.",
    "access": "Who may do what: people, tokens, and who is asking.",
    "health": "For those who keep the service running.",
}
_ATTRIBUTES = {field.metadata.get("alias", field.name): field.name for field in fields(Schema)}
"""What the members of a JSON schema are called in the document's objects."""
BEARER = "An API token, the token of a session, or one of those that `fencepost init` made."
SESSION = "The session of somebody who signed in; it changes things from this service's own pages only."


def openapi() -> OpenAPIConfig:
    """Return what all operations have in common."""
    schemes: dict[str, SecurityScheme | Reference] = {
        "token": SecurityScheme(type="http", scheme="bearer", description=BEARER),
        "session": SecurityScheme(
            type="apiKey", security_scheme_in="cookie", name=COOKIE, description=SESSION
        ),
    }
    return OpenAPIConfig(
        title="Fencepost",
        version=__version__,
        summary="Tells the owner of an IoT fleet that a device has left the behaviour its owner expects.",
        path="/openapi",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes=schemes),
        security=[{"token": []}, {"session": []}],
        tags=[Tag(name=name, description=meaning) for name, meaning in TAGS.items()],
        use_handler_docstrings=True,
    )


def complete(made: Litestar) -> None:
    """Say what Litestar does not: all that is true of an object's members, examples, the key that any POST may have."""
    document = made.openapi_schema
    schemas = document.components.schemas
    for name, described in _described(made).items():
        schemas[name] = _schema_of(described, EXAMPLES.get(name))
    for path, item in (document.paths or {}).items():
        for method, operation in _operations(item):
            if method == "post" and path.startswith("/v1/") and operation.operation_id not in WITHOUT:
                _say_that_it_takes_a_key(operation)
            _show_problems(operation)
            _say_what_the_body_is(operation)
        _say_where_etags_are(item)


def _described(made: Litestar) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each Struct that requests and answers are made of, as the decoder has it."""
    structs: set[Any] = set()
    for route in made.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if isinstance(handler, HTTPRouteHandler) and handler.resolve_include_in_schema():
                structs.update(_structs_of(handler))
    known = made.openapi_schema.components.schemas
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    return {name: described for name, described in components.items() if name in known}


def _structs_of(handler: HTTPRouteHandler) -> Iterator[Any]:
    """Yield what an operation takes and answers with."""
    answers = [spec.data_container for spec in (handler.responses or {}).values()]
    fields = [handler.parsed_data_field, handler.parsed_return_field]
    kinds = [*answers, *(field.annotation for field in fields if field is not None)]
    for kind in kinds:
        for one in (kind, *get_args(kind)):
            if isinstance(one, type) and issubclass(one, Struct):
                yield one


def _schema_of(described: dict[str, Any], shown: Any = None) -> Schema:
    """Return a JSON schema as the document's own object."""
    members: dict[str, Any] = {}
    for key, value in described.items():
        match key:
            case "properties":
                members["properties"] = {name: _part_of(one) for name, one in value.items()}
            case "anyOf" | "oneOf" | "allOf" | "prefixItems":
                members[_ATTRIBUTES[key]] = [_part_of(one) for one in value]
            case "items" | "additionalProperties":
                members[_ATTRIBUTES[key]] = _part_of(value) if isinstance(value, dict) else value
            case _:
                members[_ATTRIBUTES[key]] = value
    return Schema(**members, examples=[shown]) if shown is not None else Schema(**members)


def _part_of(described: dict[str, Any]) -> Schema | Reference:
    if "$ref" in described:
        return Reference(ref=described["$ref"], description=described.get("description"))
    return _schema_of(described)


def _operations(item: PathItem) -> Iterator[tuple[str, Operation]]:
    for method in ("get", "put", "post", "delete", "patch"):
        if (operation := getattr(item, method)) is not None:
            yield method, operation


def _say_that_it_takes_a_key(operation: Operation) -> None:
    meaning = "With the same key the same request is carried out once; its first answer is kept for 24 hours."
    key = Parameter(
        name=HEADER,
        param_in="header",
        description=meaning,
        schema=Schema(type=OpenAPIType.STRING, pattern=PATTERN),
    )
    operation.parameters = [*(operation.parameters or ()), key]
    schema = Reference(ref="#/components/schemas/Problem")
    for status, spec in problems_of(400, 409, 413, 422).items():
        (operation.responses or {}).setdefault(
            str(status),
            OpenAPIResponse(
                description=spec.description, content={PROBLEM_JSON: OpenAPIMediaType(schema=schema)}
            ),
        )


def _say_where_etags_are(item: PathItem) -> None:
    """What may be changed on a condition says what the condition is of."""
    operations = [operation for _, operation in _operations(item)]
    conditions = {
        one.name for each in operations for one in each.parameters or () if isinstance(one, Parameter)
    }
    if "If-Match" not in conditions:
        return
    header = OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description="For If-Match.")
    for operation in operations:
        for status, answer in (operation.responses or {}).items():
            if status in ("200", "201") and isinstance(answer, OpenAPIResponse):
                answer.headers = {**(answer.headers or {}), "ETag": header}


def _say_what_the_body_is(operation: Operation) -> None:
    """A body is one Struct; what Litestar wraps around it says nothing."""
    body = operation.request_body
    for media in body.content.values() if isinstance(body, RequestBody) else ():
        schema = media.schema
        if isinstance(schema, Schema) and schema.all_of is not None and len(schema.all_of) == 1:
            [media.schema] = schema.all_of
            media.example = example(schema.examples[0]) if schema.examples else None


def _show_problems(operation: Operation) -> None:
    for status, answer in (operation.responses or {}).items():
        content = getattr(answer, "content", None) or {}
        if PROBLEM_JSON in content:
            content[PROBLEM_JSON].example = problem_example(int(status))
