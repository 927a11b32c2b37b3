"""A running service, as its owner's programs see it in the words of Azure Resource Manager."""

import json
from collections.abc import Sequence
from typing import Any

import httpx2
from tests.serving import Serving

GROUPS, ALERTS, SUPPRESSIONS, SOLUTIONS = "2019-08-01", "2022-01-01", "2019-01-01-preview", "2019-08-01"
SECURITY = "/providers/Microsoft.Security"


class Arm:
    """The ARM dialect of a service, called with the administrator's token or another."""

    def __init__(self, serving: Serving, token: str | None = None) -> None:
        self.serving = serving
        self.place: dict[str, str] = json.loads((serving.folder / "identity.json").read_text())
        self._client = serving.admin if token is None else serving.client(token)
        self._others: list[httpx2.Client] = []

    def close(self) -> None:
        """Let go of those who were somebody else."""
        for client in self._others:
            client.close()

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.place['subscription_id']}"

    @property
    def resource_group(self) -> str:
        return f"{self.subscription}/resourceGroups/{self.place['resource_group']}"

    @property
    def hub(self) -> str:
        return f"{self.resource_group}/providers/Microsoft.Devices/IotHubs/{self.place['iothub_name']}"

    @property
    def groups(self) -> str:
        return f"{self.hub}{SECURITY}/deviceSecurityGroups"

    @property
    def alerts(self) -> str:
        return f"{self.resource_group}{SECURITY}/locations/{self.place['location']}/alerts"

    @property
    def suppressions(self) -> str:
        return f"{self.subscription}{SECURITY}/alertsSuppressionRules"

    @property
    def solutions(self) -> str:
        return f"{self.resource_group}{SECURITY}/iotSecuritySolutions"

    @property
    def workspace(self) -> str:
        return f"{self.resource_group}/providers/Microsoft.OperationalInsights/workspaces/w"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        """Call an operation in the version of its resource."""
        version = _version_of(path)
        asked = {"api-version": version, **{name.replace("_", "$"): value for name, value in query.items()}}
        return self._client.request(method, path, params=asked, json=body)

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query).raise_for_status().json()

    def listed(self, path: str, **query: Any) -> list[Any]:
        """Return all items of a list, page by page."""
        body = self.get(path, **query)
        items = body["value"]
        while "nextLink" in body:
            body = self._client.get(body["nextLink"]).raise_for_status().json()
            items += body["value"]
        return list(items)

    def as_other(self, name: str, *grants: tuple[str, str | None]) -> "Arm":
        """Return the same for somebody else, with these roles, each with its group or None for everything."""
        other = Arm(self.serving, self.token(name, grants))
        self._others.append(other._client)
        return other

    def token(self, name: str, grants: Sequence[tuple[str, str | None]]) -> str:
        wanted = {"name": name, "grants": [{"role": role, "group": group} for role, group in grants]}
        answer = self.serving.admin.post("/v1/tokens", json=wanted).raise_for_status()
        return str(answer.json()["token"])


def _version_of(path: str) -> str:
    if "/alertssuppressionrules" in path.lower():
        return SUPPRESSIONS
    is_of_alerts = "/alerts" in path.lower() and "/iotsecuritysolutions" not in path.lower()
    return ALERTS if is_of_alerts else GROUPS


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return answer.status_code, answer.json()["error"]["code"]


def problems(answer: httpx2.Response) -> dict[str, str]:
    """Return what is wrong with a body, by path."""
    assert answer.status_code == 400, answer.text
    return {one["target"]: one["message"] for one in answer.json()["error"]["details"]}
