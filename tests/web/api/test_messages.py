"""The door for messages: what is taken, what is turned away, and that nothing else is disturbed."""

import socket
import ssl
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.said import call, message, process
from tests.serving import Serving, until
from tests.wire import threadx_builder as threadx

SETTINGS = {"http_request_timeout": "PT1S"}
CAM = "/v1/devices/cam-1/messages"


def post(
    serving: Serving, body: Any, media_type: str = "application/json", path: str = CAM, **more: Any
) -> Any:
    return serving.ingest.post(path, content=body, headers={"Content-Type": media_type, **more})


def test_one_message_is_taken_and_its_events_are_counted(serving: Serving) -> None:
    answer = post(serving, message(process("/bin/a"), call("198.51.100.7")))
    assert answer.status_code == 202
    assert answer.json() == {
        "messages": 1,
        "events": 2,
        "quarantined": 0,
        "turned_away": 0,
        "rejects": [],
        "rejects_total": 0,
    }


def test_of_many_messages_each_has_its_own_fate(serving: Serving) -> None:
    bad = message(call("not an address"), process("/bin/b"))
    body = b"\n".join([message(process("/bin/a")), b"{]", bad, b"", b"x" * 262_145])
    answer = post(serving, body, "application/x-ndjson").json()
    assert (answer["messages"], answer["events"]) == (3, 3)
    assert (answer["quarantined"], answer["turned_away"]) == (1, 1)
    assert [one["index"] for one in answer["rejects"]] == [1, 2, 3]
    assert answer["rejects"][1]["where"] == "Events[0].Payload[0].RemoteAddress"
    assert "262145 bytes" in answer["rejects"][2]["reason"]


def test_a_flatbuffers_message_is_taken_as_it_is(serving: Serving) -> None:
    answer = post(serving, threadx.message(threadx.event(0, threadx.process())), "application/octet-stream")
    assert answer.status_code == 202, answer.text
    assert answer.json()["quarantined"] == 0


def test_S31_what_cannot_be_decoded_is_in_quarantine_with_its_reason_and_body(serving: Serving) -> None:
    body = b'{"Events": 7, "mark": "quarantine"}'
    assert post(serving, body, path="/v1/devices/bad-1/messages").json()["quarantined"] == 1

    def row() -> Any:
        items = serving.admin.get("/v1/quarantine", params={"device_id": "bad-1"}).json()["items"]
        return items[0] if items else None

    found = until(row)
    assert (found["device_id"], found["whole"], found["size"]) == ("bad-1", True, len(body))
    assert "Events" in found["where"] + found["reason"]
    kept = serving.admin.get(f"/v1/quarantine/{found['position']}").json()
    assert b64decode(kept["body_base64"]) == body


def test_a_flood_of_refusals_in_one_message_is_kept_in_part_and_counted_in_full(serving: Serving) -> None:
    body = message(*(call("nowhere") for _ in range(300)))
    answer = post(serving, body, path="/v1/devices/flood-1/messages").json()
    assert answer["rejects_total"] == 300
    assert len(answer["rejects"]) == 100

    def rows() -> Any:
        return serving.admin.get("/v1/quarantine", params={"device_id": "flood-1"}).json()["items"]

    kept = until(rows)
    assert len(kept) == 20
    assert sum(one["more"] for one in kept) == 280
    device = serving.admin.get("/v1/devices/flood-1").json()
    tallies = {one["kind"]: one["count"] for one in device["tallies"]}
    assert tallies["rejected"] == 300


@pytest.mark.parametrize(("size", "status"), [(262_144, 202), (262_145, 413)])
def test_a_message_has_at_most_256_kib(serving: Serving, size: int, status: int) -> None:
    whole = message(process("/bin/x"))
    body = whole[:-1] + b" " * (size - len(whole)) + whole[-1:]
    answer = post(serving, body)
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the message has 262145 bytes, a message has at most 262144"


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(serving: Serving) -> None:
    answer = post(serving, b"x" * (9 << 20), "application/x-ndjson")
    assert answer.status_code == 413


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/xml", "multipart/form-data"])
def test_other_content_types_are_refused_with_the_ones_that_are_read(
    serving: Serving, media_type: str
) -> None:
    answer = post(serving, b"{}", media_type)
    assert answer.status_code == 415
    assert "application/x-ndjson" in answer.json()["detail"]


def test_a_compressed_body_is_refused_rather_than_taken_for_garbage(serving: Serving) -> None:
    answer = post(serving, b"\x1f\x8b", "application/json", **{"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["detail"]


def test_an_empty_body_is_no_message(serving: Serving) -> None:
    assert post(serving, b"\n \n", "application/x-ndjson").status_code == 400
    assert post(serving, b"").json()["rejects"] == [{"index": 0, "where": "", "reason": "empty body"}]


def test_without_the_right_token_nothing_is_taken(serving: Serving) -> None:
    body = message(process("/bin/a"))
    headers = {"Content-Type": "application/json"}
    missing = serving.stranger.post(CAM, content=body, headers=headers)
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"].startswith("Bearer")
    wrong = serving.stranger.post(CAM, content=body, headers={**headers, "Authorization": "Bearer fpi_x"})
    assert wrong.status_code == 401
    assert serving.metrics.post(CAM, content=body, headers=headers).status_code == 403
    assert serving.ingest.get("/v1/alerts").status_code == 403


@pytest.mark.parametrize("device_id", ["a b", "x" * 129, "é", "..%2F..%2Fetc"])
def test_an_id_that_no_device_can_have_is_refused(serving: Serving, device_id: str) -> None:
    answer = post(serving, message(process("/bin/a")), path=f"/v1/devices/{device_id}/messages")
    assert answer.status_code in (400, 404)


def raw(serving: Serving) -> ssl.SSLSocket:
    host, port = serving.url.removeprefix("https://").split(":")
    context: ssl.SSLContext = serving.context()
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host)


def head(serving: Serving, *lines: str) -> bytes:
    token = serving.ingest.headers["authorization"]
    every = (f"POST {CAM} HTTP/1.1", "Host: localhost", f"Authorization: {token}", *lines, "", "")
    return "\r\n".join(every).encode()


def test_a_chunked_body_that_never_ends_is_ended_by_us(serving: Serving) -> None:
    with raw(serving) as stream:
        stream.sendall(head(serving, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        stream.sendall(b"5\r\n{    \r\n")
        began = datetime.now(UTC)
        assert stream.recv(100).startswith(b"HTTP/1.1 408")
        assert (datetime.now(UTC) - began).total_seconds() < 10
        while stream.recv(4096):
            pass  # the connection is closed: what still comes is nobody's


def test_a_client_that_never_ends_its_head_is_cut_off(serving: Serving) -> None:
    with raw(serving) as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert stream.recv(100) == b""


def test_a_head_without_end_is_refused_by_its_size(serving: Serving) -> None:
    with raw(serving) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        stream.sendall(b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n")
        assert stream.recv(100).startswith(b"HTTP/1.1 431")


def test_what_is_no_http_is_answered_with_400(serving: Serving) -> None:
    with raw(serving) as stream:
        stream.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert b" 400 " in stream.recv(200)


def test_a_thousand_tiny_requests_on_one_connection(serving: Serving) -> None:
    for _ in range(1000):
        assert serving.stranger.get("/healthz").status_code == 200


def test_an_expected_continue_is_answered(serving: Serving) -> None:
    body = message(process("/bin/a"))
    with raw(serving) as stream:
        stream.sendall(
            head(
                serving,
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                "Expect: 100-continue",
            )
        )
        assert stream.recv(100).startswith(b"HTTP/1.1 100")
        stream.sendall(body)
        assert stream.recv(100).startswith(b"HTTP/1.1 202")


def test_refused_requests_are_counted(serving: Serving) -> None:
    def counted(reason: str) -> float:
        return serving.figure(f'fencepost_refused_requests_total{{reason="{reason}"}}')

    before = {reason: counted(reason) for reason in ("unauthorized", "too_large", "timeouts")}
    serving.stranger.post(CAM, content=b"{}")
    post(serving, b"x" * 262_145)
    with raw(serving) as stream:
        stream.sendall(head(serving, "Content-Type: application/json", "Content-Length: 9"))
        assert stream.recv(100).startswith(b"HTTP/1.1 408")
    assert {reason: counted(reason) - number for reason, number in before.items()} == dict.fromkeys(before, 1)
