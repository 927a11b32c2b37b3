"""A request that comes again with its key is not carried out again."""

import threading
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody, token_of

from fencepost.store.control import ControlStore
from fencepost.web.api.idempotency import fingerprint_of


@pytest.fixture(scope="module", autouse=True)
def group(serving: Serving) -> None:
    rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
    serving.admin.put("/v1/groups/all", json={"members": {"globs": ["*"]}, "rules": rules}).raise_for_status()


def opened(serving: Serving, device_id: str) -> str:
    serving.send(device_id, message(process("/opt/x")))
    return f"/v1/alerts/{until(lambda: serving.alerts(device_id=device_id))[0]['alert_id']}"


def post(client: httpx2.Client, path: str, key: str, **body: Any) -> httpx2.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def comments(serving: Serving, alert: str) -> list[str]:
    history = serving.admin.get(alert).json()["history"]
    return [step["comment"] for step in history if step["action"] == "comment"]


def test_the_same_request_with_the_same_key_has_the_first_answer_and_is_carried_out_once(
    serving: Serving,
) -> None:
    alert = opened(serving, "again")
    first = post(serving.admin, f"{alert}/comments", "k-1", comment="once")
    again = post(serving.admin, f"{alert}/comments", "k-1", comment="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert comments(serving, alert) == ["once"]


def test_another_request_with_the_same_key_is_refused(serving: Serving) -> None:
    alert = opened(serving, "another")
    post(serving.admin, f"{alert}/comments", "k-2", comment="once").raise_for_status()
    for path, body in (
        (f"{alert}/comments", {"comment": "twice"}),
        (f"{alert}/resolve", {"comment": "once"}),
    ):
        assert post(serving.admin, path, "k-2", **body).status_code == 422
    assert comments(serving, alert) == ["once"]
    assert serving.admin.get(alert).json()["alert"]["state"] == "Active"


def test_a_key_is_its_senders_own(serving: Serving) -> None:
    alert = opened(serving, "own")
    post(serving.admin, f"{alert}/comments", "k-3", comment="mine").raise_for_status()
    with somebody(serving, ("analyst", None)) as anna:
        assert post(anna, f"{alert}/comments", "k-3", comment="hers").status_code == 201
    assert comments(serving, alert) == ["mine", "hers"]


def test_a_refusal_is_an_answer_too(serving: Serving) -> None:
    alert = opened(serving, "refused")
    post(serving.admin, f"{alert}/resolve", "k-4a").raise_for_status()
    first = post(serving.admin, f"{alert}/dismiss", "k-4")
    post(serving.admin, f"{alert}/activate", "k-4b").raise_for_status()
    again = post(serving.admin, f"{alert}/dismiss", "k-4")
    assert (first.status_code, again.status_code, again.content) == (409, 409, first.content)
    assert again.headers["content-type"] == "application/problem+json"
    assert serving.admin.get(alert).json()["alert"]["state"] == "Active"


def test_answers_outlive_the_service(serving: Serving) -> None:
    alert = opened(serving, "durable")
    first = post(serving.admin, f"{alert}/comments", "k-5", comment="once")
    serving.kill()
    serving.start()
    again = post(serving.admin, f"{alert}/comments", "k-5", comment="once")
    assert (again.status_code, again.content) == (201, first.content)
    assert comments(serving, alert) == ["once"]


def test_many_at_once_are_carried_out_once(serving: Serving) -> None:
    alert = opened(serving, "crowd")
    answers: list[httpx2.Response] = []

    def ask() -> None:
        with serving.client(serving.admin.headers["authorization"].removeprefix("Bearer ")) as client:
            answers.append(post(client, f"{alert}/comments", "k-6", comment="once"))

    crowd = [threading.Thread(target=ask) for _ in range(12)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert comments(serving, alert) == ["once"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "\u00e9"])
def test_a_key_has_visible_characters_and_not_too_many(serving: Serving, key: str) -> None:
    alert = opened(serving, "keys")
    answer = serving.admin.post(
        f"{alert}/comments", json={"comment": "x"}, headers={b"Idempotency-Key": key.encode("latin-1")}
    )
    assert (answer.status_code, answer.json()["problems"][0]["path"]) == (400, "Idempotency-Key")


def test_what_is_kept_has_a_bound(serving: Serving) -> None:
    body = {"action": "resolve", "alert_ids": ["x" * 90] * 1000}
    assert post(serving.admin, "/v1/alerts/actions", "k-7", **body).status_code == 413
    assert serving.admin.post("/v1/alerts/actions", json=body).status_code == 200


def test_a_secret_is_in_the_first_answer_only_and_is_not_kept(serving: Serving) -> None:
    body = {"name": "keyed", "grants": [{"role": "viewer"}]}
    first = post(serving.admin, "/v1/tokens", "k-8", **body)
    assert first.status_code == 201
    again = post(serving.admin, "/v1/tokens", "k-8", **body)
    assert again.status_code == 409
    assert first.json()["token"] not in again.text
    made = [one for one in serving.admin.get("/v1/tokens").json()["items"] if one["name"] == "keyed"]
    assert len(made) == 1
    serving.stop()
    stored = b"".join(file.read_bytes() for file in serving.folder.rglob("*.db*") if file.is_file())
    serving.start()
    assert stored
    assert first.json()["token"].encode() not in stored


def test_whoever_is_not_let_in_leaves_no_key_behind(serving: Serving) -> None:
    alert = opened(serving, "closed")
    made = token_of(serving, ("viewer", None))
    with serving.client(made["token"]) as viewer:
        assert post(viewer, f"{alert}/comments", "k-9", comment="x").status_code == 403
        assert post(viewer, f"{alert}/comments", "k-9", comment="y").status_code == 403
    assert post(serving.stranger, f"{alert}/comments", "k-9", comment="x").status_code == 401


def test_messages_and_what_only_reads_know_no_keys(serving: Serving) -> None:
    headers = {"Idempotency-Key": "k-10"}
    for number in range(2):
        body = message(process(f"/opt/{number}"))
        sent = serving.ingest.post(
            "/v1/devices/keyed-1/messages",
            content=body,
            headers={**headers, "Content-Type": "application/json"},
        )
        assert sent.status_code == 202
    assert serving.admin.get("/v1/groups", headers=headers).status_code == 200
    serving.settle()
    assert len(serving.alerts(device_id="keyed-1")) == 2


def test_whoever_was_cut_off_by_a_crash_is_told_to_look_and_nothing_is_done_twice(serving: Serving) -> None:
    alert = opened(serving, "crashed")
    body = b'{"comment": "perhaps"}'
    serving.stop()
    with ControlStore.open(f"sqlite:///{serving.folder / 'control.db'}") as store:
        grants = b'[{"role":"administrator","group":null}]'
        place = fingerprint_of(f"{alert}/comments", "", grants + body)
        assert store.begin_answer("token/administrator", "k-11", place, datetime.now(UTC)) is None
    serving.start()
    headers = {"Idempotency-Key": "k-11", "Content-Type": "application/json"}
    answer = serving.admin.post(f"{alert}/comments", content=body, headers=headers)
    assert (answer.status_code, "look whether it is done" in answer.json()["detail"]) == (409, True)
    assert comments(serving, alert) == []


def test_an_answer_is_not_for_another_of_the_same_name_who_may_something_else(serving: Serving) -> None:
    alert = opened(serving, "renamed")
    named = {"name": "twice-there", "grants": [{"role": "analyst", "group": "all"}]}
    first = serving.admin.post("/v1/tokens", json=named).raise_for_status().json()
    with serving.client(first["token"]) as program:
        assert post(program, f"{alert}/comments", "k-same", comment="first").status_code == 201
    serving.admin.delete(f"/v1/tokens/{first['token_id']}").raise_for_status()
    named["grants"] = [{"role": "analyst", "group": "others"}]
    second = serving.admin.post("/v1/tokens", json=named).raise_for_status().json()
    with serving.client(second["token"]) as program:
        answer = post(program, f"{alert}/comments", "k-same", comment="first")
    assert answer.status_code == 422
    assert "renamed" not in answer.text
