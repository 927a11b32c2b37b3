"""The API does what its document says: schemathesis draws requests against the real service."""

import os
import subprocess
import sys
from pathlib import Path

from tests.serving import Serving
from tests.web.api.people import token_of

EXAMPLES = os.environ.get("FENCEPOST_EXAMPLES", "10")
SAME_DRAWS = () if "FENCEPOST_EXAMPLES" in os.environ else ("--seed", "1")
OWN = ("createToken", "revokeToken", "signIn", "signOut", "putPassword")
FEW = os.environ.get("FENCEPOST_EXAMPLES", "4")


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


def drawn(serving: Serving, folder: Path, token: str, examples: str, *more: str) -> None:
    """Let schemathesis draw requests; the endless stream has tests of its own."""
    command: list[str | Path] = [
        Path(sys.executable).parent / "schemathesis",
        *("--config-file", Path(__file__).parent / "schemathesis.toml"),
        *("run", f"{serving.url}/openapi/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--tls-verify", serving.folder / "tls" / "ca.pem"),
        *("--exclude-operation-id", "streamAlerts"),
        *("--max-examples", examples),
        *("--request-timeout", "60"),
        *SAME_DRAWS,
        *more,
        "--continue-on-failure",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.partition("FAILURES")[2][:3000] + done.stderr[-2000:]


def test_no_drawn_request_shows_anything_but_what_the_document_says(serving: Serving, tmp_path: Path) -> None:
    """All of schemathesis' checks, valid and invalid data, for whom everything is allowed."""
    token = serving.admin.headers["authorization"].removeprefix("Bearer ")
    drawn(serving, tmp_path, token, EXAMPLES, "--phases", "examples,coverage,fuzzing")


def test_no_drawn_request_of_a_viewer_is_our_fault_or_changes_anything(
    serving: Serving, tmp_path: Path
) -> None:
    paths = ("groups", "fleet", "suppressions", "users", "devices", "audit?limit=1")
    serving.admin.put("/v1/groups/seen", json={"rules": []}).raise_for_status()
    token = token_of(serving, ("viewer", None))["token"]
    before = [serving.admin.get(f"/v1/{path}").json() for path in paths]
    # what is their own they may change: their tokens
    own = [part for name in OWN for part in ("--exclude-operation-id", name)]
    drawn(serving, tmp_path, token, FEW, "--phases", "fuzzing", "--checks", "not_a_server_error", *own)
    assert [serving.admin.get(f"/v1/{path}").json() for path in paths] == before


def test_options_names_all_methods_of_a_path(serving: Serving) -> None:
    assert serving.admin.options("/v1/groups/x").headers["allow"] == "DELETE, GET, OPTIONS, PUT"
    assert serving.admin.options("/v1/alerts").headers["allow"] == "GET, OPTIONS"
