"""What the README shows is what one gets."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_terminal_session_of_the_readme_is_real() -> None:
    readme = (ROOT / "README.md").read_text()
    session = re.search(r"```console\n(.*?)```", readme, re.DOTALL)
    assert session is not None
    environment = {**os.environ, "COLUMNS": "118"}
    for told in session[1].split("$ fencepost ")[1:]:
        command, _, shown = told.partition("\n")
        done = subprocess.run(
            [sys.executable, "-m", "fencepost", *command.split()],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        printed = {line.rstrip() for line in (done.stdout + done.stderr).splitlines()}
        expected = [line.rstrip() for line in shown.splitlines() if line.strip() and line != "..."]
        assert expected
        assert [line for line in expected if line not in printed] == []


def test_every_page_that_the_readme_links_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", readme)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
