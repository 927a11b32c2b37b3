"""A new fencepost.toml: every setting with its meaning and its default, as comments."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from fencepost.config.service import KEYS, SECTIONS
from fencepost.config.setting import size_text, span_text

_HEAD = """\
# The settings of Fencepost. A line that is commented out states a default: take its # away and change it.
# Sizes are written as in "64MiB", durations in ISO 8601, as in "PT30S". Relative paths begin at this file.
# A variable such as FENCEPOST_HTTP_PORT wins over what stands here.
"""


def settings_text() -> str:
    """Return the text, made from the declarations of the settings."""
    return "\n".join([_HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for section, fields in KEYS.items():
        yield f"# {_first_line(SECTIONS[section].__doc__)}"
        yield f"[{section}]"
        for name, field in fields.items():
            meaning = get_args(field.type)[1].meaning
            yield f"# {meaning}"
            yield f"#{name} = {_written(name, field.default)}"
        yield ""


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _written(name: str, value: Any) -> str:
    if isinstance(value, timedelta):
        value = span_text(value)
    if name.endswith("_bytes"):
        value = size_text(value)
    return json.dumps(str(value) if isinstance(value, Path) else value)
