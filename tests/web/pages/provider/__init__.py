"""A real OpenID provider, oidc-provider of npm, on loopback."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
from tests.installing import installed_node

HERE = Path(__file__).parent
SITE = "https://fencepost.example"
CLIENT: dict[str, Any] = {
    "client_id": "fencepost",
    "client_secret": "a-secret-that-both-know",
    "redirect_uris": [f"{SITE}/sign-in/callback"],
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
}
MOST_STEPS = 20


class RealProvider:
    """One provider; `start` it again after `stop`, and it has other keys at the same address."""

    def __init__(self, accounts: dict[str, dict[str, Any]]) -> None:
        self._modules = installed_node(HERE / "package.json")
        self._accounts = accounts
        self._port = 0
        self.start()

    def start(self) -> None:
        told = {
            "modules": str(self._modules),
            "port": self._port,
            "client": CLIENT,
            "accounts": self._accounts,
        }
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", str(HERE / "provider.mjs"), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer: str = json.loads(self._process.stdout.readline())["issuer"]
        self._port = int(self.issuer.rpartition(":")[2])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def vouch(self, url: str, account: str) -> str:
        """Return where the provider sends a person who signs in there, and lets us know what we ask for."""
        with httpx2.Client(timeout=30) as person:
            answer = person.get(url)
            for _ in range(MOST_STEPS):
                if answer.is_redirect:
                    onward = urljoin(str(answer.url), answer.headers["location"])
                    if onward.startswith(SITE):
                        return onward
                    answer = person.get(onward)
                else:
                    address, said = _filled_in(answer, account)
                    answer = person.post(address, data=said)
        raise AssertionError(answer.text)


def _filled_in(page: httpx2.Response, account: str) -> tuple[str, dict[str, str]]:
    """Return where a form of the provider goes, and what it says: whoever asks for a password gets one."""
    action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
    assert action is not None, page.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', page.text))
    said = {**hidden, "login": account, "password": "any"}
    return urljoin(str(page.url), unescape(action[1])), said
