"""What all calls have in common: who calls, where, and in which version."""

import re
from pathlib import Path

import httpx2
import pytest
from tests.serving import Serving
from tests.web.azure.arm.calling import GROUPS, Arm, refusal

from fencepost.web.azure import iothub
from fencepost.web.azure.arm import OPERATIONS
from fencepost.web.azure.arm.errors import ArmError
from fencepost.web.azure.arm.routing import Router

PAGE = Path(__file__).parents[4] / "docs" / "azure-compatibility.md"


def test_without_a_token_nothing_is_told(serving: Serving, arm: Arm) -> None:
    answer = serving.stranger.get(arm.groups, params={"api-version": GROUPS})
    assert refusal(answer) == (401, "AuthenticationFailed")
    assert arm.place["tenant_id"] in answer.headers["WWW-Authenticate"]
    with serving.client("not-a-token") as client:
        answer = client.get(arm.groups, params={"api-version": GROUPS})
    assert refusal(answer) == (401, "InvalidAuthenticationToken")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_the_token_of_a_program_is_for_its_own_thing(serving: Serving, arm: Arm) -> None:
    for client in (serving.ingest, serving.metrics):
        answer = client.get(arm.groups, params={"api-version": GROUPS})
        assert refusal(answer) == (403, "AuthorizationFailed")


def test_a_call_says_its_version_and_errors_name_those_that_are_known(serving: Serving, arm: Arm) -> None:
    answer = serving.admin.get(arm.groups)
    assert refusal(answer) == (400, "MissingApiVersionParameter")
    for version in ("2020-01-01", "x", "2022-01-01"):
        answer = serving.admin.get(arm.groups, params={"api-version": version})
        assert refusal(answer) == (400, "NoRegisteredProviderFound")
        assert "'2019-08-01, 2017-08-01-preview'" in answer.json()["error"]["message"]
    for version in ("2017-08-01-preview", "2017-08-01-PREVIEW"):
        assert serving.admin.get(arm.groups, params={"api-version": version}).status_code == 200


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_paths_are_compared_without_case(arm: Arm, case: object) -> None:
    assert callable(case)
    assert arm.get(case(f"{arm.groups}/default"))["name"] == "default"
    assert arm.get(case(arm.alerts)) == {"value": []}


def test_slashes_more_or_less_make_no_difference(serving: Serving, arm: Arm) -> None:
    for path in (f"/{arm.groups}", f"//{arm.groups}/", arm.groups.replace("/providers", "//providers")):
        answer = serving.admin.get(f"{serving.url}{path}?api-version={GROUPS}")
        assert answer.status_code == 200, path


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        ("subscription_id", "SubscriptionNotFound"),
        ("resource_group", "ResourceGroupNotFound"),
        ("iothub_name", "ResourceNotFound"),
    ],
)
def test_what_is_somewhere_else_is_not_here(arm: Arm, ours: str, code: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        path = f"{arm.groups}/default".replace(arm.place[ours], "somewhere-else")
        assert refusal(arm.call(method, path, {})) == (404, code)


def test_there_is_one_location(arm: Arm) -> None:
    answer = arm.call("GET", arm.alerts.replace("/locations/local/", "/locations/westeurope/"))
    assert refusal(answer) == (404, "LocationNotFound")
    assert "'local'" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/providers/Microsoft.Compute/virtualMachines", "/providers/Microsoft.Security/alerts/x"],
)
def test_what_there_is_not_is_told_in_the_dialect(arm: Arm, path: str) -> None:
    assert refusal(arm.call("GET", f"{arm.subscription}{path}")) == (404, "InvalidResourceType")


def test_a_method_that_there_is_not_names_those_that_there_are(arm: Arm) -> None:
    answer = arm.call("PATCH", f"{arm.groups}/default", {})
    assert refusal(answer) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == "DELETE, GET, PUT"


def test_path_traversal_leads_nowhere(serving: Serving, arm: Arm) -> None:
    for name in ("..%2f..%2fv1%2fgroups", "%2e%2e%2fdefault", "a%00b"):
        answer = serving.admin.get(f"{serving.url}{arm.groups}/{name}?api-version={GROUPS}")
        assert answer.status_code == 404, name
        answer = serving.admin.put(f"{serving.url}{arm.groups}/{name}?api-version={GROUPS}", json={})
        assert answer.status_code in (400, 404), name


def test_a_body_that_is_too_large_is_refused(serving: Serving, arm: Arm) -> None:
    answer = serving.admin.put(
        f"{arm.groups}/large", params={"api-version": GROUPS}, content=b" " * ((8 << 20) + 1)
    )
    assert refusal(answer) == (413, "RequestContentTooLarge")


def test_microsoft_s_tools_find_the_subscription_and_its_group(arm: Arm) -> None:
    [subscription] = arm.listed("/subscriptions")
    assert subscription["id"] == arm.subscription
    assert arm.get(arm.subscription)["tenantId"] == arm.place["tenant_id"]
    assert arm.get(arm.resource_group)["location"] == "local"
    assert [one["id"] for one in arm.listed(f"{arm.subscription}/resourcegroups")] == [arm.resource_group]


def test_microsoft_s_tools_find_what_is_where_before_they_have_a_token(serving: Serving, arm: Arm) -> None:
    answer = serving.stranger.get("/metadata/endpoints", headers={"Host": "fence.example.com"}).json()
    assert answer["resourceManager"] == "https://fence.example.com/"
    assert answer["authentication"]["loginEndpoint"] == "https://fence.example.com/"
    assert answer["authentication"]["tenant"] == arm.place["tenant_id"]


def test_every_operation_is_found_by_its_own_path_and_method() -> None:
    router = Router(OPERATIONS)
    for one in OPERATIONS:
        path = re.sub(r"\{\w+\}", "some", one.path)
        assert router.find(one.method, path)[0] is one
    with pytest.raises(ArmError):
        router.find("GET", "/subscriptions/a/b/c/d")


def test_every_operation_is_in_the_page_of_compatibility() -> None:
    """The page writes `S`, `R`, `H`, `P` and `I` for the beginnings of paths, and says what they are."""
    page = PAGE.read_text(encoding="utf-8")
    plane = page.partition("## Azure Resource Manager")[2].partition("### ")[0]
    short = dict(re.findall(r"`([SRHPI])`\s+is\s+`([^`]+)`", plane))
    stated = re.findall(r"^\| `([A-Z]+) (\S+)` \| (?:yes|partly|no) \|", plane, re.MULTILINE)
    assert {(one.method, one.path) for one in OPERATIONS} == {
        (method, _whole(path, short)) for method, path in stated
    }


def test_every_call_of_the_hub_s_service_side_is_in_the_page_of_compatibility() -> None:
    calls = PAGE.read_text(encoding="utf-8").partition("## IoT Hub, for services")[2].partition("## ")[0]
    stated = set(re.findall(r"^\| `([A-Z]+) (/\S+)` \| (?:yes|partly) \|", calls, re.MULTILINE))
    served = {
        (str(method), re.sub(r"\{\w+:str\}", "{id}", path))
        for handler in iothub.HANDLERS
        for method in handler.http_methods
        for path in handler.paths
    }
    query = {("POST", "/devices/query"): ("POST", "/devices/{id}")}
    assert {query.get(call, call) for call in stated} == served


def _whole(path: str, short: dict[str, str]) -> str:
    """Return a path with what its letters stand for."""
    parts = [short.get(part, part) for part in path.split("/")]
    return "/".join(parts) if parts == path.split("/") else _whole("/".join(parts), short)


def test_every_page_of_the_plane_is_closed_to_the_public(serving: Serving, arm: Arm) -> None:
    for one in OPERATIONS:
        path = re.sub(r"\{\w+\}", "some", one.path)
        answer: httpx2.Response = serving.stranger.request(one.method, path, params={"api-version": GROUPS})
        assert answer.status_code == 401, one.path
