"""The API does what its document says: schemathesis draws requests against the real service."""

import os
import subprocess
import sys
from pathlib import Path

from tests.serving import Serving

EXAMPLES = os.environ.get("FENCEPOST_EXAMPLES", "25")


def test_the_document_is_served_and_says_of_every_operation_what_it_does(serving: Serving) -> None:
    document = serving.stranger.get("/openapi/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {one["operationId"] for one in operations} >= {
        "sendMessages",
        "listAlerts",
        "putGroup",
        "streamAlerts",
    }
    assert all(one["summary"] and one["description"] for one in operations)


def test_no_drawn_request_shows_anything_but_what_the_document_says(serving: Serving, tmp_path: Path) -> None:
    """All of schemathesis' checks, valid and invalid data; the endless stream has tests of its own."""
    token = serving.admin.headers["authorization"]
    command: list[str | Path] = [
        Path(sys.executable).parent / "schemathesis",
        *("--config-file", Path(__file__).parent / "schemathesis.toml"),
        *("run", f"{serving.url}/openapi/openapi.json"),
        *("--header", f"Authorization: {token}"),
        *("--tls-verify", serving.folder / "tls" / "ca.pem"),
        *("--exclude-operation-id", "streamAlerts"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", EXAMPLES),
        "--continue-on-failure",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.partition("FAILURES")[2][:3000] + done.stderr[-2000:]


def test_options_names_all_methods_of_a_path(serving: Serving) -> None:
    assert serving.admin.options("/v1/groups/x").headers["allow"] == "DELETE, GET, OPTIONS, PUT"
    assert serving.admin.options("/v1/alerts").headers["allow"] == "GET, OPTIONS"
