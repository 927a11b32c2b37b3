"""What docs/azure-compatibility.md shows to be copied runs as it stands, on the clients themselves."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.azure.arm.calling import Arm
from tests.web.azure.clients.owners import CLIENTS, Client

PAGE = Path(__file__).parents[4] / "docs" / "azure-compatibility.md"
LANGUAGES = {"python": "python", "node": "js"}


@pytest.fixture(scope="module", autouse=True)
def happened(serving: Serving) -> None:
    rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
    serving.admin.put("/v1/groups/default", json={"rules": rules}).raise_for_status()
    serving.send("cam-1", message(process("/opt/miner"))).raise_for_status()
    until(serving.alerts, 30)


def shown(language: str) -> str:
    """Return the one block of a language."""
    [block] = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(block)


@pytest.mark.parametrize("client", CLIENTS, ids=str)
@pytest.mark.parametrize("way", ["token", "secret"])
def test_what_the_page_shows_runs(
    client: Client, way: str, serving: Serving, arm: Arm, placed: Callable[[Client], Path], tmp_path: Path
) -> None:
    place = placed(client)
    environment = variables(serving, arm)
    if way == "secret":
        wanted = {"name": f"page-{client}", "grants": [{"role": "administrator"}]}
        made = serving.admin.post("/v1/tokens", json=wanted).raise_for_status().json()
        environment |= {"CLIENT_ID": made["token_id"], "CLIENT_SECRET": made["token"], "FENCEPOST_TOKEN": ""}
    script = tmp_path / "shown"
    script.write_text(shown(LANGUAGES[client.language]), encoding="utf-8")
    if client.language == "python":
        command = [str(place), str(script)]
    else:
        command = [shutil.which("node") or "node", str(script)]
        environment |= {"NODE_PATH": str(place), "NODE_EXTRA_CA_CERTS": environment["FENCEPOST_CA"]}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    group, alert = done.stdout.splitlines()
    assert group.startswith("group default")
    assert "ProcessNotAllowed" in group
    assert alert.startswith("alert Custom alert - start of a process that is not allowed cam-1 Active")


def variables(serving: Serving, arm: Arm) -> dict[str, str]:
    """Return what the page has people export."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(serving.folder.parent),
        "LANG": "C.UTF-8",
        "FENCEPOST_URL": serving.url,
        "FENCEPOST_CA": str(serving.folder / "tls" / "ca.pem"),
        "FENCEPOST_TOKEN": serving.admin.headers["Authorization"].removeprefix("Bearer "),
        "SUBSCRIPTION": arm.place["subscription_id"],
        "TENANT": arm.place["tenant_id"],
        "RESOURCE_GROUP": arm.place["resource_group"],
        "HUB": arm.hub,
    }
