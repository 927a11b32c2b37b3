"""
Sets folders up in processes that are killed: `killed.py FOLDER step|time`, one folder below it for each death.

`step` kills before the first, the second, ... thing that is done to the file system, until one process lives;
`time` kills twelve at random instants.
"""

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from fencepost.setup.installation import prepare

DONE_TO_FILES = ("open", "os.", "fcntl.", "shutil.")


def set_up(folder: Path) -> None:
    prepare(folder, ["a.example"], lambda: datetime.now(UTC), settings="# settings\n")


def forked(folder: Path, deadly_step: int | None) -> int:
    """Return the id of a process that sets the folder up."""
    process = os.fork()
    if process == 0:
        steps = 0

        def count(event: str, _: object) -> None:
            nonlocal steps
            if event.startswith(DONE_TO_FILES):
                steps += 1
                if steps == deadly_step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        set_up(folder)
        os._exit(0)
    return process


def is_killed(process: int) -> bool:
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def by_step(root: Path) -> None:
    step = 1
    while is_killed(forked(root / f"{step:03}", step)):
        step += 1


def by_time(root: Path) -> None:
    begun = time.perf_counter()
    set_up(root / "undisturbed")
    taken = time.perf_counter() - begun
    for number in range(12):
        process = forked(root / f"{number:03}", None)
        time.sleep(random.uniform(0, taken))  # noqa: S311 - an instant, not a secret
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


if __name__ == "__main__":
    {"step": by_step, "time": by_time}[sys.argv[2]](Path(sys.argv[1]))
