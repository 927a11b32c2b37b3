"""How a program under test is spoken with: lines of JSON, as tests/program.py sends them."""

import json
import sys
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

_lock = Lock()


def tell(**said: Any) -> None:
    """Say something, from any thread; bytes are said as text, what is no JSON as its own words."""
    line = json.dumps(said, default=_in_words)
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def converse(actions: Mapping[str, Callable[..., Any]]) -> None:
    """Do what is asked, one after the other, until nobody asks any more."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            result = actions[asked.pop("do")](**asked)
        except Exception as error:  # noqa: BLE001 - the test wants to see it
            tell(failed=type(error).__name__, text=_chain(error))
        else:
            tell(result=result)


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "; from ".join(texts)


def _in_words(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
