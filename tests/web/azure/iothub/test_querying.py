"""`POST /devices/query`: the twins that a query asks for, page by page."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey
from fencepost.service.registry import Draft, Wanted
from fencepost.web.azure.iothub import querying

ASKED = "SELECT * FROM devices WHERE "
FLEET = 450


@pytest.fixture(scope="module", autouse=True)
def _fleet(standing: Standing) -> None:
    """More devices than one piece of the registry holds."""
    drafts = [
        Wanted(Draft(key=IdentityKey(f"dev-{number:03}")), {"number": number, "even": number % 2 == 0})
        for number in range(FLEET)
    ]
    assert standing.run(standing.registry.create_many(drafts, "test")) == []


def ask(standing: Standing, query: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return standing.owner.post("/devices/query", json={"query": query}, headers=named)


def pages(standing: Standing, query: str, size: int) -> Iterator[list[dict[str, Any]]]:
    asked = {"x_ms_max_item_count": str(size)}
    while True:
        answer = ask(standing, query, **asked)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        if "x-ms-continuation" not in answer.headers:
            return
        asked["x_ms_continuation"] = answer.headers["x-ms-continuation"]


def test_all_twins_come_page_by_page_each_once(standing: Standing) -> None:
    found = list(pages(standing, "SELECT * FROM devices", 70))
    assert [len(page) for page in found] == [70] * 6 + [30]
    assert [twin["deviceId"] for page in found for twin in page] == [
        f"dev-{number:03}" for number in range(FLEET)
    ]


@pytest.mark.parametrize("size", [1, 7, 200, 1000])
def test_a_condition_goes_through_all_of_them(standing: Standing, size: int) -> None:
    query = "SELECT deviceId, tags.number AS n FROM devices WHERE tags.even = true AND tags.number >= 400"
    rows = [row for page in pages(standing, query, size) for row in page]
    assert rows == [{"deviceId": f"dev-{number}", "n": number} for number in range(400, FLEET, 2)]


def test_whole_twins_are_as_they_are_read_one_by_one(standing: Standing) -> None:
    answer = ask(standing, "SELECT * FROM devices WHERE deviceId = 'dev-007'")
    assert answer.headers["x-ms-item-type"] == "Twin"
    assert "x-ms-continuation" not in answer.headers
    assert answer.json() == [standing.owner.get("/twins/dev-007").json()]


def test_columns_are_raw(standing: Standing) -> None:
    answer = ask(standing, "SELECT deviceId FROM devices WHERE deviceId IN ['dev-001', 'dev-002']")
    assert answer.headers["x-ms-item-type"] == "Raw"
    assert answer.json() == [{"deviceId": "dev-001"}, {"deviceId": "dev-002"}]


def test_twins_are_counted(standing: Standing) -> None:
    answer = ask(standing, "SELECT COUNT() AS number FROM devices WHERE tags.even = false")
    assert answer.headers["x-ms-item-type"] == "Raw"
    assert answer.json() == [{"number": FLEET // 2}]


def test_modules_are_asked_for_apart(standing: Standing) -> None:
    query = (
        "SELECT * FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND startswith(deviceId, 'dev-44')"
    )
    (found,) = pages(standing, query, 100)
    assert [twin["deviceId"] for twin in found] == [f"dev-44{number}" for number in range(10)]
    assert found[0] == standing.owner.get("/twins/dev-440/modules/azureiotsecurity").json()


def test_what_an_identity_says_can_be_asked_for(standing: Standing) -> None:
    standing.connect(IdentityKey("dev-100"), Connected())
    standing.owner.post("/devices/dev-101/messages/devicebound", content=b"x")
    standing.owner.put("/devices/dev-102", json={"status": "disabled"}, headers={"If-Match": "*"})
    for condition, device_id in (
        ("connectionState = 'Connected'", "dev-100"),
        ("cloudToDeviceMessageCount > 0", "dev-101"),
        ("CLOUDTODEVICEMESSAGECOUNT IN [1]", "dev-101"),
        ("status = 'disabled' AND authenticationType = 'sas' AND NOT capabilities.iotEdge", "dev-102"),
    ):
        (found,) = pages(standing, ASKED + condition, 100)
        assert [twin["deviceId"] for twin in found] == [device_id], condition
    counts = ask(
        standing, "SELECT cloudToDeviceMessageCount AS n FROM devices WHERE deviceId='dev-101'"
    ).json()
    assert counts == [{"n": 1}]
    assert (
        ask(standing, "SELECT * FROM devices WHERE deviceId = 'dev-101'").json()[0][
            "cloudToDeviceMessageCount"
        ]
        == 1
    )


def test_a_page_goes_on_where_it_ended_though_the_device_is_gone(standing: Standing) -> None:
    query = "SELECT deviceId FROM devices WHERE startswith(deviceId, 'dev-2')"
    first = ask(standing, query, x_ms_max_item_count="3")
    assert [row["deviceId"] for row in first.json()] == ["dev-200", "dev-201", "dev-202"]
    standing.owner.delete("/devices/dev-202")
    standing.owner.delete("/devices/dev-204")
    second = ask(
        standing, query, x_ms_max_item_count="3", x_ms_continuation=first.headers["x-ms-continuation"]
    )
    assert [row["deviceId"] for row in second.json()] == ["dev-203", "dev-205", "dev-206"]


def test_a_page_has_a_hundred_rows_where_nobody_asks_for_a_number(standing: Standing) -> None:
    for number in ("", "0", "x", "-5", "99999"):
        answer = ask(standing, "SELECT * FROM devices", x_ms_max_item_count=number)
        assert len(answer.json()) == 100, number


def test_a_page_is_bounded_in_bytes(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querying, "LARGEST", 1000)
    answer = ask(standing, "SELECT * FROM devices")
    assert 0 < len(answer.json()) < 5
    assert "x-ms-continuation" in answer.headers


@pytest.mark.parametrize("query", ["SELECT * FROM devices", "SELECT COUNT() FROM devices"])
def test_others_have_their_turn_while_a_costly_condition_is_looked_at(
    standing: Standing, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    looked_at, turns = 0, set()

    async def count() -> None:
        while True:
            turns.add(looked_at)
            await asyncio.sleep(0)

    def costly(*_: Any) -> bool:
        nonlocal looked_at
        looked_at += 1
        return False

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(count())

    async def end(task: asyncio.Task[None]) -> None:
        task.cancel()

    monkeypatch.setattr(querying, "TURN", -1.0)
    monkeypatch.setattr(querying, "holds", costly)
    task = standing.run(begin())
    answer = ask(standing, query)
    standing.run(end(task))
    assert answer.status_code == 200
    assert len(turns) > FLEET / 2


@pytest.mark.parametrize(
    "continuation",
    [
        "x",
        "ü".encode().decode("latin-1"),
        urlsafe_b64encode(b"[]").decode(),
        urlsafe_b64encode(b'["0123456789abcdef", null, null]').decode(),
        "A" * 5000,
    ],
)
def test_a_continuation_of_something_else_is_refused(standing: Standing, continuation: str) -> None:
    answer = standing.owner.post(
        "/devices/query",
        json={"query": "SELECT * FROM devices"},
        headers=[(b"x-ms-continuation", continuation.encode("latin-1"))],
    )
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "ArgumentInvalid")


def test_a_continuation_of_another_query_is_refused(standing: Standing) -> None:
    token = ask(standing, "SELECT * FROM devices").headers["x-ms-continuation"]
    assert ask(standing, "SELECT * FROM devices.modules", x_ms_continuation=token).status_code == 400


def test_a_continuation_that_is_bent_is_refused(standing: Standing) -> None:
    """The place in the registry is checked there, too."""
    query = "SELECT * FROM devices"
    place = querying._read(None, query)
    bent = querying._written(querying.Place(place.of_query, "nowhere", None))
    answer = ask(standing, query, x_ms_continuation=bent)
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "ArgumentInvalid")


def test_a_query_that_is_not_understood_is_said_with_its_place(standing: Standing) -> None:
    answer = ask(standing, "SELECT * FROM jobs")
    assert answer.status_code == 400
    assert answer.json()["Message"] == (
        "ErrorCode:ArgumentInvalid;the query cannot be understood: "
        "there are the collections devices and devices.modules, at character 15"
    )


@pytest.mark.parametrize("body", [{}, {"query": 5}, {"query": None}, []])
def test_a_body_without_a_query_is_refused(standing: Standing, body: Any) -> None:
    assert standing.owner.post("/devices/query", json=body).status_code == 400


def test_only_query_can_be_posted_to(standing: Standing) -> None:
    answer = standing.owner.post("/devices/dev-001", json={"query": "SELECT * FROM devices"})
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (405, "GenericMethodNotAllowed")
