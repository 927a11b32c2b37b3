"""What is wrong with a body is said in words that its sender can use."""

import json
from typing import Any

import pytest
from litestar import Request
from litestar.exceptions import ValidationException

from fencepost.web.api.problems import on_http


@pytest.mark.parametrize(
    ("key", "message", "path", "reason"),
    [
        ("data", "Object missing required field `reason`", "reason", "this is missing"),
        ("rules[0]", "Object missing required field `type`", "rules[0].type", "this is missing"),
        ("data", "Object contains unknown field `roles`", "roles", "there is no such member"),
        ("password", "Expected `str` of length >= 12", "password", "this has at least 12 characters"),
        ("text", "Expected `str` of length <= 128", "text", "this has at most 128 characters"),
        (
            "grants[0].role",
            "Invalid enum value 'view'",
            "grants[0].role",
            "'view' is none of the words that can stand here: the reference has them",
        ),
        ("states", "Expected `str`, got `int`", "state", "Expected `str`, got `int`"),
        ("data", "Expected `object`, got `array`", "", "Expected `object`, got `array`"),
    ],
)
def test_what_does_not_fit_has_a_path_and_plain_words(key: str, message: str, path: str, reason: str) -> None:
    request: Request[Any, Any, Any] = Request({"type": "http"})  # type: ignore[arg-type]
    error = ValidationException("it does not fit", extra=[{"key": key, "message": message}])
    answer = json.loads(on_http(request, error).content)
    assert answer["problems"] == [{"path": path, "reason": reason}]
    assert answer["detail"] == (f"{path}: {reason}" if path else reason)
