"""
A client program under test: it does what it is told, a line of JSON each, and tells what happens to it.

To it: {"do": "send", ...arguments}. From it: {"result": ...} or {"failed": "CredentialError", "text": ...} for
each line, in order, and {"event": "message", ...} whenever something comes.
"""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Any, Self

_ROOT = Path(__file__).parents[1]
_PATIENCE = 30.0


class RefusedError(Exception):
    """The SDK raised an error: `name` is its class, `text` what it says."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class Program:
    """One process; all that it says stays until it is asked for. `log` is where its standard error goes."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._answers: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._changed = Condition()
        self._ended = False
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def do(self, what: str, **arguments: Any) -> Any:
        """Return what an action gives; raises RefusedError with the SDK's own error."""
        self._tell({"do": what, **arguments})
        answer = self._taken(self._answers, lambda _: True, _PATIENCE, what)
        if "failed" in answer:
            raise RefusedError(answer["failed"], answer["text"])
        return answer["result"]

    def event(
        self, name: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True, seconds: float = 10
    ) -> dict[str, Any]:
        """Return the first event of a name that matches, and forget it; fails where none comes in time."""
        return self._taken(
            self._events, lambda event: event["event"] == name and matches(event), seconds, name
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name that have come and nobody has taken."""
        with self._changed:
            return [event for event in self._events if event["event"] == name]

    def close(self) -> None:
        """End the process: gently, for it says goodbye to the server, else at once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, asked: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise AssertionError(self._missing(asked["do"], 0)) from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._changed:
                (self._events if "event" in said else self._answers).append(said)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _taken(
        self,
        heap: list[dict[str, Any]],
        matches: Callable[[dict[str, Any]], bool],
        seconds: float,
        what: str,
    ) -> dict[str, Any]:
        deadline = monotonic() + seconds
        with self._changed:
            while True:
                found = next((said for said in heap if matches(said)), None)
                if found is not None:
                    heap.remove(found)
                    return found
                if self._ended or not self._changed.wait(deadline - monotonic()):
                    raise AssertionError(self._missing(what, seconds))

    def _missing(self, what: str, seconds: float) -> str:
        state = f"it ended before {what!r}" if self._ended else f"no {what!r} in {seconds:g} s"
        return f"{state}; untaken: {self._events}; it says:\n{self._log.read_text(errors='replace')[-3000:]}"
